#include "base/options.h"
#include "gateway/commands.h"
#include "gateway/config_starter.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char no_variables[] =
    "unbusy init: set DEEPSEEK_API_KEY, or OPENAI_API_KEY and OPENAI_BASE_URL, and call it again\n";

static bool write_all(int fd, struct ub_slice text)
{
    while (text.len > 0) {
        ssize_t sent = write(fd, text.ptr, text.len);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        text = (struct ub_slice){text.ptr + sent, text.len - (size_t)sent};
    }
    return true;
}

/* O_EXCL: a file that is there stays as it is. */
static int write_file(const char *file, struct ub_slice text)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 && errno == EEXIST) {
        fprintf(stderr, "unbusy init: %s is there already, and stays as it is\n", file);
        return UB_EXIT_FAILED;
    }
    bool good = fd >= 0 && write_all(fd, text);
    int wrong = errno;
    if (fd >= 0 && close(fd) != 0 && good) {
        good = false;
        wrong = errno;
    }
    if (!good) {
        fprintf(stderr, "unbusy init: cannot write %s: %s\n", file, strerror(wrong));
        if (fd >= 0) {
            unlink(file); /* half a configuration is worse than none */
        }
        return UB_EXIT_FAILED;
    }
    fprintf(stderr, "wrote %s; now: unbusy check, unbusy serve\n", file);
    return UB_EXIT_GOOD;
}

int ub_cmd_init(int argc, char **argv)
{
    const char *file = "unbusy.yaml";
    const struct ub_option options[] = {
        {"config", "FILE", UB_OPTION_TEXT, &file, "write this file (default: unbusy.yaml)"},
    };
    const struct ub_usage usage = {
        "init", NULL,
        "Write a first configuration for the service that the environment names:\n"
        "DEEPSEEK_API_KEY, or OPENAI_API_KEY with OPENAI_BASE_URL. The file refers to these\n"
        "variables, it does not hold the key. A file that is there is not overwritten.",
        options, UB_COUNT(options)};
    int code = ub_options_read(&usage, &argc, argv);
    if (code != UB_OPTIONS_GO) {
        return code;
    }
    struct ub_buf yaml = {0};
    if (!ub_config_starter(&yaml)) {
        fputs(no_variables, stderr);
        return UB_EXIT_USAGE;
    }
    code = UB_EXIT_FAILED;
    if (yaml.failed) {
        fputs("unbusy init: out of memory\n", stderr);
    } else {
        code = write_file(file, ub_buf_slice(&yaml));
    }
    ub_buf_free(&yaml);
    return code;
}

/* replay_cmd.c - unbusy replay FILE */
#include "base/options.h"
#include "sim/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int report(const char *file, const struct ub_replay_result *r, bool json)
{
    bool good = r->end == UB_REPLAY_SAME || r->end == UB_REPLAY_OPEN;
    if (json) {
        printf("{\"same\":%s,\"words\":\"%s\",\"events\":%" PRIu64 ",\"actions\":%" PRIu64
               ",\"last_event\":%" PRIu64 ",\"dropped\":%" PRIu64 "}\n",
               good ? "true" : "false", r->words, r->events, r->actions, r->event, r->dropped);
    }
    fprintf(stderr, "%s: %s; %" PRIu64 " events, %" PRIu64 " actions compared", file, r->words,
            r->events, r->actions);
    if (r->end == UB_REPLAY_DIVERGED) {
        fprintf(stderr, ", other decisions at event %" PRIu64, r->event);
    } else if (!good) {
        fprintf(stderr, ", at byte %zu", r->offset);
    }
    if (r->dropped > 0) {
        fprintf(stderr, ", %" PRIu64 " events were not recorded", r->dropped);
    }
    fputs("\n", stderr);
    return good ? UB_EXIT_GOOD : UB_EXIT_FAILED;
}

static int replay_file(const char *file, const struct ub_replay_options *options, bool json)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        fprintf(stderr, "unbusy replay: %s: %s\n", file, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return UB_EXIT_USAGE;
    }
    size_t size = (size_t)st.st_size;
    void *bytes = size == 0 ? NULL : mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED) {
        fprintf(stderr, "unbusy replay: %s: %s\n", file, strerror(errno));
        return UB_EXIT_FAILED;
    }
    struct ub_replay_result result = ub_replay(bytes, size, options);
    if (bytes != NULL) {
        munmap(bytes, size);
    }
    if (options->to != NULL && options->to->ptr != NULL) {
        fwrite(options->to->ptr, 1, options->to->len, stdout);
    }
    return report(file, &result, json);
}

int ub_cmd_replay(int argc, char **argv)
{
    bool quiet = false, json = false;
    uint64_t from = 0;
    const struct ub_option list[] = {
        {"from", "N", UB_OPTION_U64, &from, "begin at the last snapshot before event N"},
        {"quiet", NULL, UB_OPTION_FLAG, &quiet, "compare only, print no decisions"},
        {"json", NULL, UB_OPTION_FLAG, &json, "print the result as JSON and no decisions"},
    };
    const struct ub_usage usage = {
        "replay", "FILE",
        "Take the decisions of a flight record again. Exit 0: the same decisions; 1: others, or a\n"
        "damaged record; 2: wrong usage.",
        list, UB_COUNT(list)};
    int code = ub_options_read(&usage, &argc, argv);
    if (code != UB_OPTIONS_GO) {
        return code;
    }
    struct ub_buf trace = {0};
    struct ub_replay_options options = {.from = from, .to = quiet || json ? NULL : &trace};
    code = replay_file(argv[1], &options, json);
    ub_buf_free(&trace);
    return code;
}

#include "base/options.h"

#include "base/slice.h"
#include "base/test.h"
#include "base/time.h"
#include <stdio.h>
#include <unistd.h>

struct got {
    bool json;
    const char *file;
    struct ub_option_texts faults;
    uint32_t count;
    uint64_t seed;
    double share;
    ub_ns wait_ns;
    uint64_t size;
    double rate;
    int argc;
    char *argv[16];
};

#define WORDS_MAX 8

static const struct {
    const char *name;
    const char *words[WORDS_MAX];
    int code;
    const char *said; /* part of what it said on stderr or stdout; NULL: nothing */
} rows[] = {
    {"nothing at all", {NULL}, UB_OPTIONS_GO, NULL},
    {"a value as the next word", {"--config", "x.yaml"}, UB_OPTIONS_GO, NULL},
    {"a value after an equals sign", {"--config=x.yaml"}, UB_OPTIONS_GO, NULL},
    {"an unknown option", {"--verbose"}, UB_EXIT_USAGE, "unknown option --verbose\n"},
    {"a misspelt option", {"--confg", "x"}, UB_EXIT_USAGE, "did you mean --config?"},
    {"a hidden option is not proposed", {"--hiden"}, UB_EXIT_USAGE, "unknown option --hiden\n"},
    {"an option with one dash", {"-c"}, UB_EXIT_USAGE, "options have two dashes"},
    {"a value is missing", {"--config"}, UB_EXIT_USAGE, "--config needs a value: FILE"},
    {"a flag with a value", {"--json=yes"}, UB_EXIT_USAGE, "--json takes no value"},
    {"a bad count", {"--count", "4294967296"}, UB_EXIT_USAGE, "a whole number below 2^32"},
    {"a negative count", {"--count", "-1"}, UB_EXIT_USAGE, "a whole number below 2^32"},
    {"a bad seed", {"--seed", "0x10"}, UB_EXIT_USAGE, "a whole number below 2^64"},
    {"a bad number", {"--share", "nan"}, UB_EXIT_USAGE, "--share must be a number"},
    {"a bad duration", {"--wait", "5"}, UB_EXIT_USAGE, "a duration like 250ms"},
    {"a bad size", {"--size", "5MB"}, UB_EXIT_USAGE, "a size like 64KiB"},
    {"a bad rate", {"--rate", "5"}, UB_EXIT_USAGE, "a rate like 100/s"},
    {"help goes to stdout and is a success", {"--help"}, UB_EXIT_GOOD, "  --config FILE  a file\n"},
    {"help wins over what comes later", {"--help", "--nonsense"}, UB_EXIT_GOOD, "print this"},
};

/* Everything that a run prints on `fd`, in `out`. */
static int run(struct got *got, const char *arguments, const char *const *words, int fd, char *out,
               size_t size)
{
    const struct ub_option options[] = {
        {"config", "FILE", UB_OPTION_TEXT, &got->file, "a file"},
        {"json", NULL, UB_OPTION_FLAG, &got->json, "print JSON"},
        {"fault", "F", UB_OPTION_TEXTS, &got->faults, "a fault"},
        {"count", "N", UB_OPTION_COUNT, &got->count, "how many"},
        {"seed", "N", UB_OPTION_U64, &got->seed, "a seed"},
        {"share", "X", UB_OPTION_REAL, &got->share, "a share"},
        {"wait", "T", UB_OPTION_DURATION, &got->wait_ns, "a time"},
        {"size", "S", UB_OPTION_SIZE, &got->size, "a size"},
        {"rate", "R", UB_OPTION_RATE, &got->rate, "a rate"},
        {"hidden", NULL, UB_OPTION_FLAG, &got->json, NULL},
    };
    const struct ub_usage usage = {"test", arguments, "A test.", options, UB_COUNT(options)};
    got->argc = 1;
    for (; *words != NULL; words++) {
        got->argv[got->argc++] = (char *)(uintptr_t)*words;
    }
    fflush(NULL);
    FILE *file = tmpfile();
    int saved = dup(fd);
    dup2(fileno(file), fd);
    int code = ub_options_read(&usage, &got->argc, got->argv);
    fflush(NULL);
    dup2(saved, fd);
    close(saved);
    rewind(file);
    out[fread(out, 1, size - 1, file)] = '\0';
    fclose(file);
    return code;
}

static void check_values(void)
{
    struct got got = {.share = 0.5};
    char out[4096];
    const char *words[] = {"a",           "--json",
                           "--fault",     "x",
                           "--fault=y",   "b",
                           "--count=3",   "--wait=250ms",
                           "--size=1KiB", "--rate=6/min",
                           "--seed",      "18446744073709551615",
                           "--",          "--json",
                           NULL};
    int code = run(&got, "WORDS...", words, STDERR_FILENO, out, sizeof out);
    UB_CHECK(code == UB_OPTIONS_GO && out[0] == '\0', "all types are taken: %s", out);
    UB_CHECK(got.json && got.count == 3 && got.wait_ns == 250 * UB_MS && got.size == 1024,
             "flag, count, duration and size");
    UB_CHECK(got.rate > 0.0999 && got.rate < 0.1001 && got.seed == UINT64_MAX, "rate and seed");
    UB_CHECK(got.share == 0.5 && got.file == NULL, "what is not given keeps its default");
    UB_CHECK(got.faults.count == 2 && strcmp(got.faults.list[1], "y") == 0, "a repeated option");
    UB_CHECK(got.argc == 4 && strcmp(got.argv[1], "a") == 0 && strcmp(got.argv[2], "b") == 0 &&
                 strcmp(got.argv[3], "--json") == 0,
             "arguments are kept in order, and -- ends the options");
}

static void check_arguments(void)
{
    static const struct {
        const char *arguments;
        const char *words[3];
        const char *said; /* "": taken */
    } counts[] = {
        {"FILE", {"a"}, ""},
        {"FILE", {NULL}, "FILE is needed"},
        {"FILE", {"a", "b"}, "unexpected argument 'b'"},
        {"FILE...", {NULL}, ""},
        {"FILE...", {"a", "b"}, ""},
        {NULL, {"a"}, "unexpected argument 'a'"},
    };
    char out[4096];
    for (size_t i = 0; i < UB_COUNT(counts); i++) {
        struct got got = {0};
        int code = run(&got, counts[i].arguments, counts[i].words, STDERR_FILENO, out, sizeof out);
        bool taken = counts[i].said[0] == '\0';
        UB_CHECK(code == (taken ? UB_OPTIONS_GO : UB_EXIT_USAGE) && strstr(out, counts[i].said),
                 "of %s: %s", counts[i].arguments != NULL ? counts[i].arguments : "no arguments",
                 taken ? "taken" : counts[i].said);
    }
}

int main(void)
{
    check_arguments();
    char out[4096];
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct got got = {0};
        int fd = rows[i].code == UB_EXIT_GOOD ? STDOUT_FILENO : STDERR_FILENO;
        int code = run(&got, NULL, rows[i].words, fd, out, sizeof out);
        bool said = rows[i].said == NULL ? out[0] == '\0' : strstr(out, rows[i].said) != NULL;
        UB_CHECK(code == rows[i].code && said, "%s: %d %s", rows[i].name, code, said ? "" : out);
    }
    struct got got = {0};
    const char *words[] = {"stray", NULL};
    UB_CHECK(run(&got, NULL, words, STDERR_FILENO, out, sizeof out) == UB_EXIT_USAGE,
             "an argument where there are none");
    check_values();
    return ub_test_done();
}

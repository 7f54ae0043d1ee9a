/* main.c - the command table. A new command is one row here, and a header. */
#include "base/nearest.h"
#include "base/options.h"
#include "gateway/commands.h"
#include "sim/replay.h"
#include "tools/drill.h"
#include "tools/load.h"
#include "tools/mock.h"
#include "tools/serve.h"

#include <ares.h>
#include <jansson.h>
#include <llhttp/llhttp.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>
#include <xxhash.h>
#include <yaml.h>
#include <zlib.h>

/* argv[0] is the command's name; the result is the exit code. */
static const struct command {
    const char *name;
    const char *help; /* one line; NULL = hidden */
    int (*run)(int argc, char **argv);
} commands[] = {
    {"serve", "run the gateway; without a configuration, a demo", ub_cmd_serve},
    {"check", "validate a configuration", ub_cmd_check},
    {"init", "write a first configuration for the service that the environment names", ub_cmd_init},
    {"key", "make an API key for a client", ub_cmd_key},
    {"drill", "play a catalogue of faults against a configuration, with a score", ub_cmd_drill},
    {"load", "send requests to a service and measure what becomes of them", ub_cmd_load},
    {"mock", "a model server for tests, as slow, full or broken as real ones", ub_cmd_mock},
    {"replay", "take the decisions of a flight record again", ub_cmd_replay},
    {"config-doc", NULL, ub_cmd_config_doc},
};

static void print_help(FILE *out)
{
    fputs("unbusy: makes sure that an answer comes when the model's server is busy\n\n"
          "unbusy COMMAND [options]\n\n",
          out);
    for (size_t i = 0; i < UB_COUNT(commands); i++) {
        if (commands[i].help != NULL) {
            fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
        }
    }
    fputs("\n  --version  what this is made of\n"
          "  --help     this; 'unbusy COMMAND --help' for more on one of them\n",
          out);
}

/* What it is made of: the versions that are in use, not those that it was built with, except for
 * llhttp, which is built in. */
static void print_version(void)
{
    unsigned xxhash = XXH_versionNumber();
    printf("unbusy %s\n", UB_VERSION);
    printf("  libuv    %s\n", uv_version_string());
    printf("  c-ares   %s\n", ares_version(NULL));
    printf("  llhttp   %d.%d.%d\n", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
           LLHTTP_VERSION_PATCH);
    printf("  OpenSSL  %s\n", OpenSSL_version(OPENSSL_VERSION_STRING));
    printf("  libyaml  %s\n", yaml_get_version_string());
    printf("  jansson  %s\n", jansson_version_str());
    printf("  xxHash   %u.%u.%u\n", xxhash / 10000, xxhash / 100 % 100, xxhash % 100);
    printf("  zlib     %s\n", zlibVersion());
    printf("optional parts: none in this version\n");
}

static int unknown_command(const char *name)
{
    struct ub_nearest nearest = {.text = ub_slice_of(name)};
    for (size_t i = 0; i < UB_COUNT(commands); i++) {
        if (commands[i].help != NULL) {
            ub_nearest_offer(&nearest, commands[i].name);
        }
    }
    fprintf(stderr, "unbusy: no command '%s'", name);
    if (nearest.word != NULL) {
        fprintf(stderr, ", did you mean '%s'?", nearest.word);
    }
    fputs("\nTry 'unbusy --help'.\n", stderr);
    return UB_EXIT_USAGE;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return UB_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return UB_EXIT_GOOD;
    }
    if (strcmp(argv[1], "--version") == 0) {
        print_version();
        return UB_EXIT_GOOD;
    }
    for (size_t i = 0; i < UB_COUNT(commands); i++) {
        if (strcmp(argv[1], commands[i].name) != 0) {
            continue;
        }
        if (argc == 3 && strcmp(argv[2], "--version") == 0) {
            print_version();
            return UB_EXIT_GOOD;
        }
        return commands[i].run(argc - 1, argv + 1);
    }
    return unknown_command(argv[1]);
}

int main(int argc, char **argv)
{
    int code = run(argc, argv);
    if ((fflush(stdout) != 0 || ferror(stdout)) && code == UB_EXIT_GOOD) {
        perror("unbusy: cannot write to stdout"); /* what was asked for did not arrive */
        code = UB_EXIT_FAILED;
    }
    return code;
}

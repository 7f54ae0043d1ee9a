/* options.h - the command line of every command: long options, help from the same table.
 *
 *     static const char *config = NULL; ...
 *     const struct ub_option options[] = {
 *         {"config", "FILE", UB_OPTION_TEXT, &config, "read this file (default: unbusy.yaml)"},
 *         {"json", NULL, UB_OPTION_FLAG, &json, "print JSON"},
 *     };
 *     const struct ub_usage usage = {"check", NULL, "Validate a configuration.", options,
 *                                    UB_COUNT(options)};
 *     int code = ub_options_read(&usage, &argc, argv);
 *     if (code != UB_OPTIONS_GO) {
 *         return code;
 *     }
 *
 * Written as `--name value` or `--name=value`; `--` ends the options. `--help` is in every table
 * without being listed. What is given twice counts the last time, except for UB_OPTION_TEXTS.
 */
#ifndef UB_BASE_OPTIONS_H
#define UB_BASE_OPTIONS_H

#include <stdint.h>

/* The exit codes of every command. */
enum { UB_EXIT_GOOD = 0, UB_EXIT_FAILED = 1, UB_EXIT_USAGE = 2, UB_EXIT_INTERRUPTED = 130 };

#define UB_OPTIONS_GO       (-1)
#define UB_OPTION_TEXTS_MAX 64

enum ub_option_type {
    UB_OPTION_FLAG,     /* bool: true when it is there; takes no value */
    UB_OPTION_TEXT,     /* const char *: points into argv */
    UB_OPTION_TEXTS,    /* struct ub_option_texts: may be given several times */
    UB_OPTION_COUNT,    /* uint32_t */
    UB_OPTION_U64,      /* uint64_t; seeds and the like */
    UB_OPTION_REAL,     /* double, finite */
    UB_OPTION_DURATION, /* ub_ns: "250ms", see units.h */
    UB_OPTION_SIZE,     /* uint64_t: "8MiB" */
    UB_OPTION_RATE,     /* double, per second: "60000/min" */
};

struct ub_option_texts {
    uint32_t count;
    const char *list[UB_OPTION_TEXTS_MAX];
};

struct ub_option {
    const char *name;  /* without the dashes */
    const char *value; /* what the help calls its value; NULL for a flag */
    enum ub_option_type type;
    void *target;     /* of the type above; keeps its default when the option is not there */
    const char *help; /* one line; a hidden option has none (NULL) */
};

struct ub_usage {
    const char *command;   /* "serve" */
    const char *arguments; /* NULL: none. "FILE": exactly one; "FILE...": any number */
    const char *about;     /* one or more lines for the help */
    const struct ub_option *options;
    uint32_t count;
    const char *more; /* for the help, behind the options; NULL: nothing */
};

/* UB_OPTIONS_GO: everything read; argv[1..argc-1] are now the arguments that are no options. Else
 * the exit code to return: after --help on stdout, or after words on stderr. */
int ub_options_read(const struct ub_usage *usage, int *argc, char **argv);

/* "unbusy COMMAND: words\nTry 'unbusy COMMAND --help'.\n" on stderr, for mistakes that the table
 * cannot see; returns UB_EXIT_USAGE. */
int ub_options_wrong(const struct ub_usage *usage, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif

#include "base/options.h"

#include "base/nearest.h"
#include "base/slice.h"
#include "base/units.h"
#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int ub_options_wrong(const struct ub_usage *usage, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "unbusy %s: ", usage->command);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nTry 'unbusy %s --help'.\n", usage->command);
    va_end(args);
    return UB_EXIT_USAGE;
}

static int option_width(const struct ub_option *option)
{
    size_t value = option->value != NULL ? strlen(option->value) + 1 : 0;
    return (int)(strlen(option->name) + value);
}

static void print_help(const struct ub_usage *usage)
{
    int width = (int)strlen("version");
    for (uint32_t i = 0; i < usage->count; i++) {
        if (usage->options[i].help != NULL && option_width(&usage->options[i]) > width) {
            width = option_width(&usage->options[i]);
        }
    }
    printf("unbusy %s [options]%s%s\n\n%s\n\n", usage->command, usage->arguments != NULL ? " " : "",
           usage->arguments != NULL ? usage->arguments : "", usage->about);
    for (uint32_t i = 0; i < usage->count; i++) {
        const struct ub_option *option = &usage->options[i];
        if (option->help != NULL) {
            printf("  --%s%s%s%*s  %s\n", option->name, option->value != NULL ? " " : "",
                   option->value != NULL ? option->value : "", width - option_width(option), "",
                   option->help);
        }
    }
    printf("  --%-*s  %s\n", width, "help", "print this");
    printf("  --%-*s  %s\n", width, "version", "what this is made of");
    if (usage->more != NULL) {
        printf("\n%s", usage->more);
    }
}

static bool read_u64(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        uint64_t next = (uint64_t)(*text - '0');
        if (*text < '0' || *text > '9' || value > (max - next) / 10) {
            return false;
        }
        value = value * 10 + next;
    }
    *out = value;
    return true;
}

static bool read_real(const char *text, double *out)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}

/* NULL: taken. Else what the value should have been. */
static const char *take_value(const struct ub_option *option, const char *text)
{
    uint64_t number = 0;
    struct ub_slice slice = ub_slice_of(text);
    switch (option->type) {
    case UB_OPTION_FLAG:
        assert(false);
        break;
    case UB_OPTION_TEXT:
        *(const char **)option->target = text;
        return NULL;
    case UB_OPTION_TEXTS: {
        struct ub_option_texts *texts = option->target;
        if (texts->count == UB_OPTION_TEXTS_MAX) {
            return "given at most 64 times";
        }
        texts->list[texts->count++] = text;
        return NULL;
    }
    case UB_OPTION_COUNT:
        if (!read_u64(text, UINT32_MAX, &number)) {
            return "a whole number below 2^32";
        }
        *(uint32_t *)option->target = (uint32_t)number;
        return NULL;
    case UB_OPTION_U64:
        return read_u64(text, UINT64_MAX, option->target) ? NULL : "a whole number below 2^64";
    case UB_OPTION_REAL:
        return read_real(text, option->target) ? NULL : "a number";
    case UB_OPTION_DURATION:
        return ub_duration_parse(slice, option->target) ? NULL : "a duration like 250ms, 5s or 10m";
    case UB_OPTION_SIZE:
        return ub_size_parse(slice, option->target) ? NULL : "a size like 64KiB or 8MiB";
    case UB_OPTION_RATE:
        return ub_rate_parse(slice, option->target) ? NULL : "a rate like 100/s or 60000/min";
    }
    return "known";
}

static const struct ub_option *find_option(const struct ub_usage *usage, struct ub_slice name)
{
    for (uint32_t i = 0; i < usage->count; i++) {
        if (ub_slice_is(name, usage->options[i].name)) {
            return &usage->options[i];
        }
    }
    return NULL;
}

static int unknown_option(const struct ub_usage *usage, struct ub_slice name)
{
    struct ub_nearest nearest = {.text = name};
    for (uint32_t i = 0; i < usage->count; i++) {
        if (usage->options[i].help != NULL) {
            ub_nearest_offer(&nearest, usage->options[i].name);
        }
    }
    if (nearest.word != NULL) {
        return ub_options_wrong(usage, "unknown option --%.*s, did you mean --%s?",
                                UB_SLICE_ARG(name), nearest.word);
    }
    return ub_options_wrong(usage, "unknown option --%.*s", UB_SLICE_ARG(name));
}

/* Reads the option at argv[*at], and its value, which may be the next word. */
static int read_option(const struct ub_usage *usage, int argc, char **argv, int *at)
{
    const char *word = argv[*at] + 2;
    const char *equals = strchr(word, '=');
    struct ub_slice name = {word, equals != NULL ? (size_t)(equals - word) : strlen(word)};
    if (ub_slice_is(name, "help") && equals == NULL) {
        print_help(usage);
        return UB_EXIT_GOOD;
    }
    const struct ub_option *option = find_option(usage, name);
    if (option == NULL) {
        return unknown_option(usage, name);
    }
    if (option->type == UB_OPTION_FLAG) {
        if (equals != NULL) {
            return ub_options_wrong(usage, "--%s takes no value", option->name);
        }
        *(bool *)option->target = true;
        return UB_OPTIONS_GO;
    }
    if (equals == NULL && *at + 1 >= argc) {
        return ub_options_wrong(usage, "--%s needs a value: %s", option->name, option->value);
    }
    const char *value = equals != NULL ? equals + 1 : argv[++*at];
    const char *wanted = take_value(option, value);
    if (wanted != NULL) {
        return ub_options_wrong(usage, "--%s must be %s, not '%s'", option->name, wanted, value);
    }
    return UB_OPTIONS_GO;
}

int ub_options_read(const struct ub_usage *usage, int *argc, char **argv)
{
    int kept = 1;
    bool options_end = false;
    bool many = usage->arguments != NULL && strstr(usage->arguments, "...") != NULL;
    int most = usage->arguments == NULL ? 0 : many ? INT_MAX - 1 : 1;
    for (int i = 1; i < *argc; i++) {
        if (!options_end && strcmp(argv[i], "--") == 0) {
            options_end = true;
        } else if (!options_end && strncmp(argv[i], "--", 2) == 0) {
            int code = read_option(usage, *argc, argv, &i);
            if (code != UB_OPTIONS_GO) {
                return code;
            }
        } else if (!options_end && argv[i][0] == '-' && argv[i][1] != '\0') {
            return ub_options_wrong(usage, "unknown option %s; options have two dashes", argv[i]);
        } else if (kept - 1 == most) {
            return ub_options_wrong(usage, "unexpected argument '%s'", argv[i]);
        } else {
            argv[kept++] = argv[i];
        }
    }
    *argc = kept;
    if (usage->arguments != NULL && !many && kept == 1) {
        return ub_options_wrong(usage, "%s is needed", usage->arguments);
    }
    return UB_OPTIONS_GO;
}

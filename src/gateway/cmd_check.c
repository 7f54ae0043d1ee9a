#include "base/buf.h"
#include "base/options.h"
#include "gateway/commands.h"
#include "gateway/config.h"
#include "gateway/config_doc.h"
#include <stdio.h>

/* The problems as a JSON array of strings. */
static void print_json(bool good, const struct ub_buf *problems)
{
    struct ub_buf out = {0};
    ub_buf_printf(&out, "{\"good\": %s, \"problems\": [", good ? "true" : "false");
    struct ub_slice rest = ub_buf_slice(problems);
    for (bool first = true; rest.len > 0; first = false) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t length = end != NULL ? (size_t)(end - rest.ptr) : rest.len;
        ub_buf_add_text(&out, first ? "\n  " : ",\n  ");
        ub_buf_add_json(&out, (struct ub_slice){rest.ptr, length});
        size_t step = length < rest.len ? length + 1 : length;
        rest = (struct ub_slice){rest.ptr + step, rest.len - step};
    }
    ub_buf_add_text(&out, problems->len > 0 ? "\n]}\n" : "]}\n");
    fwrite(out.ptr, 1, out.len, stdout);
    ub_buf_free(&out);
}

static void print_summary(const struct ub_config *config)
{
    fprintf(stderr, "%s is good: %u upstreams, %u models, %u tenants\n", config->file,
            config->upstream_count, config->model_count, config->tenant_count);
}

int ub_cmd_check(int argc, char **argv)
{
    const char *file = "unbusy.yaml";
    bool json = false;
    const struct ub_option options[] = {
        {"config", "FILE", UB_OPTION_TEXT, &file, "the configuration (default: unbusy.yaml)"},
        {"json", NULL, UB_OPTION_FLAG, &json, "print the result as JSON"},
    };
    const struct ub_usage usage = {
        "check", NULL,
        "Validate a configuration with everything that it names: files, certificates, variables.\n"
        "Problems are printed as FILE:LINE:COL: words. Exit code 0 when it is good, else 2.",
        options, UB_COUNT(options)};
    int code = ub_options_read(&usage, &argc, argv);
    if (code != UB_OPTIONS_GO) {
        return code;
    }
    struct ub_buf problems = {0};
    struct ub_config *config = ub_config_load(file, &problems);
    if (json) {
        print_json(config != NULL, &problems);
    } else if (config != NULL) {
        print_summary(config);
    } else {
        fwrite(problems.ptr, 1, problems.len, stdout);
    }
    code = config != NULL ? UB_EXIT_GOOD : UB_EXIT_USAGE;
    ub_config_release(config);
    ub_buf_free(&problems);
    return code;
}

int ub_cmd_config_doc(int argc, char **argv)
{
    const struct ub_usage usage = {"config-doc", NULL,
                                   "Print docs/CONFIG.md, as the schema has it.", NULL, 0};
    int code = ub_options_read(&usage, &argc, argv);
    if (code != UB_OPTIONS_GO) {
        return code;
    }
    struct ub_buf out = {0};
    ub_conf_doc(&out);
    fwrite(out.ptr, 1, out.len, stdout);
    code = out.failed ? UB_EXIT_FAILED : UB_EXIT_GOOD;
    ub_buf_free(&out);
    return code;
}

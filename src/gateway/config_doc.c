#include "gateway/config_doc.h"

#include "base/units.h"
#include "gateway/config_scalar.h"
#include "gateway/config_schema.h"
#include <stdio.h>

static const char opening[] =
    "# Configuration\n"
    "\n"
    "<!-- Made by `build/unbusy config-doc > docs/CONFIG.md` from the schema in\n"
    "src/gateway/config_schema*.c; a test compares the two. -->\n"
    "\n"
    "One YAML file, `unbusy.yaml` unless `--config FILE` says otherwise. `unbusy init` writes a "
    "first one,\n"
    "`unbusy check` finds what is wrong with it and says where. Complete examples are in\n"
    "[deploy/examples](../deploy/examples).\n"
    "\n"
    "```yaml\n"
    "listen: 127.0.0.1:8080\n"
    "upstreams:\n"
    "  - name: official\n"
    "    url: https://api.deepseek.com\n"
    "    dialect: deepseek\n"
    "    key: ${DEEPSEEK_API_KEY}\n"
    "    models: {deepseek-chat: deepseek-flash}\n"
    "    concurrency: 2500\n"
    "  - {name: rack1, url: \"http://10.0.0.11:8000/v1\", dialect: vllm}\n"
    "models:\n"
    "  - name: deepseek-chat\n"
    "    tiers: [[official], [rack1]]\n"
    "```\n"
    "\n"
    "## How it is written\n"
    "\n"
    "- **Durations** are `250ms`, `5s`, `10m`, `24h`, `7d`; **sizes** are `64KiB`, `8MiB`, `1GiB`, "
    "or a number of bytes. At most\n"
    "  three decimals, no space before the unit.\n"
    "- **Rates** are `100/s`, `60000/min` or `1000/h`. As much as that number may come at once "
    "after a pause; to choose\n"
    "  another one, write `{rate: 100/s, burst: 20}`. Over any time, a rate lets pass what it says "
    "and the burst.\n"
    "- `${NAME}` anywhere in a value is taken from the environment; a variable that is not set is "
    "an error. Inside `{ }`\n"
    "  and `[ ]` it needs quotes: `{key: \"${NAME}\"}`. `$${` is a plain `${`.\n"
    "- Paths that do not begin with `/` start at the folder of the configuration file.\n"
    "- An unknown key, a key that stands twice, a wrong type or a value out of bounds is an error "
    "with its line and column;\n"
    "  all of them are said at once. Secrets are never printed.\n"
    "- Anchors and aliases work (at most 64), merge keys (`<<`) and tags do not. One document, "
    "UTF-8, at most 4 MiB.\n"
    "- SIGHUP reads the file again. A bad file changes nothing.\n"
    "\n"
    "Without a file, `unbusy serve` looks at the environment: with `DEEPSEEK_API_KEY` it serves "
    "DeepSeek's models with their\n"
    "published limits and prices, else with `OPENAI_API_KEY` and `OPENAI_BASE_URL` every model of "
    "that service. `unbusy init`\n"
    "writes the same as a file.\n";

static const char closing[] =
    "\n"
    "## What clients can reach\n"
    "\n"
    "A client shows its key as `Authorization: Bearer KEY`, `x-api-key: KEY` or `api-key: KEY`. "
    "Without `tenants`, no key is\n"
    "asked for; that is accepted on loopback addresses only, and not from web pages of other hosts "
    "that a browser on this\n"
    "machine shows (their `Origin` gives them away), unless `open: true` says that it is meant.\n"
    "\n"
    "`GET /v1/models` lists the models of this file that the client may use, and for a model "
    "`\"*\"` "
    "the names among the\n"
    "`models` of its upstreams. When that is nothing at all, because nobody lists any, the "
    "upstreams of "
    "`\"*\"` are asked for\n"
    "theirs, one after the other, and the first good list is passed on as it is; not to tenants "
    "that "
    "may use only some\n"
    "models, for whom the list is empty then.\n"
    "\n"
    "## What limits do\n"
    "\n"
    "A request must fit into all limits that hold for it: its tenant's, those of its tenant and "
    "model, the model's. Who does\n"
    "not fit gets a 429 with the code `rate_limit_exceeded` at once, and takes from none of them. "
    "Tokens are charged by an\n"
    "estimate at the door, the prompt and what answers of the model usually have (at most "
    "`max_tokens`), and corrected at the\n"
    "end by what the upstream reported or, when it did not (the answer was cut, the client left), "
    "by what was said. What was\n"
    "used beyond the estimate is waited for by the next request.\n"
    "\n"
    "Answers to limited requests carry `x-ratelimit-limit-requests`, "
    "`x-ratelimit-remaining-requests` and\n"
    "`x-ratelimit-reset-requests`, and the same of tokens: the burst of the limit that leaves "
    "least, what is left of it, and\n"
    "how long until all of it is there again. A refusal also carries `retry-after-ms` and "
    "`retry-after`: the time at which the\n"
    "request fits, behind those that were turned away before it, with a little jitter. "
    "`x-should-retry: false` comes instead\n"
    "when that is more than a minute away, when the prompt alone is more than the burst, or when "
    "the tenant's clients retry\n"
    "(`x-stainless-retry-count`) more than a fifth of what they ask.\n";

static const char *kind_words(const struct ub_conf_field *field)
{
    static const char *const words[] = {
        [UB_KIND_BOOL] = "true, false", [UB_KIND_COUNT] = "number",
        [UB_KIND_REAL] = "number",      [UB_KIND_DURATION] = "duration",
        [UB_KIND_SIZE] = "size",        [UB_KIND_WORD] = "word",
        [UB_KIND_RATE] = "rate",        [UB_KIND_SHA256] = "hexadecimal",
        [UB_KIND_NAME] = "name",        [UB_KIND_MODEL] = "model name",
        [UB_KIND_FIELD] = "field name", [UB_KIND_SECRET] = "text",
        [UB_KIND_URL] = "URL",          [UB_KIND_ADDRESS] = "address",
        [UB_KIND_FILE] = "file",        [UB_KIND_TEXT] = "text",
    };
    return words[field->kind];
}

static void add_words(struct ub_buf *out, const char *words)
{
    for (uint32_t i = 0; ub_conf_word(words, i).len > 0; i++) {
        ub_buf_printf(out, "%s`%.*s`", i > 0 ? ", " : "", UB_SLICE_ARG(ub_conf_word(words, i)));
    }
}

static void add_type(struct ub_buf *out, const struct ub_conf_field *field)
{
    switch (field->shape) {
    case UB_SHAPE_LIST:
        if (field->section != NULL) {
            ub_buf_add_text(out, "list, see below");
        } else {
            ub_buf_printf(out, "list of %ss", kind_words(field));
        }
        break;
    case UB_SHAPE_ONE_OR_LIST:
        ub_buf_printf(out, "%s or list", kind_words(field));
        break;
    case UB_SHAPE_PAIRS:
        ub_buf_add_text(out, "mapping or list");
        break;
    case UB_SHAPE_TIERS:
        ub_buf_add_text(out, "list of lists");
        break;
    case UB_SHAPE_SHORT:
        ub_buf_printf(out, "%s or mapping", kind_words(&field->section->fields[0]));
        break;
    default:
        if (field->words != NULL) {
            add_words(out, field->words);
            ub_buf_add_text(out, field->kind == UB_KIND_COUNT ? " or number" : "");
        } else {
            ub_buf_add_text(out, kind_words(field));
        }
        break;
    }
}

/* The value that the struct of defaults holds, as it would be written. */
static void add_default(struct ub_buf *out, const struct ub_conf_field *field, const void *defaults)
{
    const void *at = (const char *)defaults + field->offset;
    char text[UB_UNIT_TEXT];
    if (field->required) {
        ub_buf_add_text(out, "**required**");
        return;
    }
    if (field->fallback != NULL) {
        ub_buf_add_text(out, field->fallback);
        return;
    }
    switch (field->kind) {
    case UB_KIND_BOOL:
        ub_buf_add_text(out, *(const bool *)at ? "`true`" : "`false`");
        break;
    case UB_KIND_COUNT:
        ub_buf_printf(out, "`%u`", *(const uint32_t *)at);
        break;
    case UB_KIND_REAL:
        ub_buf_printf(out, "`%g`", *(const double *)at);
        break;
    case UB_KIND_DURATION:
        ub_buf_printf(out, "`%s`", ub_duration_print(*(const ub_ns *)at, text));
        break;
    case UB_KIND_SIZE:
        ub_buf_printf(out, "`%s`", ub_size_print(*(const uint64_t *)at, text));
        break;
    case UB_KIND_WORD:
        ub_buf_printf(out, "`%.*s`",
                      UB_SLICE_ARG(ub_conf_word(field->words, *(const uint32_t *)at)));
        break;
    default:
        break;
    }
}

static void add_bounds(struct ub_buf *out, const struct ub_conf_field *field)
{
    char low[UB_UNIT_TEXT], high[UB_UNIT_TEXT];
    if (field->shape != UB_SHAPE_ONE) {
        return;
    }
    switch (field->kind) {
    case UB_KIND_COUNT:
    case UB_KIND_REAL:
        ub_buf_printf(out, " (%g to %.0f)", field->min, field->max);
        break;
    case UB_KIND_DURATION:
        ub_buf_printf(out, " (%s to %s)", ub_duration_print((ub_ns)field->min, low),
                      ub_duration_print((ub_ns)field->max, high));
        break;
    case UB_KIND_SIZE:
        ub_buf_printf(out, " (%s to %s)", ub_size_print((uint64_t)field->min, low),
                      ub_size_print((uint64_t)field->max, high));
        break;
    default:
        break;
    }
}

/* Rows of one section; those of a mapping inside it follow it as "first_token.min". */
static void add_rows(struct ub_buf *out, const struct ub_conf_section *section, const char *prefix,
                     const void *defaults)
{
    for (uint32_t i = 0; i < section->count; i++) {
        const struct ub_conf_field *field = &section->fields[i];
        if (field->shape == UB_SHAPE_LATER) {
            continue;
        }
        ub_buf_printf(out, "| `%s%s` | ", prefix, field->key);
        if (field->shape == UB_SHAPE_SECTION) {
            ub_buf_printf(out, "mapping | | %s |\n", field->about);
            char inner[64];
            snprintf(inner, sizeof inner, "%s%s.", prefix, field->key);
            add_rows(out, field->section, inner, defaults);
            continue;
        }
        add_type(out, field);
        ub_buf_add_text(out, " | ");
        add_default(out, field, defaults);
        ub_buf_printf(out, " | %s", field->about);
        add_bounds(out, field);
        ub_buf_add_text(out, " |\n");
    }
}

static void add_chapter(struct ub_buf *out, const struct ub_conf_section *section,
                        const char *title, const void *defaults)
{
    ub_buf_printf(out, "\n## %s\n\n", title);
    if (section->about != NULL) {
        ub_buf_printf(out, "%s\n\n", section->about);
    }
    ub_buf_add_text(out, "| key | value | default | what it does |\n|---|---|---|---|\n");
    add_rows(out, section, "", defaults);
}

/* A chapter for each list of structs, and for the lists in these. */
static void add_lists(struct ub_buf *out, const struct ub_conf_section *section, const char *prefix)
{
    for (uint32_t i = 0; i < section->count; i++) {
        const struct ub_conf_section *inner = section->fields[i].section;
        if (section->fields[i].shape != UB_SHAPE_LIST || inner == NULL) {
            continue;
        }
        union { /* any of the structs, with its defaults */
            struct ub_conf_upstream upstream;
            struct ub_conf_model model;
            struct ub_conf_tenant tenant;
            struct ub_conf_key key;
            struct ub_conf_share share;
            struct ub_conf_step step;
        } defaults = {0};
        char title[64];
        snprintf(title, sizeof title, "%s%s", prefix, inner->name);
        if (inner->defaults != NULL) {
            inner->defaults(&defaults);
        }
        add_chapter(out, inner, title, &defaults);
        snprintf(title, sizeof title, "%s%s.", prefix, inner->name);
        add_lists(out, inner, title);
    }
}

void ub_conf_doc(struct ub_buf *out)
{
    struct ub_conf_root defaults;
    ub_conf_defaults(&defaults);
    ub_buf_add_text(out, opening);
    add_chapter(out, &ub_conf_root_section, "The file", &defaults);
    add_lists(out, &ub_conf_root_section, "");
    ub_buf_add_text(out, closing);
}

#include "gateway/config_scalar.h"

#include "base/nearest.h"
#include "base/units.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXPANDED_MAX 65536 /* bytes of one value */
#define URL_MAX      2048

/* --- ${NAME} --- */

static bool name_char(char c, bool first)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

/* Length of "${NAME}" at the front of `text`, 0 when it is not well-formed. */
static size_t variable_length(struct ub_slice text)
{
    size_t i = 2;
    while (i < text.len && name_char(text.ptr[i], i == 2)) {
        i++;
    }
    return i > 2 && i < text.len && text.ptr[i] == '}' ? i + 1 : 0;
}

/* Adds what stands for the "${NAME}" at the front of `rest`; returns its length, 0 after a problem.
 */
static size_t expand_one(struct ub_slice rest, struct ub_place at,
                         struct ub_conf_problems *problems, struct ub_buf *out)
{
    size_t length = variable_length(rest);
    if (length == 0) {
        ub_conf_problem(problems, at,
                        "after '${' comes the name of a variable and '}'; "
                        "write '$${' for a plain '${'");
        return 0;
    }
    char name[128];
    if (length - 3 >= sizeof name) {
        ub_conf_problem(problems, at, "the name of a variable is too long");
        return 0;
    }
    memcpy(name, rest.ptr + 2, length - 3);
    name[length - 3] = '\0';
    const char *value = getenv(name);
    if (value == NULL) {
        ub_conf_problem(problems, at, "the environment has no variable %s", name);
        return 0;
    }
    ub_buf_add_text(out, value);
    return length;
}

bool ub_conf_expand(struct ub_slice text, struct ub_place at, struct ub_arena *arena,
                    struct ub_conf_problems *problems, struct ub_slice *out)
{
    if (text.len == 0 || memchr(text.ptr, '$', text.len) == NULL) {
        *out = text;
        return true;
    }
    struct ub_buf buf = {.max = EXPANDED_MAX};
    bool good = true;
    for (size_t i = 0; i < text.len && good;) {
        struct ub_slice rest = {text.ptr + i, text.len - i};
        if (ub_slice_starts(rest, UB_LIT("$${"))) {
            ub_buf_add_text(&buf, "${");
            i += 3;
        } else if (ub_slice_starts(rest, UB_LIT("${"))) {
            size_t length = expand_one(rest, at, problems, &buf);
            good = length > 0;
            i += length;
        } else {
            ub_buf_add(&buf, rest.ptr, 1);
            i++;
        }
    }
    if (good && buf.failed) {
        ub_conf_problem(problems, at, "the value is too long");
        good = false;
    }
    *out = (struct ub_slice){good ? ub_arena_text(arena, ub_buf_slice(&buf)) : NULL, buf.len};
    ub_buf_free(&buf);
    return good && out->ptr != NULL;
}

/* --- texts --- */

static bool token_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool char_fits(enum ub_conf_kind kind, unsigned char c)
{
    switch (kind) {
    case UB_KIND_NAME:
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               (c != '\0' && strchr("-_.:/@+", c) != NULL);
    case UB_KIND_FIELD:
        return token_char(c);
    case UB_KIND_MODEL:
        return c > ' ' && c != '"' && c != '\\' && c != 0x7f;
    case UB_KIND_FILE:
    case UB_KIND_TEXT:
        return c >= ' ' && c != 0x7f;
    default:
        return c > ' ' && c < 0x7f;
    }
}

const char *ub_conf_text_wrong(enum ub_conf_kind kind, struct ub_slice text)
{
    static const char *const words[] = {
        [UB_KIND_NAME] = "takes letters, digits and -_.:/@+ only",
        [UB_KIND_MODEL] = "takes no spaces, quotes, backslashes or control characters",
        [UB_KIND_FIELD] = "takes letters, digits and !#$%&'*+-.^_`|~ only",
        [UB_KIND_SECRET] = "takes visible ASCII characters only, no spaces and no line ends",
        [UB_KIND_URL] = "takes visible ASCII characters only",
        [UB_KIND_ADDRESS] = "takes visible ASCII characters only",
        [UB_KIND_FILE] = "takes no control characters",
        [UB_KIND_TEXT] = "takes no control characters and no line ends",
    };
    static const size_t longest[] = {
        [UB_KIND_NAME] = 64,     [UB_KIND_MODEL] = UB_MODEL_NAME_MAX,
        [UB_KIND_FIELD] = 64,    [UB_KIND_SECRET] = 16384,
        [UB_KIND_URL] = URL_MAX, [UB_KIND_ADDRESS] = 128,
        [UB_KIND_FILE] = 4096,   [UB_KIND_TEXT] = 4096,
    };
    assert(kind >= UB_KIND_NAME);
    if (text.len == 0) {
        return "must not be empty";
    }
    if (text.len > longest[kind]) {
        return "is too long";
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!char_fits(kind, (unsigned char)text.ptr[i])) {
            return words[kind];
        }
    }
    return NULL;
}

/* --- everything else --- */

struct ub_slice ub_conf_word(const char *words, uint32_t index)
{
    while (index > 0 && *words != '\0') {
        words = strchrnul(words, ' ');
        words += *words == ' ' ? 1 : 0;
        index--;
    }
    return (struct ub_slice){words, (size_t)(strchrnul(words, ' ') - words)};
}

static bool read_word(const struct ub_conf_field *field, struct ub_slice text, uint32_t *target,
                      struct ub_buf *words)
{
    struct ub_nearest nearest = {.text = text};
    char offered[16][32];
    for (uint32_t i = 0; ub_conf_word(field->words, i).len > 0; i++) {
        struct ub_slice word = ub_conf_word(field->words, i);
        if (ub_slice_eq(word, text)) {
            *target = i;
            return true;
        }
        assert(i < UB_COUNT(offered) && word.len < sizeof offered[i]);
        memcpy(offered[i], word.ptr, word.len);
        offered[i][word.len] = '\0';
        ub_nearest_offer(&nearest, offered[i]);
        ub_buf_add_text(words, i == 0 ? "one of " : ", ");
        ub_buf_add_slice(words, word);
    }
    if (nearest.word != NULL) {
        ub_buf_printf(words, " (did you mean %s?)", nearest.word);
    }
    return false;
}

static bool read_real(struct ub_slice text, double *value)
{
    char copy[32];
    if (text.len == 0 || text.len >= sizeof copy) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) { /* strtod takes too much: hexadecimal, "inf", spaces */
        if ((text.ptr[i] < '0' || text.ptr[i] > '9') && text.ptr[i] != '.') {
            return false;
        }
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    char *end = NULL;
    *value = strtod(copy, &end);
    return *end == '\0' && end != copy;
}

static bool read_hex(struct ub_slice text, uint8_t *out, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    if (text.len != 2 * size) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        const char *digit = strchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c);
        if (c == '\0' || digit == NULL) {
            return false;
        }
        out[i / 2] = (uint8_t)(out[i / 2] << 4 | (uint8_t)(digit - digits));
    }
    return true;
}

static bool read_bool(struct ub_slice text, bool *out)
{
    *out = ub_slice_is(text, "true");
    return *out || ub_slice_is(text, "false");
}

static bool read_rate(const struct ub_conf_field *field, struct ub_slice text,
                      struct ub_conf_rate *out, struct ub_buf *words)
{
    struct ub_rate rate = {0};
    ub_buf_printf(words, "a rate like 100/s, 60000/min or 1000/h, more than 0");
    if (!ub_rate_split(text, &rate.amount, &rate.per_ns, &out->whole) ||
        (double)rate.amount > field->max || rate.per_ns > UB_RATE_PER_MAX) {
        return false;
    }
    out->rate = rate;
    return true;
}

/* "a duration from 1ms to 1d", as far as the row has bounds. */
static void add_bounds(const struct ub_conf_field *field, struct ub_buf *words)
{
    char low[UB_UNIT_TEXT], high[UB_UNIT_TEXT];
    switch (field->kind) {
    case UB_KIND_DURATION:
        ub_buf_printf(words, "a duration like 250ms or 5s, from %s to %s",
                      ub_duration_print((ub_ns)field->min, low),
                      ub_duration_print((ub_ns)field->max, high));
        break;
    case UB_KIND_SIZE:
        ub_buf_printf(words, "a size like 64KiB or 8MiB, from %s to %s",
                      ub_size_print((uint64_t)field->min, low),
                      ub_size_print((uint64_t)field->max, high));
        break;
    case UB_KIND_COUNT:
        ub_buf_printf(words, "a whole number from %.0f to %.0f", field->min, field->max);
        break;
    default:
        ub_buf_printf(words, "a number from %g to %.0f", field->min, field->max);
        break;
    }
}

/* Numbers, durations and sizes as a double: exact, as all bounds lie below 2^53. */
static bool read_number(const struct ub_conf_field *field, struct ub_slice text, double *value)
{
    ub_ns ns = 0;
    uint64_t bytes = 0;
    switch (field->kind) {
    case UB_KIND_DURATION:
        if (!ub_duration_parse(text, &ns)) {
            return false;
        }
        *value = (double)ns;
        return true;
    case UB_KIND_SIZE:
        if (!ub_size_parse(text, &bytes)) {
            return false;
        }
        *value = (double)bytes;
        return true;
    default:
        return read_real(text, value) && (field->kind == UB_KIND_REAL || *value == floor(*value));
    }
}

/* A word instead of a number. */
static bool read_instead(const struct ub_conf_field *field, struct ub_slice text, uint32_t *target,
                         struct ub_buf *words)
{
    for (uint32_t i = 0; ub_conf_word(field->words, i).len > 0; i++) {
        if (ub_slice_eq(ub_conf_word(field->words, i), text)) {
            *target = UB_CONF_COUNT_WORD(i);
            return true;
        }
        ub_buf_printf(words, "%.*s, ", UB_SLICE_ARG(ub_conf_word(field->words, i)));
    }
    ub_buf_add_text(words, "or ");
    return false;
}

bool ub_conf_value_read(const struct ub_conf_field *field, struct ub_slice text, void *target,
                        struct ub_buf *words)
{
    if (field->kind == UB_KIND_WORD) {
        return read_word(field, text, target, words);
    }
    if (field->kind == UB_KIND_BOOL) {
        ub_buf_add_text(words, "true or false");
        return read_bool(text, target);
    }
    if (field->kind == UB_KIND_SHA256) {
        ub_buf_add_text(words, "64 hexadecimal digits");
        return read_hex(text, target, 32);
    }
    if (field->kind == UB_KIND_RATE) {
        return read_rate(field, text, target, words);
    }
    if (field->words != NULL && read_instead(field, text, target, words)) {
        return true;
    }
    double value = 0;
    add_bounds(field, words);
    if (!read_number(field, text, &value) || value < field->min || value > field->max) {
        return false;
    }
    switch (field->kind) {
    case UB_KIND_DURATION:
        *(ub_ns *)target = (ub_ns)value;
        break;
    case UB_KIND_SIZE:
        *(uint64_t *)target = (uint64_t)value;
        break;
    case UB_KIND_COUNT:
        *(uint32_t *)target = (uint32_t)value;
        break;
    default:
        *(double *)target = value;
        break;
    }
    return true;
}

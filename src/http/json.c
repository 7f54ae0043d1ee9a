#include "http/json.h"

#include "http/number.h"
#include <assert.h>

/* What may come next, between tokens. */
enum state {
    TOP,          /* the object */
    VALUE,        /* a value */
    FIRST_VALUE,  /* a value or ']' */
    KEY,          /* a key */
    FIRST_KEY,    /* a key or '}' */
    COLON,        /* ':' */
    COMMA_OR_END, /* ',' or the bracket that closes */
    OVER,         /* white space */
    BROKEN,
};

/* The token that we are inside of. */
enum token {
    NONE,
    IN_KEY,
    IN_STRING,
    IN_TRUE,
    IN_FALSE,
    IN_NULL,
    IN_NUMBER,
};

#define RUN_LONG   64                  /* from here on a part of its own is cheaper than a copy */
#define SHORT      128                 /* bytes in which the end of a short string is looked for */
#define STAGE_FULL (UB_JSON_STAGE - 4) /* an escape adds at most four bytes */

void ub_json_init(struct ub_json *json)
{
    *json = (struct ub_json){.state = TOP};
}

static enum ub_json_found fail(struct ub_json *json, const char *words)
{
    json->state = BROKEN;
    json->bad = words;
    return UB_JSON_BAD;
}

bool ub_json_finish(struct ub_json *json)
{
    if (json->state != OVER && json->state != BROKEN) {
        fail(json, json->at == 0 ? "the body is empty" : "the end of the body is missing");
    }
    return json->state == OVER;
}

static void value_over(struct ub_json *json)
{
    json->token = NONE;
    json->state = json->depth == 0 ? OVER : COMMA_OR_END;
}

/* Strings ------------------------------------------------------------------------------------- */

/* One byte of an escape sequence, behind its backslash. Words when it may not stand here. */
static const char *take_escape(struct ub_json *json, char c)
{
    const char *words = ub_escape_next(&json->escape, c);
    if (words != NULL || ub_escape_is_open(&json->escape)) {
        return words;
    }
    if (json->escape.code_point == 0 && json->token == IN_KEY) {
        return "a key with NUL";
    }
    char *out = json->stage + json->staged;
    json->staged = (uint16_t)(json->staged + ub_utf8_write(out, json->escape.code_point));
    return NULL;
}

static void stage_bytes(struct ub_json *json, const char *from, const char *to)
{
    size_t len = (size_t)(to - from);
    assert(len <= sizeof json->stage - json->staged);
    memcpy(json->stage + json->staged, from, len);
    json->staged = (uint16_t)(json->staged + len);
}

/* Raw characters of the string from `p` on; stops at a quote, a backslash, `end`, or a bad byte,
 * then with words. */
static const char *raw_characters(struct ub_json *json, const char *p, const char *end,
                                  const char **words)
{
    for (;;) {
        while (json->utf8.left > 0) {
            if (p == end) {
                return p;
            }
            if (!ub_utf8_next(&json->utf8, (unsigned char)*p)) {
                *words = "bytes that are not UTF-8";
                return p;
            }
            p++;
        }
        p = ub_text_plain(p, end);
        if (p == end || *p == '"' || *p == '\\') {
            return p;
        }
        if (((unsigned char)*p & 0x80) == 0) {
            *words = "a control character in a string";
            return p;
        }
        const char *after = ub_text_utf8(p, end);
        if (after == p) {
            if (!ub_utf8_next(&json->utf8, (unsigned char)*p)) {
                *words = "bytes that are not UTF-8";
                return p;
            }
            after = p + 1;
        }
        p = after;
    }
}

static enum ub_json_found part(const struct ub_json *json)
{
    return json->token == IN_KEY ? UB_JSON_KEY_PART : UB_JSON_STRING_PART;
}

static enum ub_json_found string_over(struct ub_json *json)
{
    if (json->token == IN_KEY) {
        json->token = NONE;
        json->state = COLON;
        return UB_JSON_KEY;
    }
    value_over(json);
    return UB_JSON_STRING;
}

static void text_from_stage(struct ub_json *json)
{
    json->text = (struct ub_slice){json->stage, json->staged};
    json->staged = 0;
}

/* Where a bounded look ahead ends: while something is staged, what follows has to fit behind it. */
static const char *window_end(const struct ub_json *json, const char *p, const char *end)
{
    size_t room = STAGE_FULL - json->staged;
    return json->staged > 0 && (size_t)(end - p) > room ? p + room : end;
}

/* A run of raw characters [run, p) is over. One that is worth it, or is all of the text, is handed
 * out where it stands; else it joins the stage. True: there is a text to hand out. */
static bool run_over(struct ub_json *json, const char *run, const char *p, bool at_backslash)
{
    bool is_long = (size_t)(p - run) >= RUN_LONG;
    if (json->staged == 0 && p > run && (is_long || !at_backslash)) {
        json->text = (struct ub_slice){run, (size_t)(p - run)};
        return true;
    }
    stage_bytes(json, run, p);
    return false;
}

/* Escapes come in crowds. While something is staged, this takes plain characters and the common
 * escapes as far as it can, and leaves the rest to the general way. */
static const char *stage_crowd(struct ub_json *json, const char *p, const char *end)
{
    size_t staged = json->staged;
    bool at_special = true;
    while (at_special && staged < STAGE_FULL) {
        size_t len = ub_text_copy_plain(json->stage + staged, sizeof json->stage - staged, p, end,
                                        &at_special);
        staged += len;
        p += len;
        if (!at_special || *p != '\\' || staged >= STAGE_FULL) {
            break;
        }
        uint32_t code_point;
        len = ub_escape_whole(p, end, &code_point);
        if (len == 0) {
            break;
        }
        staged += ub_utf8_write(json->stage + staged, code_point);
        p += len;
    }
    json->staged = (uint16_t)staged;
    return p;
}

static enum ub_json_found string_parts(struct ub_json *json, const char **at, const char *end,
                                       const char **words)
{
    const char *p = *at;
    enum ub_json_found found = UB_JSON_MORE;
    while (found == UB_JSON_MORE && *words == NULL) {
        if (json->staged >= STAGE_FULL) {
            text_from_stage(json);
            found = part(json);
        } else if (p == end) {
            break;
        } else if (ub_escape_is_open(&json->escape)) {
            *words = take_escape(json, *p);
            p += *words == NULL;
        } else {
            if (json->staged > 0 && json->utf8.left == 0) {
                p = stage_crowd(json, p, end);
                if (p == end || json->staged >= STAGE_FULL) {
                    continue;
                }
            }
            const char *window = window_end(json, p, end);
            const char *run = p;
            p = raw_characters(json, p, window, words);
            if (*words != NULL) {
                break;
            }
            bool at_quote = p < window && *p == '"';
            bool at_backslash = p < window && *p == '\\';
            if (run_over(json, run, p, at_backslash)) {
                found = part(json);
            } else if (at_quote) {
                text_from_stage(json);
            }
            if (at_quote) {
                found = string_over(json);
                p++;
            } else if (at_backslash && found == UB_JSON_MORE) {
                ub_escape_begin(&json->escape);
                p++;
            }
        }
    }
    *at = p;
    return found;
}

static void advance(struct ub_json *json, struct ub_slice *in, size_t len)
{
    json->at += len;
    in->ptr += len;
    in->len -= len;
}

/* Most strings are short, plain, and all there. */
static bool short_string(struct ub_json *json, struct ub_slice *in)
{
    if (json->staged > 0 || json->utf8.left > 0 || ub_escape_is_open(&json->escape)) {
        return false;
    }
    size_t look = in->len < SHORT ? in->len : SHORT;
    const char *p = ub_text_plain(in->ptr, in->ptr + look);
    if (p == in->ptr + look || *p != '"') {
        return false;
    }
    json->text = (struct ub_slice){in->ptr, (size_t)(p - in->ptr)};
    advance(json, in, json->text.len + 1);
    return true;
}

static enum ub_json_found string(struct ub_json *json, struct ub_slice *in)
{
    if (short_string(json, in)) {
        return string_over(json);
    }
    const char *words = NULL;
    const char *p = in->ptr;
    enum ub_json_found found = string_parts(json, &p, in->ptr + in->len, &words);
    advance(json, in, (size_t)(p - in->ptr));
    return words == NULL ? found : fail(json, words);
}

/* Numbers and literals ------------------------------------------------------------------------ */

/* As much of a number as its text has room for. */
static void stage_number(struct ub_json *json, const char *from, const char *to)
{
    size_t len = (size_t)(to - from);
    size_t room = sizeof json->stage - json->staged;
    stage_bytes(json, from, from + (len < room ? len : room));
}

static enum ub_json_found number_over(struct ub_json *json, const char *from, const char *to)
{
    if (json->staged == 0) {
        size_t len = (size_t)(to - from);
        json->text = (struct ub_slice){from, len < UB_JSON_STAGE ? len : UB_JSON_STAGE};
    } else {
        stage_number(json, from, to);
        text_from_stage(json);
    }
    value_over(json);
    return UB_JSON_NUMBER;
}

static enum ub_json_found number(struct ub_json *json, struct ub_slice *in)
{
    const char *from = in->ptr;
    const char *end = in->ptr + in->len;
    enum ub_number place = json->number;
    const char *p = ub_number_run(&place, from, end);
    json->number = (uint8_t)place;
    advance(json, in, (size_t)(p - from));
    if (p == end) {
        stage_number(json, from, p);
        return UB_JSON_MORE;
    }
    if (ub_number_is_whole(place)) {
        return number_over(json, from, p);
    }
    return fail(json,
                place == UB_NUMBER_START ? "a value is missing" : "a number that is cut short");
}

static enum ub_json_found literal(struct ub_json *json, struct ub_slice *in)
{
    static const struct {
        const char *word;
        enum ub_json_found found;
    } literals[] = {{"true", UB_JSON_TRUE}, {"false", UB_JSON_FALSE}, {"null", UB_JSON_NULL}};
    const char *word = literals[json->token - IN_TRUE].word;
    enum ub_json_found found = literals[json->token - IN_TRUE].found;
    while (in->len > 0 && word[json->literal_at] != '\0') {
        if (*in->ptr != word[json->literal_at]) {
            return fail(json, "an unknown word");
        }
        json->literal_at++;
        advance(json, in, 1);
    }
    if (word[json->literal_at] != '\0') {
        return UB_JSON_MORE;
    }
    value_over(json);
    return found;
}

/* Structure ----------------------------------------------------------------------------------- */

static enum ub_json_found open(struct ub_json *json, bool object)
{
    if (json->depth == UB_JSON_DEPTH) {
        return fail(json, "nested too deep");
    }
    uint64_t bit = (uint64_t)1 << json->depth++;
    json->is_object = object ? json->is_object | bit : json->is_object & ~bit;
    json->state = object ? FIRST_KEY : FIRST_VALUE;
    return object ? UB_JSON_OBJECT : UB_JSON_ARRAY;
}

static bool inside_object(const struct ub_json *json)
{
    return (json->is_object >> (json->depth - 1) & 1) != 0;
}

static enum ub_json_found close(struct ub_json *json, bool object)
{
    if (inside_object(json) != object) {
        return fail(json, object ? "a '}' that closes nothing" : "a ']' that closes nothing");
    }
    json->depth--;
    value_over(json);
    return object ? UB_JSON_OBJECT_END : UB_JSON_ARRAY_END;
}

/* The first byte stays for the token's own reader, quotes excepted. */
static void token_begins(struct ub_json *json, enum token token)
{
    json->token = (uint8_t)token;
    json->literal_at = 0;
    json->number = UB_NUMBER_START;
}

static enum ub_json_found value_begins(struct ub_json *json, struct ub_slice *in, char c)
{
    switch (c) {
    case '{':
    case '[':
        advance(json, in, 1);
        return open(json, c == '{');
    case '"':
        advance(json, in, 1);
        token_begins(json, IN_STRING);
        return UB_JSON_MORE;
    case 't':
        token_begins(json, IN_TRUE);
        return UB_JSON_MORE;
    case 'f':
        token_begins(json, IN_FALSE);
        return UB_JSON_MORE;
    case 'n':
        token_begins(json, IN_NULL);
        return UB_JSON_MORE;
    default:
        token_begins(json, IN_NUMBER);
        return UB_JSON_MORE;
    }
}

static enum ub_json_found key_begins(struct ub_json *json, struct ub_slice *in, char c)
{
    if (c != '"') {
        return fail(json, "a key is missing");
    }
    advance(json, in, 1);
    token_begins(json, IN_KEY);
    return UB_JSON_MORE;
}

/* A comma or a colon was read; what follows it is most often a string. */
static enum ub_json_found expect(struct ub_json *json, struct ub_slice *in, enum state state)
{
    advance(json, in, 1);
    json->state = (uint8_t)state;
    if (in->len > 0 && *in->ptr == '"') {
        json->begin = json->at;
        advance(json, in, 1);
        token_begins(json, state == KEY ? IN_KEY : IN_STRING);
    }
    return UB_JSON_MORE;
}

/* After a value inside an object or an array. */
static enum ub_json_found comma_or_end(struct ub_json *json, struct ub_slice *in, char c)
{
    if (c == ',') {
        return expect(json, in, inside_object(json) ? KEY : VALUE);
    }
    if (c != '}' && c != ']') {
        return fail(json, "a comma or a closing bracket is missing");
    }
    enum ub_json_found found = close(json, c == '}');
    if (found != UB_JSON_BAD) {
        advance(json, in, 1);
    }
    return found;
}

/* A byte that is not white space, between tokens. MORE: nothing to hand out yet. */
static enum ub_json_found between(struct ub_json *json, struct ub_slice *in)
{
    char c = *in->ptr;
    json->begin = json->at;
    switch ((enum state)json->state) {
    case TOP:
        return c == '{' ? value_begins(json, in, c) : fail(json, "not a JSON object");
    case FIRST_VALUE:
        return c == ']' ? comma_or_end(json, in, c) : value_begins(json, in, c);
    case VALUE:
        return value_begins(json, in, c);
    case FIRST_KEY:
        return c == '}' ? comma_or_end(json, in, c) : key_begins(json, in, c);
    case KEY:
        return key_begins(json, in, c);
    case COLON:
        return c == ':' ? expect(json, in, VALUE) : fail(json, "a colon is missing");
    case COMMA_OR_END:
        return comma_or_end(json, in, c);
    case OVER:
        return fail(json, "something follows the object");
    case BROKEN:
        break;
    }
    return UB_JSON_BAD;
}

static void skip_space(struct ub_json *json, struct ub_slice *in)
{
    size_t i = 0;
    while (i < in->len &&
           (in->ptr[i] == ' ' || in->ptr[i] == '\n' || in->ptr[i] == '\r' || in->ptr[i] == '\t')) {
        i++;
    }
    advance(json, in, i);
}

static enum ub_json_found step(struct ub_json *json, struct ub_slice *in)
{
    switch ((enum token)json->token) {
    case NONE:
        skip_space(json, in);
        return in->len == 0 ? UB_JSON_MORE : between(json, in);
    case IN_KEY:
    case IN_STRING:
        return string(json, in);
    case IN_TRUE:
    case IN_FALSE:
    case IN_NULL:
        return literal(json, in);
    case IN_NUMBER:
        break;
    }
    return number(json, in);
}

enum ub_json_found ub_json_next(struct ub_json *json, struct ub_slice *in)
{
    enum ub_json_found found = json->state == BROKEN ? UB_JSON_BAD : UB_JSON_MORE;
    while (found == UB_JSON_MORE && in->len > 0) {
        found = step(json, in);
    }
    return found;
}

#include "http/walk.h"

#include "http/number.h"
#include "http/text.h"

static bool fail(struct ub_walk *walk)
{
    walk->bad = true;
    walk->p = walk->end;
    return false;
}

/* The byte of the next token, or NUL, which begins none. */
static inline char peek(struct ub_walk *walk)
{
    const char *p = walk->p;
    while (p < walk->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
    }
    walk->p = p;
    return p < walk->end ? *p : '\0';
}

static bool open(struct ub_walk *walk, char bracket)
{
    if (peek(walk) != bracket) {
        return false;
    }
    if (walk->depth == UB_WALK_DEPTH) {
        return fail(walk);
    }
    walk->p++;
    walk->depth++;
    walk->fresh = true;
    return true;
}

bool ub_walk_object(struct ub_walk *walk)
{
    return open(walk, '{');
}

bool ub_walk_array(struct ub_walk *walk)
{
    return open(walk, '[');
}

bool ub_walk_is_object(struct ub_walk *walk)
{
    return peek(walk) == '{';
}

/* To the next member or element: past a comma where one is due. False: the bracket closed. */
static bool next(struct ub_walk *walk, char bracket)
{
    char c = peek(walk);
    if (c == bracket) {
        walk->p++;
        walk->depth--;
        walk->fresh = false;
        return false;
    }
    if (walk->fresh) {
        walk->fresh = false;
        return !walk->bad;
    }
    if (c != ',') {
        return fail(walk);
    }
    walk->p++;
    return true;
}

/* The end of the escape at `p`, or NULL. */
static const char *escape_end(const char *p, const char *end)
{
    if (end - p < 2) {
        return NULL;
    }
    if (p[1] != 'u') {
        return p[1] != '\0' && strchr("\"\\/bfnrt", p[1]) != NULL ? p + 2 : NULL;
    }
    if (end - p < 6) {
        return NULL;
    }
    for (int i = 2; i < 6; i++) {
        char c = (char)(p[i] | 0x20);
        if (!ub_number_is_digit(p[i]) && !(c >= 'a' && c <= 'f')) {
            return NULL;
        }
    }
    return p + 6;
}

/* Behind the opening quote. */
static bool string_rest(struct ub_walk *walk, struct ub_slice *text)
{
    const char *begin = walk->p;
    const char *p = begin;
    for (;;) {
        p = ub_text_plain(p, walk->end);
        if (p == walk->end) {
            return fail(walk);
        }
        if (*p == '"') {
            *text = (struct ub_slice){begin, (size_t)(p - begin)};
            walk->p = p + 1;
            return true;
        }
        const char *after = p;
        if (*p == '\\') {
            after = escape_end(p, walk->end);
        } else if (((unsigned char)*p & 0x80) != 0) {
            after = ub_text_utf8(p, walk->end);
        }
        if (after == NULL || after == p) {
            return fail(walk);
        }
        p = after;
    }
}

bool ub_walk_string(struct ub_walk *walk, struct ub_slice *text)
{
    if (peek(walk) != '"') {
        return false;
    }
    walk->p++;
    return string_rest(walk, text);
}

bool ub_walk_key(struct ub_walk *walk, struct ub_slice *key)
{
    if (walk->bad || !next(walk, '}')) {
        return false;
    }
    if (!ub_walk_string(walk, key)) {
        return fail(walk);
    }
    if (peek(walk) != ':') {
        return fail(walk);
    }
    walk->p++;
    return true;
}

bool ub_walk_element(struct ub_walk *walk)
{
    return !walk->bad && next(walk, ']');
}

static bool word(struct ub_walk *walk, const char *text, size_t len)
{
    if ((size_t)(walk->end - walk->p) < len || memcmp(walk->p, text, len) != 0) {
        return fail(walk);
    }
    walk->p += len;
    return true;
}

bool ub_walk_null(struct ub_walk *walk)
{
    return peek(walk) == 'n' && word(walk, "null", 4);
}

static bool number(struct ub_walk *walk, struct ub_slice *text)
{
    enum ub_number place = UB_NUMBER_START;
    const char *after = ub_number_run(&place, walk->p, walk->end);
    if (!ub_number_is_whole(place)) {
        return fail(walk);
    }
    *text = (struct ub_slice){walk->p, (size_t)(after - walk->p)};
    walk->p = after;
    return true;
}

bool ub_walk_count(struct ub_walk *walk, uint32_t *value)
{
    struct ub_slice text;
    if (!ub_number_is_digit(peek(walk)) || !number(walk, &text)) {
        return false;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < text.len && ub_number_is_digit(text.ptr[i]); i++) {
        sum = sum * 10 + (uint64_t)(text.ptr[i] - '0');
        sum = sum > UINT32_MAX ? UINT32_MAX : sum;
    }
    *value = (uint32_t)sum;
    return true;
}

/* The rest of an object or array just entered. Recursion ends at UB_WALK_DEPTH. */
static bool skip_inside(struct ub_walk *walk, bool object)
{
    bool something = false;
    struct ub_slice key;
    while (object ? ub_walk_key(walk, &key) : ub_walk_element(walk)) {
        something = true;
        ub_walk_skip(walk);
    }
    return something;
}

bool ub_walk_says(struct ub_walk *walk)
{
    struct ub_slice text;
    switch (peek(walk)) {
    case '"':
        walk->p++;
        return string_rest(walk, &text) && text.len > 0;
    case '{':
        return open(walk, '{') && skip_inside(walk, true);
    case '[':
        return open(walk, '[') && skip_inside(walk, false);
    case 't':
        return word(walk, "true", 4);
    case 'f':
        return word(walk, "false", 5);
    case 'n':
        word(walk, "null", 4);
        return false;
    default:
        return number(walk, &text);
    }
}

bool ub_walk_skip(struct ub_walk *walk)
{
    ub_walk_says(walk);
    return !walk->bad;
}

bool ub_walk_over(struct ub_walk *walk)
{
    return peek(walk) == '\0' && walk->p == walk->end && walk->depth == 0 && !walk->bad;
}

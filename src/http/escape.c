#include "http/escape.h"

#include <assert.h>
#include <stddef.h>

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *done(struct ub_escape *escape, uint32_t code_point)
{
    escape->code_point = code_point;
    escape->state = UB_ESCAPE_NONE;
    return NULL;
}

/* Four digits are there. */
static const char *take_unit(struct ub_escape *escape)
{
    uint32_t unit = escape->unit;
    bool high = unit >= 0xd800 && unit <= 0xdbff;
    bool low = unit >= 0xdc00 && unit <= 0xdfff;
    if (escape->state == UB_ESCAPE_LOW_HEX) {
        uint32_t upper = (uint32_t)(escape->high_surrogate - 0xd800) << 10;
        return low ? done(escape, 0x10000 + upper + (unit - 0xdc00))
                   : "a high surrogate without a low one";
    }
    if (high) {
        escape->high_surrogate = escape->unit;
        escape->state = UB_ESCAPE_LOW_BACKSLASH;
        return NULL;
    }
    return low ? "a low surrogate without a high one" : done(escape, unit);
}

static const char *take_digit(struct ub_escape *escape, char c)
{
    int digit = hex_digit((unsigned char)c);
    if (digit < 0) {
        return "an escape that is not \\u and four hexadecimal digits";
    }
    escape->unit = (uint16_t)(escape->unit << 4 | digit);
    return ++escape->digits == 4 ? take_unit(escape) : NULL;
}

static const char *take_letter(struct ub_escape *escape, char c)
{
    switch (c) {
    case 'u':
        escape->state = UB_ESCAPE_HEX;
        return NULL;
    case '"':
    case '\\':
    case '/':
        return done(escape, (uint32_t)c);
    case 'b':
        return done(escape, '\b');
    case 'f':
        return done(escape, '\f');
    case 'n':
        return done(escape, '\n');
    case 'r':
        return done(escape, '\r');
    case 't':
        return done(escape, '\t');
    default:
        return "an unknown escape";
    }
}

const char *ub_escape_next(struct ub_escape *escape, char c)
{
    switch ((enum ub_escape_state)escape->state) {
    case UB_ESCAPE_BEGUN:
        return take_letter(escape, c);
    case UB_ESCAPE_HEX:
    case UB_ESCAPE_LOW_HEX:
        return take_digit(escape, c);
    case UB_ESCAPE_LOW_BACKSLASH:
        escape->state = UB_ESCAPE_LOW_U;
        return c == '\\' ? NULL : "a high surrogate without a low one";
    case UB_ESCAPE_LOW_U:
        escape->state = UB_ESCAPE_LOW_HEX;
        escape->digits = 0;
        escape->unit = 0;
        return c == 'u' ? NULL : "a high surrogate without a low one";
    case UB_ESCAPE_NONE:
        break;
    }
    assert(false);
    return "no escape";
}

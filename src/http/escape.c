#include "http/escape.h"

#include <assert.h>

/* Values of hexadecimal digits plus one, so that 0 is "none". */
static const uint8_t hex_digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

/* What the letter behind the backslash stands for. */
static const char letters[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

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
    int digit = hex_digits[(unsigned char)c] - 1;
    if (digit < 0) {
        return "an escape that is not \\u and four hexadecimal digits";
    }
    escape->unit = (uint16_t)(escape->unit << 4 | digit);
    return ++escape->digits == 4 ? take_unit(escape) : NULL;
}

static const char *take_letter(struct ub_escape *escape, char c)
{
    if (c == 'u') {
        escape->state = UB_ESCAPE_HEX;
        return NULL;
    }
    char letter = letters[(unsigned char)c];
    return letter == '\0' ? "an unknown escape" : done(escape, (uint32_t)letter);
}

size_t ub_escape_whole(const char *p, const char *end, uint32_t *code_point)
{
    if (end - p < 2) {
        return 0;
    }
    *code_point = (uint32_t)letters[(unsigned char)p[1]];
    if (*code_point != 0) {
        return 2;
    }
    if (p[1] != 'u' || end - p < 6) {
        return 0;
    }
    uint32_t unit = 0;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digits[(unsigned char)p[i]] - 1;
        if (digit < 0) {
            return 0;
        }
        unit = unit << 4 | (uint32_t)digit;
    }
    *code_point = unit;
    return unit == 0 || (unit >= 0xd800 && unit <= 0xdfff) ? 0 : 6;
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

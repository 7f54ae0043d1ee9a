/* number.h - the grammar of JSON numbers (RFC 8259, section 6), character by character. */
#ifndef UB_HTTP_NUMBER_H
#define UB_HTTP_NUMBER_H

#include <stdbool.h>

/* Where in a number we are. */
enum ub_number {
    UB_NUMBER_NONE,
    UB_NUMBER_START,
    UB_NUMBER_MINUS,
    UB_NUMBER_ZERO,
    UB_NUMBER_INT,
    UB_NUMBER_POINT,
    UB_NUMBER_FRACTION,
    UB_NUMBER_E,
    UB_NUMBER_E_SIGN,
    UB_NUMBER_EXPONENT,
};

static inline bool ub_number_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The place behind `c`; NONE: `c` is not part of the number. */
static inline enum ub_number ub_number_step(enum ub_number place, char c)
{
    bool digit = ub_number_is_digit(c);
    switch (place) {
    case UB_NUMBER_START:
        if (c == '-') {
            return UB_NUMBER_MINUS;
        }
        return c == '0' ? UB_NUMBER_ZERO : digit ? UB_NUMBER_INT : UB_NUMBER_NONE;
    case UB_NUMBER_MINUS:
        return c == '0' ? UB_NUMBER_ZERO : digit ? UB_NUMBER_INT : UB_NUMBER_NONE;
    case UB_NUMBER_ZERO:
    case UB_NUMBER_INT:
        if (digit) {
            return place == UB_NUMBER_INT ? UB_NUMBER_INT : UB_NUMBER_NONE;
        }
        return c == '.' ? UB_NUMBER_POINT : (c | 0x20) == 'e' ? UB_NUMBER_E : UB_NUMBER_NONE;
    case UB_NUMBER_POINT:
        return digit ? UB_NUMBER_FRACTION : UB_NUMBER_NONE;
    case UB_NUMBER_FRACTION:
        return digit ? UB_NUMBER_FRACTION : (c | 0x20) == 'e' ? UB_NUMBER_E : UB_NUMBER_NONE;
    case UB_NUMBER_E:
        if (digit) {
            return UB_NUMBER_EXPONENT;
        }
        return c == '+' || c == '-' ? UB_NUMBER_E_SIGN : UB_NUMBER_NONE;
    case UB_NUMBER_E_SIGN:
    case UB_NUMBER_EXPONENT:
        return digit ? UB_NUMBER_EXPONENT : UB_NUMBER_NONE;
    case UB_NUMBER_NONE:
        break;
    }
    return UB_NUMBER_NONE;
}

/* The end of the number's characters in [p, end); `place` moves along. */
static inline const char *ub_number_run(enum ub_number *place, const char *p, const char *end)
{
    enum ub_number next;
    while (p < end && (next = ub_number_step(*place, *p)) != UB_NUMBER_NONE) {
        *place = next;
        p++;
        while (next == UB_NUMBER_INT && p < end && ub_number_is_digit(*p)) {
            p++;
        }
    }
    return p;
}

/* May it end here? */
static inline bool ub_number_is_whole(enum ub_number place)
{
    return place == UB_NUMBER_ZERO || place == UB_NUMBER_INT || place == UB_NUMBER_FRACTION ||
           place == UB_NUMBER_EXPONENT;
}

#endif

/* digits.h - numbers as text where printf would be felt: on the path of every request. */
#ifndef UB_GATEWAY_DIGITS_H
#define UB_GATEWAY_DIGITS_H

#include "base/slice.h"
#include <stdint.h>

/* Sixteen hexadecimal digits, without a zero byte behind them. */
static inline void ub_digits_hex(char out[16], uint64_t value)
{
    for (int i = 15; i >= 0; i--) {
        out[i] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
}

/* The decimal digits of `value` at the end of `out`. */
static inline struct ub_slice ub_digits_decimal(char out[20], uint64_t value)
{
    char *p = out + 20;
    do {
        *--p = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return (struct ub_slice){p, (size_t)(out + 20 - p)};
}

#endif

/* digits.h - numbers as text where printf would be felt: on the path of every request. */
#ifndef UB_BASE_DIGITS_H
#define UB_BASE_DIGITS_H

#include "base/slice.h"
#include <stdint.h>

#define UB_DIGITS_MAX 20

/* In decimal, at the end of `room`. */
static inline struct ub_slice ub_digits(uint64_t number, char room[UB_DIGITS_MAX])
{
    char *at = room + UB_DIGITS_MAX;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return (struct ub_slice){at, (size_t)(room + UB_DIGITS_MAX - at)};
}

/* Sixteen hexadecimal digits, without a zero byte behind them. */
static inline void ub_digits_hex(char out[16], uint64_t number)
{
    for (int i = 15; i >= 0; i--) {
        out[i] = "0123456789abcdef"[number & 15];
        number >>= 4;
    }
}

#endif

/* digits.h - a number in decimal without printf, for what is written with every message. */
#ifndef UB_NET_DIGITS_H
#define UB_NET_DIGITS_H

#include "base/slice.h"
#include <stdint.h>

#define UB_DIGITS_MAX 20

/* Stands at the end of `room`. */
static inline struct ub_slice ub_digits(uint64_t number, char room[UB_DIGITS_MAX])
{
    char *at = room + UB_DIGITS_MAX;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return (struct ub_slice){at, (size_t)(room + UB_DIGITS_MAX - at)};
}

#endif

/* units.h - durations, sizes and rates as people write them: 250ms, 8MiB, 100/s.
 *
 * A number with at most three decimals, directly followed by its unit:
 *   duration   ns us ms s m h d      a bare 0 is fine, any other bare number is not
 *   size       B KiB MiB GiB TiB     a bare number is bytes
 *   rate       /s /min /h
 * The whole text must be it; what does not fit the type, or has a sign, is refused.
 */
#ifndef UB_BASE_UNITS_H
#define UB_BASE_UNITS_H

#include "base/slice.h"
#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

#define UB_UNIT_TEXT 32 /* room for any printed value and its zero */

bool ub_duration_parse(struct ub_slice text, ub_ns *out);
bool ub_size_parse(struct ub_slice text, uint64_t *out);
bool ub_rate_parse(struct ub_slice text, double *per_s);

/* The same in whole numbers: so many in that time, 3 in 2 s for "1.5/s", and `whole` as many in the
 * unit itself, rounded up. Nothing is no rate. */
bool ub_rate_split(struct ub_slice text, uint64_t *amount, ub_ns *per_ns, uint64_t *whole);

/* The shortest text that parses to the same value: the largest unit that divides it. They return
 * `out`. */
const char *ub_duration_print(ub_ns value_ns, char out[UB_UNIT_TEXT]);
const char *ub_size_print(uint64_t bytes, char out[UB_UNIT_TEXT]);

/* Whole numbers per second, per minute or per hour where they are exact, else three decimals. */
const char *ub_rate_print(double per_s, char out[UB_UNIT_TEXT]);

#endif

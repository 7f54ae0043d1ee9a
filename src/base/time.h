/* time.h - instants and durations.
 *
 * One type for both, told apart by name: instants are called `now`, `at`, `not_before`, `deadline`;
 * durations end in `_ns`. Instants are nanoseconds of a monotonic clock; zero is "not set".
 */
#ifndef UB_BASE_TIME_H
#define UB_BASE_TIME_H

#include <stdint.h>

typedef int64_t ub_ns;

#define UB_US     ((ub_ns)1000)
#define UB_MS     ((ub_ns)1000000)
#define UB_SECOND ((ub_ns)1000000000)
#define UB_MINUTE (60 * UB_SECOND)
#define UB_HOUR   (3600 * UB_SECOND)
#define UB_NEVER  INT64_MAX

static inline ub_ns ub_ns_min(ub_ns a, ub_ns b)
{
    return a < b ? a : b;
}

static inline ub_ns ub_ns_max(ub_ns a, ub_ns b)
{
    return a > b ? a : b;
}

static inline ub_ns ub_ns_clamp(ub_ns value, ub_ns low, ub_ns high)
{
    return value < low ? low : value > high ? high : value;
}

/* `at` + `add_ns`, where UB_NEVER stays UB_NEVER and nothing overflows. Both are >= 0. */
static inline ub_ns ub_ns_after(ub_ns at, ub_ns add_ns)
{
    return add_ns >= UB_NEVER - at ? UB_NEVER : at + add_ns;
}

/* The clocks, for bodies only: pure folders are handed the time. */
ub_ns ub_clock_now(void);  /* CLOCK_MONOTONIC */
ub_ns ub_clock_wall(void); /* nanoseconds since 1970, UTC */
ub_ns ub_clock_cpu(void);  /* CPU time of this process, user + system */

#endif

#include "base/time.h"

#include <time.h>

static ub_ns read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (ub_ns)t.tv_sec * UB_SECOND + (ub_ns)t.tv_nsec;
}

ub_ns ub_clock_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

ub_ns ub_clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

ub_ns ub_clock_cpu(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

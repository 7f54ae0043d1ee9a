#include "policy/limit.h"

#include <assert.h>

#define TICKS 16 /* in a nanosecond; 18 years of them fit */

__extension__ typedef unsigned __int128 wide;

static int64_t ticks_of(ub_ns ns)
{
    return ns > INT64_MAX / TICKS ? INT64_MAX : ns * TICKS;
}

static ub_ns ns_of(int64_t ticks)
{
    return (ticks + TICKS - 1) / TICKS;
}

/* a * b / c, at most a quarter of what an int64_t holds, so that sums of a few of them fit. */
static int64_t share(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t product, most = INT64_MAX / 4;
    if (!__builtin_mul_overflow(a, b, &product)) {
        return (int64_t)(product / c < most ? product / c : most);
    }
    wide quotient = (wide)a * b / c;
    return (int64_t)(quotient < most ? (uint64_t)quotient : most);
}

/* What this much costs in time. */
static int64_t price(const struct ub_rate *rate, uint64_t cost)
{
    return share(cost, (uint64_t)rate->per_ns * TICKS, rate->amount);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

ub_ns ub_limit_wait(const struct ub_limit *limit, const struct ub_rate *rate, uint64_t cost,
                    ub_ns now)
{
    assert(rate->amount > 0);
    if (cost > rate->burst) {
        return UB_NEVER;
    }
    int64_t owed = later(limit->full_at - ticks_of(now), 0);
    int64_t wait = owed + price(rate, cost) - price(rate, rate->burst);
    return wait <= 0 ? 0 : ns_of(wait);
}

void ub_limit_take(struct ub_limit *limit, const struct ub_rate *rate, uint64_t cost, ub_ns now)
{
    int64_t at = later(limit->full_at, ticks_of(now)), more = price(rate, cost);
    limit->full_at = at > INT64_MAX - more ? INT64_MAX : at + more;
}

void ub_limit_settle(struct ub_limit *limit, const struct ub_rate *rate, uint64_t charged,
                     uint64_t used, ub_ns now)
{
    if (used > charged) {
        ub_limit_take(limit, rate, used - charged, now);
    } else {
        /* What has been refilled meanwhile stays so: the bucket is never more than full. */
        limit->full_at = later(limit->full_at - price(rate, charged - used), 0);
    }
}

ub_ns ub_limit_tell(struct ub_limit *limit, const struct ub_rate *rate, uint64_t cost, ub_ns now)
{
    ub_ns wait_ns = ub_limit_wait(limit, rate, cost, now);
    int64_t soonest = ticks_of(ub_ns_after(now, wait_ns));
    int64_t last = ticks_of(ub_ns_after(now, ub_ns_after(wait_ns, UB_LIMIT_LINE_NS)));
    int64_t at = later(limit->told_at, soonest);
    at = at < last ? at : last;
    limit->told_at = at > INT64_MAX - price(rate, cost) ? INT64_MAX : at + price(rate, cost);
    return ns_of(at - ticks_of(now));
}

uint64_t ub_limit_left(const struct ub_limit *limit, const struct ub_rate *rate, ub_ns now)
{
    int64_t owed = later(limit->full_at - ticks_of(now), 0);
    int64_t there = price(rate, rate->burst) - owed;
    if (there <= 0) {
        return 0;
    }
    /* One more for what rounding the burst took away. */
    uint64_t left =
        (uint64_t)share((uint64_t)there + 1, rate->amount, (uint64_t)rate->per_ns * TICKS);
    return left < rate->burst ? left : rate->burst;
}

ub_ns ub_limit_full_in(const struct ub_limit *limit, ub_ns now)
{
    return ns_of(later(limit->full_at - ticks_of(now), 0));
}

void ub_limit_adopt(struct ub_limit *limit, const struct ub_rate *rate, ub_ns now)
{
    if (rate->amount == 0) {
        *limit = (struct ub_limit){0};
        return;
    }
    int64_t most = ticks_of(now) + price(rate, rate->burst);
    limit->full_at = limit->full_at < most ? limit->full_at : most;
    limit->told_at = 0;
}

/* limit.h - so much per time, and not a bit more: GCRA in integers.
 *
 * The generic cell rate algorithm (ITU-T I.371) is a bucket that needs no refilling: it keeps one
 * instant, the one at which the bucket would be full again. What is taken moves it into the future by
 * what it costs in time, amount by amount; there is enough as long as it is not further away than the
 * whole burst. One rule serves requests (cost 1) and tokens (cost: as many), and a key takes 16
 * bytes.
 *
 * Instants are counted in sixteenths of a nanosecond. A cost is rounded down to one, so that exactly
 * the burst may come at once; at a million a second that adds 0.006 % to the rate.
 *
 * Those who are turned away together do not get the same answer: each is told the moment at which the
 * ones before it will have been served, as long as that is not too far away.
 */
#ifndef UB_POLICY_LIMIT_H
#define UB_POLICY_LIMIT_H

#include "base/time.h"
#include "policy/routes.h"

/* Zeroed: a full bucket. */
struct ub_limit {
    int64_t full_at; /* when all of the burst is there again */
    int64_t told_at; /* those turned away so far were told to come before this */
};

/* How long until this much is there; 0: now. More than the burst never is: UB_NEVER. The rate's
 * amount is not 0, here and below. */
ub_ns ub_limit_wait(const struct ub_limit *limit, const struct ub_rate *rate, uint64_t cost,
                    ub_ns now);

/* Takes it, whether it is there or not: who took too much waits for longer afterwards. */
void ub_limit_take(struct ub_limit *limit, const struct ub_rate *rate, uint64_t cost, ub_ns now);

/* `charged` was taken, `used` is what it should have been. */
void ub_limit_settle(struct ub_limit *limit, const struct ub_rate *rate, uint64_t charged,
                     uint64_t used, ub_ns now);

/* Somebody is turned away: how long it is to wait, behind those who were told before. At most
 * UB_LIMIT_LINE_NS longer than ub_limit_wait says, which is finite. */
#define UB_LIMIT_LINE_NS (20 * UB_SECOND)
ub_ns ub_limit_tell(struct ub_limit *limit, const struct ub_rate *rate, uint64_t cost, ub_ns now);

/* How much is there, and how long until all is. */
uint64_t ub_limit_left(const struct ub_limit *limit, const struct ub_rate *rate, ub_ns now);
ub_ns ub_limit_full_in(const struct ub_limit *limit, ub_ns now);

/* The rate is another one from now on: nobody owes more than its whole burst. */
void ub_limit_adopt(struct ub_limit *limit, const struct ub_rate *rate, ub_ns now);

#endif

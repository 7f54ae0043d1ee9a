/* retry.h - when to come back after everyone turned us away. */
#ifndef UB_POLICY_RETRY_H
#define UB_POLICY_RETRY_H

#include "base/time.h"
#include "policy/routes.h"
#include <stdbool.h>
#include <stdint.h>

/* Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): uniform in
 * [0, base * 2^(failures - 1)], capped, so that those turned away together do not return together.
 * After a throttle the base is five times as long. Retry-After is a floor (`not_before`, an
 * instant, 0 = none): later is fine, earlier is not; the jitter then comes on top of it. */
ub_ns ub_retry_at(const struct ub_retry_policy *policy, uint32_t failures, bool throttled,
                  ub_ns now, ub_ns not_before, double draw);

/* Extra attempts per first attempt, plus some per second: a bucket that first attempts and time
 * fill. Over any stretch of T seconds with n first attempts at most ratio * n + per_s * (T + 1) +
 * ratio * 500 extra attempts pass. There is one for each model and one for each upstream; an extra
 * attempt takes from both. The policies of those who share one may differ: then the largest ratio
 * and rate hold for their sum, and nobody takes away what another one has left. */
struct ub_budget {
    int64_t
        credit; /* millionths of an attempt, from first attempts; at most ratio * 500 attempts */
    int64_t reserve; /* millionths, from time; at most one second's worth */
    ub_ns at;        /* reserve as of; 0: never used, full */
};

void ub_budget_first(struct ub_budget *budget, const struct ub_retry_policy *policy);
/* Is there one to take? */
bool ub_budget_has(const struct ub_budget *budget, const struct ub_retry_policy *policy, ub_ns now);
/* Takes one; false and nothing taken when there is none. */
bool ub_budget_take(struct ub_budget *budget, const struct ub_retry_policy *policy, ub_ns now);

#endif

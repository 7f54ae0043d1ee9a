#include "policy/retry.h"

#include <assert.h>

#define THROTTLE_FACTOR  5   /* 100 ms and 500 ms in the AWS SDKs */
#define CREDIT_FIRST_MAX 500 /* first attempts whose credit is kept */
#define ONE              1000000

ub_ns ub_retry_at(const struct ub_retry_policy *policy, uint32_t failures, bool throttled,
                  ub_ns now, ub_ns not_before, double draw)
{
    assert(failures >= 1);
    assert(draw >= 0.0 && draw < 1.0);

    ub_ns window_ns = policy->base_ns * (throttled ? THROTTLE_FACTOR : 1);
    for (uint32_t i = 1; i < failures && window_ns < policy->cap_ns; i++) {
        window_ns *= 2;
    }
    window_ns = ub_ns_min(window_ns, policy->cap_ns);
    return ub_ns_max(now, not_before) + (ub_ns)(draw * (double)window_ns);
}

static int64_t millionths(double attempts)
{
    return (int64_t)(attempts * ONE + 0.5);
}

void ub_budget_first(struct ub_budget *budget, const struct ub_retry_policy *policy)
{
    int64_t each = millionths(policy->budget);
    int64_t most = each * CREDIT_FIRST_MAX;
    if (budget->credit < most) {
        budget->credit = budget->credit + each > most ? most : budget->credit + each;
    }
}

static void refill(struct ub_budget *budget, const struct ub_retry_policy *policy, ub_ns now)
{
    int64_t full = millionths(policy->budget_per_s);
    double passed_s = budget->at == 0 ? 1.0 : (double)(now - budget->at) / (double)UB_SECOND;
    int64_t more = passed_s >= 1.0 ? full : (int64_t)(passed_s * (double)full);
    if (more == 0) {
        return; /* and the time that has passed is kept */
    }
    if (budget->reserve < full) {
        budget->reserve = budget->reserve + more > full ? full : budget->reserve + more;
    }
    budget->at = now == 0 ? 1 : now;
}

bool ub_budget_has(const struct ub_budget *budget, const struct ub_retry_policy *policy, ub_ns now)
{
    struct ub_budget copy = *budget;
    return ub_budget_take(&copy, policy, now);
}

bool ub_budget_take(struct ub_budget *budget, const struct ub_retry_policy *policy, ub_ns now)
{
    refill(budget, policy, now);
    if (budget->credit + budget->reserve < ONE) {
        return false;
    }
    int64_t from_credit = budget->credit < ONE ? budget->credit : ONE;
    budget->credit -= from_credit;
    budget->reserve -= ONE - from_credit;
    return true;
}

#include "policy/routes.h"

/* Where the figures come from: API-side limits and the mechanisms they belong to are listed in
 * docs/CONFIG.md beside each key. */
struct ub_model_policy ub_model_policy_default(void)
{
    return (struct ub_model_policy){
        .balance = UB_BALANCE_ADAPTIVE,
        .affinity = UB_AFFINITY_PREFIX,
        .slow_over_ns = 0,
        .patience_ns = 250 * UB_MS,
        .first_token_min_ns = 5 * UB_SECOND,
        .first_token_max_ns = 30 * UB_SECOND,
        .total_ns = 10 * UB_MINUTE,
        .stall_ns = 30 * UB_SECOND,
        .slot_wait_ns = 60 * UB_SECOND,
        .heartbeat_after_ns = 10 * UB_SECOND,
        .heartbeat_every_ns = 10 * UB_SECOND,
        .hedge_budget = 0.02,
        .retry =
            {
                .attempts = 4,
                .base_ns = 100 * UB_MS,
                .cap_ns = 20 * UB_SECOND,
                .ride_out_ns = 10 * UB_SECOND,
                .budget = 0.2,
                .budget_per_s = 10,
            },
    };
}

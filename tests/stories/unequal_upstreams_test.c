/* Of two upstreams where one is four times as fast, the fast one gets most of the work, and the mean
 * time to the first token is far better than with round robin. */
#include "sim/world.h"

static double mean_first_ms(enum ub_balance balance, double *share_of_fast)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.seed = 2, .quiet = true});
    ub_world_policy(world, 0)->balance = balance;
    struct ub_sim_upstream *fast = ub_world_upstream(world, "fast", 200 * UB_MS);
    struct ub_sim_upstream *slow = ub_world_upstream(world, "slow", 800 * UB_MS);
    for (int i = 0; i < 2000; i++) {
        ub_world_request(world, i * 100 * UB_MS);
    }
    ub_world_run(world);
    double sum_ms = 0;
    for (uint32_t i = 1; i <= 2000; i++) {
        struct ub_sim_result r = ub_world_result(world, i);
        sum_ms += (double)(r.forwarded - r.arrived) / (double)UB_MS;
    }
    *share_of_fast = (double)fast->started / (double)(fast->started + slow->started);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
    return sum_ms / 2000;
}

int main(void)
{
    double even, share;
    double round_robin_ms = mean_first_ms(UB_BALANCE_ROUND_ROBIN, &even);
    UB_CHECK(even > 0.49 && even < 0.51, "round robin gives each the same");
    double adaptive_ms = mean_first_ms(UB_BALANCE_ADAPTIVE, &share);
    UB_CHECK(share > 0.65 && share < 0.95, "adaptive gives the fast one %.0f %%", 100 * share);
    UB_CHECK(adaptive_ms < 0.75 * round_robin_ms,
             "and the first token comes after %.0f ms, not %.0f", adaptive_ms, round_robin_ms);
    return ub_test_done();
}

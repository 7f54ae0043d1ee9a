/* dynamic_weight: a node whose mean response time is over the threshold gets 60 % less weight. */
#include "sim/world.h"

static double share_of_slow(ub_ns slow_over_ns)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.seed = 2, .quiet = true});
    ub_world_policy(world, 0)->balance = UB_BALANCE_DYNAMIC_WEIGHT;
    ub_world_policy(world, 0)->slow_over_ns = slow_over_ns;
    struct ub_sim_upstream *quick = ub_world_upstream(world, "quick", UB_SECOND);
    struct ub_sim_upstream *slow = ub_world_upstream(world, "slow", 2 * UB_SECOND);
    for (int i = 0; i < 2000; i++) {
        ub_world_request(world, i * 100 * UB_MS);
    }
    ub_world_run(world);
    double share = (double)slow->started / (double)(slow->started + quick->started);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
    return share;
}

int main(void)
{
    /* Weights 1 / (0.01 x 2000 + 0.1) and 1 / (0.01 x 3000 + 0.1): 60 % to 40 %. */
    double without = share_of_slow(0);
    UB_CHECK(without > 0.38 && without < 0.42, "without it: %.0f %%", 100 * without);
    /* 40 % of the 0.0332 against 0.0498: 21 %. */
    double with = share_of_slow(2500 * UB_MS);
    UB_CHECK(with > 0.19 && with < 0.24, "over it: %.0f %%", 100 * with);
    return ub_test_done();
}

/* Of two upstreams that are alike but for their errors, the one that fails now and then gets less of
 * the work: by the share of errors with dynamic_weight, by more than that with adaptive. What is long
 * past is forgotten. */
#include "sim/world.h"

static double share_of_failing(enum ub_balance balance, double fault_share)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.seed = 5, .quiet = true});
    ub_world_policy(world, 0)->balance = balance;
    struct ub_sim_upstream *fails = ub_world_upstream(world, "fails", 300 * UB_MS);
    struct ub_sim_upstream *works = ub_world_upstream(world, "works", 300 * UB_MS);
    fails->fault = fault_share > 0 ? UB_FAULT_BUSY_503 : UB_FAULT_NONE;
    fails->fault_share = fault_share;
    fails->refuse_ns = 300 * UB_MS; /* as slow as the first token of the other */
    for (int i = 0; i < 4000; i++) {
        ub_world_request(world, i * 50 * UB_MS);
    }
    ub_world_run(world);
    double share = (double)fails->started / (double)(fails->started + works->started);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
    return share;
}

static void test_share(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5, .quiet = true});
    struct ub_sim_upstream *u = ub_world_upstream(world, "u", 100 * UB_MS);
    u->token_ns = 0;
    u->fault = UB_FAULT_BUSY_503;
    u->fault_left = 1;
    ub_world_request(world, 0);
    ub_world_run_until(world, 10 * UB_MS);
    double failed = ub_world_facts(world, "u").error_share;
    UB_CHECK(failed > 0.099 && failed < 0.101, "a failure counts a tenth: %.3f", failed);
    ub_world_run(world);
    double worked = ub_world_facts(world, "u").error_share;
    UB_CHECK(worked > 0.085 && worked < 0.0905, "a success takes a tenth of it: %.3f", worked);
    ub_world_run_until(world, ub_world_now(world) + 30 * UB_SECOND);
    double faded = ub_world_facts(world, "u").error_share;
    UB_CHECK(faded > 0.36 * worked && faded < 0.38 * worked,
             "after 30 s without a call a third is left: %.3f", faded);
    ub_world_free(world);
}

int main(void)
{
    test_share();
    double even = share_of_failing(UB_BALANCE_DYNAMIC_WEIGHT, 0);
    UB_CHECK(even > 0.49 && even < 0.51, "dynamic_weight, both work: %.1f %%", 100 * even);
    double weighted = share_of_failing(UB_BALANCE_DYNAMIC_WEIGHT, 0.2);
    UB_CHECK(weighted > 0.40 && weighted < 0.48, "dynamic_weight, one call in five: %.1f %%",
             100 * weighted);
    double adaptive = share_of_failing(UB_BALANCE_ADAPTIVE, 0.2);
    UB_CHECK(adaptive < weighted, "adaptive: %.1f %%", 100 * adaptive);
    return ub_test_done();
}

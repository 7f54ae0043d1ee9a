/* One request at a time, and the cheapest upstream could have them all. Still one that was bad is used
 * again within ten seconds of its return: it is due a try every few seconds. */
#include "sim/world.h"

static void one_at_a_time(struct ub_world *world, ub_ns from, ub_ns until)
{
    for (ub_ns at = from; at < until; at += 2 * UB_SECOND) {
        ub_world_request(world, at);
    }
    ub_world_run_until(world, until);
}

static void test_single_busy(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *quick = ub_world_upstream(world, "quick", 100 * UB_MS);
    ub_world_upstream(world, "other", 110 * UB_MS);
    one_at_a_time(world, 0, 20 * UB_SECOND);
    quick->fault = UB_FAULT_BUSY_503;
    quick->fault_left = 1;
    one_at_a_time(world, 20 * UB_SECOND, 22 * UB_SECOND);
    UB_CHECK(quick->fault_left == 0, "one 503");
    uint64_t started = quick->started;
    one_at_a_time(world, 22 * UB_SECOND, 32 * UB_SECOND);
    UB_CHECK(quick->started > started, "after a single 503 it is tried again within ten seconds");
    ub_world_free(world);
}

static void test_killed(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *quick = ub_world_upstream(world, "quick", 100 * UB_MS);
    ub_world_upstream(world, "other", 110 * UB_MS);
    one_at_a_time(world, 0, 10 * UB_SECOND);
    ub_world_kill(world, "quick");
    one_at_a_time(world, 10 * UB_SECOND, 40 * UB_SECOND);
    ub_world_restart(world, "quick");
    uint64_t started = quick->started;
    one_at_a_time(world, 40 * UB_SECOND, 50 * UB_SECOND);
    UB_CHECK(quick->started > started, "killed and restarted: used within ten seconds");
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

int main(void)
{
    test_single_busy();
    test_killed();
    return ub_test_done();
}

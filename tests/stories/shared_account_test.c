/* An account that several gateways use: only a part of what it allows is ours, and the part changes
 * while requests run and wait. */
#include "sim/world.h"

static struct ub_world *shared_account(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *only = ub_world_upstream(world, "only", 200 * UB_MS);
    only->concurrency = 4;
    only->shared = true;
    ub_world_policy(world, 0)->slot_wait_ns = UB_MINUTE;
    return world;
}

static void test_part_comes_and_goes(void)
{
    struct ub_world *world = shared_account();
    for (int i = 0; i < 5; i++) {
        ub_world_request(world, i * 10 * UB_MS);
    }
    ub_world_run_until(world, 100 * UB_MS);
    ub_world_part(world, "only", 2);
    ub_world_run_until(world, 110 * UB_MS);
    ub_world_part(world, "only", 3);
    ub_world_run_until(world, 120 * UB_MS);
    ub_world_part(world, "only", 1);
    ub_world_run_until(world, 1400 * UB_MS);
    ub_world_reload(world);
    ub_world_run_until(world, 1500 * UB_MS);
    ub_world_part(world, "only", 1000);
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: nothing\n"
                   "[    10 ms] r2 arrived: nothing\n"
                   "[    20 ms] r3 arrived: nothing\n"
                   "[    30 ms] r4 arrived: nothing\n"
                   "[    40 ms] r5 arrived: nothing\n"
                   "[   100 ms] only part 2: r1 start 1 on only (slot freed), r2 start 1 on only "
                   "(slot freed)\n"
                   "[   110 ms] only part 3: r3 start 1 on only (slot freed)\n"
                   "[   120 ms] only part 1: nothing\n"
                   "[   300 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[   300 ms] r2 first token 1: forward 1 (first payload)\n"
                   "[   310 ms] r3 first token 1: forward 1 (first payload)\n"
                   "[  1300 ms] r1 ended 1 ok: finish (complete)\n"
                   "[  1300 ms] r2 ended 1 ok: finish (complete)\n"
                   "[  1310 ms] r3 ended 1 ok: finish (complete), r4 start 1 on only (slot freed)\n"
                   "[  1400 ms] routes\n"
                   "[  1500 ms] only part 1000: r5 start 1 on only (slot freed)\n"
                   "[  1510 ms] r4 first token 1: forward 1 (first payload)\n"
                   "[  1700 ms] r5 first token 1: forward 1 (first payload)\n"
                   "[  2510 ms] r4 ended 1 ok: finish (complete)\n"
                   "[  2700 ms] r5 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

int main(void)
{
    test_part_comes_and_goes();
    return ub_test_done();
}

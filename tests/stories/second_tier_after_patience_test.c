/* The second tier is used only after the patience for a slot in the first one is spent. */
#include "sim/world.h"

static struct ub_world *two_tiers(ub_ns answer_ns)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *best = ub_world_upstream(world, "best", 100 * UB_MS);
    best->concurrency = 1;
    best->token_ns = answer_ns / 50;
    ub_world_upstream(world, "spare", 300 * UB_MS)->tier = 1;
    return world;
}

int main(void)
{
    struct ub_world *world = two_tiers(UB_SECOND);
    ub_world_request(world, 0);
    ub_world_request(world, 100 * UB_MS);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on best (only candidate)\n"
                          "[   100 ms] r2 arrived: nothing\n"
                          "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
                          "[   350 ms] woken: r2 start 1 on spare (next tier)\n"
                          "[   650 ms] r2 first token 1: forward 1 (first payload)\n"
                          "[  1100 ms] r1 ended 1 ok: finish (complete)\n"
                          "[  1650 ms] r2 ended 1 ok: finish (complete)\n");
    ub_world_free(world);

    /* A slot that becomes free in time is worth the wait. */
    world = two_tiers(200 * UB_MS);
    ub_world_request(world, 0);
    ub_world_request(world, 100 * UB_MS);
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on best (only candidate)\n"
                   "[   100 ms] r2 arrived: nothing\n"
                   "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[   300 ms] r1 ended 1 ok: finish (complete), r2 start 1 on best (slot freed)\n"
                   "[   400 ms] r2 first token 1: forward 1 (first payload)\n"
                   "[   600 ms] r2 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
    return ub_test_done();
}

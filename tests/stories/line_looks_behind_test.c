/* The first in line cannot use the slot that became free, because it failed there a moment ago: the
 * one behind it gets it, instead of nobody. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *a = ub_world_upstream(world, "a", 100 * UB_MS);
    struct ub_sim_upstream *b = ub_world_upstream(world, "b", 100 * UB_MS);
    a->concurrency = b->concurrency = 1;
    a->token_ns = 100 * UB_MS;
    b->fault = UB_FAULT_ERROR_500;
    b->fault_left = 1;
    ub_world_policy(world, 0)->retry.base_ns = UB_MINUTE; /* no new round before the end */
    ub_world_policy(world, 0)->retry.cap_ns = UB_MINUTE;
    for (int i = 0; i < 4; i++) {
        ub_world_request(world, i * 20 * UB_MS);
    }
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on a (balanced)\n"
                   "[    20 ms] r2 arrived: start 1 on b (only candidate)\n"
                   "[    30 ms] r2 ended 1 upstream_error: nothing\n"
                   "[    40 ms] r3 arrived: start 1 on b (only candidate)\n"
                   "[    60 ms] r4 arrived: nothing\n"
                   "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[   140 ms] r3 first token 1: forward 1 (first payload)\n"
                   "[  1140 ms] r3 ended 1 ok: finish (complete), r4 start 1 on b (slot freed)\n"
                   "[  1240 ms] r4 first token 1: forward 1 (first payload)\n"
                   "[  2240 ms] r4 ended 1 ok: finish (complete)\n"
                   "[  5100 ms] r1 ended 1 ok: finish (complete), r2 start 2 on a (slot freed)\n"
                   "[  5200 ms] r2 first token 2: forward 2 (first payload)\n"
                   "[ 10200 ms] r2 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
    return ub_test_done();
}

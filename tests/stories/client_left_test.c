/* A client that leaves cancels its attempt at once, wherever its request is. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *only = ub_world_upstream(world, "only", 200 * UB_MS);
    only->concurrency = 2;
    ub_world_ask(world, (struct ub_ask){.leaves_after_ns = 100 * UB_MS});
    ub_world_ask(world, (struct ub_ask){.leaves_after_ns = 500 * UB_MS, .leaves_slow = true});
    ub_world_ask(world, (struct ub_ask){.at = UB_MS, .leaves_after_ns = 20 * UB_MS});
    ub_world_ask(world, (struct ub_ask){.at = UB_MS, .leaves_after_ns = 5 * UB_SECOND});
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
                          "[     0 ms] r2 arrived: start 1 on only (only candidate)\n"
                          "[     1 ms] r3 arrived: nothing\n"
                          "[     1 ms] r4 arrived: nothing\n"
                          "[    21 ms] r3 client left client_gone: drop client_gone (client left)\n"
                          "[   100 ms] r1 client left client_gone: cancel 1 (client left), drop "
                          "client_gone (client left), r4 start 1 on only (slot freed)\n"
                          "[   200 ms] r2 first token 1: forward 1 (first payload)\n"
                          "[   300 ms] r4 first token 1: forward 1 (first payload)\n"
                          "[   500 ms] r2 client left client_slow: cancel 1 (client left), drop "
                          "client_slow (client left)\n"
                          "[  1300 ms] r4 ended 1 ok: finish (complete)\n");
    UB_CHECK(ub_world_facts(world, "only").error_share == 0, "it speaks against nobody");
    ub_world_free(world);
    return ub_test_done();
}

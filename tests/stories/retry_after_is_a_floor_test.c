/* Retry-After is a floor: nothing is tried earlier, the jitter comes on top. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *only = ub_world_upstream(world, "only", 200 * UB_MS);
    only->fault = UB_FAULT_THROTTLED;
    only->fault_left = 1;
    only->retry_after_ns = 3 * UB_SECOND;
    ub_world_request(world, 0);
    ub_world_request(world, UB_SECOND); /* another request does not try earlier either */

    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
                          "[    10 ms] r1 ended 1 throttled, not before 3010 ms: nothing\n"
                          "[  1000 ms] r2 arrived: nothing\n"
                          "[  3060 ms] woken: r2 start 1 on only (after backing off)\n"
                          "[  3260 ms] r2 first token 1: forward 1 (first payload)\n"
                          "[  3355 ms] woken: r1 start 2 on only (after backing off)\n"
                          "[  3555 ms] r1 first token 2: forward 2 (first payload)\n"
                          "[  4260 ms] r2 ended 1 ok: finish (complete)\n"
                          "[  4555 ms] r1 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
    return ub_test_done();
}

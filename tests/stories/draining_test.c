/* Draining: what runs goes on, also with another attempt; what arrives is refused. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "one", 200 * UB_MS)->fault = UB_FAULT_ERROR_500;
    ub_world_upstream(world, "two", 200 * UB_MS)->tier = 1;
    ub_world_policy(world, 0)->patience_ns = 0;
    ub_world_request(world, 0);
    ub_world_run_until(world, 5 * UB_MS);
    ub_world_drain(world);
    ub_world_request(world, 20 * UB_MS);
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on one (only candidate)\n"
                   "[     5 ms] drain: nothing\n"
                   "[    10 ms] r1 ended 1 upstream_error: start 2 on two (next tier)\n"
                   "[    20 ms] r2 arrived: answer 503 draining, come back in 1000 ms (draining)\n"
                   "[   210 ms] r1 first token 2: forward 2 (first payload)\n"
                   "[  1210 ms] r1 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
    return ub_test_done();
}

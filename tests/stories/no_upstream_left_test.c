/* A reload takes out every upstream: what runs goes on, what arrives finds no route; the next reload
 * brings it back. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *only = ub_world_upstream(world, "only", 100 * UB_MS);
    ub_world_request(world, 0);
    ub_world_run_until(world, 50 * UB_MS);
    only->removed = true;
    ub_world_reload(world);
    ub_world_request(world, 60 * UB_MS);
    ub_world_run_until(world, 2 * UB_SECOND);
    only->removed = false;
    ub_world_reload(world);
    ub_world_request(world, 2 * UB_SECOND);
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
                   "[    50 ms] routes\n"
                   "[    60 ms] r2 arrived: answer 404 no_route, do not come back (unknown model)\n"
                   "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[  1100 ms] r1 ended 1 ok: finish (complete)\n"
                   "[  2000 ms] routes\n"
                   "[  2000 ms] r3 arrived: start 1 on only (only candidate)\n"
                   "[  2100 ms] r3 first token 1: forward 1 (first payload)\n"
                   "[  3100 ms] r3 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
    return ub_test_done();
}

/* A server is killed: who waited for it goes elsewhere unseen, who was being answered is cut. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "home", 400 * UB_MS);
    ub_world_upstream(world, "away", 300 * UB_MS)->tier = 1;
    ub_world_policy(world, 0)->patience_ns = 0;
    ub_world_request(world, 0);
    ub_world_request(world, 300 * UB_MS);
    ub_world_run_until(world, 500 * UB_MS);
    ub_world_kill(world, "home");
    UB_CHECK_TRACE(
        world, "[     0 ms] r1 arrived: start 1 on home (only candidate)\n"
               "[   300 ms] r2 arrived: start 1 on home (only candidate)\n"
               "[   400 ms] r1 first token 1: forward 1 (first payload)\n"
               "[   500 ms] r1 ended 1 reset: cut stream_broken (broke after the commit point)\n"
               "[   500 ms] r2 ended 1 reset: start 2 on away (next tier)\n"
               "[   800 ms] r2 first token 2: forward 2 (first payload)\n"
               "[  1800 ms] r2 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
    return ub_test_done();
}

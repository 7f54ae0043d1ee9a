/* Who waits for a slot hears with each heartbeat at which place it stands and how long it will take.
 * Waiting for anything else has no place. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *only = ub_world_upstream(world, "only", 4 * UB_SECOND);
    only->concurrency = 1;
    ub_world_policy(world, 0)->heartbeat_after_ns = 3 * UB_SECOND;
    ub_world_policy(world, 0)->heartbeat_every_ns = 5 * UB_SECOND;
    for (int i = 0; i < 3; i++) {
        ub_world_request(world, i * 10 * UB_MS);
    }
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
                   "[    10 ms] r2 arrived: nothing\n"
                   "[    20 ms] r3 arrived: nothing\n"
                   "[  3000 ms] woken: r1 heartbeat (still waiting)\n"
                   "[  3010 ms] woken: r2 heartbeat, place 1 (still waiting)\n"
                   "[  3020 ms] woken: r3 heartbeat, place 2 (still waiting)\n"
                   "[  4000 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[  5000 ms] r1 ended 1 ok: finish (complete), r2 start 1 on only (slot freed)\n"
                   "[  8010 ms] woken: r2 heartbeat (still waiting)\n"
                   "[  8020 ms] woken: r3 heartbeat, place 1, about 2500 ms (still waiting)\n"
                   "[  9000 ms] r2 first token 1: forward 1 (first payload)\n"
                   "[ 10000 ms] r2 ended 1 ok: finish (complete), r3 start 1 on only (slot freed)\n"
                   "[ 13020 ms] woken: r3 heartbeat (still waiting)\n"
                   "[ 14000 ms] r3 first token 1: forward 1 (first payload)\n"
                   "[ 15000 ms] r3 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
    return ub_test_done();
}

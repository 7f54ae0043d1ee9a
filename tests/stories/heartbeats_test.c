/* A waiting stream gets a comment after ten seconds and every ten seconds, until the answer begins;
 * who cannot be sent comments gets none, and none is begun when a refusal is expected. */
#include "sim/world.h"

static struct ub_world *slow(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "slow", 35 * UB_SECOND);
    ub_world_policy(world, 0)->first_token_min_ns = UB_MINUTE;
    ub_world_policy(world, 0)->first_token_max_ns = 2 * UB_MINUTE;
    return world;
}

int main(void)
{
    struct ub_world *world = slow();
    ub_world_request(world, 0);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on slow (only candidate)\n"
                          "[ 10000 ms] woken: r1 heartbeat (still waiting)\n"
                          "[ 20000 ms] woken: r1 heartbeat (still waiting)\n"
                          "[ 30000 ms] woken: r1 heartbeat (still waiting)\n"
                          "[ 35000 ms] r1 first token 1: forward 1 (first payload)\n"
                          "[ 36000 ms] r1 ended 1 ok: finish (complete)\n");
    ub_world_free(world);

    world = slow();
    ub_world_ask(world, (struct ub_ask){.no_heartbeat = true});
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on slow (only candidate)\n"
                          "[ 35000 ms] r1 first token 1: forward 1 (first payload)\n"
                          "[ 36000 ms] r1 ended 1 ok: finish (complete)\n");
    ub_world_free(world);

    /* Two seconds before the deadline the answer will more likely be a refusal. */
    world = slow();
    ub_world_policy(world, 0)->total_ns = 12 * UB_SECOND;
    ub_world_request(world, 0);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on slow (only candidate)\n"
                          "[ 12000 ms] woken: r1 cancel 1 (out of time), r1 answer 504 deadline, "
                          "come back in 1125 ms (out of time)\n");
    ub_world_free(world);
    return ub_test_done();
}

/* A waiting stream gets a comment after ten seconds and every ten seconds, until the answer begins;
 * who cannot be sent comments gets none, and none is begun when a refusal is expected. */
#include "sim/world.h"

static struct ub_world *slow(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_policy(world, 0)->retry.ride_out_ns = 0;
    ub_world_upstream(world, "slow", 35 * UB_SECOND);
    ub_world_policy(world, 0)->first_token_min_ns = UB_MINUTE;
    ub_world_policy(world, 0)->first_token_max_ns = 2 * UB_MINUTE;
    return world;
}

/* Also while everybody is full, and between two tries. */
static void test_not_only_while_trying(void)
{
    struct ub_world *world = slow();
    ub_world_upstream_named(world, "slow")->concurrency = 1;
    ub_world_request(world, 0);
    ub_world_request(world, UB_SECOND);
    ub_world_run_until(world, 34 * UB_SECOND);
    UB_CHECK(ub_world_result(world, 2).heartbeats == 3, "in the line");
    ub_world_free(world);
    world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_policy(world, 0)->retry.ride_out_ns = 0;
    struct ub_sim_upstream *busy = ub_world_upstream(world, "busy", 100 * UB_MS);
    busy->fault = UB_FAULT_BUSY_503;
    busy->fault_left = 1;
    busy->retry_after_ns = 25 * UB_SECOND;
    ub_world_request(world, 0);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on busy (only candidate)\n"
                          "[    10 ms] r1 ended 1 upstream_busy, not before 25010 ms: nothing\n"
                          "[ 10000 ms] woken: r1 heartbeat (still waiting)\n"
                          "[ 20000 ms] woken: r1 heartbeat (still waiting)\n"
                          "[ 25079 ms] woken: r1 start 2 on busy (after backing off)\n"
                          "[ 25179 ms] r1 first token 2: forward 2 (first payload)\n"
                          "[ 26179 ms] r1 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Three tries were refused, and the last one comes next: the status is still ours when it fails as
 * well. When it does not, the client hears of it after a second. */
static void test_not_before_the_last_try(void)
{
    for (uint32_t works = 0; works < 2; works++) {
        struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
        ub_world_policy(world, 0)->retry.ride_out_ns = 0;
        struct ub_sim_upstream *busy = ub_world_upstream(world, "busy", 3 * UB_SECOND);
        busy->fault = UB_FAULT_BUSY_503;
        busy->fault_left = works == 1 ? 3 : UINT32_MAX;
        ub_world_policy(world, 0)->heartbeat_after_ns = 250 * UB_MS;
        ub_world_request(world, 0);
        ub_world_run(world);
        UB_CHECK(ub_world_result(world, 1).attempts == 4, "the last try was made");
        UB_CHECK(ub_world_result(world, 1).heartbeats == works, "%s",
                 works == 1 ? "one that works is waited for" : "a refusal is no stream");
        ub_world_free(world);
    }
}

int main(void)
{
    test_not_before_the_last_try();
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

    /* Once begun they go on to the end: the status is settled. Both times are the policy's. */
    world = slow();
    ub_world_policy(world, 0)->heartbeat_after_ns = 3 * UB_SECOND;
    ub_world_policy(world, 0)->heartbeat_every_ns = 5 * UB_SECOND;
    ub_world_policy(world, 0)->total_ns = 14 * UB_SECOND;
    ub_world_request(world, 0);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on slow (only candidate)\n"
                          "[  3000 ms] woken: r1 heartbeat (still waiting)\n"
                          "[  8000 ms] woken: r1 heartbeat (still waiting)\n"
                          "[ 13000 ms] woken: r1 heartbeat (still waiting)\n"
                          "[ 14000 ms] woken: r1 cancel 1 (out of time), r1 answer 504 deadline, "
                          "come back in 1125 ms (out of time)\n");
    ub_world_free(world);
    test_not_only_while_trying();
    return ub_test_done();
}

/* A known concurrency is never exceeded; who finds everything full waits in line, for a bounded
 * time, in a line of bounded length. */
#include "sim/world.h"

static struct ub_world *one_slot(uint32_t queue_size, ub_ns slot_wait_ns)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "only", 200 * UB_MS)->concurrency = 1;
    ub_world_queue_size(world, queue_size);
    ub_world_policy(world, 0)->slot_wait_ns = slot_wait_ns;
    return world;
}

/* One that failed may work again before a slot is free: it is tried in between, after the usual
 * pauses, and the wait as a whole gets no longer by that. */
static void test_tries_between(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *full = ub_world_upstream(world, "full", 100 * UB_MS);
    full->concurrency = 1;
    full->token_ns = 200 * UB_MS;
    ub_world_request(world, 0);
    ub_world_run_until(world, 5 * UB_MS);
    ub_world_upstream(world, "sick", 100 * UB_MS)->fault = UB_FAULT_BUSY_503;
    ub_world_policy(world, 0)->slot_wait_ns = UB_SECOND;
    ub_world_policy(world, 0)->retry.attempts = 16;
    ub_world_reload(world);
    ub_world_request(world, 10 * UB_MS);
    UB_CHECK_TRACE(
        world,
        "[     0 ms] r1 arrived: start 1 on full (only candidate)\n"
        "[     5 ms] routes\n"
        "[    10 ms] r2 arrived: start 1 on sick (only candidate)\n"
        "[    20 ms] r2 ended 1 upstream_busy: nothing\n"
        "[    89 ms] woken: r2 start 2 on sick (after backing off)\n"
        "[    99 ms] r2 ended 2 upstream_busy: nothing\n"
        "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
        "[   237 ms] woken: r2 start 3 on sick (after backing off)\n"
        "[   247 ms] r2 ended 3 upstream_busy: nothing\n"
        "[   523 ms] woken: r2 start 4 on sick (after backing off)\n"
        "[   533 ms] r2 ended 4 upstream_busy: nothing\n"
        "[  1050 ms] woken: r2 answer 503 queue_timeout, come back in 1125 ms (no slot in time)\n"
        "[ 10100 ms] r1 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

int main(void)
{
    test_tries_between();
    struct ub_world *world = one_slot(1000, UB_MINUTE);
    for (int i = 0; i < 3; i++) {
        ub_world_request(world, i * 10 * UB_MS);
    }
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
                   "[    10 ms] r2 arrived: nothing\n"
                   "[    20 ms] r3 arrived: nothing\n"
                   "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[  1200 ms] r1 ended 1 ok: finish (complete), r2 start 1 on only (slot freed)\n"
                   "[  1400 ms] r2 first token 1: forward 1 (first payload)\n"
                   "[  2400 ms] r2 ended 1 ok: finish (complete), r3 start 1 on only (slot freed)\n"
                   "[  2600 ms] r3 first token 1: forward 1 (first payload)\n"
                   "[  3600 ms] r3 ended 1 ok: finish (complete)\n");
    UB_CHECK(ub_world_upstream_named(world, "only")->running_max == 1, "one at a time");
    ub_world_free(world);

    world = one_slot(1, UB_MINUTE);
    for (int i = 0; i < 3; i++) {
        ub_world_request(world, i * 10 * UB_MS);
    }
    UB_CHECK_TRACE(
        world, "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
               "[    10 ms] r2 arrived: nothing\n"
               "[    20 ms] r3 arrived: answer 503 queue_full, come back in 1125 ms (queue full)\n"
               "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
               "[  1200 ms] r1 ended 1 ok: finish (complete), r2 start 1 on only (slot freed)\n"
               "[  1400 ms] r2 first token 1: forward 1 (first payload)\n"
               "[  2400 ms] r2 ended 1 ok: finish (complete)\n");
    ub_world_free(world);

    world = one_slot(0, UB_MINUTE);
    ub_world_request(world, 0);
    ub_world_request(world, 10 * UB_MS);
    UB_CHECK_TRACE(
        world, "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
               "[    10 ms] r2 arrived: answer 503 queue_full, come back in 1125 ms (queue full)\n"
               "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
               "[  1200 ms] r1 ended 1 ok: finish (complete)\n");
    ub_world_free(world);

    world = one_slot(1000, 500 * UB_MS);
    ub_world_request(world, 0);
    ub_world_request(world, 10 * UB_MS);
    UB_CHECK_TRACE(
        world,
        "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
        "[    10 ms] r2 arrived: nothing\n"
        "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
        "[   510 ms] woken: r2 answer 503 queue_timeout, come back in 1125 ms (no slot in time)\n"
        "[  1200 ms] r1 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
    return ub_test_done();
}

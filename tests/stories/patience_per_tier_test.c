/* Each tier has its own patience and its own "one more try"; what failed in a better tier is not
 * tried again from a lower one. The one more try is for a single slip: not when the upstream has
 * just failed others, too, and not when it is ejected. */
#include "sim/world.h"

static struct ub_world *three(struct ub_sim_upstream *tier[3])
{
    const char *const names[] = {"best", "good", "spare"};
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    for (uint32_t i = 0; i < 3; i++) {
        tier[i] = ub_world_upstream(world, names[i], 100 * UB_MS);
        tier[i]->tier = i;
    }
    return world;
}

static void test_each_tier(void)
{
    struct ub_sim_upstream *tier[3];
    struct ub_world *world = three(tier);
    tier[0]->fault = tier[1]->fault = UB_FAULT_ERROR_500;
    tier[0]->fault_left = 2;
    tier[1]->fault_left = 1;
    ub_world_request(world, 0);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on best (only candidate)\n"
                          "[    10 ms] r1 ended 1 upstream_error: nothing\n"
                          "[   182 ms] woken: r1 start 2 on best (one more try in this tier)\n"
                          "[   192 ms] r1 ended 2 upstream_error: start 3 on good (next tier)\n"
                          "[   202 ms] r1 ended 3 upstream_error: nothing\n"
                          "[   375 ms] woken: r1 start 4 on good (one more try in this tier)\n"
                          "[   475 ms] r1 first token 4: forward 4 (first payload)\n"
                          "[  1475 ms] r1 ended 4 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Slots: the wait in the first tier takes nothing from the wait in the second. */
static void test_each_line(void)
{
    struct ub_sim_upstream *tier[3];
    struct ub_world *world = three(tier);
    tier[0]->concurrency = tier[1]->concurrency = 1;
    ub_world_policy(world, 0)->patience_ns = 200 * UB_MS;
    ub_world_request(world, 0);
    ub_world_request(world, 0);
    ub_world_request(world, 500 * UB_MS);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on best (only candidate)\n"
                          "[     0 ms] r2 arrived: nothing\n"
                          "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
                          "[   200 ms] woken: r2 start 1 on good (next tier)\n"
                          "[   300 ms] r2 first token 1: forward 1 (first payload)\n"
                          "[   500 ms] r3 arrived: nothing\n"
                          "[   900 ms] woken: r3 start 1 on spare (next tier)\n"
                          "[  1000 ms] r3 first token 1: forward 1 (first payload)\n"
                          "[  1100 ms] r1 ended 1 ok: finish (complete)\n"
                          "[  1300 ms] r2 ended 1 ok: finish (complete)\n"
                          "[  2000 ms] r3 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Whoever waits in a lower tier takes a slot in a better one when it is free first. */
static void test_better_in_passing(void)
{
    struct ub_sim_upstream *tier[3];
    struct ub_world *world = three(tier);
    tier[0]->concurrency = tier[1]->concurrency = 1;
    tier[1]->token_ns = 100 * UB_MS;
    ub_world_request(world, 0);
    ub_world_request(world, 0);
    ub_world_request(world, 700 * UB_MS);
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on best (only candidate)\n"
                   "[     0 ms] r2 arrived: nothing\n"
                   "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[   250 ms] woken: r2 start 1 on good (next tier)\n"
                   "[   350 ms] r2 first token 1: forward 1 (first payload)\n"
                   "[   700 ms] r3 arrived: nothing\n"
                   "[  1100 ms] r1 ended 1 ok: finish (complete), r3 start 1 on best (slot freed)\n"
                   "[  1200 ms] r3 first token 1: forward 1 (first payload)\n"
                   "[  2200 ms] r3 ended 1 ok: finish (complete)\n"
                   "[  5350 ms] r2 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Its Retry-After was longer than the patience of its own tier; it would be short enough for that of
 * the next one, but it is not asked from there. */
static void test_not_from_below(void)
{
    struct ub_sim_upstream *tier[3];
    struct ub_world *world = three(tier);
    tier[0]->fault = UB_FAULT_THROTTLED;
    tier[0]->retry_after_ns = 400 * UB_MS;
    tier[1]->fault = UB_FAULT_BUSY_503;
    tier[1]->refuse_ns = 200 * UB_MS;
    ub_world_request(world, 0);
    UB_CHECK_TRACE(
        world, "[     0 ms] r1 arrived: start 1 on best (only candidate)\n"
               "[    10 ms] r1 ended 1 throttled, not before 410 ms: start 2 on good (next tier)\n"
               "[   210 ms] r1 ended 2 upstream_busy: start 3 on spare (next tier)\n"
               "[   310 ms] r1 first token 3: forward 3 (first payload)\n"
               "[  1310 ms] r1 ended 3 ok: finish (complete)\n");
    ub_world_free(world);
}

static void test_failed_others(void)
{
    struct ub_sim_upstream *tier[3];
    struct ub_world *world = three(tier);
    tier[0]->fault = UB_FAULT_ERROR_500;
    ub_world_request(world, 0);
    ub_world_request(world, 5 * UB_MS);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on best (only candidate)\n"
                          "[     5 ms] r2 arrived: start 1 on best (only candidate)\n"
                          "[    10 ms] r1 ended 1 upstream_error: nothing\n"
                          "[    15 ms] r2 ended 1 upstream_error: start 2 on good (next tier)\n"
                          "[   115 ms] r2 first token 2: forward 2 (first payload)\n"
                          "[   182 ms] woken: r1 start 2 on best (one more try in this tier)\n"
                          "[   192 ms] r1 ended 2 upstream_error: start 3 on good (next tier)\n"
                          "[   292 ms] r1 first token 3: forward 3 (first payload)\n"
                          "[  1115 ms] r2 ended 2 ok: finish (complete)\n"
                          "[  1292 ms] r1 ended 3 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Ten good answers and ten bad ones open the breaker with a single failure in a row. */
static void test_ejected(void)
{
    struct ub_sim_upstream *tier[3];
    struct ub_world *world = three(tier);
    ub_world_policy(world, 0)->patience_ns = 0;
    tier[0]->token_ns = 0;
    for (int i = 0; i < 19; i++) {
        tier[0]->fault = i % 2 == 0 ? UB_FAULT_NONE : UB_FAULT_ERROR_500;
        ub_world_request(world, i * 200 * UB_MS);
        ub_world_run_until(world, i * 200 * UB_MS + 150 * UB_MS);
    }
    ub_world_policy(world, 0)->patience_ns = 250 * UB_MS;
    ub_world_reload(world);
    tier[0]->fault = UB_FAULT_ERROR_500;
    ub_world_run_until(world, 6 * UB_SECOND);
    ub_world_forget(world);
    ub_world_request(world, 6 * UB_SECOND);
    UB_CHECK_TRACE(world, "[  6000 ms] r20 arrived: start 1 on best (only candidate)\n"
                          "[  6010 ms] r20 ended 1 upstream_error: start 2 on good (next tier)\n"
                          "[  6110 ms] r20 first token 2: forward 2 (first payload)\n"
                          "[  7110 ms] r20 ended 2 ok: finish (complete)\n");
    UB_CHECK(ub_world_facts(world, "best").state == UB_UPSTREAM_EJECTED, "it is ejected");
    ub_world_free(world);
}

int main(void)
{
    test_each_tier();
    test_each_line();
    test_better_in_passing();
    test_not_from_below();
    test_failed_others();
    test_ejected();
    return ub_test_done();
}

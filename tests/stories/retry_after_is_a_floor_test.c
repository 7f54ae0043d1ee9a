/* Retry-After is a floor: nothing is tried earlier, the jitter comes on top. */
#include "sim/world.h"

static struct ub_world *rests(enum ub_fault fault, uint32_t times, ub_ns retry_after_ns)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *best = ub_world_upstream(world, "best", 100 * UB_MS);
    best->fault = fault;
    best->fault_left = times;
    best->retry_after_ns = retry_after_ns;
    ub_world_upstream(world, "spare", 100 * UB_MS)->tier = 1;
    return world;
}

/* A shorter one that comes later does not shorten it. */
static void test_longest_counts(void)
{
    struct ub_world *world = rests(UB_FAULT_THROTTLED, 2, 2 * UB_SECOND);
    ub_world_request(world, 0);
    ub_world_request(world, 8 * UB_MS);
    ub_world_run_until(world, 15 * UB_MS);
    ub_world_upstream_named(world, "best")->retry_after_ns = 300 * UB_MS;
    ub_world_request(world, 500 * UB_MS);
    UB_CHECK_TRACE(
        world,
        "[     0 ms] r1 arrived: start 1 on best (only candidate)\n"
        "[     8 ms] r2 arrived: start 1 on best (only candidate)\n"
        "[    10 ms] r1 ended 1 throttled, not before 2010 ms: start 2 on spare (next tier)\n"
        "[    18 ms] r2 ended 1 throttled, not before 318 ms: start 2 on spare (next tier)\n"
        "[   110 ms] r1 first token 2: forward 2 (first payload)\n"
        "[   118 ms] r2 first token 2: forward 2 (first payload)\n"
        "[   500 ms] r3 arrived: start 1 on spare (next tier)\n"
        "[   600 ms] r3 first token 1: forward 1 (first payload)\n"
        "[  1110 ms] r1 ended 2 ok: finish (complete)\n"
        "[  1118 ms] r2 ended 2 ok: finish (complete)\n"
        "[  1600 ms] r3 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* It means something in a refusal for lack of capacity; beside a 500 it does not. */
static void test_not_of_errors(void)
{
    struct ub_world *world = rests(UB_FAULT_ERROR_500, 1, 2 * UB_SECOND);
    ub_world_request(world, 0);
    ub_world_request(world, 20 * UB_MS);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on best (only candidate)\n"
                          "[    10 ms] r1 ended 1 upstream_error, not before 2010 ms: nothing\n"
                          "[    20 ms] r2 arrived: start 1 on best (only candidate)\n"
                          "[   120 ms] r2 first token 1: forward 1 (first payload)\n"
                          "[   182 ms] woken: r1 start 2 on best (one more try in this tier)\n"
                          "[   282 ms] r1 first token 2: forward 2 (first payload)\n"
                          "[  1120 ms] r2 ended 1 ok: finish (complete)\n"
                          "[  1282 ms] r1 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Nobody is left alone for more than a minute on its own word. */
static void test_a_minute_at_most(void)
{
    struct ub_world *world = rests(UB_FAULT_THROTTLED, 1, UB_HOUR);
    ub_world_request(world, 0);
    ub_world_run(world);
    ub_world_forget(world);
    ub_world_request(world, 50 * UB_SECOND);
    ub_world_request(world, 61 * UB_SECOND);
    UB_CHECK_TRACE(world, "[ 50000 ms] r2 arrived: start 1 on spare (next tier)\n"
                          "[ 50100 ms] r2 first token 1: forward 1 (first payload)\n"
                          "[ 51100 ms] r2 ended 1 ok: finish (complete)\n"
                          "[ 61000 ms] r3 arrived: start 1 on best (only candidate)\n"
                          "[ 61100 ms] r3 first token 1: forward 1 (first payload)\n"
                          "[ 62100 ms] r3 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* r2 finds one resting and the other ejected: it looks again when the first of them may be asked. */
static void test_soonest(void)
{
    struct ub_world *world = rests(UB_FAULT_THROTTLED, 1, 20 * UB_SECOND);
    struct ub_sim_upstream *spare = ub_world_upstream_named(world, "spare");
    spare->tier = 0; /* half of a tier of two stays ejected */
    spare->fault = UB_FAULT_KEY_REFUSED;
    spare->fault_left = 1;
    ub_world_ask(world, (struct ub_ask){.leaves_after_ns = 50 * UB_MS});
    ub_world_request(world, 100 * UB_MS);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on best (balanced)\n"
                          "[    10 ms] r1 ended 1 throttled, not before 20010 ms: start 2 on spare "
                          "(retry elsewhere)\n"
                          "[    20 ms] r1 ended 2 key_refused: nothing\n"
                          "[    50 ms] r1 client left client_gone: drop client_gone (client left)\n"
                          "[   100 ms] r2 arrived: nothing\n"
                          "[  1570 ms] woken: r2 start 1 on spare (trial after ejection)\n"
                          "[  1670 ms] r2 first token 1: forward 1 (first payload)\n"
                          "[  2670 ms] r2 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

int main(void)
{
    test_longest_counts();
    test_not_of_errors();
    test_a_minute_at_most();
    test_soonest();
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

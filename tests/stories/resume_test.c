/* A stream that breaks after its commit point goes on at another upstream; the client sees a pause. */
#include "sim/world.h"

static struct ub_world *two(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "near", 200 * UB_MS);
    ub_world_upstream(world, "far", 900 * UB_MS);
    return world;
}

static struct ub_sim_upstream *breaks(struct ub_world *world, const char *name, enum ub_fault fault)
{
    struct ub_sim_upstream *upstream = ub_world_upstream_named(world, name);
    upstream->fault = fault;
    upstream->fault_left = 1;
    return upstream;
}

/* Cut in the middle, or silent there: the other one continues. */
static void test_goes_on(enum ub_fault fault, const char *trace)
{
    struct ub_world *world = two();
    breaks(world, "near", fault);
    ub_world_ask(world, (struct ub_ask){.resume = true});
    UB_CHECK_TRACE(world, trace);
    ub_world_free(world);
}

/* The one that continues breaks as well: the first one is asked again, after a pause. */
static void test_twice(void)
{
    struct ub_world *world = two();
    breaks(world, "near", UB_FAULT_CUT);
    breaks(world, "far", UB_FAULT_NO_RESOURCE_MIDWAY);
    ub_world_ask(world, (struct ub_ask){.resume = true});
    UB_CHECK_TRACE(
        world,
        "[     0 ms] r1 arrived: start 1 on near (balanced)\n"
        "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
        "[   700 ms] r1 ended 1 reset: resume 2 on far (continues the broken answer)\n"
        "[  1600 ms] r1 first token 2: forward 2 (continues the broken answer)\n"
        "[  2100 ms] r1 ended 2 no_resource: resume 3 on near (continues the broken answer)\n"
        "[  2300 ms] r1 first token 3: forward 3 (continues the broken answer)\n"
        "[  3300 ms] r1 ended 3 ok: finish (complete)\n");
    ub_world_free(world);
}

/* The other one will not continue (a 400), or says something else: nobody is left, and the client hears
 * that its answer is broken; nobody is asked twice. */
static void test_refused(enum ub_error error, const char *trace)
{
    struct ub_world *world = two();
    breaks(world, "near", UB_FAULT_CUT);
    ub_world_upstream_named(world, "far")->when_resumed = error;
    ub_world_upstream_named(world, "near")->when_resumed = error;
    ub_world_ask(world, (struct ub_ask){.resume = true});
    UB_CHECK_TRACE(world, trace);
    ub_world_free(world);
}

/* What the client has cannot be continued: a tool call was under way. */
static void test_sealed(void)
{
    struct ub_world *world = two();
    breaks(world, "near", UB_FAULT_CUT);
    ub_world_ask(world, (struct ub_ask){.resume = true, .sealed = true});
    UB_CHECK_TRACE(
        world, "[     0 ms] r1 arrived: start 1 on near (balanced)\n"
               "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
               "[   700 ms] r1 ended 1 reset: cut stream_broken (broke after the commit point)\n");
    ub_world_free(world);
}

/* Nobody else is there: the wait is as long as a stall may be, with comments in it, then it is cut. */
static void test_nobody(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "only", 200 * UB_MS);
    ub_world_policy(world, 0)->retry.attempts = 16;
    ub_world_policy(world, 0)->stall_ns = 12 * UB_SECOND;
    ub_world_ask(world, (struct ub_ask){.resume = true});
    ub_world_run_until(world, 700 * UB_MS);
    ub_world_kill(world, "only");
    UB_CHECK_TRACE(
        world, "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
               "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
               "[   700 ms] r1 ended 1 reset: nothing\n"
               "[   769 ms] woken: r1 resume 2 on only (after backing off)\n"
               "[   769 ms] r1 ended 2 connect_refused: nothing\n"
               "[   907 ms] woken: r1 resume 3 on only (everyone else is ejected too)\n"
               "[   907 ms] r1 ended 3 connect_refused: nothing\n"
               "[  1183 ms] woken: r1 resume 4 on only (everyone else is ejected too)\n"
               "[  1183 ms] r1 ended 4 connect_refused: nothing\n"
               "[  1735 ms] woken: r1 resume 5 on only (everyone else is ejected too)\n"
               "[  1735 ms] r1 ended 5 connect_refused: nothing\n"
               "[  2769 ms] woken: probe only (is it back?)\n"
               "[  2770 ms] probed only bad: nothing\n"
               "[  2840 ms] woken: r1 resume 6 on only (everyone else is ejected too)\n"
               "[  2840 ms] r1 ended 6 connect_refused: nothing\n"
               "[  4769 ms] woken: probe only (is it back?)\n"
               "[  4770 ms] probed only bad: nothing\n"
               "[  5049 ms] woken: r1 resume 7 on only (trial after ejection)\n"
               "[  5049 ms] r1 ended 7 connect_refused: nothing\n"
               "[  6769 ms] woken: probe only (is it back?)\n"
               "[  6770 ms] probed only bad: nothing\n"
               "[  8769 ms] woken: probe only (is it back?)\n"
               "[  8770 ms] probed only bad: nothing\n"
               "[  9467 ms] woken: r1 resume 8 on only (trial after ejection)\n"
               "[  9467 ms] r1 ended 8 connect_refused: cut stream_broken (no time to retry)\n");
    ub_world_free(world);
}

/* The client leaves in the gap. */
static void test_leaves(void)
{
    struct ub_world *world = two();
    breaks(world, "near", UB_FAULT_CUT);
    ub_world_ask(world, (struct ub_ask){.resume = true, .leaves_after_ns = 900 * UB_MS});
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on near (balanced)\n"
                   "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[   700 ms] r1 ended 1 reset: resume 2 on far (continues the broken answer)\n"
                   "[   900 ms] r1 client left client_gone: cancel 2 (client left), drop "
                   "client_gone (client left)\n");
    ub_world_free(world);
}

/* Everybody is full, and somebody waits already: whoever has half an answer goes first. */
static void test_goes_first(void)
{
    struct ub_world *world = two();
    breaks(world, "near", UB_FAULT_CUT)->concurrency = 1;
    ub_world_upstream_named(world, "far")->concurrency = 1;
    ub_world_ask(world, (struct ub_ask){.resume = true});
    for (int i = 1; i <= 3; i++) {
        ub_world_request(world, i * 10 * UB_MS);
    }
    UB_CHECK_TRACE(
        world, "[     0 ms] r1 arrived: start 1 on near (balanced)\n"
               "[    10 ms] r2 arrived: start 1 on far (only candidate)\n"
               "[    20 ms] r3 arrived: nothing\n"
               "[    30 ms] r4 arrived: nothing\n"
               "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
               "[   700 ms] r1 ended 1 reset: r3 start 1 on near (slot freed)\n"
               "[   900 ms] r3 first token 1: forward 1 (first payload)\n"
               "[   910 ms] r2 first token 1: forward 1 (first payload)\n"
               "[  1900 ms] r3 ended 1 ok: finish (complete), r1 resume 2 on near (slot freed)\n"
               "[  1910 ms] r2 ended 1 ok: finish (complete), r4 start 1 on far (slot freed)\n"
               "[  2100 ms] r1 first token 2: forward 2 (continues the broken answer)\n"
               "[  2810 ms] r4 first token 1: forward 1 (first payload)\n"
               "[  3100 ms] r1 ended 2 ok: finish (complete)\n"
               "[  3810 ms] r4 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

int main(void)
{
    test_goes_first();
    test_goes_on(UB_FAULT_CUT,
                 "[     0 ms] r1 arrived: start 1 on near (balanced)\n"
                 "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
                 "[   700 ms] r1 ended 1 reset: resume 2 on far (continues the broken answer)\n"
                 "[  1600 ms] r1 first token 2: forward 2 (continues the broken answer)\n"
                 "[  2600 ms] r1 ended 2 ok: finish (complete)\n");
    test_goes_on(UB_FAULT_STALL,
                 "[     0 ms] r1 arrived: start 1 on near (balanced)\n"
                 "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
                 "[ 30200 ms] woken: r1 cancel 1 (stalled), r1 resume 2 on far (continues the "
                 "broken answer)\n"
                 "[ 31100 ms] r1 first token 2: forward 2 (continues the broken answer)\n"
                 "[ 32100 ms] r1 ended 2 ok: finish (complete)\n");
    test_twice();
    test_refused(UB_ERR_BAD_REQUEST,
                 "[     0 ms] r1 arrived: start 1 on near (balanced)\n"
                 "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
                 "[   700 ms] r1 ended 1 reset: resume 2 on far (continues the broken answer)\n"
                 "[   710 ms] r1 ended 2 bad_request: nothing\n"
                 "[   760 ms] woken: r1 resume 3 on near (after backing off)\n"
                 "[   770 ms] r1 ended 3 bad_request: cut stream_broken (nobody left to try)\n");
    test_refused(UB_ERR_DIVERGED,
                 "[     0 ms] r1 arrived: start 1 on near (balanced)\n"
                 "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
                 "[   700 ms] r1 ended 1 reset: resume 2 on far (continues the broken answer)\n"
                 "[   710 ms] r1 ended 2 diverged: nothing\n"
                 "[   760 ms] woken: r1 resume 3 on near (after backing off)\n"
                 "[   770 ms] r1 ended 3 diverged: cut stream_broken (nobody left to try)\n");
    test_sealed();
    test_nobody();
    test_leaves();
    return ub_test_done();
}

/* After five failures in a row an upstream is left alone; then one trial at a time goes there, the
 * others elsewhere, and the first success brings it back. */
#include "sim/world.h"

static void ask_times(struct ub_world *world, int times)
{
    for (int i = 0; i < times; i++) {
        ub_world_request(world, ub_world_now(world));
    }
    ub_world_run(world);
}

static void test_in_a_row(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5, .quiet = true});
    struct ub_sim_upstream *u = ub_world_upstream(world, "u", 100 * UB_MS);
    ub_world_policy(world, 0)->retry.attempts = 1;
    for (int i = 0; i < 2; i++) {
        u->fault = UB_FAULT_ERROR_500;
        u->fault_left = 4;
        ask_times(world, 5);
    }
    UB_CHECK(ub_world_facts(world, "u").state == UB_UPSTREAM_UP,
             "four failures, a success, four failures: not five in a row");
    u->fault = UB_FAULT_ERROR_500;
    ask_times(world, 5);
    UB_CHECK(ub_world_facts(world, "u").state == UB_UPSTREAM_EJECTED, "but five are");
    ub_world_free(world);
}

/* "sick" in the same tier as "well" is ejected until 1510 ms. */
static struct ub_world *two(bool alone)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *sick = ub_world_upstream(world, "sick", 100 * UB_MS);
    sick->fault = UB_FAULT_ERROR_500;
    sick->fault_left = 5;
    ub_world_policy(world, 0)->retry.attempts = 1;
    for (int i = 0; i < 5; i++) {
        ub_world_request(world, 0);
    }
    ub_world_run_until(world, 100 * UB_MS);
    if (!alone) {
        ub_world_upstream(world, "well", 100 * UB_MS);
    }
    ub_world_policy(world, 0)->retry.attempts = 4;
    ub_world_reload(world);
    ub_world_forget(world);
    return world;
}

/* A trial whose client leaves says nothing; the next request is the trial. */
static void test_trial_without_verdict(void)
{
    struct ub_world *world = two(false);
    ub_world_ask(world, (struct ub_ask){.at = 2 * UB_SECOND, .leaves_after_ns = 50 * UB_MS});
    ub_world_request(world, 2100 * UB_MS);
    UB_CHECK_TRACE(world, "[  2000 ms] r6 arrived: start 1 on sick (trial after ejection)\n"
                          "[  2050 ms] r6 client left client_gone: cancel 1 (client left), drop "
                          "client_gone (client left)\n"
                          "[  2100 ms] r7 arrived: start 1 on sick (trial after ejection)\n"
                          "[  2200 ms] r7 first token 1: forward 1 (first payload)\n"
                          "[  3200 ms] r7 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* A request that could not go elsewhere afterwards is no trial, but where nobody else is left. */
static void test_not_at_the_cost_of(void)
{
    struct ub_world *world = two(false);
    ub_world_ask(world, (struct ub_ask){.at = 2 * UB_SECOND, .no_retry = true});
    ub_world_request(world, 2100 * UB_MS);
    UB_CHECK_TRACE(world, "[  2000 ms] r6 arrived: start 1 on well (only candidate)\n"
                          "[  2100 ms] r7 arrived: start 1 on sick (trial after ejection)\n"
                          "[  2100 ms] r6 first token 1: forward 1 (first payload)\n"
                          "[  2200 ms] r7 first token 1: forward 1 (first payload)\n"
                          "[  3100 ms] r6 ended 1 ok: finish (complete)\n"
                          "[  3200 ms] r7 ended 1 ok: finish (complete)\n");
    ub_world_free(world);

    world = two(true);
    ub_world_ask(world, (struct ub_ask){.at = 2 * UB_SECOND, .no_retry = true});
    UB_CHECK_TRACE(world, "[  2000 ms] r6 arrived: start 1 on sick (trial after ejection)\n"
                          "[  2100 ms] r6 first token 1: forward 1 (first payload)\n"
                          "[  3100 ms] r6 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Nor is it one for a second attempt, where somebody else is left; else better there than nowhere. */
static void test_in_need(void)
{
    struct ub_world *world = two(false);
    struct ub_sim_upstream *well = ub_world_upstream_named(world, "well");
    well->fault = UB_FAULT_ERROR_500;
    well->refuse_ns = 100 * UB_MS;
    ub_world_request(world, 1450 * UB_MS);
    UB_CHECK_TRACE(world,
                   "[  1450 ms] r6 arrived: start 1 on well (only candidate)\n"
                   "[  1550 ms] r6 ended 1 upstream_error: start 2 on sick (trial after ejection)\n"
                   "[  1650 ms] r6 first token 2: forward 2 (first payload)\n"
                   "[  2650 ms] r6 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
}

/* A call from before the outage fails during it: the outage is extended, to 2506 ms. */
static void test_extended(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *sick = ub_world_upstream(world, "sick", 100 * UB_MS);
    sick->fault = UB_FAULT_ERROR_500;
    ub_world_upstream(world, "well", 100 * UB_MS)->tier = 1;
    ub_world_policy(world, 0)->patience_ns = 0;
    for (int i = 0; i < 5; i++) {
        ub_world_request(world, 0);
    }
    ub_world_run_until(world, 5 * UB_MS);
    sick->refuse_ns = UB_SECOND;
    ub_world_request(world, 6 * UB_MS);
    ub_world_run_until(world, 1600 * UB_MS);
    ub_world_forget(world);
    sick->fault = UB_FAULT_NONE;
    ub_world_request(world, 2400 * UB_MS);
    ub_world_request(world, 2600 * UB_MS);
    UB_CHECK_TRACE(world, "[  2106 ms] r6 ended 2 ok: finish (complete)\n"
                          "[  2400 ms] r7 arrived: start 1 on well (next tier)\n"
                          "[  2500 ms] r7 first token 1: forward 1 (first payload)\n"
                          "[  2600 ms] r8 arrived: start 1 on sick (trial after ejection)\n"
                          "[  2700 ms] r8 first token 1: forward 1 (first payload)\n"
                          "[  3500 ms] r7 ended 1 ok: finish (complete)\n"
                          "[  3700 ms] r8 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* While somebody waits in line a trial's first payload opens the door for the whole line, not only
 * its end. */
static void test_serves_the_line(void)
{
    struct ub_world *world = two(false);
    struct ub_sim_upstream *well = ub_world_upstream_named(world, "well");
    well->concurrency = 1;
    well->token_ns = 200 * UB_MS;
    ub_world_reload(world);
    ub_world_request(world, 1400 * UB_MS);
    ub_world_request(world, 2 * UB_SECOND);
    ub_world_request(world, 2010 * UB_MS);
    UB_CHECK_TRACE(
        world,
        "[   100 ms] routes\n"
        "[  1400 ms] r6 arrived: start 1 on well (only candidate)\n"
        "[  1500 ms] r6 first token 1: forward 1 (first payload)\n"
        "[  2000 ms] r7 arrived: start 1 on sick (trial after ejection)\n"
        "[  2010 ms] r8 arrived: nothing\n"
        "[  2100 ms] r7 first token 1: forward 1 (first payload), r8 start 1 on sick (slot freed)\n"
        "[  2200 ms] r8 first token 1: forward 1 (first payload)\n"
        "[  3100 ms] r7 ended 1 ok: finish (complete)\n"
        "[  3200 ms] r8 ended 1 ok: finish (complete)\n"
        "[ 11500 ms] r6 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

int main(void)
{
    test_in_a_row();
    test_trial_without_verdict();
    test_not_at_the_cost_of();
    test_in_need();
    test_extended();
    test_serves_the_line();
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *sick = ub_world_upstream(world, "sick", 100 * UB_MS);
    sick->fault = UB_FAULT_ERROR_500;
    ub_world_upstream(world, "well", 300 * UB_MS)->tier = 1;
    ub_world_policy(world, 0)->patience_ns = 0;
    for (int i = 0; i < 6; i++) {
        ub_world_request(world, i * 100 * UB_MS);
    }
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on sick (only candidate)\n"
                          "[    10 ms] r1 ended 1 upstream_error: start 2 on well (next tier)\n"
                          "[   100 ms] r2 arrived: start 1 on sick (only candidate)\n"
                          "[   110 ms] r2 ended 1 upstream_error: start 2 on well (next tier)\n"
                          "[   200 ms] r3 arrived: start 1 on sick (only candidate)\n"
                          "[   210 ms] r3 ended 1 upstream_error: start 2 on well (next tier)\n"
                          "[   300 ms] r4 arrived: start 1 on sick (only candidate)\n"
                          "[   310 ms] r1 first token 2: forward 2 (first payload)\n"
                          "[   310 ms] r4 ended 1 upstream_error: start 2 on well (next tier)\n"
                          "[   400 ms] r5 arrived: start 1 on sick (only candidate)\n"
                          "[   410 ms] r2 first token 2: forward 2 (first payload)\n"
                          "[   410 ms] r5 ended 1 upstream_error: start 2 on well (next tier)\n"
                          "[   500 ms] r6 arrived: start 1 on well (next tier)\n"
                          "[   510 ms] r3 first token 2: forward 2 (first payload)\n"
                          "[   610 ms] r4 first token 2: forward 2 (first payload)\n"
                          "[   710 ms] r5 first token 2: forward 2 (first payload)\n"
                          "[   800 ms] r6 first token 1: forward 1 (first payload)\n"
                          "[  1310 ms] r1 ended 2 ok: finish (complete)\n"
                          "[  1410 ms] r2 ended 2 ok: finish (complete)\n"
                          "[  1510 ms] r3 ended 2 ok: finish (complete)\n"
                          "[  1610 ms] r4 ended 2 ok: finish (complete)\n"
                          "[  1710 ms] r5 ended 2 ok: finish (complete)\n"
                          "[  1800 ms] r6 ended 1 ok: finish (complete)\n");
    UB_CHECK(ub_world_facts(world, "sick").state == UB_UPSTREAM_EJECTED, "it is ejected");
    UB_CHECK(ub_world_facts(world, "sick").ejected_for == UB_ERR_UPSTREAM_ERROR, "for its 500s");

    /* Well again, nobody knows yet: of two requests one is the trial. */
    ub_world_forget(world);
    sick->fault = UB_FAULT_NONE;
    ub_world_request(world, 3 * UB_SECOND);
    ub_world_request(world, 3 * UB_SECOND + 10 * UB_MS);
    ub_world_request(world, 3500 * UB_MS);
    UB_CHECK_TRACE(world, "[  3000 ms] r7 arrived: start 1 on sick (trial after ejection)\n"
                          "[  3010 ms] r8 arrived: start 1 on well (next tier)\n"
                          "[  3100 ms] r7 first token 1: forward 1 (first payload)\n"
                          "[  3310 ms] r8 first token 1: forward 1 (first payload)\n"
                          "[  3500 ms] r9 arrived: start 1 on sick (only candidate)\n"
                          "[  3600 ms] r9 first token 1: forward 1 (first payload)\n"
                          "[  4100 ms] r7 ended 1 ok: finish (complete)\n"
                          "[  4310 ms] r8 ended 1 ok: finish (complete)\n"
                          "[  4600 ms] r9 ended 1 ok: finish (complete)\n");
    UB_CHECK(ub_world_facts(world, "sick").state == UB_UPSTREAM_UP, "it is back");
    ub_world_free(world);
    return ub_test_done();
}

/* An upstream whose connections fail is probed every two seconds, without costing tokens, and is
 * used again within ten seconds after it came back - also when nobody asks meanwhile. */
#include "sim/world.h"

/* A request in line gets the upstream that answers a probe again, without waiting for its slot. */
static void test_serves_the_line(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "home", 100 * UB_MS);
    struct ub_sim_upstream *full = ub_world_upstream(world, "full", 100 * UB_MS);
    full->concurrency = 1;
    full->token_ns = UB_SECOND;
    ub_world_policy(world, 0)->heartbeat_after_ns = 0;
    ub_world_run_until(world, 0);
    ub_world_kill(world, "home");
    ub_world_request(world, 0);
    ub_world_run_until(world, 10 * UB_MS);
    for (int i = 0; i < 8; i++) { /* each failed trial makes the next pause longer */
        ub_world_ask(world, (struct ub_ask){.at = i * UB_SECOND + 20 * UB_MS,
                                            .leaves_after_ns = 100 * UB_MS});
    }
    ub_world_run_until(world, 9 * UB_SECOND);
    ub_world_forget(world);
    ub_world_request(world, 9 * UB_SECOND);
    ub_world_run_until(world, 9100 * UB_MS);
    ub_world_restart(world, "home");
    ub_world_run_until(world, 14 * UB_SECOND);
    UB_CHECK_TEXT(ub_world_trace(world),
                  "[  9000 ms] r10 arrived: nothing\n"
                  "[ 10020 ms] woken: probe home (is it back?)\n"
                  "[ 10021 ms] probed home good: r10 start 1 on home (trial after ejection)\n"
                  "[ 10121 ms] r10 first token 1: forward 1 (first payload)\n"
                  "[ 11121 ms] r10 ended 1 ok: finish (complete)\n",
                  "the trace is the story");
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

/* It is taken out while its probe is under way: its slot is not used before the answer is there. */
static void test_taken_out(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5, .quiet = true});
    ub_world_upstream(world, "home", 100 * UB_MS);
    ub_world_upstream(world, "away", 100 * UB_MS)->tier = 1;
    ub_world_policy(world, 0)->patience_ns = 0;
    ub_world_run_until(world, 0);
    ub_world_kill(world, "home");
    ub_world_request(world, 0);
    ub_world_request(world, 0);
    ub_world_run_until(world, 2 * UB_SECOND + 500 * UB_US); /* the probe takes a millisecond */
    uint16_t slot = ub_world_slot(world, "home");
    ub_world_upstream_named(world, "home")->removed = true;
    ub_world_reload(world);
    ub_world_upstream(world, "next", 100 * UB_MS);
    ub_world_reload(world);
    UB_CHECK(ub_world_slot(world, "next") != slot, "not while the probe is under way");
    ub_world_run_until(world, 3 * UB_SECOND);
    ub_world_upstream(world, "later", 100 * UB_MS);
    ub_world_reload(world);
    UB_CHECK(ub_world_slot(world, "later") == slot, "but afterwards");
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

int main(void)
{
    test_serves_the_line();
    test_taken_out();
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "home", 100 * UB_MS);
    ub_world_upstream(world, "away", 300 * UB_MS)->tier = 1;
    ub_world_policy(world, 0)->patience_ns = 0;
    ub_world_run_until(world, 0);
    ub_world_kill(world, "home");
    ub_world_request(world, 0);
    ub_world_request(world, 100 * UB_MS);
    ub_world_run_until(world, 7 * UB_SECOND);
    ub_world_restart(world, "home");
    ub_world_run_until(world, 10 * UB_SECOND);
    ub_world_request(world, 10 * UB_SECOND);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on home (only candidate)\n"
                          "[     0 ms] r1 ended 1 connect_refused: start 2 on away (next tier)\n"
                          "[   100 ms] r2 arrived: start 1 on home (only candidate)\n"
                          "[   100 ms] r2 ended 1 connect_refused: start 2 on away (next tier)\n"
                          "[   300 ms] r1 first token 2: forward 2 (first payload)\n"
                          "[   400 ms] r2 first token 2: forward 2 (first payload)\n"
                          "[  1300 ms] r1 ended 2 ok: finish (complete)\n"
                          "[  1400 ms] r2 ended 2 ok: finish (complete)\n"
                          "[  2100 ms] woken: probe home (is it back?)\n"
                          "[  2101 ms] probed home bad: nothing\n"
                          "[  4100 ms] woken: probe home (is it back?)\n"
                          "[  4101 ms] probed home bad: nothing\n"
                          "[  6100 ms] woken: probe home (is it back?)\n"
                          "[  6101 ms] probed home bad: nothing\n"
                          "[  8100 ms] woken: probe home (is it back?)\n"
                          "[  8101 ms] probed home good: nothing\n"
                          "[ 10000 ms] r3 arrived: start 1 on home (trial after ejection)\n"
                          "[ 10100 ms] woken: probe home (is it back?)\n"
                          "[ 10100 ms] r3 first token 1: forward 1 (first payload)\n"
                          "[ 10101 ms] probed home good: nothing\n"
                          "[ 11100 ms] r3 ended 1 ok: finish (complete)\n");
    UB_CHECK(ub_world_facts(world, "home").state == UB_UPSTREAM_UP, "it is back");
    ub_world_free(world);
    return ub_test_done();
}

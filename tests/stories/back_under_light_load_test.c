/* One request at a time, and the cheapest upstream could have them all. Still one that was bad is used
 * again within ten seconds of its return: it is due a try every few seconds. */
#include "sim/world.h"

static void one_at_a_time(struct ub_world *world, ub_ns from, ub_ns until)
{
    for (ub_ns at = from; at < until; at += 2 * UB_SECOND) {
        ub_world_request(world, at);
    }
    ub_world_run_until(world, until);
}

static void test_single_busy(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *quick = ub_world_upstream(world, "quick", 100 * UB_MS);
    ub_world_upstream(world, "other", 110 * UB_MS);
    one_at_a_time(world, 0, 20 * UB_SECOND);
    quick->fault = UB_FAULT_BUSY_503;
    quick->fault_left = 1;
    one_at_a_time(world, 20 * UB_SECOND, 22 * UB_SECOND);
    UB_CHECK(quick->fault_left == 0, "one 503");
    uint64_t started = quick->started;
    one_at_a_time(world, 22 * UB_SECOND, 32 * UB_SECOND);
    UB_CHECK(quick->started > started, "after a single 503 it is tried again within ten seconds");
    ub_world_free(world);
}

static void test_killed(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *quick = ub_world_upstream(world, "quick", 100 * UB_MS);
    ub_world_upstream(world, "other", 110 * UB_MS);
    one_at_a_time(world, 0, 10 * UB_SECOND);
    ub_world_kill(world, "quick");
    one_at_a_time(world, 10 * UB_SECOND, 40 * UB_SECOND);
    ub_world_restart(world, "quick");
    uint64_t started = quick->started;
    one_at_a_time(world, 40 * UB_SECOND, 50 * UB_SECOND);
    UB_CHECK(quick->started > started, "killed and restarted: used within ten seconds");
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

/* Down for so long that its errors are forgotten. Its trial went well; slow start alone would then
 * leave it aside for a minute. */
static void test_long_outage(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *quick = ub_world_upstream(world, "quick", 100 * UB_MS);
    ub_world_upstream(world, "other", 110 * UB_MS);
    one_at_a_time(world, 0, 10 * UB_SECOND);
    ub_world_kill(world, "quick");
    one_at_a_time(world, 10 * UB_SECOND, 20 * UB_SECOND);
    ub_world_run_until(world, UB_HOUR);
    ub_world_restart(world, "quick");
    ub_world_run_until(world, UB_HOUR + 5 * UB_SECOND);
    uint64_t started = quick->started;
    one_at_a_time(world, UB_HOUR + 5 * UB_SECOND, UB_HOUR + 35 * UB_SECOND);
    UB_CHECK(quick->started >= started + 4, "after an hour: %d of 15 in half a minute",
             (int)(quick->started - started));
    ub_world_free(world);
}

/* "x" and "z" were bad and both are due. One of them costs the request an attempt; the other one must
 * not cost it a second. */
static void test_one_risk_only(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    const char *const names[] = {"x", "y", "z"};
    ub_world_policy(world, 0)->affinity = UB_AFFINITY_COOKIE;
    for (int i = 0; i < 3; i++) {
        ub_world_upstream(world, names[i], 100 * UB_MS);
    }
    for (int i = 0; i < 3; i += 2) {
        struct ub_sim_upstream *u = ub_world_upstream_named(world, names[i]);
        u->fault = UB_FAULT_BUSY_503;
        u->fault_left = 1;
        ub_world_ask(world, (struct ub_ask){.cookie_key = u->key});
    }
    ub_world_run_until(world, 10 * UB_SECOND);
    ub_world_forget(world);
    ub_world_upstream_named(world, "x")->fault_left = 1;
    ub_world_upstream_named(world, "x")->fault = UB_FAULT_BUSY_503;
    ub_world_request(world, 10 * UB_SECOND);
    UB_CHECK_TRACE(world, "[ 10000 ms] r3 arrived: start 1 on x (was bad, is due a try)\n"
                          "[ 10010 ms] r3 ended 1 upstream_busy: start 2 on y (retry elsewhere)\n"
                          "[ 10110 ms] r3 first token 2: forward 2 (first payload)\n"
                          "[ 11110 ms] r3 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
}

int main(void)
{
    test_long_outage();
    test_one_risk_only();
    test_single_busy();
    test_killed();
    return ub_test_done();
}

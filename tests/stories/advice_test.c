/* A refusal says when to come back: when the soonest of the upstreams lets calls through again, with
 * up to a quarter on top, never more than a minute. A wait that would end behind the deadline is not
 * begun: the refusal says busy at once, not a deadline later. */
#include "sim/world.h"

static void test_rests(ub_ns near_ns, ub_ns far_ns, const char *want)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *near = ub_world_upstream(world, "near", 100 * UB_MS);
    struct ub_sim_upstream *far = ub_world_upstream(world, "far", 100 * UB_MS);
    near->fault = far->fault = UB_FAULT_THROTTLED;
    near->retry_after_ns = near_ns;
    far->retry_after_ns = far_ns;
    ub_world_policy(world, 0)->total_ns = 10 * UB_SECOND;
    ub_world_request(world, 0);
    UB_CHECK_TRACE(world, want);
    ub_world_free(world);
}

static void test_ejected(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "sick", 100 * UB_MS)->fault = UB_FAULT_ERROR_500;
    ub_world_policy(world, 0)->retry.attempts = 1;
    for (int i = 0; i < 5; i++) {
        ub_world_request(world, 0);
    }
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on sick (only candidate)\n"
                          "[     0 ms] r2 arrived: start 1 on sick (only candidate)\n"
                          "[     0 ms] r3 arrived: start 1 on sick (only candidate)\n"
                          "[     0 ms] r4 arrived: start 1 on sick (only candidate)\n"
                          "[     0 ms] r5 arrived: start 1 on sick (only candidate)\n"
                          "[    10 ms] r1 ended 1 upstream_error: answer 502 upstream_error, come "
                          "back in 1172 ms (out of attempts)\n"
                          "[    10 ms] r2 ended 1 upstream_error: answer 502 upstream_error, come "
                          "back in 1172 ms (out of attempts)\n"
                          "[    10 ms] r3 ended 1 upstream_error: answer 502 upstream_error, come "
                          "back in 1172 ms (out of attempts)\n"
                          "[    10 ms] r4 ended 1 upstream_error: answer 502 upstream_error, come "
                          "back in 1172 ms (out of attempts)\n"
                          "[    10 ms] r5 ended 1 upstream_error: answer 502 upstream_error, come "
                          "back in 1758 ms (out of attempts)\n");
    ub_world_free(world);
}

int main(void)
{
    test_rests(
        40 * UB_SECOND, 20 * UB_SECOND,
        "[     0 ms] r1 arrived: start 1 on near (balanced)\n"
        "[    10 ms] r1 ended 1 throttled, not before 40010 ms: start 2 on far (retry elsewhere)\n"
        "[    20 ms] r1 ended 2 throttled, not before 20020 ms: answer 503 all_busy, come back in "
        "24580 ms (no time to retry)\n");
    test_rests(
        5 * UB_MINUTE, 5 * UB_MINUTE,
        "[     0 ms] r1 arrived: start 1 on near (balanced)\n"
        "[    10 ms] r1 ended 1 throttled, not before 300010 ms: start 2 on far (retry elsewhere)\n"
        "[    20 ms] r1 ended 2 throttled, not before 300020 ms: answer 503 all_busy, come back in "
        "60000 ms (no time to retry)\n");
    test_ejected();
    return ub_test_done();
}

/* When everyone refuses, a request backs off with full jitter: chance says 69 % of 100, then of 200 ms. After a
 * throttle the windows are five times as long. */
#include "sim/world.h"

static void test_fault(enum ub_fault fault, const char *want)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_policy(world, 0)->retry.ride_out_ns = 0;
    ub_world_upstream(world, "near", 200 * UB_MS)->fault = fault;
    ub_world_upstream(world, "far", 900 * UB_MS)->fault = fault;
    ub_world_policy(world, 0)->retry.attempts = 6;
    ub_world_request(world, 0);

    UB_CHECK_TRACE(world, want);
    ub_world_free(world);
}

int main(void)
{
    test_fault(UB_FAULT_BUSY_503,
               "[     0 ms] r1 arrived: start 1 on near (balanced)\n"
               "[    10 ms] r1 ended 1 upstream_busy: start 2 on far (retry elsewhere)\n"
               "[    20 ms] r1 ended 2 upstream_busy: nothing\n"
               "[    89 ms] woken: r1 start 3 on near (after backing off)\n"
               "[    99 ms] r1 ended 3 upstream_busy: start 4 on far (retry elsewhere)\n"
               "[   109 ms] r1 ended 4 upstream_busy: nothing\n"
               "[   247 ms] woken: r1 start 5 on near (after backing off)\n"
               "[   257 ms] r1 ended 5 upstream_busy: start 6 on far (retry elsewhere)\n"
               "[   267 ms] r1 ended 6 upstream_busy: answer 503 all_busy, come back in 1172 ms "
               "(out of attempts)\n");
    test_fault(UB_FAULT_THROTTLED,
               "[     0 ms] r1 arrived: start 1 on near (balanced)\n"
               "[    10 ms] r1 ended 1 throttled: start 2 on far (retry elsewhere)\n"
               "[    20 ms] r1 ended 2 throttled: nothing\n"
               "[   365 ms] woken: r1 start 3 on near (after backing off)\n"
               "[   375 ms] r1 ended 3 throttled: start 4 on far (retry elsewhere)\n"
               "[   385 ms] r1 ended 4 throttled: nothing\n"
               "[  1075 ms] woken: r1 start 5 on near (after backing off)\n"
               "[  1085 ms] r1 ended 5 throttled: start 6 on far (retry elsewhere)\n"
               "[  1095 ms] r1 ended 6 throttled: answer 503 all_busy, come back in 1172 ms (out "
               "of attempts)\n");
    return ub_test_done();
}

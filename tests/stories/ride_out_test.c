/* A moment in which everybody refuses is ridden out; a long one ends in an honest refusal. */
#include "sim/world.h"

static struct ub_world *two(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "near", 200 * UB_MS)->fault = UB_FAULT_BUSY_503;
    ub_world_upstream(world, "far", 900 * UB_MS)->fault = UB_FAULT_CONNECT_REFUSED;
    return world;
}

/* Both are well again after three seconds: some refusals, and an answer. */
static void test_a_moment(void)
{
    struct ub_world *world = two();
    ub_world_request(world, 0);
    ub_world_run_until(world, 3 * UB_SECOND);
    ub_world_upstream_named(world, "near")->fault = UB_FAULT_NONE;
    ub_world_upstream_named(world, "far")->fault = UB_FAULT_NONE;
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on near (balanced)\n"
                          "[    10 ms] r1 ended 1 upstream_busy: start 2 on far (retry elsewhere)\n"
                          "[    10 ms] r1 ended 2 connect_refused: nothing\n"
                          "[    79 ms] woken: r1 start 3 on near (after backing off)\n"
                          "[    89 ms] r1 ended 3 upstream_busy: start 4 on far (retry elsewhere)\n"
                          "[    89 ms] r1 ended 4 connect_refused: nothing\n"
                          "[   227 ms] woken: r1 start 5 on near (after backing off)\n"
                          "[   237 ms] r1 ended 5 upstream_busy: nothing\n"
                          "[   513 ms] woken: r1 start 6 on near (after backing off)\n"
                          "[   523 ms] r1 ended 6 upstream_busy: nothing\n"
                          "[  1075 ms] woken: r1 start 7 on near (after backing off)\n"
                          "[  1085 ms] r1 ended 7 upstream_busy: nothing\n"
                          "[  2089 ms] woken: probe far (is it back?)\n"
                          "[  2090 ms] probed far bad: nothing\n"
                          "[  2190 ms] woken: r1 start 8 on far (trial after ejection)\n"
                          "[  2190 ms] r1 ended 8 connect_refused: nothing\n"
                          "[  4089 ms] woken: probe far (is it back?)\n"
                          "[  4090 ms] probed far good: nothing\n"
                          "[  4399 ms] woken: r1 start 9 on near (trial after ejection)\n"
                          "[  4599 ms] r1 first token 9: forward 9 (first payload)\n"
                          "[  5599 ms] r1 ended 9 ok: finish (complete)\n");
    ub_world_free(world);
}

/* They stay as they are: when the next pause would end behind the ten seconds, it was enough. */
static void test_for_ever(void)
{
    struct ub_world *world = two();
    ub_world_request(world, 0);
    ub_world_run(world);
    struct ub_sim_result result = ub_world_result(world, 1);
    UB_CHECK(result.outcome == UB_SIM_ANSWERED && result.attempts > 0, "it is refused");
    UB_CHECK(result.over >= 4 * UB_SECOND && result.over <= 10 * UB_SECOND, "after %d ms",
             (int)(result.over / UB_MS));
    UB_CHECK(result.attempts > 4 && result.attempts <= 16, "%u tries", result.attempts);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

/* Who wants one try only gets one; and so does everybody who is not alone in a long line. */
static void test_one_try(void)
{
    struct ub_world *world = two();
    ub_world_policy(world, 0)->retry.attempts = 1;
    ub_world_request(world, 0);
    ub_world_run(world);
    UB_CHECK(ub_world_result(world, 1).attempts == 1, "one try is one try");
    ub_world_free(world);

    world = two();
    ub_world_queue_size(world, 0);
    ub_world_request(world, 0);
    ub_world_run(world);
    UB_CHECK(ub_world_result(world, 1).attempts == 4, "where nobody may wait, refusals are tries");
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

int main(void)
{
    test_a_moment();
    test_for_ever();
    test_one_try();
    return ub_test_done();
}

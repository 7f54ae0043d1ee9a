/* An upstream whose connections fail is probed every two seconds, without costing tokens, and is
 * used again within ten seconds after it came back - also when nobody asks meanwhile. */
#include "sim/world.h"

int main(void)
{
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

/* After five failures in a row an upstream is left alone; then one trial at a time goes there, the
 * others elsewhere, and the first success brings it back. */
#include "sim/world.h"

int main(void)
{
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

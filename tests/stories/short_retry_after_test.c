/* A Retry-After that is shorter than the patience is waited for in the better tier; a longer one is
 * not. */
#include "sim/world.h"

static void test_retry_after(ub_ns retry_after_ns, const char *want)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *best = ub_world_upstream(world, "best", 100 * UB_MS);
    best->fault = UB_FAULT_THROTTLED;
    best->fault_left = 1;
    best->retry_after_ns = retry_after_ns;
    ub_world_upstream(world, "spare", 300 * UB_MS)->tier = 1;
    ub_world_request(world, 0);
    ub_world_request(world, 20 * UB_MS);
    UB_CHECK_TRACE(world, want);
    ub_world_free(world);
}

int main(void)
{
    test_retry_after(150 * UB_MS, "[     0 ms] r1 arrived: start 1 on best (only candidate)\n"
                                  "[    10 ms] r1 ended 1 throttled, not before 160 ms: nothing\n"
                                  "[    20 ms] r2 arrived: nothing\n"
                                  "[   160 ms] woken: r1 start 2 on best (one more try in this "
                                  "tier), r2 start 1 on best (slot freed)\n"
                                  "[   260 ms] r1 first token 2: forward 2 (first payload)\n"
                                  "[   260 ms] r2 first token 1: forward 1 (first payload)\n"
                                  "[  1260 ms] r1 ended 2 ok: finish (complete)\n"
                                  "[  1260 ms] r2 ended 1 ok: finish (complete)\n");
    test_retry_after(
        2 * UB_SECOND,
        "[     0 ms] r1 arrived: start 1 on best (only candidate)\n"
        "[    10 ms] r1 ended 1 throttled, not before 2010 ms: start 2 on spare (next tier)\n"
        "[    20 ms] r2 arrived: start 1 on spare (next tier)\n"
        "[   310 ms] r1 first token 2: forward 2 (first payload)\n"
        "[   320 ms] r2 first token 1: forward 1 (first payload)\n"
        "[  1310 ms] r1 ended 2 ok: finish (complete)\n"
        "[  1320 ms] r2 ended 1 ok: finish (complete)\n");
    return ub_test_done();
}

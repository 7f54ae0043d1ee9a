/* Before it goes down a tier a request tries once more after a single 500 or a reset, within the
 * patience; never after silence. Another upstream of the same tier comes first. */
#include "sim/world.h"

static void test_fault(enum ub_fault fault, uint32_t times, const char *want)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *best = ub_world_upstream(world, "best", 100 * UB_MS);
    best->fault = fault;
    best->fault_left = times;
    ub_world_upstream(world, "spare", 300 * UB_MS)->tier = 1;
    ub_world_request(world, 0);
    UB_CHECK_TRACE(world, want);
    ub_world_free(world);
}

static void test_other_first(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "a", 100 * UB_MS)->fault = UB_FAULT_ERROR_500;
    ub_world_upstream(world, "b", 100 * UB_MS)->fault = UB_FAULT_ERROR_500;
    ub_world_upstream(world, "spare", 300 * UB_MS)->tier = 1;
    ub_world_request(world, 0);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on a (balanced)\n"
                          "[    10 ms] r1 ended 1 upstream_error: start 2 on b (retry elsewhere)\n"
                          "[    20 ms] r1 ended 2 upstream_error: nothing\n"
                          "[   192 ms] woken: r1 start 3 on a (one more try in this tier)\n"
                          "[   202 ms] r1 ended 3 upstream_error: start 4 on spare (next tier)\n"
                          "[   502 ms] r1 first token 4: forward 4 (first payload)\n"
                          "[  1502 ms] r1 ended 4 ok: finish (complete)\n");
    ub_world_free(world);
}

int main(void)
{
    test_other_first();
    test_fault(UB_FAULT_ERROR_500, 1,
               "[     0 ms] r1 arrived: start 1 on best (only candidate)\n"
               "[    10 ms] r1 ended 1 upstream_error: nothing\n"
               "[   182 ms] woken: r1 start 2 on best (one more try in this tier)\n"
               "[   282 ms] r1 first token 2: forward 2 (first payload)\n"
               "[  1282 ms] r1 ended 2 ok: finish (complete)\n");
    test_fault(UB_FAULT_RESET, 1,
               "[     0 ms] r1 arrived: start 1 on best (only candidate)\n"
               "[    10 ms] r1 ended 1 reset: nothing\n"
               "[   182 ms] woken: r1 start 2 on best (one more try in this tier)\n"
               "[   282 ms] r1 first token 2: forward 2 (first payload)\n"
               "[  1282 ms] r1 ended 2 ok: finish (complete)\n");
    test_fault(UB_FAULT_ERROR_500, 0,
               "[     0 ms] r1 arrived: start 1 on best (only candidate)\n"
               "[    10 ms] r1 ended 1 upstream_error: nothing\n"
               "[   182 ms] woken: r1 start 2 on best (one more try in this tier)\n"
               "[   192 ms] r1 ended 2 upstream_error: start 3 on spare (next tier)\n"
               "[   492 ms] r1 first token 3: forward 3 (first payload)\n"
               "[  1492 ms] r1 ended 3 ok: finish (complete)\n");
    test_fault(
        UB_FAULT_SILENT, 1,
        "[     0 ms] r1 arrived: start 1 on best (only candidate)\n"
        "[  5000 ms] woken: r1 cancel 1 (first token deadline), r1 start 2 on spare (next tier)\n"
        "[  5300 ms] r1 first token 2: forward 2 (first payload)\n"
        "[  6300 ms] r1 ended 2 ok: finish (complete)\n");
    return ub_test_done();
}

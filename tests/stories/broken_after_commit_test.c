/* What breaks after the commit point ends with an explicit error, never as if it were whole, and is
 * not tried again. Before the commit point the same fault is not seen by the client. */
#include "sim/world.h"

static void test_fault(enum ub_fault fault, bool whole, const char *want)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *first = ub_world_upstream(world, "first", 100 * UB_MS);
    first->fault = fault;
    ub_world_upstream(world, "other", 100 * UB_MS)->tier = 1;
    ub_world_ask(world, (struct ub_ask){.whole = whole});
    UB_CHECK_TRACE(world, want);
    bool blamed = ub_world_facts(world, "first").error_share > 0;
    UB_CHECK(blamed == (fault != UB_FAULT_HICCUP), "it speaks against the upstream");
    ub_world_free(world);
}

int main(void)
{
    test_fault(UB_FAULT_CUT, false,
               "[     0 ms] r1 arrived: start 1 on first (only candidate)\n"
               "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
               "[   600 ms] r1 ended 1 reset: cut stream_broken (broke after the commit point)\n");
    test_fault(
        UB_FAULT_MALFORMED, false,
        "[     0 ms] r1 arrived: start 1 on first (only candidate)\n"
        "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
        "[   600 ms] r1 ended 1 bad_answer: cut stream_broken (broke after the commit point)\n");
    test_fault(
        UB_FAULT_NO_RESOURCE_MIDWAY, false,
        "[     0 ms] r1 arrived: start 1 on first (only candidate)\n"
        "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
        "[   600 ms] r1 ended 1 no_resource: cut stream_broken (broke after the commit point)\n");
    test_fault(UB_FAULT_STALL, false,
               "[     0 ms] r1 arrived: start 1 on first (only candidate)\n"
               "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
               "[ 30100 ms] woken: r1 cancel 1 (stalled), r1 cut stream_broken (stalled)\n");
    test_fault(UB_FAULT_HICCUP, false,
               "[     0 ms] r1 arrived: start 1 on first (only candidate)\n"
               "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
               "[  6100 ms] r1 ended 1 ok: finish (complete)\n");
    test_fault(UB_FAULT_NO_DONE, true,
               "[     0 ms] r1 arrived: start 1 on first (only candidate)\n"
               "[  1100 ms] r1 ended 1 truncated: start 2 on other (next tier)\n"
               "[  2200 ms] r1 ended 2 ok: finish (complete)\n");
    return ub_test_done();
}

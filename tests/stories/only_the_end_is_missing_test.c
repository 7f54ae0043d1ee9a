/* All of an answer was said, each choice with its finish reason, but [DONE] never comes: after two
 * seconds, or when the upstream closes, the client gets a clean end, since it has its whole answer
 * and would throw it away for an error. It speaks against the upstream all the same. */
#include "sim/world.h"

static struct ub_sim_upstream *first_of(struct ub_world *world, enum ub_fault fault)
{
    struct ub_sim_upstream *first = ub_world_upstream(world, "first", 100 * UB_MS);
    first->fault = fault;
    ub_world_upstream(world, "other", 100 * UB_MS)->tier = 1;
    return first;
}

static void test_fault(enum ub_fault fault, const char *want)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    first_of(world, fault);
    ub_world_ask(world, (struct ub_ask){0});
    UB_CHECK_TRACE(world, want);
    UB_CHECK(ub_world_facts(world, "first").error_share > 0, "it speaks against the upstream");
    ub_world_free(world);
}

/* It was no end: silence alone is one. */
static void test_it_goes_on(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_policy(world, 0)->stall_ns = 6 * UB_SECOND; /* it is heard of every 1.5 s */
    first_of(world, UB_FAULT_GOES_ON);
    ub_world_ask(world, (struct ub_ask){0});
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on first (only candidate)\n"
                          "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
                          "[  1100 ms] r1 answered 1: nothing\n"
                          "[  6100 ms] r1 ended 1 ok: finish (complete)\n");
    UB_CHECK(ub_world_facts(world, "first").error_share == 0, "nothing speaks against it");
    ub_world_free(world);
}

static void test_it_counts(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    first_of(world, UB_FAULT_NO_END);
    for (int i = 0; i < 5; i++) {
        ub_world_request(world, i * 10 * UB_SECOND);
    }
    ub_world_run_until(world, 43200 * UB_MS);
    UB_CHECK(ub_world_facts(world, "first").state == UB_UPSTREAM_EJECTED,
             "five of them in a row eject it");
    ub_world_free(world);
}

int main(void)
{
    test_fault(UB_FAULT_NO_END, "[     0 ms] r1 arrived: start 1 on first (only candidate)\n"
                                "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
                                "[  1100 ms] r1 answered 1: nothing\n"
                                "[  3100 ms] woken: r1 cancel 1 (complete but for its end), "
                                "r1 finish (complete but for its end)\n");
    test_fault(UB_FAULT_NO_DONE,
               "[     0 ms] r1 arrived: start 1 on first (only candidate)\n"
               "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
               "[  1100 ms] r1 answered 1: nothing\n"
               "[  1100 ms] r1 ended 1 truncated: finish (complete but for its end)\n");
    test_fault(UB_FAULT_RESET_AT_END,
               "[     0 ms] r1 arrived: start 1 on first (only candidate)\n"
               "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
               "[  1100 ms] r1 answered 1: nothing\n"
               "[  1100 ms] r1 ended 1 reset: finish (complete but for its end)\n");
    /* An upstream that says that something went wrong is believed. */
    test_fault(UB_FAULT_NO_RESOURCE_AT_END,
               "[     0 ms] r1 arrived: start 1 on first (only candidate)\n"
               "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
               "[  1100 ms] r1 answered 1: nothing\n"
               "[  1100 ms] r1 ended 1 no_resource: cut stream_broken (broke after the commit "
               "point)\n");
    test_it_goes_on();
    test_it_counts();
    return ub_test_done();
}

/* The client's own fault is passed on at once, and is not held against the upstream. */
#include "sim/world.h"

static void test_fault(enum ub_fault fault, const char *want)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "one", 100 * UB_MS)->fault = fault;
    ub_world_upstream(world, "two", 100 * UB_MS)->fault = fault;
    ub_world_request(world, 0);
    UB_CHECK_TRACE(world, want);

    for (int i = 0; i < 30; i++) {
        ub_world_request(world, UB_SECOND + i * 10 * UB_MS);
    }
    ub_world_run(world);
    struct ub_target_facts one = ub_world_facts(world, "one");
    struct ub_target_facts two = ub_world_facts(world, "two");
    UB_CHECK(one.error_share == 0 && two.error_share == 0, "no error is counted");
    UB_CHECK(one.state == UB_UPSTREAM_UP && two.state == UB_UPSTREAM_UP, "nobody is ejected");
    ub_world_free(world);
}

int main(void)
{
    test_fault(UB_FAULT_BAD_REQUEST, "[     0 ms] r1 arrived: start 1 on one (balanced)\n"
                                     "[    10 ms] r1 ended 1 bad_request: pass on 1, bad_request, "
                                     "do not come back (client's fault)\n");
    test_fault(UB_FAULT_CONTENT_REFUSED, "[     0 ms] r1 arrived: start 1 on one (balanced)\n"
                                         "[    10 ms] r1 ended 1 content_refused: pass on 1, "
                                         "content_refused, do not come back (client's fault)\n");
    return ub_test_done();
}

/* A body that is gone cannot be sent again: the first failure is the outcome. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "one", 100 * UB_MS)->fault = UB_FAULT_ERROR_500;
    ub_world_upstream(world, "two", 100 * UB_MS)->fault = UB_FAULT_ERROR_500;
    ub_world_ask(world, (struct ub_ask){.no_retry = true});
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on one (balanced)\n"
                          "[    10 ms] r1 ended 1 upstream_error: answer 502 upstream_error, come "
                          "back in 1172 ms (cannot be sent again)\n");
    ub_world_free(world);
    return ub_test_done();
}

/* A request that is being retried keeps the generation of routes it arrived with: its second try
 * still goes to the tier that the new routes do not have. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "first", 100 * UB_MS)->fault = UB_FAULT_SILENT;
    ub_world_upstream(world, "second", 300 * UB_MS)->tier = 1;
    ub_world_request(world, 0);
    ub_world_run_until(world, UB_SECOND);
    ub_world_upstream_named(world, "second")->removed = true;
    ub_world_upstream(world, "third", 100 * UB_MS)->tier = 1;
    ub_world_reload(world);
    UB_CHECK_TRACE(
        world,
        "[     0 ms] r1 arrived: start 1 on first (only candidate)\n"
        "[  1000 ms] routes\n"
        "[  5000 ms] woken: r1 cancel 1 (first token deadline), r1 start 2 on second (next tier)\n"
        "[  5300 ms] r1 first token 2: forward 2 (first payload)\n"
        "[  6300 ms] r1 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
    return ub_test_done();
}

/* A model that is not in the routes is answered at once, and so is everything while draining. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "one", 100 * UB_MS);
    ub_world_ask(world, (struct ub_ask){.model = 3});
    UB_CHECK_TRACE(
        world, "[     0 ms] r1 arrived: answer 404 no_route, do not come back (unknown model)\n");
    ub_world_free(world);
    return ub_test_done();
}

/* A hung upstream is left at the first-token deadline; its late token is not taken for ours. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world =
        ub_world_new((struct ub_world_options){.draw = 0.5, .late_words_ns = UB_MINUTE});
    ub_world_upstream(world, "near", 200 * UB_MS);
    ub_world_upstream(world, "far", 900 * UB_MS)->tier = 1;
    ub_world_hang(world, "near", 5500 * UB_MS);
    ub_world_request(world, 0);

    UB_CHECK_TRACE(world, "?");
    ub_world_free(world);
    return ub_test_done();
}

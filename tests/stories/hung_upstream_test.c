/* A hung upstream is left at the first-token deadline; its late token is not taken for ours. */
#include "sim/world.h"

/* Nor is it tried again in a new round, after a pause. */
static void test_next_round(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *near = ub_world_upstream(world, "near", 200 * UB_MS);
    near->fault = UB_FAULT_SILENT;
    near->fault_left = 1;
    struct ub_sim_upstream *far = ub_world_upstream(world, "far", 900 * UB_MS);
    far->fault = UB_FAULT_BUSY_503;
    far->fault_left = 1;
    ub_world_request(world, 0);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on near (balanced)\n"
                          "[  5000 ms] woken: r1 cancel 1 (first token deadline), r1 start 2 on "
                          "far (retry elsewhere)\n"
                          "[  5010 ms] r1 ended 2 upstream_busy: nothing\n"
                          "[  5079 ms] woken: r1 start 3 on far (after backing off)\n"
                          "[  5979 ms] r1 first token 3: forward 3 (first payload)\n"
                          "[  6979 ms] r1 ended 3 ok: finish (complete)\n");
    ub_world_free(world);
}

int main(void)
{
    test_next_round();

    struct ub_world *world =
        ub_world_new((struct ub_world_options){.draw = 0.5, .late_words_ns = UB_MINUTE});
    ub_world_upstream(world, "near", 200 * UB_MS);
    ub_world_upstream(world, "far", 900 * UB_MS)->tier = 1;
    ub_world_hang(world, "near", 5500 * UB_MS);
    ub_world_request(world, 0);

    UB_CHECK_TRACE(
        world,
        "[     0 ms] r1 arrived: start 1 on near (only candidate)\n"
        "[  5000 ms] woken: r1 cancel 1 (first token deadline), r1 start 2 on far (next tier)\n"
        "[  5500 ms] r1 first token 1: nothing\n"
        "[  5900 ms] r1 first token 2: forward 2 (first payload)\n"
        "[  6500 ms] r1 ended 1 ok: nothing\n"
        "[  6900 ms] r1 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
    return ub_test_done();
}

/* An answer that is not streamed is told by its end alone, and goes out then. It gets the learned
 * time for its max_tokens, at most half of what is
 * left of the total, so that another try fits. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "stuck", 200 * UB_MS)->fault = UB_FAULT_SILENT;
    ub_world_upstream(world, "works", 200 * UB_MS)->tier = 1;
    ub_world_policy(world, 0)->total_ns = 20 * UB_SECOND;
    ub_world_ask(world, (struct ub_ask){.whole = true, .max_tokens = 1000});
    UB_CHECK_TRACE(
        world,
        "[     0 ms] r1 arrived: start 1 on stuck (only candidate)\n"
        "[ 10000 ms] woken: r1 cancel 1 (first token deadline), r1 start 2 on works (next tier)\n"
        "[ 11200 ms] r1 ended 2 ok: finish (complete)\n");
    ub_world_free(world);

    /* Half of what is left, each time. */
    world = ub_world_new((struct ub_world_options){.draw = 0.5});
    const char *const names[] = {"a", "b", "c"};
    for (uint32_t i = 0; i < 3; i++) {
        struct ub_sim_upstream *u = ub_world_upstream(world, names[i], 200 * UB_MS);
        u->fault = i < 2 ? UB_FAULT_SILENT : UB_FAULT_NONE;
        u->tier = i;
    }
    ub_world_policy(world, 0)->total_ns = 20 * UB_SECOND;
    ub_world_ask(world, (struct ub_ask){.whole = true});
    UB_CHECK_TRACE(
        world,
        "[     0 ms] r1 arrived: start 1 on a (only candidate)\n"
        "[ 10000 ms] woken: r1 cancel 1 (first token deadline), r1 start 2 on b (next tier)\n"
        "[ 15000 ms] woken: r1 cancel 2 (first token deadline), r1 start 3 on c (next tier)\n"
        "[ 16200 ms] r1 ended 3 ok: finish (complete)\n");
    ub_world_free(world);

    /* Learned: 50 tokens take 1.2 s, so 1,000 may take 20 s and are not given up after 5 s. */
    world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "works", 200 * UB_MS);
    ub_world_upstream(world, "other", 200 * UB_MS)->tier = 1;
    for (int i = 0; i < 20; i++) {
        ub_world_ask(world, (struct ub_ask){.at = i * UB_SECOND,
                                            .whole = true,
                                            .max_tokens = 100,
                                            .answer_tokens = 40 + (uint32_t)i});
    }
    ub_world_run(world);
    ub_world_forget(world);
    ub_world_ask(
        world, (struct ub_ask){
                   .at = 30 * UB_SECOND, .whole = true, .max_tokens = 1000, .answer_tokens = 1000});
    UB_CHECK_TRACE(world, "[ 30000 ms] r21 arrived: start 1 on works (only candidate)\n"
                          "[ 50200 ms] r21 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
    return ub_test_done();
}

/* A prompt that is too long for one upstream is tried on the others; when it is too long for all,
 * the last refusal is passed on. It speaks against nobody. */
#include "sim/world.h"

static struct ub_world *three(uint32_t big_context)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "small", 100 * UB_MS)->context_tokens = 4000;
    ub_world_upstream(world, "little", 100 * UB_MS)->context_tokens = 2000;
    struct ub_sim_upstream *big = ub_world_upstream(world, "big", 100 * UB_MS);
    big->context_tokens = big_context;
    big->tier = 1;
    return world;
}

int main(void)
{
    struct ub_world *world = three(100000);
    ub_world_ask(world, (struct ub_ask){.prompt_tokens = 9000});
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on small (balanced)\n"
                   "[    10 ms] r1 ended 1 context_too_long: start 2 on little (retry elsewhere)\n"
                   "[    20 ms] r1 ended 2 context_too_long: start 3 on big (next tier)\n"
                   "[   120 ms] r1 first token 3: forward 3 (first payload)\n"
                   "[  1120 ms] r1 ended 3 ok: finish (complete)\n");
    UB_CHECK(ub_world_facts(world, "small").error_share == 0, "it speaks against nobody");
    ub_world_free(world);

    world = three(8000);
    ub_world_ask(world, (struct ub_ask){.prompt_tokens = 9000});
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on small (balanced)\n"
                   "[    10 ms] r1 ended 1 context_too_long: start 2 on little (retry elsewhere)\n"
                   "[    20 ms] r1 ended 2 context_too_long: start 3 on big (next tier)\n"
                   "[    30 ms] r1 ended 3 context_too_long: pass on 3, context_too_long, do not "
                   "come back (nobody left to try)\n");
    ub_world_free(world);

    /* Nor is an ejected one waited for: those that work have said that it is too long. */
    world = three(8000);
    ub_world_upstream_named(world, "big")->fault = UB_FAULT_KEY_REFUSED;
    ub_world_ask(world, (struct ub_ask){.prompt_tokens = 9000});
    ub_world_run(world);
    ub_world_forget(world);
    ub_world_ask(world, (struct ub_ask){.at = UB_SECOND, .prompt_tokens = 9000});
    UB_CHECK_TRACE(world,
                   "[  1000 ms] r2 arrived: start 1 on small (balanced)\n"
                   "[  1010 ms] r2 ended 1 context_too_long: start 2 on little (retry elsewhere)\n"
                   "[  1020 ms] r2 ended 2 context_too_long: pass on 2, context_too_long, do not "
                   "come back (nobody left to try)\n");
    ub_world_free(world);

    /* A new round does not ask again who has said it. */
    world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "small", 100 * UB_MS)->context_tokens = 4000;
    struct ub_sim_upstream *busy = ub_world_upstream(world, "busy", 100 * UB_MS);
    busy->fault = UB_FAULT_BUSY_503;
    busy->fault_left = 1;
    ub_world_ask(world, (struct ub_ask){.prompt_tokens = 9000});
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on small (balanced)\n"
                   "[    10 ms] r1 ended 1 context_too_long: start 2 on busy (retry elsewhere)\n"
                   "[    20 ms] r1 ended 2 upstream_busy: nothing\n"
                   "[    89 ms] woken: r1 start 3 on busy (after backing off)\n"
                   "[   189 ms] r1 first token 3: forward 3 (first payload)\n"
                   "[  1189 ms] r1 ended 3 ok: finish (complete)\n");
    ub_world_free(world);
    return ub_test_done();
}

/* A slot that two models share goes to the one that has got less of it from the line, and among equals
 * to the one whose first has waited longest; when that one cannot use it, to the other's. */
#include "sim/world.h"

/* Whichever model that is. */
static void test_longest(uint32_t first)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_models(world, 2);
    struct ub_sim_upstream *only = ub_world_upstream(world, "only", 100 * UB_MS);
    only->models = 3;
    only->concurrency = 1;
    ub_world_ask(world, (struct ub_ask){.at = 0});
    ub_world_ask(world, (struct ub_ask){.at = 10 * UB_MS, .model = first});
    ub_world_ask(world, (struct ub_ask){.at = 20 * UB_MS, .model = 1 - first});
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
                   "[    10 ms] r2 arrived: nothing\n"
                   "[    20 ms] r3 arrived: nothing\n"
                   "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[  1100 ms] r1 ended 1 ok: finish (complete), r2 start 1 on only (slot freed)\n"
                   "[  1200 ms] r2 first token 1: forward 1 (first payload)\n"
                   "[  2200 ms] r2 ended 1 ok: finish (complete), r3 start 1 on only (slot freed)\n"
                   "[  2300 ms] r3 first token 1: forward 1 (first payload)\n"
                   "[  3300 ms] r3 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* r2 has waited longest, but it failed there a moment ago: r3 gets the slot, instead of nobody. */
static void test_other_line(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_models(world, 2);
    struct ub_sim_upstream *a = ub_world_upstream(world, "a", 100 * UB_MS);
    struct ub_sim_upstream *b = ub_world_upstream(world, "b", 100 * UB_MS);
    a->concurrency = b->concurrency = 1;
    b->models = 3;
    b->fault = UB_FAULT_ERROR_500;
    b->fault_left = 1;
    b->refuse_ns = 50 * UB_MS;
    for (uint32_t i = 0; i < 2; i++) {
        ub_world_policy(world, i)->retry.base_ns = UB_MINUTE; /* no new round before the end */
        ub_world_policy(world, i)->retry.cap_ns = UB_MINUTE;
    }
    ub_world_request(world, 0);
    ub_world_request(world, 0);
    ub_world_ask(world, (struct ub_ask){.at = 10 * UB_MS, .model = 1});
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on a (balanced)\n"
                   "[     0 ms] r2 arrived: start 1 on b (only candidate)\n"
                   "[    10 ms] r3 arrived: nothing\n"
                   "[    50 ms] r2 ended 1 upstream_error: r3 start 1 on b (slot freed)\n"
                   "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[   150 ms] r3 first token 1: forward 1 (first payload)\n"
                   "[  1100 ms] r1 ended 1 ok: finish (complete), r2 start 2 on a (slot freed)\n"
                   "[  1150 ms] r3 ended 1 ok: finish (complete)\n"
                   "[  1200 ms] r2 first token 2: forward 2 (first payload)\n"
                   "[  2200 ms] r2 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
}

/* The backlog of one model is not in the way of the other: they take turns. */
static void test_backlog(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_models(world, 2);
    struct ub_sim_upstream *only = ub_world_upstream(world, "only", 100 * UB_MS);
    only->models = 3;
    only->concurrency = 1;
    for (uint32_t i = 0; i < 6; i++) {
        ub_world_request(world, 0);
    }
    ub_world_ask(world, (struct ub_ask){.at = 2 * UB_SECOND, .model = 1});
    ub_world_ask(world, (struct ub_ask){.at = 2 * UB_SECOND, .model = 1});
    ub_world_run(world);
    const uint32_t want[] = {1, 2, 7, 3, 8, 4, 5, 6};
    for (uint32_t i = 0; i + 1 < 8; i++) {
        UB_CHECK(ub_world_result(world, want[i]).forwarded <
                     ub_world_result(world, want[i + 1]).forwarded,
                 "r%u goes before r%u", want[i], want[i + 1]);
    }
    ub_world_free(world);
}

int main(void)
{
    test_backlog();
    test_longest(0);
    test_longest(1);
    test_other_line();
    return ub_test_done();
}

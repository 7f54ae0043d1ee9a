/* A reload is one event. Statistics survive; what is taken out drains; a running request keeps the
 * routes that it started with; a slot is used again only when nothing runs there any more. */
#include "sim/world.h"

/* New limits count at once: a larger concurrency serves the line, a smaller one fills it, a shorter
 * line refuses. */
static void test_limits(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *only = ub_world_upstream(world, "only", 100 * UB_MS);
    only->concurrency = 1;
    for (int i = 0; i < 3; i++) {
        ub_world_request(world, i * 10 * UB_MS);
    }
    ub_world_run_until(world, 50 * UB_MS);
    only->concurrency = 2;
    ub_world_reload(world);
    ub_world_run_until(world, 1160 * UB_MS);
    only->concurrency = 1;
    ub_world_queue_size(world, 0);
    ub_world_reload(world);
    ub_world_request(world, 1200 * UB_MS);
    UB_CHECK_TRACE(
        world, "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
               "[    10 ms] r2 arrived: nothing\n"
               "[    20 ms] r3 arrived: nothing\n"
               "[    50 ms] routes: r2 start 1 on only (slot freed)\n"
               "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
               "[   150 ms] r2 first token 1: forward 1 (first payload)\n"
               "[  1100 ms] r1 ended 1 ok: finish (complete), r3 start 1 on only (slot freed)\n"
               "[  1150 ms] r2 ended 1 ok: finish (complete)\n"
               "[  1160 ms] routes\n"
               "[  1200 ms] r3 first token 1: forward 1 (first payload)\n"
               "[  1200 ms] r4 arrived: answer 503 queue_full, come back in 1125 ms (queue full)\n"
               "[  2200 ms] r3 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* A reload of the same is no change: not even whose turn it is. */
static void test_the_same(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_policy(world, 0)->balance = UB_BALANCE_ROUND_ROBIN;
    ub_world_upstream(world, "a", 100 * UB_MS);
    ub_world_upstream(world, "b", 100 * UB_MS);
    for (int i = 0; i < 3; i++) {
        ub_world_request(world, i * UB_SECOND);
        ub_world_run_until(world, i * UB_SECOND + 500 * UB_MS);
        UB_CHECK(ub_world_result(world, (uint32_t)i + 1).upstream ==
                     ub_world_upstream_named(world, i == 1 ? "b" : "a"),
                 "reloads do not disturb the turns");
        ub_world_reload(world);
    }
    ub_world_free(world);
}

int main(void)
{
    test_limits();
    test_the_same();
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "old", 500 * UB_MS);
    ub_world_upstream(world, "stays", 300 * UB_MS)->tier = 1;
    ub_world_policy(world, 0)->patience_ns = 0;
    ub_world_request(world, 0);
    ub_world_run_until(world, 3 * UB_SECOND);
    ub_ns learned_ns = ub_world_facts(world, "old").first_payload_ns;
    UB_CHECK(learned_ns > 0, "something is learned");

    ub_world_reload(world);
    UB_CHECK(ub_world_facts(world, "old").first_payload_ns == learned_ns, "statistics survive");

    /* "old" is taken out while a request runs there, and "new" comes. */
    ub_world_forget(world);
    ub_world_request(world, 3 * UB_SECOND);
    ub_world_run_until(world, 3200 * UB_MS);
    uint16_t old_slot = ub_world_slot(world, "old");
    ub_world_upstream_named(world, "old")->removed = true;
    ub_world_upstream(world, "new", 100 * UB_MS);
    ub_world_reload(world);
    UB_CHECK(ub_world_slot(world, "old") == UB_NO_UPSTREAM, "it is not in the routes any more");
    UB_CHECK(ub_world_slot(world, "new") != old_slot, "its slot is not used while it drains");
    ub_world_request(world, 3300 * UB_MS);
    UB_CHECK_TRACE(world, "[  3000 ms] r2 arrived: start 1 on old (only candidate)\n"
                          "[  3200 ms] routes\n"
                          "[  3300 ms] r3 arrived: start 1 on new (only candidate)\n"
                          "[  3400 ms] r3 first token 1: forward 1 (first payload)\n"
                          "[  3500 ms] r2 first token 1: forward 1 (first payload)\n"
                          "[  4400 ms] r3 ended 1 ok: finish (complete)\n"
                          "[  4500 ms] r2 ended 1 ok: finish (complete)\n");

    ub_world_upstream(world, "newer", 100 * UB_MS);
    ub_world_reload(world);
    UB_CHECK(ub_world_slot(world, "newer") == old_slot,
             "when it has drained its slot is used again");
    UB_CHECK(ub_world_facts(world, "newer").first_payload_ns == 0, "and nothing of it is left");
    ub_world_free(world);
    return ub_test_done();
}

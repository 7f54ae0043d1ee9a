/* Who waits for a slot is served by class: critical before interactive before standard before batch.
 * But a lower class does not starve: once its next has waited for a second, every fifth slot is its
 * own. */
#include "sim/world.h"

static struct ub_world *one_slot(ub_ns answer_ns)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *only = ub_world_upstream(world, "only", answer_ns / 2);
    only->token_ns = answer_ns / 2 / 50;
    only->concurrency = 1;
    return world;
}

static void test_strict(void)
{
    struct ub_world *world = one_slot(200 * UB_MS);
    ub_world_request(world, 0);
    for (uint8_t c = 0; c < UB_TRAFFIC_CLASSES; c++) { /* the least important comes first */
        uint8_t class = (uint8_t)(UB_TRAFFIC_BATCH - c + 1);
        ub_world_ask(world, (struct ub_ask){.at = (1 + c) * 10 * UB_MS, .class = class});
    }
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
                   "[    10 ms] r2 arrived: nothing\n"
                   "[    20 ms] r3 arrived: nothing\n"
                   "[    30 ms] r4 arrived: nothing\n"
                   "[    40 ms] r5 arrived: nothing\n"
                   "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[   200 ms] r1 ended 1 ok: finish (complete), r5 start 1 on only (slot freed)\n"
                   "[   300 ms] r5 first token 1: forward 1 (first payload)\n"
                   "[   400 ms] r5 ended 1 ok: finish (complete), r4 start 1 on only (slot freed)\n"
                   "[   500 ms] r4 first token 1: forward 1 (first payload)\n"
                   "[   600 ms] r4 ended 1 ok: finish (complete), r3 start 1 on only (slot freed)\n"
                   "[   700 ms] r3 first token 1: forward 1 (first payload)\n"
                   "[   800 ms] r3 ended 1 ok: finish (complete), r2 start 1 on only (slot freed)\n"
                   "[   900 ms] r2 first token 1: forward 1 (first payload)\n"
                   "[  1000 ms] r2 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

static uint32_t served_between(struct ub_world *world, uint32_t first, uint32_t last, ub_ns until)
{
    uint32_t served = 0;
    for (uint32_t r = first; r <= last; r++) {
        struct ub_sim_result result = ub_world_result(world, r);
        served += result.forwarded != 0 && result.forwarded <= until;
    }
    return served;
}

/* 100 interactive requests and 100 of each lower class; 10 slots a second, for 10 seconds. */
static void test_guard(uint8_t lower)
{
    struct ub_world *world = one_slot(100 * UB_MS);
    for (uint32_t i = 0; i < 200; i++) {
        ub_world_ask(world,
                     (struct ub_ask){.class = 1 + (i < 100 ? lower : UB_TRAFFIC_INTERACTIVE)});
    }
    ub_world_run_until(world, 11 * UB_SECOND);
    uint32_t low = served_between(world, 1, 100, 11 * UB_SECOND);
    uint32_t high = served_between(world, 101, 200, 11 * UB_SECOND);
    /* One before all, none in the first second, then every fifth of 100. */
    UB_CHECK(low >= 20 && low <= 22, "a starving class gets a fifth: %u", low);
    UB_CHECK(high >= 88 && high <= 90, "and the higher one the rest: %u", high);
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "%s", ub_world_broken(world));
    ub_world_free(world);
}

int main(void)
{
    test_strict();
    test_guard(UB_TRAFFIC_STANDARD);
    test_guard(UB_TRAFFIC_BATCH);
    return ub_test_done();
}

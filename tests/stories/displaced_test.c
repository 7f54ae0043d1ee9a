/* A full queue is no reason to refuse somebody while less important ones wait: the newest of the lowest
 * class makes room. Its bytes are bounded like its number. */
#include "sim/world.h"

static struct ub_world *full(uint32_t size, uint64_t bytes)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "only", 100 * UB_MS)->concurrency = 1;
    ub_world_queue_size(world, size);
    ub_world_queue_bytes(world, bytes);
    ub_world_request(world, 0);
    return world;
}

static void test_by_class(void)
{
    struct ub_world *world = full(2, 0);
    const uint8_t classes[] = {UB_TRAFFIC_BATCH,    UB_TRAFFIC_BATCH,       UB_TRAFFIC_STANDARD,
                               UB_TRAFFIC_CRITICAL, UB_TRAFFIC_INTERACTIVE, UB_TRAFFIC_STANDARD,
                               UB_TRAFFIC_CRITICAL};
    for (size_t i = 0; i < UB_COUNT(classes); i++) {
        ub_world_ask(world, (struct ub_ask){.at = (ub_ns)(i + 1) * 10 * UB_MS,
                                            .class = (uint8_t)(1 + classes[i])});
    }
    ub_world_run_until(world, 90 * UB_MS);
    UB_CHECK_TEXT(
        ub_world_trace(world),
        "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
        "[    10 ms] r2 arrived: nothing\n"
        "[    20 ms] r3 arrived: nothing\n"
        "[    30 ms] r4 arrived: r3 answer 503 queue_full, come back in 1125 ms (made room for a "
        "higher class)\n"
        "[    40 ms] r5 arrived: r2 answer 503 queue_full, come back in 1125 ms (made room for a "
        "higher class)\n"
        "[    50 ms] r6 arrived: r4 answer 503 queue_full, come back in 1125 ms (made room for a "
        "higher class)\n"
        "[    60 ms] r7 arrived: answer 503 queue_full, come back in 1125 ms (queue full)\n"
        "[    70 ms] r8 arrived: r6 answer 503 queue_full, come back in 1125 ms (made room for a "
        "higher class)\n",
        "the lowest goes first, and nobody for its equals");
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

static void test_bytes(void)
{
    struct ub_world *world = full(100, 1000);
    const uint32_t bytes[] = {400, 400, 300, 200, 700};
    for (size_t i = 0; i < UB_COUNT(bytes); i++) {
        ub_world_ask(world, (struct ub_ask){.at = (ub_ns)(i + 1) * 10 * UB_MS,
                                            .bytes = bytes[i],
                                            .class = i == 4 ? 1 : 0});
    }
    ub_world_run_until(world, 90 * UB_MS);
    UB_CHECK_TEXT(
        ub_world_trace(world),
        "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
        "[    10 ms] r2 arrived: nothing\n"
        "[    20 ms] r3 arrived: nothing\n"
        "[    30 ms] r4 arrived: answer 503 queue_full, come back in 1125 ms (queue full)\n"
        "[    40 ms] r5 arrived: nothing\n"
        "[    50 ms] r6 arrived: r5 answer 503 queue_full, come back in 1125 ms (made room for a "
        "higher class), r3 answer 503 queue_full, come back in 1172 ms (made room for a higher "
        "class), r2 answer 503 queue_full, come back in 1229 ms (made room for a higher class)\n",
        "300 do not fit beside 800, 200 do; 700 need the place of three");
    UB_CHECK(ub_brain_facts(ub_world_brain(world)).waiting_bytes == 700, "and all is counted");
    ub_world_run(world);
    UB_CHECK(ub_brain_facts(ub_world_brain(world)).waiting_bytes == 0, "and given back");
    ub_world_free(world);
}

/* Among equals it is one of a tenant that has got more, also when the other's came later. */
static void test_by_tenant(void)
{
    struct ub_world *world = full(2, 0);
    ub_world_tenant(world, 2);
    ub_world_ask(world, (struct ub_ask){.at = 10 * UB_MS, .tenant = 2});
    ub_world_ask(world, (struct ub_ask){.at = 1200 * UB_MS, .tenant = 2});
    ub_world_ask(world, (struct ub_ask){.at = 1210 * UB_MS, .tenant = 1});
    ub_world_ask(world, (struct ub_ask){.at = 1220 * UB_MS, .class = 1 + UB_TRAFFIC_CRITICAL});
    ub_world_run_until(world, 1300 * UB_MS);
    UB_CHECK(ub_world_result(world, 2).attempts == 1, "the second tenant had a slot");
    UB_CHECK(ub_world_result(world, 3).reason == UB_WHY_DISPLACED, "and makes room");
    UB_CHECK(ub_world_result(world, 4).outcome == UB_SIM_PENDING, "for somebody else");
    ub_world_free(world);
}

/* Nobody has to go so that somebody can wait for a better tier. */
static void test_not_for_patience(void)
{
    struct ub_world *world = full(1, 0);
    ub_world_upstream(world, "far", 100 * UB_MS)->tier = 1;
    ub_world_ask(world, (struct ub_ask){.at = 10 * UB_MS, .class = 1 + UB_TRAFFIC_BATCH});
    ub_world_ask(world, (struct ub_ask){.at = 20 * UB_MS, .class = 1 + UB_TRAFFIC_CRITICAL});
    ub_world_run_until(world, 300 * UB_MS);
    UB_CHECK_TEXT(ub_world_trace(world),
                  "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
                  "[    10 ms] r2 arrived: nothing\n"
                  "[    20 ms] r3 arrived: start 1 on far (next tier)\n"
                  "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
                  "[   120 ms] r3 first token 1: forward 1 (first payload)\n"
                  "[   260 ms] woken: r2 start 1 on far (next tier)\n",
                  "it goes down a tier at once");
    ub_world_free(world);
}

int main(void)
{
    test_not_for_patience();
    test_by_class();
    test_by_tenant();
    test_bytes();
    return ub_test_done();
}

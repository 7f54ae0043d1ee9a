/* Silence and crawling after the commit point, by what the upstream's own streams have shown. */
#include "sim/world.h"

/* Twelve answers of 20 to 130 tokens, 20 ms each. */
static struct ub_world *taught(bool alone)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "near", 200 * UB_MS);
    if (!alone) {
        ub_world_upstream(world, "far", 900 * UB_MS);
    }
    for (uint32_t i = 0; i < 12; i++) {
        ub_world_ask(world, (struct ub_ask){.at = i * 5 * UB_SECOND, .answer_tokens = 20 + 10 * i});
    }
    ub_world_run(world);
    ub_world_forget(world);
    return world;
}

static void stalls(struct ub_world *world)
{
    struct ub_sim_upstream *near = ub_world_upstream_named(world, "near");
    near->fault = UB_FAULT_STALL;
    near->fault_left = 1;
    ub_world_ask(world, (struct ub_ask){.at = 100 * UB_SECOND, .resume = true});
}

/* Steady streams: four seconds of silence are enough, since another one can go on. */
static void test_sooner(void)
{
    struct ub_world *world = taught(false);
    stalls(world);
    UB_CHECK_TRACE(world, "[100000 ms] r13 arrived: start 1 on near (balanced)\n"
                          "[100200 ms] r13 first token 1: forward 1 (first payload)\n"
                          "[104200 ms] woken: r13 cancel 1 (stalled), r13 resume 2 on far "
                          "(continues the broken answer)\n"
                          "[105100 ms] r13 first token 2: forward 2 (continues the broken answer)\n"
                          "[106100 ms] r13 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Nobody can go on: all the time that the model allows. */
static void test_alone(void)
{
    struct ub_world *world = taught(true);
    stalls(world);
    UB_CHECK_TRACE(world, "[100000 ms] r13 arrived: start 1 on near (only candidate)\n"
                          "[100200 ms] r13 first token 1: forward 1 (first payload)\n"
                          "[130200 ms] woken: r13 cancel 1 (stalled)\n"
                          "[130269 ms] woken: r13 resume 2 on near (after backing off)\n"
                          "[130469 ms] r13 first token 2: forward 2 (continues the broken answer)\n"
                          "[131469 ms] r13 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
}

/* A token each two seconds instead of each 20 ms: left for the other one after ten seconds. */
static void test_crawl(bool alone, const char *trace)
{
    struct ub_world *world = taught(alone);
    ub_world_upstream_named(world, "near")->token_ns = 2 * UB_SECOND;
    ub_world_ask(world,
                 (struct ub_ask){.at = 100 * UB_SECOND, .answer_tokens = 10, .resume = true});
    UB_CHECK_TRACE(world, trace);
    ub_world_free(world);
}

int main(void)
{
    test_sooner();
    test_alone();
    test_crawl(false, "[100000 ms] r13 arrived: start 1 on near (balanced)\n"
                      "[100200 ms] r13 first token 1: forward 1 (first payload)\n"
                      "[110200 ms] r13 progress 1: cancel 1 (far slower than it usually is), "
                      "resume 2 on far (continues the broken answer)\n"
                      "[111100 ms] r13 first token 2: forward 2 (continues the broken answer)\n"
                      "[111300 ms] r13 ended 2 ok: finish (complete)\n");
    /* Nobody else: a crawl is better than nothing. */
    test_crawl(true, "[100000 ms] r13 arrived: start 1 on near (only candidate)\n"
                     "[100200 ms] r13 first token 1: forward 1 (first payload)\n"
                     "[120200 ms] r13 ended 1 ok: finish (complete)\n");
    return ub_test_done();
}

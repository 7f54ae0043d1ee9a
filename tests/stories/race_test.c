/* Two at a time: a rival for who is queued or slower than usual; the first to speak wins. */
#include "sim/world.h"

/* Thirty answers of 200 to 248 ms teach what is usual. */
static void teach(struct ub_world *world)
{
    for (uint32_t i = 0; i < 30; i++) {
        ub_world_request(world, i * 3 * UB_SECOND);
    }
    ub_world_run(world);
    ub_world_forget(world);
}

/* The next one meets a near upstream that is so much slower. */
static void hangs(struct ub_world *world, ub_ns first_ns)
{
    teach(world);
    ub_world_hang(world, "near", first_ns);
    ub_world_request(world, 100 * UB_SECOND);
}

static struct ub_world *two(double hedge_budget)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "near", 200 * UB_MS);
    ub_world_upstream(world, "far", 900 * UB_MS);
    ub_world_policy(world, 0)->hedge_budget = hedge_budget;
    return world;
}

/* Slower than usual: a rival after the time in which 95 of 100 come. */
static void test_hedge(void)
{
    struct ub_world *world = two(0.05);
    hangs(world, 4 * UB_SECOND);
    UB_CHECK_TRACE(world, "[100000 ms] r31 arrived: start 1 on near (balanced)\n"
                          "[100354 ms] woken: r31 start 2 on far (slower than it usually is)\n"
                          "[101254 ms] r31 first token 2: cancel 1 (another one was first), "
                          "forward 2 (first payload)\n"
                          "[102254 ms] r31 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
}

/* The first one was only a little late, and wins. */
static void test_first_wins(void)
{
    struct ub_world *world = two(0.05);
    hangs(world, 700 * UB_MS);
    UB_CHECK_TRACE(world, "[100000 ms] r31 arrived: start 1 on near (balanced)\n"
                          "[100354 ms] woken: r31 start 2 on far (slower than it usually is)\n"
                          "[100700 ms] r31 first token 1: cancel 2 (another one was first), "
                          "forward 1 (first payload)\n"
                          "[101700 ms] r31 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* A rival costs: of a thousand requests 40 are slow, and 20 hedges are earned. */
static void test_budget(void)
{
    struct ub_world *world = two(0.02);
    teach(world);
    for (uint32_t i = 0; i < 1000; i++) {
        if (i % 25 == 24) {
            ub_world_hang(world, "near", 4 * UB_SECOND);
        }
        ub_world_request(world, (200 + i * 20) * UB_SECOND);
        ub_world_run(world);
    }
    uint64_t extra = ub_brain_facts(ub_world_brain(world)).extra_attempts;
    UB_CHECK(extra >= 18 && extra <= 20, "1,030 requests earn 20 hedges, %d were made", (int)extra);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

/* It has let the request in and says that it waits: after twice the time that the other one usually
 * takes that one is asked, too, though nothing is known of what is usual here. */
static void test_queued(void)
{
    struct ub_world *world = two(0.02);
    struct ub_sim_upstream *near = ub_world_upstream_named(world, "near");
    near->slots = 1;
    near->queue_max = 10;
    near->keep_alive_ns = 100 * UB_MS;
    near->token_ns = 200 * UB_MS; /* ten seconds an answer */
    ub_world_request(world, 0);
    ub_world_request(world, 10 * UB_MS);
    ub_world_request(world, 20 * UB_MS);
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on near (balanced)\n"
                   "[    10 ms] r2 arrived: start 1 on far (balanced)\n"
                   "[    20 ms] r3 arrived: start 1 on near (balanced)\n"
                   "[   120 ms] r3 queued 1: nothing\n"
                   "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[   910 ms] r2 first token 1: forward 1 (first payload)\n"
                   "[  1020 ms] woken: r3 start 2 on far (queued too long at the first one)\n"
                   "[  1910 ms] r2 ended 1 ok: finish (complete)\n"
                   "[  1920 ms] r3 first token 2: cancel 1 (another one was first), forward 2 "
                   "(first payload)\n"
                   "[  2920 ms] r3 ended 2 ok: finish (complete)\n"
                   "[ 10200 ms] r1 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Without a budget for it there is never a second one. */
static void test_off(void)
{
    struct ub_world *world = two(0);
    hangs(world, 4 * UB_SECOND);
    UB_CHECK_TRACE(world, "[100000 ms] r31 arrived: start 1 on near (balanced)\n"
                          "[104000 ms] r31 first token 1: forward 1 (first payload)\n"
                          "[105000 ms] r31 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* The client leaves while two run, and while a fault of its own ends the race. */
static void test_ends(void)
{
    struct ub_world *world = two(0.1);
    teach(world);
    ub_world_hang(world, "near", 4 * UB_SECOND);
    ub_world_ask(world, (struct ub_ask){.at = 100 * UB_SECOND, .leaves_after_ns = 600 * UB_MS});
    UB_CHECK_TRACE(world, "[100000 ms] r31 arrived: start 1 on near (balanced)\n"
                          "[100354 ms] woken: r31 start 2 on far (slower than it usually is)\n"
                          "[100600 ms] r31 client left client_gone: cancel 1 (client left), cancel "
                          "2 (client left), drop client_gone (client left)\n");
    ub_world_forget(world);
    ub_world_hang(world, "near", 4 * UB_SECOND);
    struct ub_sim_upstream *far = ub_world_upstream_named(world, "far");
    far->fault = UB_FAULT_BAD_REQUEST;
    ub_world_request(world, 200 * UB_SECOND);
    UB_CHECK_TRACE(world, "[200000 ms] r32 arrived: start 1 on near (balanced)\n"
                          "[200354 ms] woken: r32 start 2 on far (slower than it usually is)\n"
                          "[200364 ms] r32 ended 2 bad_request: cancel 1 (client's fault), pass on "
                          "2, bad_request, do not come back (client's fault)\n");
    ub_world_free(world);
}

int main(void)
{
    test_hedge();
    test_first_wins();
    test_budget();
    test_queued();
    test_off();
    test_ends();
    return ub_test_done();
}

/* Inside a class tenants get equal numbers of tokens, whatever they ask for: a prompt's count once,
 * an answer's twice. Whoever comes (back) waits for one answer of the others, not for their backlog,
 * and brings no savings along. */
#include "sim/world.h"

#include <stdlib.h>

/* One slot; answers take 20 ms for each token. */
static struct ub_world *one_slot(void)
{
    struct ub_world *world = ub_world_new(
        (struct ub_world_options){.draw = 0.5, .limits = {.tenants = 8, .requests = 4000}});
    struct ub_sim_upstream *only = ub_world_upstream(world, "only", 10 * UB_MS);
    only->concurrency = 1;
    for (uint32_t t = 1; t <= 3; t++) {
        ub_world_tenant(world, t)->class = UB_TRAFFIC_STANDARD;
    }
    return world;
}

static void test_newcomer(void)
{
    struct ub_world *world = one_slot();
    for (uint32_t i = 0; i < 4; i++) {
        ub_world_ask(world, (struct ub_ask){.at = i * 10 * UB_MS, .tenant = 1});
    }
    ub_world_ask(world, (struct ub_ask){.at = 100 * UB_MS, .tenant = 2});
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on only (only candidate)\n"
                   "[    10 ms] r2 arrived: nothing\n"
                   "[    10 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[    20 ms] r3 arrived: nothing\n"
                   "[    30 ms] r4 arrived: nothing\n"
                   "[   100 ms] r5 arrived: nothing\n"
                   "[  1010 ms] r1 ended 1 ok: finish (complete), r2 start 1 on only (slot freed)\n"
                   "[  1020 ms] r2 first token 1: forward 1 (first payload)\n"
                   "[  2020 ms] r2 ended 1 ok: finish (complete), r5 start 1 on only (slot freed)\n"
                   "[  2030 ms] r5 first token 1: forward 1 (first payload)\n"
                   "[  3030 ms] r5 ended 1 ok: finish (complete), r3 start 1 on only (slot freed)\n"
                   "[  3040 ms] r3 first token 1: forward 1 (first payload)\n"
                   "[  4040 ms] r3 ended 1 ok: finish (complete), r4 start 1 on only (slot freed)\n"
                   "[  4050 ms] r4 first token 1: forward 1 (first payload)\n"
                   "[  5050 ms] r4 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* The one that was away while the other was served takes turns from now on; it has not saved up. */
static void test_no_savings(void)
{
    struct ub_world *world = one_slot();
    for (uint32_t i = 0; i < 8; i++) {
        ub_world_ask(world, (struct ub_ask){.tenant = 1});
    }
    for (uint32_t i = 0; i < 3; i++) {
        ub_world_ask(world, (struct ub_ask){.at = 3500 * UB_MS, .tenant = 2});
    }
    ub_world_run(world);
    uint32_t behind = 0; /* of the first tenant's, those that had to let one of the second's pass */
    for (uint32_t r = 5; r <= 8; r++) {
        for (uint32_t other = 9; other <= 11; other++) {
            behind += ub_world_result(world, r).forwarded > ub_world_result(world, other).forwarded;
        }
    }
    UB_CHECK(behind == 1 + 2 + 3 + 3, "they take turns: %u", behind);
    ub_world_free(world);
}

/* Tokens of the answers of a tenant that were begun by then. */
static uint64_t got(struct ub_world *world, uint32_t first, uint32_t last, uint32_t each,
                    ub_ns until)
{
    uint64_t tokens = 0;
    for (uint32_t r = first; r <= last; r++) {
        struct ub_sim_result result = ub_world_result(world, r);
        tokens += result.forwarded != 0 && result.forwarded <= until ? each : 0;
    }
    return tokens;
}

/* Both always wait: one for answers of 20 tokens, the other for answers of 200. Estimates are the
 * model's mean for both: only the settlement tells them apart. */
static void test_tokens_not_requests(void)
{
    struct ub_world *world = one_slot();
    for (uint32_t i = 0; i < 1600; i++) {
        ub_world_ask(world, (struct ub_ask){.tenant = i < 800 ? 1 : 2,
                                            .prompt_tokens = 1,
                                            .answer_tokens = i < 800 ? 20 : 200});
    }
    ub_world_policy(world, 0)->slot_wait_ns = UB_HOUR;
    ub_world_policy(world, 0)->total_ns = UB_HOUR;
    ub_world_queue_size(world, 4000);
    ub_world_run_until(world, 5 * UB_MINUTE);
    double small = (double)got(world, 1, 800, 2 * 20 + 1, 5 * UB_MINUTE);
    double large = (double)got(world, 801, 1600, 2 * 200 + 1, 5 * UB_MINUTE);
    /* Two backlogged ones never differ by more than twice the largest request. */
    UB_CHECK(small > 10000 && large > 10000, "both are served: %.0f and %.0f", small, large);
    UB_CHECK(small - large < 1000 && large - small < 1000,
             "tokens are what is shared: %.0f and %.0f", small, large);
    ub_world_free(world);
}

static int by_size(const void *a, const void *b)
{
    ub_ns x = *(const ub_ns *)a, y = *(const ub_ns *)b;
    return (x > y) - (x < y);
}

#define LIGHT 200

/* The 99th percentile of a tenant's time to the first token, in ms: two requests a second, beside
 * another tenant with `crowd` times as many. 100 slots do 77 requests a second. */
static double p99_of_light(uint32_t crowd)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){
        .seed = 7, .quiet = true, .limits = {.tenants = 8, .requests = 20000}});
    struct ub_sim_upstream *only = ub_world_upstream(world, "only", 300 * UB_MS);
    only->first.kind = UB_LATENCY_LOGNORMAL;
    only->first.sigma = 0.5;
    only->concurrency = 100;
    ub_world_tenant(world, 1)->class = ub_world_tenant(world, 2)->class = UB_TRAFFIC_STANDARD;
    ub_world_queue_size(world, 10000);
    struct ub_random random = {11};
    for (uint32_t i = 0; i < LIGHT; i++) {
        ub_world_ask(world, (struct ub_ask){.at = i * 500 * UB_MS, .tenant = 1});
        for (uint32_t j = 0; j < crowd; j++) {
            ub_ns at = i * 500 * UB_MS + (ub_ns)ub_random_below(&random, 500) * UB_MS;
            ub_world_ask(world, (struct ub_ask){.at = at, .tenant = 2});
        }
    }
    ub_world_run(world);
    ub_ns took[LIGHT];
    uint32_t answered = 0;
    for (uint32_t i = 0; i < LIGHT; i++) {
        struct ub_sim_result result = ub_world_result(world, 1 + i * (crowd + 1));
        answered += result.outcome == UB_SIM_FINISHED;
        took[i] = result.forwarded - result.arrived;
    }
    UB_CHECK(answered == LIGHT, "the light tenant is always answered: %u", answered);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    qsort(took, LIGHT, sizeof took[0], by_size);
    ub_world_free(world);
    return (double)took[LIGHT * 99 / 100] / (double)UB_MS;
}

static void test_neighbour(void)
{
    double alone = p99_of_light(1), beside = p99_of_light(50);
    UB_CHECK(beside <= 1.2 * alone, "p99 of a light tenant: %.0f ms alone, %.0f ms beside 50x",
             alone, beside);
}

int main(void)
{
    test_newcomer();
    test_no_savings();
    test_tokens_not_requests();
    test_neighbour();
    return ub_test_done();
}

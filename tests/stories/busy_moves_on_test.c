/* A quick refusal is left at once for an upstream with known free slots, and costs no budget. */
#include "sim/world.h"

static void test_refusal(enum ub_fault fault, const char *want)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "near", 200 * UB_MS)->fault = fault;
    ub_world_upstream(world, "far", 900 * UB_MS)->concurrency = 10;
    ub_world_policy(world, 0)->affinity = UB_AFFINITY_COOKIE;
    ub_world_policy(world, 0)->retry.budget = 0;
    ub_world_policy(world, 0)->retry.budget_per_s = 0;
    ub_world_run_until(world, 0);
    uint64_t near = ub_world_upstream_named(world, "near")->key;
    ub_world_ask(world, (struct ub_ask){.cookie_key = near});

    UB_CHECK_TRACE(world, want);
    struct ub_brain_facts facts = ub_brain_facts(ub_world_brain(world));
    UB_CHECK(facts.extra_attempts == 1 && facts.charged_attempts == 0, "it cost no budget");
    ub_world_free(world);
}

/* With no budget at all: what is not a quick refusal, and an upstream whose free slots nobody
 * knows, cost what is not there. */
static void test_charged(enum ub_fault fault, uint32_t concurrency, const char *want)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "near", 200 * UB_MS)->fault = fault;
    struct ub_sim_upstream *far = ub_world_upstream(world, "far", 900 * UB_MS);
    far->concurrency = concurrency;
    far->tier = 1;
    ub_world_policy(world, 0)->patience_ns = 0;
    ub_world_policy(world, 0)->retry.budget = 0;
    ub_world_policy(world, 0)->retry.budget_per_s = 0;
    ub_world_request(world, 0);
    UB_CHECK_TRACE(world, want);
    ub_world_free(world);
}

int main(void)
{
    test_refusal(UB_FAULT_THROTTLED,
                 "[     0 ms] r1 arrived: start 1 on near (affinity)\n"
                 "[    10 ms] r1 ended 1 throttled: start 2 on far (retry elsewhere)\n"
                 "[   910 ms] r1 first token 2: forward 2 (first payload)\n"
                 "[  1910 ms] r1 ended 2 ok: finish (complete)\n");
    test_refusal(UB_FAULT_BUSY_503,
                 "[     0 ms] r1 arrived: start 1 on near (affinity)\n"
                 "[    10 ms] r1 ended 1 upstream_busy: start 2 on far (retry elsewhere)\n"
                 "[   910 ms] r1 first token 2: forward 2 (first payload)\n"
                 "[  1910 ms] r1 ended 2 ok: finish (complete)\n");
    test_refusal(UB_FAULT_BUSY_529,
                 "[     0 ms] r1 arrived: start 1 on near (affinity)\n"
                 "[    10 ms] r1 ended 1 upstream_busy: start 2 on far (retry elsewhere)\n"
                 "[   910 ms] r1 first token 2: forward 2 (first payload)\n"
                 "[  1910 ms] r1 ended 2 ok: finish (complete)\n");
    test_refusal(UB_FAULT_CONNECT_REFUSED,
                 "[     0 ms] r1 arrived: start 1 on near (affinity)\n"
                 "[     0 ms] r1 ended 1 connect_refused: start 2 on far (retry elsewhere)\n"
                 "[   900 ms] r1 first token 2: forward 2 (first payload)\n"
                 "[  1900 ms] r1 ended 2 ok: finish (complete)\n");
    test_charged(UB_FAULT_ERROR_500, 10,
                 "[     0 ms] r1 arrived: start 1 on near (only candidate)\n"
                 "[    10 ms] r1 ended 1 upstream_error: answer 502 upstream_error, come back in "
                 "1172 ms, do not come back (retry budget spent)\n");
    test_charged(UB_FAULT_BUSY_503, 0,
                 "[     0 ms] r1 arrived: start 1 on near (only candidate)\n"
                 "[    10 ms] r1 ended 1 upstream_busy: answer 503 all_busy, come back in 1172 ms, "
                 "do not come back (retry budget spent)\n");
    return ub_test_done();
}

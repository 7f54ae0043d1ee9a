/* Refusals that have nothing to do with how many requests are there (a limit on tokens per minute, one
 * sick replica of many) must not make a limit, nor cost more than the call that was refused. */
#include "sim/world.h"

struct result {
    double answered, calls, mean_ms;
};

static struct result run(enum ub_fault fault, double share, uint32_t upstreams, bool learns,
                         int requests)
{
    struct ub_world *world = ub_world_new(
        (struct ub_world_options){.seed = 4, .quiet = true, .limits = {.requests = 20000}});
    const char *const names[] = {"a", "b", "c"};
    ub_world_policy(world, 0)->hedge_budget = 0;
    for (uint32_t i = 0; i < upstreams; i++) {
        struct ub_sim_upstream *u = ub_world_upstream(world, names[i], 200 * UB_MS);
        u->first.kind = UB_LATENCY_LOGNORMAL;
        u->first.sigma = 0.7;
        u->token_ns = 80 * UB_MS; /* four seconds an answer */
        u->fault = fault;
        u->fault_share = share;
        u->learns = learns;
    }
    for (int i = 0; i < requests; i++) { /* 200 a second */
        ub_world_request(world, i * 5 * UB_MS);
    }
    ub_world_run(world);
    struct result result = {0};
    for (uint32_t i = 1; i <= ub_world_asked(world); i++) {
        struct ub_sim_result r = ub_world_result(world, i);
        if (r.outcome == UB_SIM_FINISHED) {
            result.answered++;
            result.mean_ms += (double)(r.forwarded - r.arrived) / (double)UB_MS;
        }
    }
    result.mean_ms /= result.answered;
    result.answered *= 100.0 / requests;
    struct ub_brain_facts facts = ub_brain_facts(ub_world_brain(world));
    result.calls = (double)(facts.first_attempts + facts.extra_attempts) / requests;
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
    return result;
}

static void test_one_in_twenty(enum ub_fault fault)
{
    struct result r = run(fault, 0.05, 3, true, 100000);
    UB_CHECK(r.answered >= 99.98, "%s for 5 %%: %.4f %% of 100,000 are answered",
             ub_fault_facts(fault)->words, r.answered);
    UB_CHECK(r.calls <= 1.06, "with %.4f calls each", r.calls);
    UB_CHECK(r.mean_ms < 230, "and the first token comes after %.0f ms", r.mean_ms);
}

static void test_as_without_limits(double share, uint32_t upstreams)
{
    struct result without = run(UB_FAULT_THROTTLED, share, upstreams, false, 30000);
    struct result with = run(UB_FAULT_THROTTLED, share, upstreams, true, 30000);
    UB_CHECK(with.answered > without.answered - 0.3,
             "%.0f %% of %u: %.2f %% are answered, not %.2f", 100 * share, upstreams, with.answered,
             without.answered);
    UB_CHECK(with.mean_ms < 1.2 * without.mean_ms, "after %.0f ms, not %.0f", with.mean_ms,
             without.mean_ms);
}

int main(void)
{
    test_one_in_twenty(UB_FAULT_THROTTLED);
    test_one_in_twenty(UB_FAULT_BUSY_503);
    test_as_without_limits(0.05, 1);
    test_as_without_limits(0.15, 2);
    test_as_without_limits(0.3, 2);
    return ub_test_done();
}

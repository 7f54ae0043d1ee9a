/* The deadline to the first payload is learned for each upstream and for the prompt's size, inside
 * its bounds of 5 to 30 s for the waiting part. */
#include "sim/world.h"

static ub_ns learned(ub_ns first_ns, double sigma, ub_ns prefill_ns)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5, .quiet = true});
    struct ub_sim_upstream *u = ub_world_upstream(world, "u", first_ns);
    u->first.kind = UB_LATENCY_LOGNORMAL;
    u->first.sigma = sigma;
    u->prefill_ns = prefill_ns;
    for (int i = 0; i < 100; i++) {
        ub_world_ask(world, (struct ub_ask){.at = i * UB_SECOND,
                                            .prompt_tokens = 100 + (uint32_t)i % 10 * 1000});
    }
    ub_world_run(world);
    ub_ns deadline_ns = ub_world_facts(world, "u").deadline_ns;

    /* A long prompt now gets its prefill time on top: 60,000 tokens. */
    u->first.sigma = 0;
    uint32_t number =
        ub_world_ask(world, (struct ub_ask){.at = 500 * UB_SECOND, .prompt_tokens = 60000});
    ub_world_run(world);
    UB_CHECK(ub_world_result(world, number).attempts == 1 &&
                 ub_world_result(world, number).outcome == UB_SIM_FINISHED,
             "a long prompt is waited for: first token after %lld ms",
             (long long)((first_ns + prefill_ns * 60000) / UB_MS));
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
    return deadline_ns;
}

/* Silence teaches: the next one gets twice as long. What an answer in one piece takes says nothing
 * about the first token of a stream. */
static void test_late(bool whole, ub_ns want_ns, const char *name)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5, .quiet = true});
    ub_world_upstream(world, "silent", 100 * UB_MS)->fault = UB_FAULT_SILENT;
    ub_world_upstream(world, "other", 100 * UB_MS)->tier = 1;
    ub_world_policy(world, 0)->total_ns = 14 * UB_SECOND;
    ub_world_ask(world, (struct ub_ask){.whole = whole});
    ub_world_run(world);
    ub_ns got_ns = ub_world_facts(world, "silent").deadline_ns;
    UB_CHECK(got_ns == want_ns, "%s: %lld ms", name, (long long)(got_ns / UB_MS));
    UB_CHECK(ub_world_result(world, 1).outcome == UB_SIM_FINISHED, "and somebody answered");
    ub_world_free(world);
}

/* One upstream, two models: what the slow one takes is not granted to the quick one. */
static void test_models(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5, .quiet = true});
    ub_world_models(world, 2);
    struct ub_sim_upstream *u = ub_world_upstream(world, "u", 100 * UB_MS);
    u->models = 3;
    ub_ns deadline_ns[2];
    for (uint16_t m = 0; m < 2; m++) {
        u->first.mean_ns = m == 0 ? 4900 * UB_MS : 200 * UB_MS;
        for (int i = 0; i < 20; i++) {
            ub_world_ask(world, (struct ub_ask){.at = (m * 100 + i) * UB_SECOND, .model = m});
        }
        ub_world_run(world);
    }
    for (uint16_t m = 0; m < 2; m++) {
        struct ub_target_facts facts;
        ub_brain_target(ub_world_brain(world), ub_world_slot(world, "u"), m, 2 * UB_HOUR, &facts);
        deadline_ns[m] = facts.deadline_ns;
    }
    UB_CHECK(deadline_ns[0] > 9 * UB_SECOND && deadline_ns[1] == 5 * UB_SECOND,
             "for each model its own: %lld and %lld ms", (long long)(deadline_ns[0] / UB_MS),
             (long long)(deadline_ns[1] / UB_MS));
    ub_world_free(world);
}

int main(void)
{
    test_models();
    test_late(false, 10 * UB_SECOND, "a silent stream doubles the deadline");
    test_late(true, 5 * UB_SECOND, "a silent whole answer does not");

    ub_ns quick_ns = learned(200 * UB_MS, 0.3, 10 * UB_US);
    UB_CHECK(quick_ns >= 5 * UB_SECOND && quick_ns < 6 * UB_SECOND,
             "a quick one gets the least, 5 s: %lld ms", (long long)(quick_ns / UB_MS));
    ub_ns slow_ns = learned(6 * UB_SECOND, 0.3, 500 * UB_US);
    UB_CHECK(slow_ns > 8 * UB_SECOND && slow_ns < 20 * UB_SECOND, "a slow one gets more: %lld ms",
             (long long)(slow_ns / UB_MS));
    ub_ns steady_ns = learned(6 * UB_SECOND, 0.01, 500 * UB_US);
    UB_CHECK(steady_ns > 7 * UB_SECOND && steady_ns < slow_ns,
             "a steady one less, but not as if it could never be a second late: %lld ms",
             (long long)(steady_ns / UB_MS));
    ub_ns slowest_ns = learned(25 * UB_SECOND, 0.5, 0);
    UB_CHECK(slowest_ns > slow_ns && slowest_ns <= 31 * UB_SECOND,
             "nobody gets more than 30 s and the prefill: %lld ms",
             (long long)(slowest_ns / UB_MS));
    return ub_test_done();
}

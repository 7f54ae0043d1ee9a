/* Learned limits at engines with continuous batching: as many as fit into a batch, and no queue behind
 * it. More come than can be served, for two minutes. */
#include "sim/engine.h"
#include "sim/world.h"

#define SECONDS 120

static const char *const names[] = {"a", "b", "c"};

struct result {
    double mean_ms;
    uint32_t answered, asked;
    uint64_t calls;
    double limit; /* the largest difference from the batch, as a share of it */
};

static void ask_all(struct ub_world *world, int per_s)
{
    struct ub_random random = {7};
    for (int i = 0; i < per_s * SECONDS; i++) {
        ub_world_ask(world, (struct ub_ask){.at = i * UB_SECOND / per_s,
                                            .prompt_tokens = 250 + ub_random_below(&random, 500),
                                            .answer_tokens = 50 + ub_random_below(&random, 300)});
    }
}

static void measure(struct ub_world *world, struct result *result)
{
    for (uint32_t i = 1; i <= ub_world_asked(world); i++) {
        struct ub_sim_result r = ub_world_result(world, i);
        result->asked++;
        if (r.outcome == UB_SIM_FINISHED) {
            result->answered++;
            result->mean_ms += (double)(r.forwarded - r.arrived) / (double)UB_MS;
        }
    }
    result->mean_ms /= result->answered;
    struct ub_brain_facts facts = ub_brain_facts(ub_world_brain(world));
    result->calls = facts.first_attempts + facts.extra_attempts;
}

static struct result run(int per_s, uint32_t batch, bool learns)
{
    struct ub_world *world = ub_world_new(
        (struct ub_world_options){.seed = 4, .quiet = true, .limits = {.requests = 8000}});
    struct ub_engine_profile profile = *ub_engine_profile_find("8b");
    profile.seqs_max = batch;
    for (size_t i = 0; i < UB_COUNT(names); i++) {
        ub_world_upstream(world, names[i], 0)->learns = learns;
        ub_world_engine(world, names[i], &profile, 1000);
    }
    ask_all(world, per_s);
    ub_world_run_until(world, (SECONDS - 20) * UB_SECOND);
    struct result result = {0};
    for (size_t i = 0; i < UB_COUNT(names); i++) {
        double off = ub_world_facts(world, names[i]).learned / batch - 1;
        off = off < 0 ? -off : off;
        result.limit = off > result.limit ? off : result.limit;
    }
    ub_world_run(world);
    measure(world, &result);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
    return result;
}

static void test_batch(int per_s, uint32_t batch)
{
    struct result without = run(per_s, batch, false), with = run(per_s, batch, true);
    UB_CHECK(with.limit < 0.25, "batches of %u: the limits are at most %.0f %% off", batch,
             100 * with.limit);
    UB_CHECK(with.answered == with.asked && without.answered < with.answered,
             "everybody is answered, not %u of %u", without.answered, without.asked);
    UB_CHECK(with.mean_ms < without.mean_ms, "the first token comes after %.0f ms, not %.0f",
             with.mean_ms, without.mean_ms);
    UB_CHECK((double)with.calls < 1.05 * with.asked && with.calls < without.calls,
             "with %.3f calls each, not %.3f", (double)with.calls / with.asked,
             (double)without.calls / without.asked);
}

int main(void)
{
    test_batch(55, 128);
    test_batch(20, 16);
    return ub_test_done();
}

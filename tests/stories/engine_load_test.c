/* Others use our engines as well. What an engine says about its load is corrected by our own count,
 * and forgotten when it is old. */
#include "sim/engine.h"
#include "sim/world.h"

static struct ub_world *two_engines(bool tell)
{
    struct ub_world *world = ub_world_new(
        (struct ub_world_options){.seed = 4, .quiet = true, .limits = {.requests = 2000}});
    struct ub_engine_profile profile = *ub_engine_profile_find("8b");
    profile.seqs_max = 32;
    const char *const names[] = {"a", "b"};
    for (int i = 0; i < 2; i++) {
        ub_world_upstream(world, names[i], 0)->tells_load = tell;
        ub_world_engine(world, names[i], &profile, 1000);
    }
    return world;
}

struct result {
    uint32_t answered;
    uint32_t late; /* more than a second to the first token */
    double mean_ms;
    uint64_t calls;
};

/* A batch of somebody else's, four hundred answers, falls upon "a". */
static struct result run(bool tell, enum ub_balance balance)
{
    struct ub_world *world = two_engines(tell);
    ub_world_policy(world, 0)->balance = balance;
    for (int i = 0; i < 240; i++) { /* four a second for a minute */
        ub_world_request(world, i * 250 * UB_MS);
    }
    ub_world_run_until(world, 10 * UB_SECOND);
    ub_world_others(world, "a", 400, 500, 300);
    ub_world_run(world);
    struct result result = {0};
    for (uint32_t i = 1; i <= 240; i++) {
        struct ub_sim_result r = ub_world_result(world, i);
        result.answered += r.outcome == UB_SIM_FINISHED;
        result.late += r.forwarded - r.arrived > UB_SECOND;
        result.mean_ms += (double)(r.forwarded - r.arrived) / (double)UB_MS / 240;
    }
    struct ub_brain_facts facts = ub_brain_facts(ub_world_brain(world));
    result.calls = facts.first_attempts + facts.extra_attempts;
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
    return result;
}

static void test_batch_of_others(enum ub_balance balance, const char *name)
{
    struct result without = run(false, balance), with = run(true, balance);
    UB_CHECK(with.answered == 240, "everybody is answered");
    UB_CHECK(with.late <= 5, "%s: told of it, %u of 240 wait for more than a second", name,
             with.late);
    UB_CHECK(without.late > 2 * with.late, "untold %u do", without.late);
    UB_CHECK(with.mean_ms < 0.5 * without.mean_ms, "the mean is %.0f ms, not %.0f", with.mean_ms,
             without.mean_ms);
    UB_CHECK(with.calls <= without.calls, "with %u calls, not %u", (unsigned)with.calls,
             (unsigned)without.calls);
}

/* The figure is the same for a second. Forty of ours that come in that second count at once, so they
 * do not all go where it was empty. */
static void test_our_own_crowd(void)
{
    struct ub_world *world = two_engines(true);
    ub_world_policy(world, 0)->balance = UB_BALANCE_LEAST_REQUEST;
    ub_world_others(world, "a", 20, 500, 1000);
    ub_world_run_until(world, 2 * UB_SECOND + 500 * UB_MS);
    UB_CHECK(ub_world_facts(world, "a").others == 20, "20 of others are at \"a\"");
    for (int i = 0; i < 40; i++) {
        ub_world_ask(world,
                     (struct ub_ask){.at = 2 * UB_SECOND + 500 * UB_MS, .answer_tokens = 1000});
    }
    ub_world_run_until(world, 2 * UB_SECOND + 600 * UB_MS);
    uint32_t a = ub_world_facts(world, "a").inflight, b = ub_world_facts(world, "b").inflight;
    UB_CHECK(a == 10 && b == 30, "of 40, %u go to \"a\" and %u to \"b\": 30 are at each", a, b);
    ub_world_run_until(world, 5 * UB_SECOND);
    UB_CHECK(ub_world_facts(world, "a").others == 20, "and ours are not taken for theirs: %u",
             ub_world_facts(world, "a").others);
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

/* Without a queue: that "a" is half full and its memory nearly so makes it dearer, that is all. */
static void test_half_full(uint32_t kv_tokens, uint32_t least, uint32_t most)
{
    struct ub_world *world = two_engines(true);
    ub_world_policy(world, 0)->affinity = 0;
    for (int i = 0; i < 20; i++) { /* so that both are known */
        ub_world_request(world, i * 200 * UB_MS);
    }
    ub_world_run(world);
    ub_ns now = ub_world_now(world);
    ub_world_others(world, "a", 10, 1000, 2000);
    ub_world_upstream_named(world, "a")->kv_tokens = kv_tokens;
    ub_world_run_until(world, now + 2 * UB_SECOND);
    uint64_t before = ub_world_upstream_named(world, "a")->started;
    for (int i = 0; i < 40; i++) {
        ub_world_ask(world, (struct ub_ask){.at = now + 2 * UB_SECOND, .answer_tokens = 200});
    }
    ub_world_run(world);
    uint32_t a = (uint32_t)(ub_world_upstream_named(world, "a")->started - before);
    UB_CHECK(a >= least && a <= most, "ten of others: %u of our 40 go to \"a\"", a);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

static void test_old_figures(void)
{
    struct ub_world *world = two_engines(true);
    ub_world_others(world, "a", 100, 500, 1000);
    ub_world_run_until(world, 2 * UB_SECOND + 500 * UB_MS);
    struct ub_target_facts facts = ub_world_facts(world, "a");
    UB_CHECK(facts.load_known && facts.waiting == 68, "%u wait at \"a\"", facts.waiting);
    ub_world_upstream_named(world, "a")->tells_load = false;
    ub_world_run_until(world, 4 * UB_SECOND + 900 * UB_MS);
    UB_CHECK(ub_world_facts(world, "a").load_known, "three seconds later that still counts");
    ub_world_run_until(world, 5 * UB_SECOND + 100 * UB_MS);
    facts = ub_world_facts(world, "a");
    UB_CHECK(!facts.load_known && facts.others == 0, "and then nothing is known");
    ub_world_free(world);
}

int main(void)
{
    test_batch_of_others(UB_BALANCE_ADAPTIVE, "adaptive");
    test_batch_of_others(UB_BALANCE_LEAST_REQUEST, "least_request");
    test_our_own_crowd();
    test_half_full(0, 10, 18);
    test_half_full(11000, 2, 9);
    test_old_figures();
    return ub_test_done();
}

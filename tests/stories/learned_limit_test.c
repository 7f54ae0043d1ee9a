/* Where no limit is known it is learned from the waiting before the first token: requests stay in our
 * line, where the next free slot of anybody serves them, instead of queueing behind one upstream. */
#include "sim/world.h"

#define SECONDS 120
#define LEARN_S 20 /* not counted */

static const char *const names[] = {"a", "b", "c"};
static const uint32_t slots[] = {20, 60, 120}; /* four seconds an answer: 48 a second in all */

struct result {
    double mean_ms;
    uint32_t slow; /* more than a second */
    uint32_t answered;
    uint64_t calls;
    double limit[3]; /* after most of the time */
};

static struct result run(enum ub_balance balance, int per_s, bool learns, uint32_t queue_max)
{
    struct ub_world *world = ub_world_new(
        (struct ub_world_options){.seed = 4, .quiet = true, .limits = {.requests = 8000}});
    ub_world_policy(world, 0)->balance = balance;
    for (size_t i = 0; i < UB_COUNT(names); i++) {
        struct ub_sim_upstream *u = ub_world_upstream(world, names[i], 200 * UB_MS);
        u->slots = slots[i];
        u->queue_max = queue_max;
        u->token_ns = 80 * UB_MS;
        u->learns = learns;
    }
    for (int i = 0; i < per_s * SECONDS; i++) {
        ub_world_ask(world, (struct ub_ask){.at = i * UB_SECOND / per_s});
    }
    ub_world_run_until(world, (SECONDS - 20) * UB_SECOND);
    struct result result = {0};
    for (size_t i = 0; i < UB_COUNT(names); i++) {
        result.limit[i] = ub_world_facts(world, names[i]).learned;
    }
    ub_world_run(world);
    uint32_t learning = (uint32_t)per_s * LEARN_S;
    for (uint32_t i = learning + 1; i <= ub_world_asked(world); i++) {
        struct ub_sim_result r = ub_world_result(world, i);
        result.answered += r.outcome == UB_SIM_FINISHED;
        result.mean_ms +=
            (double)(r.forwarded - r.arrived) / (double)UB_MS / per_s / (SECONDS - LEARN_S);
        result.slow += r.forwarded - r.arrived > UB_SECOND;
    }
    struct ub_brain_facts facts = ub_brain_facts(ub_world_brain(world));
    result.calls = facts.first_attempts + facts.extra_attempts;
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
    return result;
}

/* Round robin gives the smallest as much as the largest, which can take six times as many. */
static void test_unequal(void)
{
    struct result without = run(UB_BALANCE_ROUND_ROBIN, 42, false, 1000);
    struct result with = run(UB_BALANCE_ROUND_ROBIN, 42, true, 1000);
    UB_CHECK(with.answered == 42 * (SECONDS - LEARN_S), "everybody is answered");
    UB_CHECK(with.mean_ms < 0.2 * without.mean_ms,
             "the first token comes after %.0f ms on average, not %.0f", with.mean_ms,
             without.mean_ms);
    UB_CHECK(2 * with.slow < without.slow, "%u are slow, not %u", with.slow, without.slow);
    UB_CHECK(with.calls < without.calls, "it takes %u calls, not %u", (unsigned)with.calls,
             (unsigned)without.calls);
}

/* More than they can do, and no queue at the upstreams: 429 for what is too much. Here breakers open
 * before most limits are learned. A limit that is learned is about right, and none costs answers. */
static void test_refusals(void)
{
    struct result without = run(UB_BALANCE_ADAPTIVE, 60, false, 0);
    struct result with = run(UB_BALANCE_ADAPTIVE, 60, true, 0);
    int learned = 0;
    for (int i = 0; i < 3; i++) {
        double limit = with.limit[i];
        learned += limit > 0;
        UB_CHECK(limit == 0 || (limit > 0.8 * slots[i] && limit < 1.2 * slots[i]),
                 "%s has %u slots and a limit of %.1f", names[i], slots[i], limit);
    }
    UB_CHECK(learned >= 1, "%d limits are learned", learned);
    UB_CHECK(with.answered > 0.97 * without.answered, "%u are answered, not %u", with.answered,
             without.answered);
}

/* A fifth of all prompts is a hundred times as long: that is no congestion. */
static void test_long_prompts(void)
{
    struct ub_world *world = ub_world_new(
        (struct ub_world_options){.seed = 4, .quiet = true, .limits = {.requests = 8000}});
    struct ub_sim_upstream *u = ub_world_upstream(world, "a", 200 * UB_MS);
    u->learns = true;
    u->prefill_ns = 100 * UB_US;
    for (int i = 0; i < 20 * SECONDS; i++) {
        bool is_long = i > 20 * 30 && i % 5 == 0;
        ub_world_ask(world, (struct ub_ask){.at = i * UB_SECOND / 20,
                                            .prompt_tokens = is_long ? 20000 : 200});
    }
    ub_world_run_until(world, 100 * UB_SECOND);
    double limit = ub_world_facts(world, "a").learned;
    UB_CHECK(limit == 0, "two seconds for a long prompt make no limit (%.1f)", limit);
    ub_world_free(world);
}

/* A limit from a bad hour, and a line without places: nobody is refused for it. */
static void test_soft(uint32_t queue_size)
{
    struct ub_world *world = ub_world_new(
        (struct ub_world_options){.seed = 4, .quiet = true, .limits = {.requests = 8000}});
    struct ub_sim_upstream *u = ub_world_upstream(world, "a", 200 * UB_MS);
    u->learns = true;
    u->slots = 5;
    u->queue_max = 1000;
    ub_world_queue_size(world, queue_size);
    for (int i = 0; i < 600; i++) { /* ten a second for a minute, and five would fit */
        ub_world_request(world, i * 100 * UB_MS);
    }
    ub_world_run_until(world, 70 * UB_SECOND);
    double limit = ub_world_facts(world, "a").learned;
    UB_CHECK(limit > 0 && limit < 20, "five slots, and a limit of %.1f", limit);
    ub_world_run_until(world, 300 * UB_SECOND);
    u->slots = 0;
    uint32_t before = ub_world_asked(world), answered = 0, slow = 0;
    for (int i = 0; i < 3000; i++) { /* fifty a second */
        ub_world_request(world, 300 * UB_SECOND + i * 20 * UB_MS);
    }
    ub_world_run(world);
    for (uint32_t i = before + 1; i <= ub_world_asked(world); i++) {
        struct ub_sim_result r = ub_world_result(world, i);
        answered += r.outcome == UB_SIM_FINISHED;
        slow += r.forwarded - r.arrived > 3 * UB_SECOND;
    }
    UB_CHECK(answered == 3000 && slow == 0,
             "then everything fits: %u of 3000 are answered, %u after more than 3 s (line of %u)",
             answered, slow, queue_size);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

/* Answers of a minute: those who wait are let in as the limit grows, and not only when one of them ends. */
static void test_grows_while_they_run(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.seed = 4, .quiet = true});
    struct ub_sim_upstream *u = ub_world_upstream(world, "a", 200 * UB_MS);
    u->learns = true;
    u->slots = 5;
    u->queue_max = 1000;
    for (int i = 0; i < 300; i++) { /* five a second would fit */
        ub_world_request(world, i * 150 * UB_MS);
    }
    ub_world_run_until(world, 90 * UB_SECOND);
    double limit = ub_world_facts(world, "a").learned;
    u->slots = 0;
    u->token_ns = UB_MINUTE / 50;
    uint32_t first = ub_world_asked(world) + 1;
    for (int i = 0; i < 40; i++) {
        ub_world_request(world, 90 * UB_SECOND);
    }
    ub_world_run(world);
    uint32_t soon = 0;
    for (uint32_t i = first; i < first + 40; i++) {
        struct ub_sim_result r = ub_world_result(world, i);
        soon += r.outcome == UB_SIM_FINISHED && r.forwarded - r.arrived < 20 * UB_SECOND;
    }
    UB_CHECK(limit > 0 && limit < 12 && soon == 40,
             "with a limit of %.1f at first, %u of 40 begin within 20 s", limit, soon);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

int main(void)
{
    test_unequal();
    test_refusals();
    test_long_prompts();
    test_grows_while_they_run();
    test_soft(1000);
    test_soft(0);
    return ub_test_done();
}

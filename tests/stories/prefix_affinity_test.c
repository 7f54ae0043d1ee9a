/* A prompt that begins like an earlier one goes where that one went, because the cache is warm
 * there: a conversation grows at one place; under the load bound, and not to one that is ejected. */
#include "sim/world.h"

#define TALKS 12
#define TURNS 20

static const char *const names[] = {"a", "b", "c", "d"};
static uint64_t prefix[TALKS][UB_PREFIX_MARKS];
static uint32_t tokens[UB_PREFIX_MARKS];

static struct ub_world *four(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.seed = 6, .quiet = true});
    ub_world_policy(world, 0)->affinity = UB_AFFINITY_PREFIX;
    for (int i = 0; i < 4; i++) {
        ub_world_upstream(world, names[i], 300 * UB_MS);
    }
    for (uint32_t i = 0; i < UB_PREFIX_MARKS; i++) {
        tokens[i] = 200 * (i + 1);
        for (uint32_t t = 0; t < TALKS; t++) {
            prefix[t][i] = ub_mix64(1000 * (t + 1) + i);
        }
    }
    return world;
}

/* Turn n of a conversation: n blocks of 200 tokens, all but the last known. */
static uint32_t ask(struct ub_world *world, uint32_t talk, uint32_t turn, ub_ns at)
{
    return ub_world_ask(world, (struct ub_ask){.at = at,
                                               .prompt_tokens = 200 * (turn + 1),
                                               .prefix_count = turn + 1,
                                               .prefix = prefix[talk],
                                               .prefix_tokens = tokens});
}

static void test_conversations(void)
{
    struct ub_world *world = four();
    uint32_t number[TURNS][TALKS];
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        for (uint32_t talk = 0; talk < TALKS; talk++) {
            number[turn][talk] = ask(world, talk, turn, (turn * TALKS + talk) * 300 * UB_MS);
        }
    }
    ub_world_run(world);
    uint32_t warm = 0;
    for (uint32_t turn = 2; turn < TURNS; turn++) {
        for (uint32_t talk = 0; talk < TALKS; talk++) {
            warm += ub_world_result(world, number[turn][talk]).upstream ==
                    ub_world_result(world, number[turn - 1][talk]).upstream;
        }
    }
    UB_CHECK(warm > (TURNS - 2) * TALKS * 8 / 10, "%u of %d turns find a warm cache", warm,
             (TURNS - 2) * TALKS);
    uint64_t max = 0;
    for (int i = 0; i < 4; i++) {
        uint64_t started = ub_world_upstream_named(world, names[i])->started;
        max = started > max ? started : max;
    }
    UB_CHECK(max <= TURNS * TALKS / 4 * 3 / 2, "and nobody has much more than a quarter");
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

static void test_one_prefix_for_all(void)
{
    struct ub_world *world = four();
    for (uint32_t i = 0; i < 2000; i++) {
        ask(world, 0, 9, i * 20 * UB_MS);
    }
    ub_world_run_until(world, 40 * UB_SECOND);
    double sum = 0, max = 0;
    for (int i = 0; i < 4; i++) {
        double busy = ub_world_upstream_named(world, names[i])->busy_ns;
        sum += busy;
        max = busy > max ? busy : max;
    }
    UB_CHECK(max / (sum / 4) <= 1.3, "a common system prompt floods nobody, max/mean %.2f",
             max / (sum / 4));
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

static void test_ejected(void)
{
    struct ub_world *world = four();
    uint32_t first = ask(world, 0, 5, 0);
    ub_world_run(world);
    const struct ub_sim_upstream *home = ub_world_result(world, first).upstream;
    ub_world_kill(world, home->name);
    uint32_t last = 0;
    for (uint32_t i = 0; i < 10; i++) {
        last = ask(world, 0, 6 + i, ub_world_now(world) + i * 2 * UB_SECOND);
    }
    ub_world_run(world);
    UB_CHECK(ub_world_result(world, last).upstream != home &&
                 ub_world_result(world, last).outcome == UB_SIM_FINISHED,
             "an ejected one is left in spite of its cache");
    UB_CHECK(ub_world_result(world, last).attempts == 1, "without trying there first");
    ub_world_free(world);
}

/* A fifth of the prompt in common (a system prompt) is not worth it: half must be known. */
static void test_half(void)
{
    struct ub_world *world = four();
    uint64_t own[60][2];
    const uint32_t known[2] = {400, 2000};
    for (uint32_t i = 0; i < 60; i++) {
        own[i][0] = 77;
        own[i][1] = ub_mix64(i);
        ub_world_ask(world, (struct ub_ask){.at = i * 2 * UB_SECOND,
                                            .prompt_tokens = 2000,
                                            .prefix_count = 2,
                                            .prefix = own[i],
                                            .prefix_tokens = known});
    }
    ub_world_run(world);
    for (int i = 0; i < 4; i++) {
        uint64_t started = ub_world_upstream_named(world, names[i])->started;
        UB_CHECK(started < 30, "a fifth in common: %d of 60 on %s", (int)started, names[i]);
    }
    ub_world_free(world);
}

/* One in a hundred goes elsewhere, so that the others stay warm. */
static void test_explores(void)
{
    struct ub_world *world = four();
    uint32_t moved = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        ask(world, 0, 9, i * 2 * UB_SECOND);
    }
    ub_world_run(world);
    for (uint32_t i = 2; i <= 1000; i++) {
        moved += ub_world_result(world, i).upstream != ub_world_result(world, i - 1).upstream;
    }
    UB_CHECK(moved >= 2 && moved <= 20, "%u of 1,000 explore", moved);
    ub_world_free(world);
}

/* What is warm is where the answer came from, not where it was tried first. */
static void test_retried(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_policy(world, 0)->affinity = UB_AFFINITY_PREFIX | UB_AFFINITY_CLIENT;
    struct ub_sim_upstream *a = ub_world_upstream(world, "a", 100 * UB_MS);
    a->fault = UB_FAULT_BUSY_503;
    a->fault_left = 1;
    ub_world_upstream(world, "b", 100 * UB_MS);
    ask(world, 0, 5, 0);
    ask(world, 0, 6, 3 * UB_SECOND);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on a (balanced)\n"
                          "[    10 ms] r1 ended 1 upstream_busy: start 2 on b (retry elsewhere)\n"
                          "[   110 ms] r1 first token 2: forward 2 (first payload)\n"
                          "[  1110 ms] r1 ended 2 ok: finish (complete)\n"
                          "[  3000 ms] r2 arrived: start 1 on b (affinity)\n"
                          "[  3100 ms] r2 first token 1: forward 1 (first payload)\n"
                          "[  4100 ms] r2 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* A warm cache is left when another upstream is sooner by more than it saves. Long prompts of varied
 * sizes teach what a token of the prompt costs; then home becomes three seconds slower. */
static uint64_t turns_at_home(ub_ns prefill_ns)
{
    struct ub_world *world = four();
    for (int i = 0; i < 4; i++) {
        ub_world_upstream_named(world, names[i])->prefill_ns = prefill_ns;
    }
    uint32_t last = 0;
    for (uint32_t i = 0; i < 200; i++) {
        last = ask(world, i % 6, 5 + i % 27, i * 7 * UB_SECOND);
    }
    ub_world_run(world);
    struct ub_sim_upstream *home =
        ub_world_upstream_named(world, ub_world_result(world, last).upstream->name);
    home->first.mean_ns += 3 * UB_SECOND;
    uint64_t started = home->started;
    for (uint32_t i = 0; i < 20; i++) {
        ask(world, 199 % 6, 30, ub_world_now(world) + i * 20 * UB_SECOND);
    }
    ub_world_run(world);
    started = home->started - started;
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
    return started;
}

static void test_delay(void)
{
    uint64_t cheap = turns_at_home(0);
    UB_CHECK(cheap <= 5, "prompts cost nothing: home is left, %d of 20 there", (int)cheap);
    uint64_t dear = turns_at_home(UB_MS);
    UB_CHECK(dear >= 15, "6,200 tokens cost 6 s: 3 s are waited, %d of 20 there", (int)dear);
}

/* The prompt says more about the cache than the client's address. */
static void test_before_client(void)
{
    struct ub_world *world = four();
    ub_world_policy(world, 0)->affinity = UB_AFFINITY_PREFIX | UB_AFFINITY_CLIENT;
    uint32_t first = ask(world, 0, 9, 0);
    ub_world_run(world);
    uint32_t there = 0;
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t number =
            ub_world_ask(world, (struct ub_ask){.at = ub_world_now(world) + 2 * UB_SECOND,
                                                .prompt_tokens = 2000,
                                                .client_hash = ub_mix64(i + 1),
                                                .prefix_count = 10,
                                                .prefix = prefix[0],
                                                .prefix_tokens = tokens});
        ub_world_run(world);
        there += ub_world_result(world, number).upstream == ub_world_result(world, first).upstream;
    }
    UB_CHECK(there >= 35, "%u of 40 clients follow the prompt", there);
    ub_world_free(world);
}

int main(void)
{
    test_half();
    test_explores();
    test_before_client();
    test_delay();
    test_conversations();
    test_one_prefix_for_all();
    test_ejected();
    test_retried();
    return ub_test_done();
}

/* The last hope is not abandoned: an attempt that is late is given up only when somebody else could
 * be asked. Else it gets the longest time that the policy allows, and brings its answer after all. */
#include "sim/world.h"

/* Why nobody else can be asked. */
enum why {
    NOBODY,
    OTHER_FULL,
    OTHER_RESTS,
    OTHER_EJECTED,
    OTHER_UNFIT,
    ONE_ATTEMPT,
    NO_BUDGET,
    NO_RETRY,
    OTHER_FREE, /* the counterpart */
};

static void test_other(enum why why, const char *name)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5, .quiet = true});
    struct ub_sim_upstream *slow = ub_world_upstream(world, "slow", 800 * UB_MS);
    struct ub_model_policy *policy = ub_world_policy(world, 0);
    policy->first_token_min_ns = 500 * UB_MS;
    policy->patience_ns = 0;
    struct ub_ask ask = {.at = 100 * UB_MS, .prompt_tokens = 900, .no_retry = why == NO_RETRY};
    if (why != NOBODY) {
        struct ub_sim_upstream *other = ub_world_upstream(world, "other", 100 * UB_MS);
        other->tier = why == OTHER_UNFIT ? 0 : 1;
        slow->tier = 1 - other->tier;
        other->concurrency = why == OTHER_FULL ? 1 : 0;
        other->context_tokens = why == OTHER_UNFIT ? 500 : 0;
        if (why == OTHER_FULL || why == OTHER_RESTS || why == OTHER_EJECTED) {
            slow->down = true; /* so that the next one meets the other */
            other->token_ns = UB_SECOND;
            other->fault = why == OTHER_RESTS     ? UB_FAULT_THROTTLED
                           : why == OTHER_EJECTED ? UB_FAULT_KEY_REFUSED
                                                  : UB_FAULT_NONE;
            other->retry_after_ns = UB_MINUTE;
            ub_world_ask(world, (struct ub_ask){.leaves_after_ns = 50 * UB_SECOND});
        }
    }
    policy->retry.attempts = why == ONE_ATTEMPT ? 1 : 4;
    if (why == NO_BUDGET) {
        policy->retry.budget = policy->retry.budget_per_s = 0;
    }
    ub_world_run_until(world, 50 * UB_MS);
    slow->down = false;
    uint32_t number = ub_world_ask(world, ask);
    ub_world_run_until(world, 40 * UB_SECOND);
    struct ub_sim_result result = ub_world_result(world, number);
    bool waited = result.upstream == slow && result.forwarded >= 900 * UB_MS;
    UB_CHECK(result.outcome == UB_SIM_FINISHED, "%s: answered", name);
    UB_CHECK(waited == (why != OTHER_FREE), "%s: %s", name,
             why != OTHER_FREE ? "by the slow one, after its time" : "by the other one");
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

/* But not for ever: after first_token.max it is given up. */
static void test_longest(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "silent", 0)->fault = UB_FAULT_SILENT;
    ub_world_policy(world, 0)->heartbeat_after_ns = 0;
    ub_world_ask(world, (struct ub_ask){.prompt_tokens = 6000});
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on silent (only candidate)\n"
                          "[ 31000 ms] woken: r1 cancel 1 (first token deadline), r1 answer 504 "
                          "late, come back in 1172 ms (nobody left to try)\n");
    ub_world_free(world);
}

/* While it waits, others show that prompts take far longer than was guessed: 2 ms a token. What is
 * known now counts, 30 s and 12 s for its prompt, and not what was known when it got more time. */
static void test_learned_meanwhile(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5, .quiet = true});
    struct ub_sim_upstream *slow = ub_world_upstream(world, "slow", 100 * UB_MS);
    ub_world_hang(world, "slow", 35 * UB_SECOND);
    uint32_t number = ub_world_ask(world, (struct ub_ask){.prompt_tokens = 6000});
    ub_world_run_until(world, UB_SECOND);
    slow->prefill_ns = 2 * UB_MS;
    for (uint32_t i = 1; i <= 12; i++) {
        ub_world_ask(world, (struct ub_ask){.at = i * UB_SECOND, .prompt_tokens = 150 * i});
    }
    ub_world_run(world);
    struct ub_sim_result result = ub_world_result(world, number);
    UB_CHECK(result.attempts == 1 && result.outcome == UB_SIM_FINISHED,
             "what is learned while it waits counts");
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

int main(void)
{
    test_learned_meanwhile();
    test_other(NOBODY, "there is no other");
    test_other(OTHER_FULL, "the other is full");
    test_other(OTHER_RESTS, "the other said when to come back");
    test_other(OTHER_EJECTED, "the other is ejected");
    test_other(OTHER_UNFIT, "the prompt does not fit the other");
    test_other(ONE_ATTEMPT, "there is one attempt only");
    test_other(NO_BUDGET, "the retry budget is spent");
    test_other(NO_RETRY, "the body cannot be sent again");
    test_other(OTHER_FREE, "the other is free");
    test_longest();
    return ub_test_done();
}

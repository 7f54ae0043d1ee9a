/* When nobody can answer, less is answered: a stale answer, another model, a shorter answer, a message;
 * in the order of the list, each one once, and only then. */
#include "sim/world.h"

enum { CHAT, SMALL };

/* "big" serves model 0, "little" model 1, to which the ladder leads. */
static struct ub_world *two_models(uint32_t concurrency)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_models(world, 2);
    ub_world_upstream(world, "big", 100 * UB_MS)->concurrency = concurrency;
    ub_world_upstream(world, "little", 50 * UB_MS)->models = 2;
    for (uint32_t m = CHAT; m <= SMALL; m++) {
        ub_world_policy(world, m)->slot_wait_ns = 2 * UB_SECOND;
        ub_world_policy(world, m)->heartbeat_after_ns = 0;
        ub_world_policy(world, m)->retry.attempts = 1;
    }
    return world;
}

static void whole_ladder(struct ub_world *world)
{
    ub_world_step(world, CHAT, UB_STEP_STALE, 0);
    ub_world_step(world, CHAT, UB_STEP_MODEL, SMALL);
    ub_world_step(world, CHAT, UB_STEP_MAX_TOKENS, 20);
    ub_world_step(world, CHAT, UB_STEP_MESSAGE, 0);
}

static void test_order(void)
{
    struct ub_world *world = two_models(0);
    whole_ladder(world);
    ub_world_kill(world, "big");
    ub_world_kill(world, "little");
    ub_world_request(world, 0);
    UB_CHECK_TRACE(
        world,
        "[     0 ms] r1 arrived: start 1 on big (only candidate)\n"
        "[     0 ms] r1 ended 1 connect_refused: nothing\n"
        "[     0 ms] woken: r1 look, step 1 (a step down the ladder)\n"
        "[     0 ms] r1 looked: nothing: start 2 on little, on step 2 (a step down the ladder)\n"
        "[     0 ms] r1 ended 2 connect_refused: nothing\n"
        "[     0 ms] woken: r1 start 3 on little, on step 2, step 3 (a step down the ladder)\n"
        "[     0 ms] r1 ended 3 connect_refused: nothing\n"
        "[     0 ms] woken: r1 stand in, step 2, step 3, step 4 (a step down the ladder)\n");
    UB_CHECK(ub_world_result(world, 1).outcome == UB_SIM_STOOD_IN, "its client has an answer");
    ub_world_free(world);
}

static void test_first_that_helps(void)
{
    struct ub_world *world = two_models(0);
    whole_ladder(world);
    ub_world_kill(world, "big");
    ub_world_ask(world, (struct ub_ask){.stale = true, .look_ns = 30 * UB_MS});
    ub_world_ask(world, (struct ub_ask){.at = UB_SECOND});
    UB_CHECK_TRACE(
        world,
        "[     0 ms] r1 arrived: start 1 on big (only candidate)\n"
        "[     0 ms] r1 ended 1 connect_refused: nothing\n"
        "[     0 ms] woken: r1 look, step 1 (a step down the ladder)\n"
        "[    30 ms] r1 looked: found: stand in, step 1 (a step down the ladder)\n"
        "[  1000 ms] r2 arrived: start 1 on big (only candidate)\n"
        "[  1000 ms] r2 ended 1 connect_refused: nothing\n"
        "[  1000 ms] woken: r2 look, step 1 (a step down the ladder)\n"
        "[  1000 ms] r2 looked: nothing: start 2 on little, on step 2 (a step down the ladder)\n"
        "[  1050 ms] r2 first token 2: forward 2 (first payload)\n"
        "[  2050 ms] r2 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Who does not fit, is at fault, or is only slow gets what it would have got without a ladder. */
static void test_only_when_busy(void)
{
    struct ub_world *world = two_models(0);
    whole_ladder(world);
    struct ub_sim_upstream *big = ub_world_upstream_named(world, "big");
    big->fault = UB_FAULT_BAD_REQUEST;
    ub_world_request(world, 0);
    ub_world_run(world);
    big->fault = UB_FAULT_CONTEXT_TOO_LONG;
    ub_world_request(world, UB_SECOND);
    ub_world_run(world);
    big->fault = UB_FAULT_EMPTY;
    ub_world_request(world, 2 * UB_SECOND);
    ub_world_run(world);
    big->fault = UB_FAULT_NONE;
    ub_world_ask(world, (struct ub_ask){
                            .at = 3 * UB_SECOND, .client_deadline = 3050 * UB_MS, .whole = true});
    ub_world_run(world);
    ub_world_quota(world, CHAT)->requests = (struct ub_rate){1, UB_SECOND, 1};
    ub_world_run_until(world, 4 * UB_SECOND);
    ub_world_reload(world);
    ub_world_request(world, 4 * UB_SECOND);
    ub_world_request(world, 4 * UB_SECOND);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on big (only candidate)\n"
                          "[    10 ms] r1 ended 1 bad_request: pass on 1, bad_request, do not come "
                          "back (client's fault)\n"
                          "[  1000 ms] r2 arrived: start 1 on big (only candidate)\n"
                          "[  1010 ms] r2 ended 1 context_too_long: pass on 1, context_too_long, "
                          "do not come back (out of attempts)\n"
                          "[  2000 ms] r3 arrived: start 1 on big (only candidate)\n"
                          "[  2100 ms] r3 ended 1 empty_answer: pass on 1, empty_answer, do not "
                          "come back (out of attempts)\n"
                          "[  3000 ms] r4 arrived: start 1 on big (only candidate)\n"
                          "[  3050 ms] woken: r4 cancel 1 (out of time), r4 answer 504 deadline, "
                          "come back in 1125 ms (out of time)\n"
                          "[  4000 ms] routes\n"
                          "[  4000 ms] r5 arrived: start 1 on big (only candidate)\n"
                          "[  4000 ms] r6 arrived: answer 429 rate_limit_exceeded, come back in "
                          "1000 ms (model's request rate)\n"
                          "[  4100 ms] r5 first token 1: forward 1 (first payload)\n"
                          "[  5100 ms] r5 ended 1 ok: finish (complete)\n");
    UB_CHECK(ub_world_level(world, CHAT) == 0, "and no level has risen");
    ub_world_free(world);
}

/* The first one waits all of its time; those behind it do not, as long as it is like that. */
static void test_level(void)
{
    struct ub_world *world = two_models(1);
    ub_world_step(world, CHAT, UB_STEP_MODEL, SMALL);
    ub_world_ask(world, (struct ub_ask){.answer_tokens = 900});
    ub_world_request(world, 100 * UB_MS);
    ub_world_request(world, 5000 * UB_MS);
    ub_world_run_until(world, 14900 * UB_MS);
    UB_CHECK(ub_world_level(world, CHAT) == 1, "ten seconds after it was needed");
    ub_world_run_until(world, 15100 * UB_MS);
    UB_CHECK(ub_world_level(world, CHAT) == 0, "it has fallen");
    ub_world_request(world, 15200 * UB_MS);
    ub_world_request(world, 19000 * UB_MS);
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on big (only candidate)\n"
                   "[   100 ms] r2 arrived: nothing\n"
                   "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[  2100 ms] woken: r2 start 1 on little, on step 1 (a step down the ladder)\n"
                   "[  2150 ms] r2 first token 1: forward 1 (first payload)\n"
                   "[  3150 ms] r2 ended 1 ok: finish (complete)\n"
                   "[  5000 ms] r3 arrived: nothing\n"
                   "[  5000 ms] woken: r3 start 1 on little, on step 1 (a step down the ladder)\n"
                   "[  5050 ms] r3 first token 1: forward 1 (first payload)\n"
                   "[  6050 ms] r3 ended 1 ok: finish (complete)\n"
                   "[ 15200 ms] r4 arrived: nothing\n"
                   "[ 17200 ms] woken: r4 start 1 on little, on step 1 (a step down the ladder)\n"
                   "[ 17250 ms] r4 first token 1: forward 1 (first payload)\n"
                   "[ 18100 ms] r1 ended 1 ok: finish (complete)\n"
                   "[ 18250 ms] r4 ended 1 ok: finish (complete)\n"
                   "[ 19000 ms] r5 arrived: start 1 on big (only candidate)\n"
                   "[ 19100 ms] r5 first token 1: forward 1 (first payload)\n"
                   "[ 20100 ms] r5 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Each ten seconds without need are one step; and what is shortened for all is so only meanwhile. */
static void test_falls_by_steps(void)
{
    struct ub_world *world = two_models(0);
    ub_world_step(world, CHAT, UB_STEP_MAX_TOKENS, 20);
    ub_world_step(world, CHAT, UB_STEP_MODEL, SMALL);
    ub_world_upstream_named(world, "big")->fault = UB_FAULT_BUSY_503;
    ub_world_request(world, 0);
    ub_world_run_until(world, 500 * UB_MS);
    ub_world_upstream_named(world, "big")->fault = UB_FAULT_NONE;
    ub_world_request(world, 9 * UB_SECOND);
    ub_world_request(world, 11 * UB_SECOND);
    ub_world_ask(world, (struct ub_ask){.at = 12 * UB_SECOND, .max_tokens = 20});
    ub_world_request(world, 21 * UB_SECOND);
    UB_CHECK_TRACE(
        world,
        "[     0 ms] r1 arrived: start 1 on big (only candidate)\n"
        "[    10 ms] r1 ended 1 upstream_busy: nothing\n"
        "[    10 ms] woken: r1 start 2 on big, on step 1 (a step down the ladder)\n"
        "[    20 ms] r1 ended 2 upstream_busy: nothing\n"
        "[    20 ms] woken: r1 start 3 on little, on step 1, step 2 (a step down the ladder)\n"
        "[    70 ms] r1 first token 3: forward 3 (first payload)\n"
        "[  1070 ms] r1 ended 3 ok: finish (complete)\n"
        "[  9000 ms] r2 arrived: start 1 on big, on step 1 (was bad, is due a try)\n"
        "[  9100 ms] r2 first token 1: forward 1 (first payload)\n"
        "[ 10100 ms] r2 ended 1 ok: finish (complete)\n"
        "[ 11000 ms] r3 arrived: start 1 on big, on step 1 (only candidate)\n"
        "[ 11100 ms] r3 first token 1: forward 1 (first payload)\n"
        "[ 12000 ms] r4 arrived: start 1 on big (only candidate)\n"
        "[ 12100 ms] r3 ended 1 ok: finish (complete)\n"
        "[ 12100 ms] r4 first token 1: forward 1 (first payload)\n"
        "[ 13100 ms] r4 ended 1 ok: finish (complete)\n"
        "[ 21000 ms] r5 arrived: start 1 on big (was bad, is due a try)\n"
        "[ 21100 ms] r5 first token 1: forward 1 (first payload)\n"
        "[ 22100 ms] r5 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Behind the level it waits as usual: there was no need for a message yet. */
static void test_level_ends(void)
{
    struct ub_world *world = two_models(1);
    ub_world_step(world, CHAT, UB_STEP_STALE, 0);
    ub_world_step(world, CHAT, UB_STEP_MESSAGE, 0);
    ub_world_ask(world, (struct ub_ask){.answer_tokens = 120});
    ub_world_ask(world, (struct ub_ask){.at = 100 * UB_MS, .stale = true});
    ub_world_request(world, 2200 * UB_MS);
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on big (only candidate)\n"
                   "[   100 ms] r2 arrived: nothing\n"
                   "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[  2100 ms] woken: r2 look, step 1 (a step down the ladder)\n"
                   "[  2100 ms] r2 looked: found: stand in, step 1 (a step down the ladder)\n"
                   "[  2200 ms] r3 arrived: nothing\n"
                   "[  2200 ms] woken: r3 look, step 1 (a step down the ladder)\n"
                   "[  2200 ms] r3 looked: nothing: nothing\n"
                   "[  2500 ms] r1 ended 1 ok: finish (complete), r3 start 1 on big (slot freed)\n"
                   "[  2600 ms] r3 first token 1: forward 1 (first payload)\n"
                   "[  3600 ms] r3 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

static void test_deadline(void)
{
    struct ub_world *world = two_models(1);
    whole_ladder(world);
    ub_world_policy(world, CHAT)->total_ns = UB_SECOND;
    ub_world_ask(world, (struct ub_ask){.answer_tokens = 500});
    ub_world_request(world, 100 * UB_MS);
    ub_world_ask(world, (struct ub_ask){.at = 200 * UB_MS, .no_message = true});
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on big (only candidate)\n"
                   "[   100 ms] r2 arrived: nothing\n"
                   "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[   200 ms] r3 arrived: nothing\n"
                   "[  1100 ms] woken: r2 stand in, step 4 (a step down the ladder)\n"
                   "[  1200 ms] woken: r3 answer 504 deadline, come back in 1125 ms (out of time)\n"
                   "[ 10100 ms] r1 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* It fits the model that was asked for, so its client never hears that it would not fit another. */
static void test_others_opinion(enum ub_fault fault, const char *want)
{
    struct ub_world *world = two_models(0);
    ub_world_step(world, CHAT, UB_STEP_MODEL, SMALL);
    ub_world_step(world, CHAT, UB_STEP_MAX_TOKENS, 20);
    ub_world_step(world, CHAT, UB_STEP_MESSAGE, 0);
    ub_world_kill(world, "big");
    ub_world_upstream_named(world, "little")->fault = fault;
    ub_world_ask(world, (struct ub_ask){.no_message = true});
    UB_CHECK_TRACE(world, want);
    ub_world_free(world);
}

/* However long everybody refuses, some of the attempts are left for the other model. */
static void test_ride_out(void)
{
    struct ub_world *world = two_models(0);
    ub_world_step(world, CHAT, UB_STEP_MODEL, SMALL);
    ub_world_policy(world, CHAT)->retry.attempts = 2;
    ub_world_policy(world, CHAT)->retry.cap_ns = UB_MS;
    ub_world_policy(world, CHAT)->retry.budget_per_s = 100;
    ub_world_upstream_named(world, "big")->fault = UB_FAULT_BUSY_503;
    ub_world_request(world, 0);
    ub_world_run(world);
    struct ub_sim_result result = ub_world_result(world, 1);
    UB_CHECK(result.outcome == UB_SIM_FINISHED && result.attempts == UB_ATTEMPTS_MAX - 4 + 1,
             "%u attempts, the last one at the other model", result.attempts);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

/* Who has to make room has a ladder, too. */
static void test_displaced(void)
{
    struct ub_world *world = two_models(1);
    whole_ladder(world);
    ub_world_queue_size(world, 1);
    ub_world_request(world, 0);
    ub_world_ask(world, (struct ub_ask){.at = 10 * UB_MS, .class = 1 + UB_TRAFFIC_BATCH});
    ub_world_ask(world, (struct ub_ask){.at = 20 * UB_MS, .class = 1 + UB_TRAFFIC_CRITICAL});
    UB_CHECK_TRACE(
        world,
        "[     0 ms] r1 arrived: start 1 on big (only candidate)\n"
        "[    10 ms] r2 arrived: nothing\n"
        "[    20 ms] r3 arrived: nothing\n"
        "[    20 ms] woken: r2 look, step 1 (a step down the ladder)\n"
        "[    20 ms] r2 looked: nothing: start 1 on little, on step 2 (a step down the ladder)\n"
        "[    70 ms] r2 first token 1: forward 1 (first payload)\n"
        "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
        "[  1070 ms] r2 ended 1 ok: finish (complete)\n"
        "[  1100 ms] r1 ended 1 ok: finish (complete), r3 start 1 on big (slot freed)\n"
        "[  1200 ms] r3 first token 1: forward 1 (first payload)\n"
        "[  2200 ms] r3 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

static void test_cache_hangs(void)
{
    struct ub_world *world = two_models(0);
    whole_ladder(world);
    ub_world_kill(world, "big");
    ub_world_ask(world, (struct ub_ask){.stale = true, .look_ns = 300 * UB_MS});
    ub_world_ask(
        world,
        (struct ub_ask){.at = 400 * UB_MS, .look_ns = UB_NEVER, .leaves_after_ns = 100 * UB_MS});
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on big (only candidate)\n"
                   "[     0 ms] r1 ended 1 connect_refused: nothing\n"
                   "[     0 ms] woken: r1 look, step 1 (a step down the ladder)\n"
                   "[   250 ms] woken: r1 start 2 on little, on step 2 (a step down the ladder)\n"
                   "[   300 ms] r1 looked: found: nothing\n"
                   "[   300 ms] r1 first token 2: forward 2 (first payload)\n"
                   "[   400 ms] r2 arrived: start 1 on big (only candidate)\n"
                   "[   400 ms] r2 ended 1 connect_refused: nothing\n"
                   "[   400 ms] woken: r2 look, step 1 (a step down the ladder)\n"
                   "[   500 ms] r2 client left client_gone: drop client_gone (client left)\n"
                   "[  1300 ms] r1 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
}

/* A model that was changed since the request came is not where its ladder leads to. */
static void test_reload(void)
{
    struct ub_world *world = two_models(1);
    ub_world_step(world, CHAT, UB_STEP_MODEL, SMALL);
    ub_world_ask(world, (struct ub_ask){.answer_tokens = 300});
    ub_world_request(world, 100 * UB_MS);
    ub_world_run_until(world, UB_SECOND);
    ub_world_upstream(world, "new", 50 * UB_MS)->models = 2;
    UB_CHECK(ub_world_reload(world) == NULL, "a good configuration");
    ub_world_request(world, 1500 * UB_MS);
    UB_CHECK_TRACE(
        world,
        "[     0 ms] r1 arrived: start 1 on big (only candidate)\n"
        "[   100 ms] r2 arrived: nothing\n"
        "[   100 ms] r1 first token 1: forward 1 (first payload)\n"
        "[  1000 ms] routes\n"
        "[  1500 ms] r3 arrived: nothing\n"
        "[  2100 ms] woken: r2 answer 503 queue_timeout, come back in 1125 ms (no slot in time)\n"
        "[  3500 ms] woken: r3 start 1 on little, on step 1 (a step down the ladder)\n"
        "[  3550 ms] r3 first token 1: forward 1 (first payload)\n"
        "[  4550 ms] r3 ended 1 ok: finish (complete)\n"
        "[  6100 ms] r1 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

int main(void)
{
    test_order();
    test_first_that_helps();
    test_only_when_busy();
    test_level();
    test_falls_by_steps();
    test_level_ends();
    test_deadline();
    test_others_opinion(
        UB_FAULT_BAD_REQUEST,
        "[     0 ms] r1 arrived: start 1 on big (only candidate)\n"
        "[     0 ms] r1 ended 1 connect_refused: nothing\n"
        "[     0 ms] woken: r1 start 2 on little, on step 1 (a step down the ladder)\n"
        "[    10 ms] r1 ended 2 bad_request: answer 503 all_busy, come back in 1125 ms (nobody "
        "left to try)\n");
    test_others_opinion(
        UB_FAULT_CONTEXT_TOO_LONG,
        "[     0 ms] r1 arrived: start 1 on big (only candidate)\n"
        "[     0 ms] r1 ended 1 connect_refused: nothing\n"
        "[     0 ms] woken: r1 start 2 on little, on step 1 (a step down the ladder)\n"
        "[    10 ms] r1 ended 2 context_too_long: nothing\n"
        "[    10 ms] woken: r1 answer 503 all_busy, come back in 1125 ms (nobody left to try)\n");
    test_ride_out();
    test_displaced();
    test_cache_hangs();
    test_reload();
    return ub_test_done();
}

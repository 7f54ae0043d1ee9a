/* The retry budget is held at each upstream as well: what one refuses does not all fall upon its
 * neighbour, whose budget grows with its own first attempts and with time. */
#include "sim/world.h"

/* One extra attempt a second, for each model and at each upstream. The other model's request has used
 * up the one at "shy"; then "far" is chosen, although the session draws the request to "shy". */
static void test_another_is_chosen(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_models(world, 2);
    for (uint32_t m = 0; m < 2; m++) {
        struct ub_model_policy *policy = ub_world_policy(world, m);
        policy->retry.budget = 0;
        policy->retry.budget_per_s = 1;
        policy->patience_ns = 0;
        policy->affinity = UB_AFFINITY_COOKIE;
    }
    struct ub_sim_upstream *bad = ub_world_upstream(world, "bad", 100 * UB_MS);
    bad->fault = UB_FAULT_ERROR_500;
    struct ub_sim_upstream *shy = ub_world_upstream(world, "shy", 100 * UB_MS);
    struct ub_sim_upstream *far = ub_world_upstream(world, "far", 100 * UB_MS);
    shy->tier = far->tier = 1;
    bad->models = shy->models = 3;
    ub_world_ask(world, (struct ub_ask){.model = 1});
    ub_world_ask(world, (struct ub_ask){.at = 100 * UB_MS, .cookie_key = shy->key});
    ub_world_ask(world, (struct ub_ask){.at = 1200 * UB_MS, .cookie_key = shy->key});
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on bad (only candidate)\n"
                          "[    10 ms] r1 ended 1 upstream_error: start 2 on shy (next tier)\n"
                          "[   100 ms] r2 arrived: start 1 on bad (only candidate)\n"
                          "[   110 ms] r1 first token 2: forward 2 (first payload)\n"
                          "[   110 ms] r2 ended 1 upstream_error: start 2 on far (next tier)\n"
                          "[   210 ms] r2 first token 2: forward 2 (first payload)\n"
                          "[  1110 ms] r1 ended 2 ok: finish (complete)\n"
                          "[  1200 ms] r3 arrived: start 1 on bad (only candidate)\n"
                          "[  1210 ms] r2 ended 2 ok: finish (complete)\n"
                          "[  1210 ms] r3 ended 1 upstream_error: start 2 on shy (next tier)\n"
                          "[  1310 ms] r3 first token 2: forward 2 (first payload)\n"
                          "[  2310 ms] r3 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Nobody else is there: the request pauses until there is budget again, instead of failing. */
static void test_a_pause(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.9});
    ub_world_models(world, 2);
    for (uint32_t m = 0; m < 2; m++) {
        ub_world_policy(world, m)->retry.budget = 0;
        ub_world_policy(world, m)->retry.budget_per_s = 2;
        ub_world_policy(world, m)->retry.base_ns = UB_SECOND;
        ub_world_policy(world, m)->patience_ns = 0;
        ub_world_policy(world, m)->affinity = 0;
    }
    struct ub_sim_upstream *bad = ub_world_upstream(world, "bad", 100 * UB_MS);
    bad->fault = UB_FAULT_ERROR_500;
    struct ub_sim_upstream *shy = ub_world_upstream(world, "shy", 100 * UB_MS);
    shy->tier = 1;
    bad->models = shy->models = 3;
    for (uint32_t i = 0; i < 3; i++) {
        ub_world_ask(world, (struct ub_ask){.model = i / 2});
    }
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on bad (only candidate)\n"
                          "[     0 ms] r2 arrived: start 1 on bad (only candidate)\n"
                          "[     0 ms] r3 arrived: start 1 on bad (only candidate)\n"
                          "[    10 ms] r1 ended 1 upstream_error: start 2 on shy (next tier)\n"
                          "[    10 ms] r2 ended 1 upstream_error: start 2 on shy (next tier)\n"
                          "[    10 ms] r3 ended 1 upstream_error: nothing\n"
                          "[   110 ms] r1 first token 2: forward 2 (first payload)\n"
                          "[   110 ms] r2 first token 2: forward 2 (first payload)\n"
                          "[   556 ms] woken: r3 start 2 on bad (after backing off)\n"
                          "[   566 ms] r3 ended 2 upstream_error: start 3 on shy (next tier)\n"
                          "[   666 ms] r3 first token 3: forward 3 (first payload)\n"
                          "[  1110 ms] r1 ended 2 ok: finish (complete)\n"
                          "[  1110 ms] r2 ended 2 ok: finish (complete)\n"
                          "[  1666 ms] r3 ended 3 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Everybody is down. Their limits are known, so moving on could be free of charge; it is so only
 * while somebody is served there. All extra attempts together stay within the budget. */
static void test_everybody_down(enum ub_fault fault)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.seed = 4, .quiet = true});
    const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        ub_world_upstream(world, names[i], 100 * UB_MS)->concurrency = 100;
    }
    for (int i = 0; i < 8000; i++) { /* 200 a second; for the first ten seconds all is well */
        ub_world_request(world, i * 5 * UB_MS);
    }
    ub_world_run_until(world, 10 * UB_SECOND);
    struct ub_brain_facts before = ub_brain_facts(ub_world_brain(world));
    for (int i = 0; i < 3; i++) {
        ub_world_upstream_named(world, names[i])->fault = fault;
    }
    ub_world_run(world);
    struct ub_brain_facts after = ub_brain_facts(ub_world_brain(world));
    double seconds = (double)(ub_world_now(world) - 10 * UB_SECOND) / (double)UB_SECOND;
    double firsts = (double)(after.first_attempts - before.first_attempts);
    double extra = (double)(after.extra_attempts - before.extra_attempts);
    /* The credit of 500 first attempts was kept, and each may get one that was on its way. */
    double most = 0.2 * (firsts + 500) + 10 * (seconds + 1) + 3;
    UB_CHECK(extra > 0.9 * most && extra <= most, "%s: %.0f extra attempts of %.0f that may be",
             ub_fault_facts(fault)->words, extra, most);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

/* One refuses and the other one has room: nothing of it costs any budget. */
static void test_free_of_charge(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.seed = 4, .quiet = true});
    ub_world_upstream(world, "a", 100 * UB_MS)->concurrency = 100;
    ub_world_upstream(world, "b", 100 * UB_MS)->concurrency = 300;
    struct ub_sim_upstream *a = ub_world_upstream_named(world, "a");
    a->fault = UB_FAULT_THROTTLED;
    a->fault_share = 0.4;
    for (int i = 0; i < 2000; i++) {
        ub_world_request(world, i * 5 * UB_MS);
    }
    ub_world_run(world);
    struct ub_brain_facts facts = ub_brain_facts(ub_world_brain(world));
    UB_CHECK(facts.extra_attempts > 20 && facts.charged_attempts <= 1,
             "%d extra attempts, %d of them paid", (int)facts.extra_attempts,
             (int)facts.charged_attempts);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

int main(void)
{
    test_another_is_chosen();
    test_a_pause();
    test_free_of_charge();
    test_everybody_down(UB_FAULT_BUSY_503);
    test_everybody_down(UB_FAULT_THROTTLED);
    test_everybody_down(UB_FAULT_CONNECT_REFUSED);
    test_everybody_down(UB_FAULT_ERROR_500);
    return ub_test_done();
}

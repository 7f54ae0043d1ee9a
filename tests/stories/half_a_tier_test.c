/* However bad it looks, at most half of a tier is ejected: when all four fail, those whose ejection
 * ends first are tried although they are ejected. */
#include "sim/world.h"

/* Ejects these one after the other, the last for longest. Then all are well and nobody knows. */
static struct ub_world *ejected(const char *const *names, int count, int from)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_policy(world, 0)->affinity = UB_AFFINITY_COOKIE;
    ub_world_policy(world, 0)->retry.attempts = 1;
    for (int i = 0; i < count; i++) {
        ub_world_upstream(world, names[i], 100 * UB_MS)->fault = UB_FAULT_KEY_REFUSED;
    }
    for (int i = from; i < count; i++) {
        uint64_t key = ub_world_upstream_named(world, names[i])->key;
        ub_world_ask(world, (struct ub_ask){.at = i * 100 * UB_MS, .cookie_key = key});
    }
    ub_world_run_until(world, 500 * UB_MS);
    for (int i = 0; i < count; i++) {
        ub_world_upstream_named(world, names[i])->fault = UB_FAULT_NONE;
    }
    ub_world_policy(world, 0)->retry.attempts = 4;
    ub_world_reload(world);
    ub_world_forget(world);
    return world;
}

/* Of four ejected ones two stay so: those whose time ends last. */
static void test_pardon(void)
{
    const char *const names[] = {"a", "b", "c", "d"};
    struct ub_world *world = ejected(names, 4, 0);
    for (int i = 0; i < 4; i++) {
        ub_world_request(world, 500 * UB_MS);
    }
    UB_CHECK_TRACE(world, "[   500 ms] r5 arrived: start 1 on a (everyone else is ejected too)\n"
                          "[   500 ms] r6 arrived: start 1 on b (everyone else is ejected too)\n"
                          "[   500 ms] r7 arrived: start 1 on a (everyone else is ejected too)\n"
                          "[   500 ms] r8 arrived: start 1 on b (everyone else is ejected too)\n"
                          "[   600 ms] r5 first token 1: forward 1 (first payload)\n"
                          "[   600 ms] r6 first token 1: forward 1 (first payload)\n"
                          "[   600 ms] r7 first token 1: forward 1 (first payload)\n"
                          "[   600 ms] r8 first token 1: forward 1 (first payload)\n"
                          "[  1600 ms] r5 ended 1 ok: finish (complete)\n"
                          "[  1600 ms] r6 ended 1 ok: finish (complete)\n"
                          "[  1600 ms] r7 ended 1 ok: finish (complete)\n"
                          "[  1600 ms] r8 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Panic is for who could not be tried anywhere at all: with one that works, though it slips once,
 * the ejected ones stay alone. */
static void test_no_panic(void)
{
    const char *const names[] = {"a", "b", "c"};
    struct ub_world *world = ejected(names, 3, 1);
    ub_world_upstream_named(world, "a")->fault = UB_FAULT_ERROR_500;
    ub_world_upstream_named(world, "a")->fault_left = 1;
    ub_world_request(world, 500 * UB_MS);
    UB_CHECK_TRACE(world, "[   500 ms] r3 arrived: start 1 on a (only candidate)\n"
                          "[   510 ms] r3 ended 1 upstream_error: nothing\n"
                          "[   579 ms] woken: r3 start 2 on a (after backing off)\n"
                          "[   679 ms] r3 first token 2: forward 2 (first payload)\n"
                          "[  1679 ms] r3 ended 2 ok: finish (complete)\n");
    ub_world_free(world);
}

int main(void)
{
    test_pardon();
    test_no_panic();
    const char *const names[] = {"a", "b", "c", "d"};
    struct ub_world *world = ub_world_new((struct ub_world_options){.seed = 3, .quiet = true});
    for (int i = 0; i < 4; i++) {
        ub_world_upstream(world, names[i], 100 * UB_MS)->fault = UB_FAULT_ERROR_500;
    }
    for (int i = 0; i < 60; i++) {
        ub_world_request(world, i * 20 * UB_MS);
    }
    ub_world_run_until(world, 1500 * UB_MS);
    int ejected = 0;
    for (int i = 0; i < 4; i++) {
        ejected += ub_world_facts(world, names[i]).state == UB_UPSTREAM_EJECTED;
    }
    UB_CHECK(ejected == 4, "all four breakers are open: %d", ejected);

    /* One of them works again: panic finds it before any ejection ends. */
    for (int i = 0; i < 4; i++) {
        ub_world_upstream_named(world, names[i])->fault = UB_FAULT_NONE;
    }
    uint32_t number = ub_world_request(world, 1500 * UB_MS);
    ub_world_run_until(world, 1510 * UB_MS);
    struct ub_sim_result result = ub_world_result(world, number);
    UB_CHECK(result.attempts == 1, "a request is tried at once, ejected or not");
    ub_world_run(world);
    UB_CHECK(ub_world_result(world, number).outcome == UB_SIM_FINISHED, "and is answered");
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);

    /* With one of two ejected there is no panic: it is left alone until its time has come. */
    world = ub_world_new((struct ub_world_options){.seed = 3, .quiet = true});
    struct ub_sim_upstream *bad = ub_world_upstream(world, "a", 100 * UB_MS);
    bad->fault = UB_FAULT_ERROR_500;
    ub_world_upstream(world, "b", 100 * UB_MS);
    for (int i = 0; i < 100; i++) {
        ub_world_request(world, i * 10 * UB_MS);
    }
    ub_world_run_until(world, UB_SECOND);
    UB_CHECK(ub_world_facts(world, "a").state == UB_UPSTREAM_EJECTED, "one of two is ejected");
    UB_CHECK(bad->started < 15, "and left alone: %d attempts", (int)bad->started);
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
    return ub_test_done();
}

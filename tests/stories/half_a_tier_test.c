/* However bad it looks, at most half of a tier is ejected: when all four fail, those whose ejection
 * ends first are tried although they are ejected. */
#include "sim/world.h"

int main(void)
{
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

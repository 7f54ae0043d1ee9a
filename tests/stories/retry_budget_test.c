/* Extra attempts are at most 20 % of the first ones plus ten a second: when everything fails, the
 * retries do not multiply the load. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.seed = 4, .quiet = true});
    ub_world_upstream(world, "a", 100 * UB_MS)->fault = UB_FAULT_ERROR_500;
    ub_world_upstream(world, "b", 100 * UB_MS)->fault = UB_FAULT_ERROR_500;
    ub_world_upstream(world, "c", 100 * UB_MS)->fault = UB_FAULT_ERROR_500;
    for (int i = 0; i < 2000; i++) { /* 200 a second for ten seconds */
        ub_world_request(world, i * 5 * UB_MS);
    }
    ub_world_run(world);
    struct ub_brain_facts facts = ub_brain_facts(ub_world_brain(world));
    double seconds = (double)ub_world_now(world) / (double)UB_SECOND;
    double most = 0.2 * (double)facts.first_attempts + 10 * (seconds + 1);
    UB_CHECK((double)facts.charged_attempts <= most, "%d extra attempts for %d first ones",
             (int)facts.charged_attempts, (int)facts.first_attempts);
    UB_CHECK((double)facts.charged_attempts >= 0.4 * most, "but the budget is there to be used");
    bool told = true;
    for (uint32_t i = 1; i <= ub_world_asked(world); i++) {
        told &= ub_world_result(world, i).outcome == UB_SIM_ANSWERED;
    }
    UB_CHECK(told, "and everybody is told");
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
    return ub_test_done();
}

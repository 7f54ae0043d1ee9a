/* A trial that fails keeps the upstream out for longer each time, but never for more than eight
 * seconds: an upstream that comes back is used again within ten. */
#include "sim/world.h"

#define LAST (120 * UB_SECOND)

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.seed = 7, .quiet = true});
    struct ub_sim_upstream *sick = ub_world_upstream(world, "sick", 100 * UB_MS);
    sick->fault = UB_FAULT_ERROR_500;
    ub_world_upstream(world, "well", 100 * UB_MS);
    for (int i = 0; i < 1600; i++) {
        ub_world_request(world, i * 100 * UB_MS);
    }
    ub_ns longest_ns = 0, last_trial = 0;
    uint64_t started = 0, trials = 0;
    for (ub_ns at = 0; at < LAST; at += 50 * UB_MS) {
        ub_world_run_until(world, at);
        if (sick->started != started) {
            longest_ns = ub_ns_max(longest_ns, at - last_trial);
            trials += at > 10 * UB_SECOND;
            started = sick->started;
            last_trial = at;
        }
    }
    UB_CHECK(longest_ns > 3 * UB_SECOND && longest_ns <= 9 * UB_SECOND,
             "the longest pause between trials: %lld ms", (long long)(longest_ns / UB_MS));
    UB_CHECK(trials >= 12 && trials <= 40, "few trials in 110 seconds: %d", (int)trials);

    sick->fault = UB_FAULT_NONE;
    ub_world_run_until(world, LAST + 10 * UB_SECOND);
    UB_CHECK(ub_world_facts(world, "sick").state == UB_UPSTREAM_UP, "back within ten seconds");
    ub_world_run(world);
    bool all = true;
    for (uint32_t i = 1; i <= ub_world_asked(world); i++) {
        all &= ub_world_result(world, i).outcome == UB_SIM_FINISHED;
    }
    UB_CHECK(all, "and nobody noticed");
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
    return ub_test_done();
}

/* A slot's generation comes round after four thousand million requests: zero, which says "the house
 * is full", is left out, and the house stays open. */
#include "policy/state.h"
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){
        .draw = 0.5, .limits = {.requests = 2}, .late_words_ns = UB_MINUTE, .quiet = true});
    ub_world_upstream(world, "only", 200 * UB_MS);
    ub_world_request(world, 0);
    ub_world_request(world, 0);
    ub_world_run(world);
    struct ub_brain *brain = ub_world_brain(world);
    request_of(brain, 1)->generation = UINT32_MAX - 2;
    request_of(brain, 2)->generation = UINT32_MAX - 1;

    uint32_t last = 0;
    for (int i = 0; i < 10; i++) { /* every other one is left by its client: late words follow */
        last = ub_world_ask(world, (struct ub_ask){.at = (10 + 2 * i) * UB_SECOND,
                                                   .leaves_after_ns = i % 2 * 100 * UB_MS});
    }
    ub_world_run(world);
    UB_CHECK(request_of(brain, 1)->generation < 100 || request_of(brain, 2)->generation < 100,
             "it came round");
    bool good = true;
    for (uint32_t i = last - 9; i <= last; i++) {
        enum ub_sim_outcome outcome = ub_world_result(world, i).outcome;
        good &= outcome == (i % 2 != last % 2 ? UB_SIM_FINISHED : UB_SIM_DROPPED);
    }
    UB_CHECK(good, "everybody got in, and got what was theirs");
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
    return ub_test_done();
}

/* A line of people that has stood for longer than an answer takes is served newest first, so that some
 * of them have it soon; who would not be reached in time is refused then, not at the end of its time.
 * Standard requests keep their order, and so do people in a short line. */
#include "sim/world.h"

/* One slot; answers take two seconds, which is known, and the line is nine seconds long. Four come at
 * once, and three more by and by. */
static struct ub_world *line_of(uint8_t class)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "only", UB_SECOND)->concurrency = 1;
    ub_world_policy(world, 0)->slot_wait_ns = 9 * UB_SECOND;
    ub_world_request(world, 0);
    ub_world_run_until(world, 3 * UB_SECOND);
    ub_world_forget(world);
    const ub_ns at_ms[] = {3000, 3010, 3020, 3030, 3040, 6500, 8500, 10500};
    for (size_t i = 0; i < UB_COUNT(at_ms); i++) {
        ub_world_ask(world, (struct ub_ask){.at = at_ms[i] * UB_MS, .class = (uint8_t)(1 + class)});
    }
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    return world;
}

static void check_order(struct ub_world *world, const uint32_t *want, uint32_t count)
{
    for (uint32_t i = 0; i + 1 < count; i++) {
        UB_CHECK(ub_world_result(world, want[i]).forwarded <
                     ub_world_result(world, want[i + 1]).forwarded,
                 "r%u goes before r%u", want[i], want[i + 1]);
    }
}

/* r3 has its turn at 5 s, when the line is not old yet; then the newest have theirs. At 9 s r4 has three
 * seconds left, and those who came after it take five. */
static void test_people(uint8_t class)
{
    struct ub_world *world = line_of(class);
    check_order(world, (const uint32_t[]){2, 3, 7, 8, 9}, 5);
    struct ub_sim_result r = ub_world_result(world, 4);
    UB_CHECK(r.reason == UB_WHY_NOT_IN_SIGHT && r.over == 9 * UB_SECOND,
             "r4 is refused as soon as it cannot be reached");
    ub_world_free(world);
}

int main(void)
{
    test_people(UB_TRAFFIC_CRITICAL);
    test_people(UB_TRAFFIC_INTERACTIVE);
    struct ub_world *world = line_of(UB_TRAFFIC_STANDARD);
    check_order(world, (const uint32_t[]){2, 3, 4, 5, 6, 7, 8, 9}, 8);
    ub_world_free(world);
    return ub_test_done();
}

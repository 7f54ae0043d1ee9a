#include "policy/timers.h"

#include "base/random.h"
#include "base/test.h"

#define IDS 64

/* The heap against a plain table under random sets, moves and removals. */
int main(void)
{
    struct ub_timer_node node[IDS];
    uint32_t place[IDS] = {0};
    uint32_t count = 0;
    struct ub_timers t = {node, &count, place};
    ub_ns want[IDS];
    for (int i = 0; i < IDS; i++) {
        want[i] = UB_NEVER;
    }

    struct ub_random random = {7};
    bool same = true;
    for (int step = 0; step < 20000; step++) {
        uint32_t id = ub_random_below(&random, IDS);
        want[id] = ub_random_below(&random, 4) == 0 ? UB_NEVER : ub_random_below(&random, 50);
        ub_timers_set(t, id, want[id]);

        int first = -1;
        for (int i = 0; i < IDS; i++) {
            if (want[i] != UB_NEVER && (first < 0 || want[i] < want[first])) {
                first = i;
            }
        }
        same &= ub_timers_first(t) == (first < 0 ? UB_NEVER : want[first]);
        same &= first < 0 || node[0].id == (uint32_t)first;
    }
    UB_CHECK(same, "the first is always the earliest, and the smallest id among equals");

    for (uint32_t i = 0; i < IDS; i++) {
        ub_timers_remove(t, i);
        ub_timers_remove(t, i);
    }
    UB_CHECK(count == 0 && ub_timers_first(t) == UB_NEVER,
             "removing twice is fine; empty is never");
    return ub_test_done();
}

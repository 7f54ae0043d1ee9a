/* timers.h - an indexed binary heap of instants: set, move and remove by id in O(log n).
 *
 * The memory is the caller's (it lies in the brain's block). Among equal instants the smaller id
 * comes first, so the order never depends on history.
 */
#ifndef UB_POLICY_TIMERS_H
#define UB_POLICY_TIMERS_H

#include "base/time.h"
#include <stdint.h>

struct ub_timer_node {
    ub_ns at;
    uint32_t id;
};

struct ub_timers {
    struct ub_timer_node *node;
    uint32_t *count;
    uint32_t *place; /* by id: index in `node` + 1, 0 = not set. May be shared by several heaps. */
};

void ub_timers_set(struct ub_timers timers, uint32_t id, ub_ns at); /* UB_NEVER removes */
void ub_timers_remove(struct ub_timers timers, uint32_t id);

/* UB_NEVER when empty. */
static inline ub_ns ub_timers_first(struct ub_timers timers)
{
    return *timers.count == 0 ? UB_NEVER : timers.node[0].at;
}

#endif

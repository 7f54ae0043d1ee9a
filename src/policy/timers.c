#include "policy/timers.h"

#include <stdbool.h>

static bool before(struct ub_timer_node a, struct ub_timer_node b)
{
    return a.at != b.at ? a.at < b.at : a.id < b.id;
}

static void put(struct ub_timers t, uint32_t index, struct ub_timer_node node)
{
    t.node[index] = node;
    t.place[node.id] = index + 1;
}

static void sift_up(struct ub_timers t, uint32_t index, struct ub_timer_node node)
{
    while (index > 0 && before(node, t.node[(index - 1) / 2])) {
        put(t, index, t.node[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    put(t, index, node);
}

static void sift_down(struct ub_timers t, uint32_t index, struct ub_timer_node node)
{
    for (;;) {
        uint32_t child = 2 * index + 1;
        if (child + 1 < *t.count && before(t.node[child + 1], t.node[child])) {
            child++;
        }
        if (child >= *t.count || !before(t.node[child], node)) {
            break;
        }
        put(t, index, t.node[child]);
        index = child;
    }
    put(t, index, node);
}

void ub_timers_set(struct ub_timers t, uint32_t id, ub_ns at)
{
    if (at == UB_NEVER) {
        ub_timers_remove(t, id);
        return;
    }
    struct ub_timer_node node = {at, id};
    if (t.place[id] == 0) {
        sift_up(t, (*t.count)++, node);
        return;
    }
    uint32_t index = t.place[id] - 1;
    if (before(node, t.node[index])) {
        sift_up(t, index, node);
    } else {
        sift_down(t, index, node);
    }
}

void ub_timers_remove(struct ub_timers t, uint32_t id)
{
    if (t.place[id] == 0) {
        return;
    }
    uint32_t index = t.place[id] - 1;
    t.place[id] = 0;
    struct ub_timer_node last = t.node[--*t.count];
    if (index == *t.count) {
        return;
    }
    if (index > 0 && before(last, t.node[(index - 1) / 2])) {
        sift_up(t, index, last);
    } else {
        sift_down(t, index, last);
    }
}

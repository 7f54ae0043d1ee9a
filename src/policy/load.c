/* load.c - what engines of one's own say about their load, corrected by what we know ourselves.
 *
 * Others use the same engines, whom our counts do not see. A figure is a second old or more, and a
 * crowd of ours can have come since; so it is not taken for the load, but for the part of it that is
 * not ours: what the engine has beside what we had there when it said so. To that our own count is
 * added, which is never late.
 */
#include "policy/steps.h"

#define FRESH_NS (3 * UB_LOAD_PERIOD_NS)

void load_told(struct ub_brain *brain, const struct ub_event *event)
{
    uint16_t index = (uint16_t)(event->load.upstream + 1);
    if (index == 0 || index > brain->upstreams_used || !upstream_of(brain, index)->listed) {
        return;
    }
    struct upstream *upstream = upstream_of(brain, index);
    uint64_t all = (uint64_t)event->load.running + event->load.waiting;
    uint64_t others = all > upstream->inflight ? all - upstream->inflight : 0;
    upstream->load = (struct load){
        .at = event->now,
        .running = event->load.running,
        .waiting = event->load.waiting,
        .others = others > UINT32_MAX ? UINT32_MAX : (uint32_t)others,
        .kv = event->load.kv >= 0 && event->load.kv <= 1 ? event->load.kv : 0,
    };
}

const struct load *load_of(const struct upstream *upstream, ub_ns now)
{
    const struct load *load = &upstream->load;
    return load->at != 0 && now - load->at <= FRESH_NS ? load : NULL;
}

double load_wait_ns(const struct load *load, const struct target *target)
{
    double running = load->running > 0 ? (double)load->running : 1.0;
    return load->waiting == 0 ? 0 : target->pace.response_ns * (double)load->waiting / running;
}

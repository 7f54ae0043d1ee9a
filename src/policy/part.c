/* part.c - of what an account allows, how much is this gateway's.
 *
 * Several gateways that use one account divide what it allows between them, see share.h; a body does
 * the talking and says here what came of it. Slots that were gained go to those that wait. What was
 * lost is given back as attempts end: nothing that runs is cancelled for it.
 */
#include "policy/state.h"

void part_told(struct ub_brain *brain, const struct ub_event *event, struct ub_random *random)
{
    uint16_t index = (uint16_t)(event->part.upstream + 1);
    if (index == 0 || index > brain->upstreams_used || !upstream_of(brain, index)->shared) {
        return;
    }
    struct upstream *upstream = upstream_of(brain, index);
    uint32_t part = event->part.concurrency;
    upstream->part = part < upstream->concurrency ? part : upstream->concurrency;
    serve_whole_upstream(brain, index, event->now, random);
}

bool ub_brain_upstream_facts(const struct ub_brain *brain, uint16_t slot,
                             struct ub_upstream_facts *out)
{
    uint16_t index = (uint16_t)(slot + 1);
    *out = (struct ub_upstream_facts){0};
    if (index == 0 || index > brain->upstreams_used || upstream_of(brain, index)->key == 0) {
        return false;
    }
    const struct upstream *upstream = upstream_of(brain, index);
    *out = (struct ub_upstream_facts){.concurrency = upstream->concurrency,
                                      .part = slots_known(upstream),
                                      .inflight = upstream->inflight,
                                      .wanted = upstream->inflight};
    for (uint16_t t = upstream->first_target; t != 0; t = target_of(brain, t)->next_of_upstream) {
        out->wanted += model_of(brain, target_of(brain, t)->model)->waiting;
    }
    return true;
}

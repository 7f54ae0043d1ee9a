/* part.c - of what an account allows, how much is this gateway's.
 *
 * Several gateways that use one account divide what it allows between them, see share.h; a body does
 * the talking and says here what came of it. Slots that were gained go to those that wait. What was
 * lost is given back as attempts end: nothing that runs is cancelled for it.
 *
 * Of a tenant's limits a part is the same amount in more time, so that small rates divide as well as
 * large ones. A part that grows brings nothing with it but its rate: what its bucket holds now is what
 * it held, else each move of a part from one gateway to the next would let a burst in.
 */
#include "policy/steps.h"

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

/* ---- tenants ---- */

static uint64_t scaled(uint64_t whole, uint32_t part)
{
    uint64_t value = whole * part / UB_PART_WHOLE;
    return value > 0 ? value : 1;
}

static struct ub_rate rate_part(const struct ub_rate *whole, uint32_t part)
{
    struct ub_rate rate = *whole;
    if (rate.amount != 0 && part < UB_PART_WHOLE) {
        ub_ns per_ns = rate.per_ns * UB_PART_WHOLE / (part > 0 ? (ub_ns)part : 1);
        rate.per_ns = ub_ns_min(per_ns, UB_RATE_PER_MAX);
        rate.burst = scaled(rate.burst, part);
    }
    return rate;
}

struct ub_quota quota_part(const struct ub_quota *whole, uint32_t part)
{
    return (struct ub_quota){rate_part(&whole->requests, part), rate_part(&whole->tokens, part)};
}

uint32_t concurrency_part(uint32_t whole, uint32_t part)
{
    return whole == 0 || part >= UB_PART_WHOLE ? whole : (uint32_t)scaled(whole, part);
}

static void move_limit(struct ub_limit *limit, struct ub_rate *rate, const struct ub_rate *next,
                       ub_ns now)
{
    if (rate->amount != 0) {
        uint64_t before = ub_limit_left(limit, rate, now);
        ub_limit_adopt(limit, next, now);
        uint64_t after = ub_limit_left(limit, next, now);
        if (after > before) {
            ub_limit_take(limit, next, after - before, now);
        }
    }
    *rate = *next;
}

static void move_quota(struct ub_quota *quota, struct meter *meter, const struct ub_quota *whole,
                       uint32_t part, ub_ns now)
{
    struct ub_quota next = quota_part(whole, part);
    move_limit(&meter->requests, &quota->requests, &next.requests, now);
    move_limit(&meter->tokens, &quota->tokens, &next.tokens, now);
}

void tenant_part_told(struct ub_brain *brain, const struct ub_event *event)
{
    uint16_t index = (uint16_t)(event->tenant_part.tenant + 1);
    if (index == 0 || index > brain->tenants_used || !tenant_of(brain, index)->shared) {
        return;
    }
    struct tenant *tenant = tenant_of(brain, index);
    uint32_t part = event->tenant_part.part;
    tenant->part = (uint16_t)(part < UB_PART_WHOLE ? part : UB_PART_WHOLE);
    tenant->concurrency = concurrency_part(tenant->whole_concurrency, tenant->part);
    move_quota(&tenant->quota, &tenant->meter, &tenant->whole, tenant->part, event->now);
    for (uint16_t s = tenant->first_share; s != 0; s = share_of(brain, s)->next_of_tenant) {
        struct share *share = share_of(brain, s);
        move_quota(&share->quota, &share->meter, &share->whole, tenant->part, event->now);
    }
}

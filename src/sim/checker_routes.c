/* checker_routes.c - the checker's account of routes and slots. */
#include "sim/checker_inside.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>

void ub_checker_fail(struct ub_checker *c, const char *format, ...)
{
    if (c->broken[0] != '\0') {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(c->broken, sizeof c->broken, format, args);
    va_end(args);
}

void ub_checker_let_go(struct routes_kept *routes)
{
    if (routes != NULL && --routes->holders == 0) {
        ub_free(routes);
    }
}

/* What holds once all older actions are drained; until then the larger one may have. */
static void limit(struct ub_checker *c, uint16_t slot, uint32_t concurrency)
{
    uint32_t old = c->concurrency[slot];
    c->next_concurrency[slot] = concurrency;
    bool larger = concurrency == 0 || old == UB_NO_SLOT ||
                  (old != 0 && concurrency != UB_NO_SLOT && concurrency > old);
    c->concurrency[slot] = larger ? concurrency : old;
}

static uint32_t part_of(uint32_t whole, uint32_t part)
{
    return part == 0 ? UB_NO_SLOT : part < whole ? part : whole;
}

void ub_checker_part(struct ub_checker *c, const struct ub_event *event)
{
    uint16_t slot = event->part.upstream;
    if (slot < c->limits.upstreams && c->whole[slot] != 0) {
        limit(c, slot, part_of(c->whole[slot], event->part.concurrency));
        c->routes_new = true;
    }
}

/* A part is kept over reloads, as far as it is not more than the whole; with its slot an upstream
 * loses it. */
static uint32_t slots_of(const struct ub_checker *c, const struct ub_brain *brain, uint16_t slot,
                         const struct ub_upstream_spec *spec)
{
    if (!spec->shared || spec->concurrency == 0) {
        return spec->concurrency;
    }
    struct ub_upstream_facts facts;
    bool same = c->slot_key[slot] == spec->key && c->whole[slot] != 0;
    uint32_t part = same && c->next_concurrency[slot] != UB_NO_SLOT ? c->next_concurrency[slot] : 0;
    ub_brain_upstream_facts(brain, slot, &facts);
    return part_of(spec->concurrency, facts.part == 0 ? 0 : part);
}

static void take_slots(struct ub_checker *c, const struct ub_brain *brain,
                       const struct ub_routes *routes)
{
    for (uint32_t i = 0; i < routes->upstream_count; i++) {
        uint64_t key = routes->upstreams[i].key;
        uint16_t slot = ub_brain_upstream(brain, key);
        if (slot >= c->limits.upstreams) {
            ub_checker_fail(c, "upstream %u of the new routes has no slot", i);
            return;
        }
        if (c->slot_key[slot] != 0 && c->slot_key[slot] != key && c->inflight[slot] != 0) {
            ub_checker_fail(c, "slot %u is given to another upstream while %u attempts run there",
                            slot, c->inflight[slot]);
        }
        const struct ub_upstream_spec *spec = &routes->upstreams[i];
        uint32_t concurrency = slots_of(c, brain, slot, spec);
        if (c->slot_key[slot] != key) {
            c->concurrency[slot] = concurrency;
        }
        c->slot_key[slot] = key;
        c->bad[slot] = 0; /* what no route names may be forgotten */
        c->whole[slot] = spec->shared ? spec->concurrency : 0;
        limit(c, slot, concurrency);
    }
}

static void keep_model(struct ub_checker *c, const struct ub_brain *brain,
                       const struct ub_routes *routes, const struct ub_model_spec *spec,
                       struct model_kept *kept)
{
    kept->key = spec->key;
    kept->policy = spec->policy;
    for (uint32_t t = 0; t < spec->tiers; t++) {
        for (uint32_t m = 0; m < spec->tier[t].count; m++) {
            uint64_t key = routes->upstreams[spec->tier[t].member[m]].key;
            kept->slot[kept->members] = ub_brain_upstream(brain, key);
            kept->slot_key[kept->members++] = key;
            ub_checker_widen(c, key, &spec->policy.retry);
        }
    }
    kept->steps = spec->steps;
    for (uint32_t i = 0; i < spec->steps; i++) {
        const struct ub_step *step = &spec->step[i];
        kept->kind[i] = step->kind;
        kept->leads_to[i] = step->kind == UB_STEP_MODEL ? routes->models[step->value].key : 0;
    }
    struct ub_retry_policy extras = spec->policy.retry;
    extras.budget += spec->policy.hedge_budget;
    ub_checker_widen(c, spec->key, &extras);
}

void ub_checker_routes(struct ub_checker *c, const struct ub_brain *brain,
                       const struct ub_event *event)
{
    const struct ub_routes *routes = event->routes;
    take_slots(c, brain, routes);
    ub_checker_tenants(c, brain, routes, event->now);
    ub_checker_queue(c, routes);
    c->routes_new = true;
    struct routes_kept *kept =
        ub_calloc(1, sizeof *kept + routes->model_count * sizeof kept->model[0]);
    if (kept == NULL) {
        ub_checker_fail(c, "no memory for the checker");
        return;
    }
    kept->holders = 1;
    kept->model_count = routes->model_count;
    for (uint32_t i = 0; i < routes->model_count; i++) {
        keep_model(c, brain, routes, &routes->models[i], &kept->model[i]);
    }
    ub_checker_absent(c, routes);
    ub_checker_let_go(c->routes);
    c->routes = kept;
}

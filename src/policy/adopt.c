/* adopt.c - new routes take the place of the old ones without losing what was learned.
 *
 * Upstreams, models and targets keep their slots by identity. A model whose tiers and policy are
 * the same keeps its route record; a changed one gets a new record, and the old one lives on until
 * its last request has ended. Whatever nobody refers to any more is given back at that moment.
 */
#include "policy/steps.h"

#include <assert.h>
#include <string.h>

/* A place in an array: the first of its free list, which goes on with `next_free`, else the one
 * behind the used ones. */
static uint16_t spare(uint16_t *first_free, uint16_t next_free, uint32_t *used, uint32_t limit)
{
    uint16_t index = *first_free;
    *first_free = next_free;
    if (index == 0) {
        assert(*used < limit);
        (*used)++;
        index = (uint16_t)*used;
    }
    return index;
}

/* In each of these, place 0 is all zeros: an empty list stays empty. */
static uint16_t spare_upstream(struct ub_brain *brain)
{
    return spare(&brain->upstream_free, upstream_of(brain, brain->upstream_free)->next_free,
                 &brain->upstreams_used, brain->limits.upstreams);
}

static uint16_t spare_target(struct ub_brain *brain)
{
    return spare(&brain->target_free, target_of(brain, brain->target_free)->next_free,
                 &brain->targets_used, brain->limits.targets);
}

static uint16_t spare_model(struct ub_brain *brain)
{
    return spare(&brain->model_free, model_of(brain, brain->model_free)->next_free,
                 &brain->models_used, brain->limits.models);
}

static uint16_t spare_route(struct ub_brain *brain)
{
    return spare(&brain->route_free, route_of(brain, brain->route_free)->next_free,
                 &brain->routes_used, brain->limits.routes);
}

static uint16_t upstream_index(const struct ub_brain *brain, const struct upstream *upstream)
{
    return (uint16_t)(upstream - upstream_of(brain, 0));
}

/* The slot of this identity, also one that is draining. `hint` is where it usually is. */
uint16_t find_upstream(const struct ub_brain *brain, uint64_t key, uint32_t hint)
{
    if (hint >= 1 && hint <= brain->upstreams_used &&
        upstream_of(brain, (uint16_t)hint)->key == key) {
        return (uint16_t)hint;
    }
    for (uint32_t i = 1; i <= brain->upstreams_used; i++) {
        if (upstream_of(brain, (uint16_t)i)->key == key) {
            return (uint16_t)i;
        }
    }
    return 0;
}

uint16_t find_model(const struct ub_brain *brain, uint64_t key)
{
    for (uint32_t i = 1; i <= brain->models_used; i++) {
        if (model_of(brain, (uint16_t)i)->key == key) {
            return (uint16_t)i;
        }
    }
    return 0;
}

void release_upstream(struct ub_brain *brain, struct upstream *upstream)
{
    if (upstream->listed || upstream->first_target != 0 || upstream->probing ||
        upstream->key == 0) {
        return;
    }
    assert(upstream->inflight == 0);
    *upstream = (struct upstream){.next_free = brain->upstream_free};
    brain->upstream_free = upstream_index(brain, upstream);
}

static void release_target(struct ub_brain *brain, uint16_t index)
{
    struct target *target = target_of(brain, index);
    assert(target->refs > 0);
    if (--target->refs > 0) {
        return;
    }
    assert(target->inflight == 0);
    struct upstream *upstream = upstream_of(brain, target->upstream);
    uint16_t *link = &upstream->first_target;
    while (*link != index) {
        link = &target_of(brain, *link)->next_of_upstream;
    }
    *link = target->next_of_upstream;
    *target = (struct target){.next_free = brain->target_free};
    brain->target_free = index;
    release_upstream(brain, upstream);
}

static void release_model(struct ub_brain *brain, uint16_t index)
{
    struct model *model = model_of(brain, index);
    if (model->route == 0 && model->refs == 0) {
        assert(model->waiting == 0);
        *model = (struct model){.next_free = brain->model_free};
        brain->model_free = index;
    }
}

void release_route(struct ub_brain *brain, uint16_t index)
{
    struct route *route = route_of(brain, index);
    assert(route->refs > 0);
    if (--route->refs > 0) {
        return;
    }
    struct walk walk = {0};
    for (uint16_t t; (t = next_target(route, &walk)) != 0;) {
        release_target(brain, t);
    }
    uint16_t model = route->model;
    *route = (struct route){.next_free = brain->route_free};
    brain->route_free = index;
    model_of(brain, model)->refs--;
    release_model(brain, model);
}

uint16_t find_target(const struct ub_brain *brain, uint16_t upstream, uint16_t model)
{
    uint16_t t = upstream_of(brain, upstream)->first_target;
    while (t != 0 && target_of(brain, t)->model != model) {
        t = target_of(brain, t)->next_of_upstream;
    }
    return t;
}

/* The target of this pair, made when it is new. */
static uint16_t target_for(struct ub_brain *brain, uint16_t upstream, uint16_t model)
{
    struct upstream *owner = upstream_of(brain, upstream);
    uint16_t index = find_target(brain, upstream, model);
    if (index != 0) {
        return index;
    }
    index = spare_target(brain);
    *target_of(brain, index) = (struct target){
        .upstream = upstream, .model = model, .next_of_upstream = owner->first_target};
    owner->first_target = index;
    return index;
}

static bool same_policy(const struct ub_model_policy *a, const struct ub_model_policy *b)
{
    bool same = true;
#define X(kind, field) same &= a->field == b->field;
    UB_MODEL_POLICY(X)
#undef X
    return same;
}

static uint64_t member_key(const struct ub_routes *routes, const struct ub_tier_spec *tier,
                           uint32_t m)
{
    return routes->upstreams[tier->member[m]].key;
}

static bool same_route(const struct ub_brain *brain, const struct route *route,
                       const struct ub_routes *routes, const struct ub_model_spec *spec)
{
    if (route->tiers != spec->tiers || !same_policy(&route->policy, &spec->policy) ||
        !ladder_is_same(route, routes, spec)) {
        return false;
    }
    for (uint32_t t = 0; t < spec->tiers; t++) {
        if (route->tier[t].count != spec->tier[t].count) {
            return false;
        }
        for (uint32_t m = 0; m < spec->tier[t].count; m++) {
            const struct target *target = target_of(brain, route->tier[t].target[m]);
            if (upstream_of(brain, target->upstream)->key !=
                member_key(routes, &spec->tier[t], m)) {
                return false;
            }
        }
    }
    return true;
}

static uint16_t new_route(struct ub_brain *brain, const struct ub_routes *routes,
                          const struct ub_model_spec *spec, uint16_t model)
{
    uint16_t index = spare_route(brain);
    struct route *route = route_of(brain, index);
    *route = (struct route){.refs = 1,
                            .model = model,
                            .tiers = spec->tiers,
                            .policy = spec->policy,
                            .since = brain->routes};
    ladder_adopt(route, routes, spec);
    model_of(brain, model)->refs++;
    for (uint32_t t = 0; t < spec->tiers; t++) {
        route->tier[t].count = spec->tier[t].count;
        for (uint32_t m = 0; m < spec->tier[t].count; m++) {
            uint16_t upstream = find_upstream(brain, member_key(routes, &spec->tier[t], m),
                                              spec->tier[t].member[m] + 1u);
            uint16_t target = target_for(brain, upstream, model);
            target_of(brain, target)->refs++;
            route->tier[t].target[m] = target;
        }
    }
    return index;
}

static void adopt_upstreams(struct ub_brain *brain, const struct ub_routes *routes, ub_ns now)
{
    for (uint32_t i = 1; i <= brain->upstreams_used; i++) {
        upstream_of(brain, (uint16_t)i)->listed = false;
    }
    for (uint32_t i = 0; i < routes->upstream_count; i++) {
        const struct ub_upstream_spec *spec = &routes->upstreams[i];
        uint16_t index = find_upstream(brain, spec->key, i + 1);
        struct upstream *upstream = upstream_of(brain, index != 0 ? index : spare_upstream(brain));
        if (index == 0) {
            *upstream = (struct upstream){.key = spec->key, .since = brain->has_routes ? now : 0};
        }
        upstream->listed = true;
        upstream->concurrency = spec->concurrency;
        upstream->shared = spec->shared && spec->concurrency != 0;
        upstream->part = !upstream->shared                    ? 0
                         : upstream->part < spec->concurrency ? upstream->part
                                                              : spec->concurrency;
        upstream->learns = spec->learns && spec->concurrency == 0;
        if (!upstream->learns) {
            upstream->gradient = (struct ub_gradient){0};
        }
    }
}

static void adopt_model(struct ub_brain *brain, const struct ub_routes *routes,
                        const struct ub_model_spec *spec, ub_ns now)
{
    uint16_t index = find_model(brain, spec->key);
    if (index == 0) {
        index = spare_model(brain);
        *model_of(brain, index) = (struct model){.key = spec->key};
    }
    struct model *model = model_of(brain, index);
    adopt_quota(&model->quota, &model->meter, &spec->quota, now);
    uint16_t old = model->route;
    if (old != 0 && same_route(brain, route_of(brain, old), routes, spec)) {
        return;
    }
    model->route = new_route(brain, routes, spec, index);
    if (old != 0) {
        release_route(brain, old);
    }
}

static bool names_model(const struct ub_routes *routes, uint64_t key)
{
    for (uint32_t i = 0; i < routes->model_count; i++) {
        if (routes->models[i].key == key) {
            return true;
        }
    }
    return false;
}

void adopt_routes(struct ub_brain *brain, const struct ub_routes *routes, ub_ns now)
{
    assert(ub_brain_refuses(brain, routes) == NULL);
    brain->routes++;
    adopt_upstreams(brain, routes, now);
    for (uint32_t i = 0; i < routes->model_count; i++) {
        adopt_model(brain, routes, &routes->models[i], now);
    }
    for (uint32_t i = 1; i <= brain->models_used; i++) {
        struct model *model = model_of(brain, (uint16_t)i);
        if (model->route != 0 && !names_model(routes, model->key)) {
            uint16_t old = model->route;
            model->route = 0;
            release_route(brain, old);
        } else if (model->route != 0) {
            ladder_find(brain, route_of(brain, model->route));
        }
    }
    for (uint32_t i = 1; i <= brain->upstreams_used; i++) {
        release_upstream(brain, upstream_of(brain, (uint16_t)i));
    }
    adopt_tenants(brain, routes, now);
    brain->queue_size = routes->queue_size;
    brain->queue_bytes = routes->queue_bytes;
    brain->has_routes = true;
}

static bool is_between(ub_ns value, ub_ns low, ub_ns high)
{
    return value >= low && value <= high;
}

/* Times of nothing would make the brain wake itself for ever. */
static const char *refuse_policy(const struct ub_model_policy *p)
{
    const struct ub_retry_policy *r = &p->retry;
    if (r->attempts < 1 || r->attempts > UB_ATTEMPTS_MAX) {
        return "a model may have 1 to 16 attempts";
    }
    if (!(r->budget >= 0 && r->budget <= 100) ||
        !(r->budget_per_s >= 0 && r->budget_per_s <= 1e6)) {
        return "a retry budget is a share of 0 to 100, and 0 to a million a second";
    }
    if (!is_between(r->base_ns, 0, UB_HOUR) || !is_between(r->cap_ns, 0, UB_HOUR)) {
        return "a retry's base and cap are at most an hour";
    }
    if (!is_between(p->first_token_min_ns, UB_MS, p->first_token_max_ns) ||
        !is_between(p->first_token_max_ns, UB_MS, 24 * UB_HOUR)) {
        return "first_token needs 1ms <= min <= max <= 24h";
    }
    if (!is_between(p->total_ns, UB_MS, 24 * UB_HOUR) ||
        !is_between(p->stall_ns, UB_MS, 24 * UB_HOUR)) {
        return "total and stall are between 1ms and 24h";
    }
    if (!is_between(p->patience_ns, 0, UB_HOUR) || !is_between(p->slot_wait_ns, 0, 24 * UB_HOUR) ||
        !is_between(p->slow_over_ns, 0, 24 * UB_HOUR)) {
        return "patience, the wait for a slot and slow_over may not be negative or endless";
    }
    bool beats = p->heartbeat_after_ns != 0;
    if (beats && (!is_between(p->heartbeat_after_ns, UB_MS, 24 * UB_HOUR) ||
                  !is_between(p->heartbeat_every_ns, UB_MS, 24 * UB_HOUR))) {
        return "a heartbeat is between 1ms and 24h";
    }
    return NULL;
}

static bool stands_twice(const struct ub_model_spec *spec, uint32_t tier, uint32_t member)
{
    for (uint32_t t = 0; t <= tier; t++) {
        uint32_t count = t < tier ? spec->tier[t].count : member;
        for (uint32_t m = 0; m < count; m++) {
            if (spec->tier[t].member[m] == spec->tier[tier].member[member]) {
                return true;
            }
        }
    }
    return false;
}

static const char *refuse_model(const struct ub_routes *routes, uint32_t index)
{
    const struct ub_model_spec *spec = &routes->models[index];
    if (spec->key == 0 || spec->tiers < 1 || spec->tiers > UB_TIERS_MAX) {
        return "a model needs a key and 1 to 16 tiers";
    }
    for (uint32_t i = 0; i < index; i++) {
        if (routes->models[i].key == spec->key) {
            return "a model stands there twice";
        }
    }
    for (uint32_t t = 0; t < spec->tiers; t++) {
        if (spec->tier[t].count < 1 || spec->tier[t].count > UB_TIER_MAX) {
            return "a tier holds 1 to 64 upstreams";
        }
        for (uint32_t m = 0; m < spec->tier[t].count; m++) {
            if (spec->tier[t].member[m] >= routes->upstream_count) {
                return "a tier names an upstream that is not there";
            }
            if (stands_twice(spec, t, m)) {
                return "an upstream stands twice in the tiers of a model";
            }
        }
    }
    const char *words = ladder_refuses(routes, index);
    return words != NULL ? words : refuse_policy(&spec->policy);
}

/* What is in use now, draining slots included, plus everything new must fit. */
static const char *refuse_sizes(const struct ub_brain *brain, const struct ub_routes *routes)
{
    uint32_t upstreams = 0, models = 0, route_records = routes->model_count;
    uint64_t targets = 0;
    for (uint32_t i = 1; i <= brain->upstreams_used; i++) {
        upstreams += upstream_of(brain, (uint16_t)i)->key != 0;
    }
    for (uint32_t i = 1; i <= brain->models_used; i++) {
        models += model_of(brain, (uint16_t)i)->key != 0;
    }
    for (uint32_t i = 1; i <= brain->targets_used; i++) {
        targets += target_of(brain, (uint16_t)i)->refs != 0;
    }
    for (uint32_t i = 1; i <= brain->routes_used; i++) {
        route_records += route_of(brain, (uint16_t)i)->refs != 0;
    }
    for (uint32_t i = 0; i < routes->upstream_count; i++) {
        upstreams += find_upstream(brain, routes->upstreams[i].key, i + 1) == 0;
    }
    for (uint32_t i = 0; i < routes->model_count; i++) {
        models += find_model(brain, routes->models[i].key) == 0;
        for (uint32_t t = 0; t < routes->models[i].tiers; t++) {
            targets += routes->models[i].tier[t].count;
        }
    }
    if (upstreams > brain->limits.upstreams) {
        return "too many upstreams, those included that are still draining";
    }
    if (models > brain->limits.models || route_records > brain->limits.routes) {
        return "too many models, those included that running requests still use";
    }
    return targets > brain->limits.targets ? "too many pairs of upstream and model" : NULL;
}

const char *ub_brain_refuses(const struct ub_brain *brain, const struct ub_routes *routes)
{
    for (uint32_t i = 0; i < routes->upstream_count; i++) {
        if (routes->upstreams[i].key == 0) {
            return "an upstream needs a key";
        }
        for (uint32_t j = 0; j < i; j++) {
            if (routes->upstreams[j].key == routes->upstreams[i].key) {
                return "an upstream stands there twice";
            }
        }
    }
    for (uint32_t i = 0; i < routes->model_count; i++) {
        const char *words = refuse_model(routes, i);
        if (words != NULL) {
            return words;
        }
    }
    const char *words = refuse_tenants(brain, routes);
    return words != NULL ? words : refuse_sizes(brain, routes);
}

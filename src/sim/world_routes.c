/* world_routes.c - from the world's upstreams to the brain's routes and slots. */
#include "sim/world_inside.h"

#include "base/alloc.h"

#include <stdio.h>

#define FIRST_KEY UINT64_C(0x5157000000000000)

uint64_t ub_world_model_key(uint32_t model)
{
    return ub_mix64(FIRST_KEY + 1 + model);
}

uint64_t ub_world_tenant_key(uint32_t tenant)
{
    return ub_mix64(FIRST_KEY + 1000 + tenant);
}

static uint32_t find(const struct ub_world *w, const char *name)
{
    for (uint32_t i = 0; i < w->upstream_count; i++) {
        if (strcmp(w->upstream[i].name, name) == 0) {
            return i;
        }
    }
    return UB_SIM_NOBODY;
}

struct ub_sim_upstream *ub_world_upstream(struct ub_world *w, const char *name, ub_ns first_ns)
{
    uint32_t index = find(w, name);
    if (index == UB_SIM_NOBODY) {
        if (w->upstream_count == w->options.limits.upstreams) {
            ub_world_fail(w, "more upstreams than the limits say");
            return &w->upstream[0];
        }
        index = w->upstream_count++;
    }
    struct ub_sim_upstream *u = &w->upstream[index];
    ub_engine_free(u->engine);
    *u = (struct ub_sim_upstream){
        .key = ub_mix64(FIRST_KEY - 1 - index),
        .models = 1,
        .first = {.kind = UB_LATENCY_FIXED, .mean_ns = first_ns},
        .token_ns = UB_WORLD_ANSWER_NS / 50,
        .refuse_ns = 10 * UB_MS,
        .when_full = UB_FAULT_BUSY_503,
        .first_waiting = UB_SIM_NOBODY,
        .last_waiting = UB_SIM_NOBODY,
    };
    snprintf(u->name, sizeof u->name, "%s", name);
    return u;
}

struct ub_sim_upstream *ub_world_upstream_named(struct ub_world *w, const char *name)
{
    uint32_t index = find(w, name);
    if (index == UB_SIM_NOBODY) {
        ub_world_fail(w, "a story names an upstream that is not there");
        return &w->upstream[0];
    }
    return &w->upstream[index];
}

void ub_world_hang(struct ub_world *w, const char *name, ub_ns first_ns)
{
    struct ub_sim_upstream *u = ub_world_upstream_named(w, name);
    u->fault = UB_FAULT_LATE;
    u->fault_left = 1;
    u->pause_ns = first_ns - u->first.mean_ns;
}

void ub_world_kill(struct ub_world *w, const char *name)
{
    struct ub_sim_upstream *u = ub_world_upstream_named(w, name);
    u->down = true;
    ub_world_attempts_reset(w, (uint32_t)(u - w->upstream));
}

void ub_world_restart(struct ub_world *w, const char *name)
{
    ub_world_upstream_named(w, name)->down = false;
}

uint16_t ub_world_slot(const struct ub_world *w, const char *name)
{
    uint32_t index = find(w, name);
    return index == UB_SIM_NOBODY ? UB_NO_UPSTREAM
                                  : ub_brain_upstream(w->brain, w->upstream[index].key);
}

struct ub_target_facts ub_world_facts(const struct ub_world *w, const char *name)
{
    struct ub_target_facts facts = {0};
    uint16_t slot = ub_world_slot(w, name);
    uint16_t model = ub_brain_model(w->brain, ub_world_model_key(0));
    if (slot != UB_NO_UPSTREAM && model != UB_NO_MODEL) {
        ub_brain_target(w->brain, slot, model, w->now, &facts);
    }
    return facts;
}

struct ub_allowance ub_world_allowance(const struct ub_world *w, uint32_t tenant, uint32_t model)
{
    struct ub_allowance out;
    uint16_t slot =
        tenant == 0 ? UB_NO_TENANT : ub_brain_tenant(w->brain, ub_world_tenant_key(tenant));
    ub_brain_allowance(w->brain, slot, ub_brain_model(w->brain, ub_world_model_key(model)), w->now,
                       &out);
    return out;
}

void ub_world_step(struct ub_world *w, uint32_t model, enum ub_step_kind kind, uint32_t value)
{
    if (w->steps[model] < UB_STEPS_MAX) {
        w->step[model][w->steps[model]++] = (struct ub_step){.kind = (uint8_t)kind, .value = value};
    }
}

void ub_world_no_steps(struct ub_world *w, uint32_t model)
{
    w->steps[model] = 0;
}

uint32_t ub_world_level(const struct ub_world *w, uint32_t model)
{
    struct ub_model_facts facts = {0};
    ub_brain_model_facts(w->brain, ub_brain_model(w->brain, ub_world_model_key(model)), w->now,
                         &facts);
    return facts.level;
}

/* Steps to models that are not in the routes are left out. */
static void fill_steps(const struct ub_world *w, const uint16_t *place, uint32_t model,
                       struct ub_model_spec *spec)
{
    for (uint32_t i = 0; i < w->steps[model]; i++) {
        struct ub_step step = w->step[model][i];
        if (step.kind == UB_STEP_MODEL && place[step.value] == UB_NO_MODEL) {
            continue;
        }
        step.value = step.kind == UB_STEP_MODEL ? place[step.value] : step.value;
        spec->step[spec->steps++] = step;
    }
}

static void fill_tiers(const struct ub_world *w, const uint16_t *index, uint32_t model,
                       struct ub_model_spec *spec)
{
    for (uint32_t tier = 0; tier < UB_TIERS_MAX; tier++) {
        struct ub_tier_spec *to = &spec->tier[spec->tiers];
        for (uint32_t i = 0; i < w->upstream_count; i++) {
            const struct ub_sim_upstream *u = &w->upstream[i];
            if (!u->removed && u->tier == tier && (u->models >> model & 1) != 0 &&
                to->count < UB_TIER_MAX) {
                to->member[to->count++] = index[i];
            }
        }
        spec->tiers += to->count > 0;
    }
}

static bool is_limited(const struct ub_quota *quota)
{
    return quota->requests.amount != 0 || quota->tokens.amount != 0;
}

/* `place`: of each of the world's models in the routes, UB_NO_MODEL when it is not there. */
static void fill_shares(const struct ub_world *w, const uint16_t *place, struct ub_share_spec *to,
                        struct ub_routes *routes)
{
    for (uint16_t t = 0; t < w->tenant_count; t++) {
        for (uint32_t m = 0; m < w->model_count; m++) {
            if (place[m] != UB_NO_MODEL && is_limited(&w->share[t][m])) {
                to[routes->share_count++] = (struct ub_share_spec){t, place[m], w->share[t][m]};
            }
        }
    }
}

static const char *tell(struct ub_world *w, struct ub_upstream_spec *upstreams,
                        struct ub_model_spec *models, uint16_t *index)
{
    struct ub_share_spec shares[UB_WORLD_TENANTS * UB_WORLD_MODELS];
    uint16_t place[UB_WORLD_MODELS];
    struct ub_routes routes = {.queue_size = w->queue_size,
                               .queue_bytes = w->queue_bytes,
                               .upstreams = upstreams,
                               .models = models,
                               .tenant_count = w->tenant_count,
                               .tenants = w->tenant,
                               .shares = shares};
    for (uint32_t i = 0; i < w->upstream_count; i++) {
        if (!w->upstream[i].removed) {
            index[i] = (uint16_t)routes.upstream_count;
            upstreams[routes.upstream_count++] =
                (struct ub_upstream_spec){w->upstream[i].key, w->upstream[i].concurrency,
                                          w->upstream[i].learns, w->upstream[i].shared};
        }
    }
    for (uint32_t m = 0; m < UB_WORLD_MODELS; m++) {
        place[m] = UB_NO_MODEL;
    }
    for (uint32_t m = 0; m < w->model_count; m++) {
        struct ub_model_spec *spec = &models[routes.model_count];
        *spec = (struct ub_model_spec){
            .key = ub_world_model_key(m), .policy = w->policy[m], .quota = w->quota[m]};
        fill_tiers(w, index, m, spec);
        place[m] = spec->tiers > 0 ? (uint16_t)routes.model_count : UB_NO_MODEL;
        routes.model_count += spec->tiers > 0;
    }
    for (uint32_t m = 0; m < w->model_count; m++) {
        if (place[m] != UB_NO_MODEL) {
            fill_steps(w, place, m, &models[place[m]]);
        }
    }
    fill_shares(w, place, shares, &routes);
    const char *refusal = ub_brain_refuses(w->brain, &routes);
    if (refusal != NULL) {
        if (!w->options.quiet) {
            ub_words_at(&w->trace, &w->names, w->now);
            ub_buf_printf(&w->trace, "routes refused: %s\n", refusal);
        }
        return refusal;
    }
    struct ub_event event = {.type = UB_EV_ROUTES, .routes = &routes};
    ub_world_say(w, &event);
    return NULL;
}

void ub_world_part(struct ub_world *w, const char *name, uint32_t concurrency)
{
    struct ub_event event = {.type = UB_EV_PART};
    event.part.upstream = ub_brain_upstream(w->brain, ub_world_upstream_named(w, name)->key);
    event.part.concurrency = concurrency;
    ub_world_say(w, &event);
}

void ub_world_tenant_part(struct ub_world *w, uint32_t tenant, uint32_t part)
{
    struct ub_event event = {.type = UB_EV_TENANT_PART};
    event.tenant_part.tenant = ub_brain_tenant(w->brain, ub_world_tenant(w, tenant)->key);
    event.tenant_part.part = part;
    ub_world_say(w, &event);
}

const char *ub_world_reload(struct ub_world *w)
{
    uint32_t n = w->upstream_count + 1;
    struct ub_upstream_spec *upstreams = ub_calloc(n, sizeof *upstreams);
    struct ub_model_spec *models = ub_calloc(UB_WORLD_MODELS, sizeof *models);
    uint16_t *index = ub_calloc(n, sizeof *index);
    const char *refusal = "no memory for routes";
    if (upstreams == NULL || models == NULL || index == NULL) {
        ub_world_fail(w, refusal);
    } else {
        refusal = tell(w, upstreams, models, index);
    }
    ub_free(upstreams);
    ub_free(models);
    ub_free(index);
    return refusal;
}

#include "draw.h"

#include <stdio.h>

static uint32_t below(struct ub_storm *s, uint32_t n)
{
    return ub_random_below(&s->random, n);
}

static bool chance(struct ub_storm *s, double share)
{
    return ub_random_unit(&s->random) < share;
}

/* Log-uniform: short and long times are equally likely. */
static ub_ns span(struct ub_storm *s, ub_ns low, ub_ns high)
{
    ub_ns at = low;
    while (at < high && chance(s, 0.7)) {
        at *= 2;
    }
    return ub_ns_clamp(at + (ub_ns)(ub_random_unit(&s->random) * (double)at), low, high);
}

static enum ub_storm_kind kind_of(uint64_t seed)
{
    return (enum ub_storm_kind)(ub_mix64(seed) % UB_STORM_KINDS);
}

/* Of the lines, some are long and slow, so that somebody could starve in them. */
static bool is_rush(const struct ub_storm *s)
{
    return s->kind == UB_STORM_LINES && ub_mix64(s->seed + 17) % 2 == 0;
}

/* Of the deep ones, some have 16 tiers of 64 upstreams: as many as a model can have. */
static bool is_tower(uint64_t seed)
{
    return kind_of(seed) == UB_STORM_DEEP && ub_mix64(seed + 11) % 16 == 0;
}

struct ub_brain_limits ub_storm_limits(uint64_t seed)
{
    enum ub_storm_kind kind = kind_of(seed);
    struct ub_brain_limits l = {.requests = 200,
                                .upstreams = 12,
                                .targets = 40 + 40 * (uint32_t)(seed % 2),
                                .models = 4,
                                .routes = 24,
                                .workers = 1 + (uint32_t)(ub_mix64(seed + 7) % 4),
                                .prefixes = 64,
                                .tenants = 2 + (uint32_t)(ub_mix64(seed + 13) % 5),
                                .shares = 8};
    if (kind == UB_STORM_TINY_HOUSE) {
        l.requests = 1 + (uint32_t)(ub_mix64(seed + 9) % 8);
    } else if (kind == UB_STORM_CROWD) {
        l.requests = 400;
    } else if (kind == UB_STORM_WIDE) {
        l.upstreams = 2 * UB_TIER_MAX;
        l.targets = 4 * UB_TIER_MAX;
    } else if (kind == UB_STORM_DEEP) {
        l.upstreams = is_tower(seed) ? UB_TIERS_MAX * UB_TIER_MAX : 20;
        l.targets = 3 * l.upstreams + 8;
    }
    return l;
}

struct ub_sim_upstream *ub_storm_upstream(struct ub_storm *s, uint32_t index)
{
    char name[24];
    snprintf(name, sizeof name, "u%u", index);
    return ub_world_upstream_named(s->world, name);
}

void ub_storm_sicken(struct ub_storm *s, struct ub_sim_upstream *u)
{
    u->fault = (enum ub_fault)below(s, UB_FAULT_COUNT);
    u->fault_share = chance(s, 0.3) ? 0 : ub_random_unit(&s->random);
    u->fault_left = chance(s, 0.3) ? 1 + below(s, 4) : 0;
    u->pause_ns = chance(s, 0.3) ? span(s, UB_MS, 20 * UB_SECOND) : 0;
    u->retry_after_ns = chance(s, 0.4) ? span(s, UB_MS, 5 * UB_SECOND) : 0;
    u->bad_for_ns = chance(s, 0.4) ? span(s, 100 * UB_MS, 5 * UB_SECOND) : 0;
    u->bad_every_ns = 2 * u->bad_for_ns;
}

static void draw_upstream(struct ub_storm *s, uint32_t index)
{
    char name[24];
    snprintf(name, sizeof name, "u%u", index);
    bool still = s->kind == UB_STORM_STILL;
    struct ub_sim_upstream *u =
        ub_world_upstream(s->world, name, still ? 0 : span(s, UB_MS, 8 * UB_SECOND));
    u->first.kind = (enum ub_latency_kind)below(s, 3);
    u->first.sigma = 0.5;
    u->prefill_ns = chance(s, 0.3) && !still ? span(s, UB_US, UB_MS) : 0;
    u->token_ns = still ? 0 : span(s, UB_US, 100 * UB_MS);
    u->connect_ns = still || chance(s, 0.5) ? 0 : span(s, UB_US, 100 * UB_MS);
    u->refuse_ns = still || chance(s, 0.3) ? 0 : span(s, UB_US, 100 * UB_MS);
    u->slots = chance(s, 0.4) ? 1 + below(s, 6) : 0;
    u->queue_max = below(s, 6);
    if (chance(s, 0.3)) {
        const enum ub_error refusals[] = {UB_ERR_BAD_REQUEST, UB_ERR_DIVERGED, UB_ERR_SEALED};
        u->when_resumed = refusals[below(s, UB_COUNT(refusals))];
    }
    u->keep_alive_ns = chance(s, 0.5) ? span(s, UB_MS, UB_SECOND) : 0;
    u->when_full = chance(s, 0.5) ? UB_FAULT_BUSY_503 : UB_FAULT_THROTTLED;
    u->context_tokens = chance(s, 0.1) ? 1000 : 0;
    if (s->kind == UB_STORM_LINES) {
        u->slots = u->context_tokens = 0;
        u->first.mean_ns = is_rush(s) ? UB_SECOND : ub_ns_min(u->first.mean_ns, 2 * UB_SECOND);
    } else if (chance(s, 0.6)) {
        ub_storm_sicken(s, u);
    }
}

static void place_upstream(struct ub_storm *s, uint32_t index)
{
    struct ub_sim_upstream *u = ub_storm_upstream(s, index);
    u->models = 1 + below(s, 1u << s->models) % ((1u << s->models) - 1);
    u->tier = below(s, 3);
    u->concurrency = chance(s, 0.4) ? 1 + below(s, 5) : 0;
    u->learns = chance(s, 0.5);
    u->shared = chance(s, 0.2);
    if (s->kind == UB_STORM_WIDE) {
        u->models = 1;
        u->tier = index / UB_TIER_MAX;
    } else if (s->kind == UB_STORM_DEEP) {
        u->tier = index % UB_TIERS_MAX;
    } else if (s->kind == UB_STORM_NO_QUEUE) {
        u->concurrency = 1 + below(s, 3);
    } else if (s->kind == UB_STORM_LINES) {
        u->models = 1;
        u->tier = 0;
        u->concurrency = 1 + below(s, 5);
    }
}

static void draw_policy(struct ub_storm *s, struct ub_model_policy *p)
{
    p->balance = (enum ub_balance)below(s, 4);
    p->affinity = below(s, 16);
    p->slow_over_ns = chance(s, 0.3) ? UB_SECOND : 0;
    p->patience_ns = chance(s, 0.3) ? 0 : span(s, UB_MS, 4 * UB_SECOND);
    p->first_token_min_ns = span(s, 10 * UB_MS, 5 * UB_SECOND);
    p->first_token_max_ns = p->first_token_min_ns + span(s, UB_MS, 20 * UB_SECOND);
    p->total_ns = span(s, 100 * UB_MS, 60 * UB_SECOND);
    p->stall_ns = span(s, 100 * UB_MS, 30 * UB_SECOND);
    p->slot_wait_ns = chance(s, 0.2) ? 0 : span(s, UB_MS, 10 * UB_SECOND);
    p->heartbeat_after_ns = chance(s, 0.2) ? 0 : span(s, 50 * UB_MS, 10 * UB_SECOND);
    p->heartbeat_every_ns = span(s, 50 * UB_MS, 10 * UB_SECOND);
    p->hedge_budget = chance(s, 0.2) ? 0 : ub_random_unit(&s->random);
    p->retry.attempts = 1 + below(s, 8);
    p->retry.base_ns = span(s, UB_MS, UB_SECOND);
    p->retry.cap_ns = p->retry.base_ns + span(s, UB_MS, 20 * UB_SECOND);
    p->retry.ride_out_ns = chance(s, 0.5) ? 0 : span(s, UB_MS, 20 * UB_SECOND);
    p->retry.budget = chance(s, 0.2) ? 0 : ub_random_unit(&s->random);
    p->retry.budget_per_s = chance(s, 0.2) ? 0 : 20 * ub_random_unit(&s->random);
}

/* Any order, circles included: the brain does not mind what a configuration may not have. */
static void draw_ladder(struct ub_storm *s, uint32_t model)
{
    bool stale = chance(s, 0.5), message = chance(s, 0.5);
    ub_world_no_steps(s->world, model);
    for (uint32_t i = below(s, 2 * UB_STEPS_MAX); i < UB_STEPS_MAX; i++) {
        uint32_t value = 0;
        enum ub_step_kind kind = (enum ub_step_kind)below(s, UB_STEP_KINDS);
        if (kind == UB_STEP_MODEL) {
            value = (model + 1 + below(s, s->models)) % s->models;
        } else if (kind == UB_STEP_MAX_TOKENS) {
            value = 1 + below(s, 300);
        }
        bool again = (kind == UB_STEP_STALE && !stale) || (kind == UB_STEP_MESSAGE && !message) ||
                     (kind == UB_STEP_MODEL && value == model);
        stale &= kind != UB_STEP_STALE;
        message &= kind != UB_STEP_MESSAGE;
        if (!again) {
            ub_world_step(s->world, model, kind, value);
        }
    }
}

static ub_ns extreme(struct ub_storm *s, ub_ns least)
{
    const ub_ns values[] = {least, UB_MS, 20 * UB_MS, UB_SECOND, UB_HOUR};
    return values[below(s, UB_COUNT(values))];
}

static void draw_extreme(struct ub_storm *s, struct ub_model_policy *p)
{
    p->patience_ns = extreme(s, 0);
    p->first_token_min_ns = extreme(s, UB_MS);
    p->first_token_max_ns = ub_ns_max(p->first_token_min_ns, extreme(s, UB_MS));
    p->total_ns = ub_ns_min(extreme(s, UB_MS), UB_MINUTE);
    p->stall_ns = ub_ns_max(20 * UB_MS, extreme(s, UB_MS)); /* marks come each quarter of it */
    p->slot_wait_ns = extreme(s, 0);
    p->heartbeat_after_ns = extreme(s, 0);
    p->heartbeat_every_ns = extreme(s, UB_MS);
    p->retry.attempts = 1 + below(s, 16);
    p->retry.base_ns = extreme(s, 0);
    p->retry.cap_ns = extreme(s, 0);
    p->retry.budget = chance(s, 0.5) ? 0 : 100;
    p->retry.budget_per_s = chance(s, 0.5) ? 0 : 1e6;
}

/* Nobody is ever called late, so nobody is ejected. */
static void patient(const struct ub_storm *s, struct ub_model_policy *p)
{
    p->first_token_min_ns = p->first_token_max_ns = UB_HOUR;
    p->total_ns = UB_HOUR;
    p->stall_ns = UB_HOUR;
    p->slot_wait_ns = is_rush(s) ? UB_HOUR : p->slot_wait_ns;
    p->retry.budget = 1;
}

static struct ub_rate draw_rate(struct ub_storm *s, uint32_t most)
{
    if (chance(s, 0.5)) {
        return (struct ub_rate){0};
    }
    return (struct ub_rate){1 + below(s, most), span(s, 100 * UB_MS, UB_MINUTE),
                            1 + below(s, most)};
}

static struct ub_quota draw_quota(struct ub_storm *s)
{
    return (struct ub_quota){draw_rate(s, 100), draw_rate(s, 200000)};
}

/* A share for each pair would be more than fit. */
static void draw_tenants(struct ub_storm *s)
{
    bool limits = s->kind == UB_STORM_LIMITS;
    for (uint32_t t = 1; t <= s->tenants; t++) {
        struct ub_tenant_spec *tenant = ub_world_tenant(s->world, t);
        tenant->class = (uint8_t)below(s, UB_TRAFFIC_CLASSES);
        tenant->shared = chance(s, 0.3);
        tenant->concurrency = limits && chance(s, 0.5) ? 1 + below(s, 20) : 0;
        tenant->quota = limits ? draw_quota(s) : (struct ub_quota){0};
        *ub_world_share(s->world, t, below(s, s->models)) =
            limits && chance(s, 0.5) ? draw_quota(s) : (struct ub_quota){0};
    }
    for (uint32_t m = 0; m < s->models; m++) {
        *ub_world_quota(s->world, m) =
            limits && chance(s, 0.3) ? draw_quota(s) : (struct ub_quota){0};
    }
}

void ub_storm_reshape(struct ub_storm *s)
{
    for (uint32_t i = 0; i < s->upstreams; i++) {
        place_upstream(s, i);
        ub_storm_upstream(s, i)->removed = i > 0 && chance(s, 0.3);
    }
    for (uint32_t m = 0; m < s->models; m++) {
        if (chance(s, 0.5)) {
            draw_policy(s, ub_world_policy(s->world, m));
            draw_ladder(s, m);
        }
        if (s->kind == UB_STORM_EXTREME) {
            draw_extreme(s, ub_world_policy(s->world, m));
        } else if (s->kind == UB_STORM_LINES) {
            patient(s, ub_world_policy(s->world, m));
        }
    }
    draw_tenants(s);
    ub_world_queue_bytes(s->world, chance(s, 0.3) ? 1 + below(s, 100000) : 0);
    ub_world_queue_size(s->world,
                        s->kind == UB_STORM_NO_QUEUE || chance(s, 0.1) ? 0 : below(s, 100));
}

static void draw_ask(struct ub_storm *s, uint32_t index)
{
    struct ub_ask ask = {
        .at = (ub_ns)(ub_random_unit(&s->random) * (double)s->span_ns),
        .model = chance(s, 0.02) ? UB_WORLD_MODELS - 1 : below(s, s->models),
        .tenant = below(s, s->tenants + 2),
        .class = (uint8_t)below(s, UB_TRAFFIC_CLASSES + 1),
        .retry = chance(s, 0.2) ? (uint8_t)below(s, 3) : 0,
        .bytes = below(s, 10000),
        .prompt_tokens = 1 + below(s, 3000),
        .max_tokens = chance(s, 0.5) ? below(s, 500) : 0,
        .answer_tokens = 1 + below(s, 200),
        .whole = chance(s, 0.3),
        .no_heartbeat = chance(s, 0.2),
        .no_retry = chance(s, 0.05),
        .resume = chance(s, 0.7),
        .sealed = chance(s, 0.1),
        .no_message = chance(s, 0.3),
        .stale = chance(s, 0.3),
        .look_ns = chance(s, 0.5)   ? 0
                   : chance(s, 0.1) ? UB_NEVER
                                    : span(s, UB_US, UB_SECOND),
        .client_deadline = chance(s, 0.1) ? 1 + span(s, UB_MS, s->span_ns) : 0,
        .leaves_after_ns = chance(s, 0.1) ? span(s, UB_US, 10 * UB_SECOND) : 0,
        .leaves_slow = chance(s, 0.2),
        .cookie_key = chance(s, 0.3) ? ub_storm_upstream(s, below(s, s->upstreams))->key : 0,
        .header_hash = chance(s, 0.3) ? 1 + below(s, 5) : 0,
        .client_hash = chance(s, 0.3) ? 1 + below(s, 20) : 0,
        .prefix_count = chance(s, 0.3) ? below(s, UB_PREFIX_MARKS + 1) : 0,
        .prefix = s->prefix,
        .prefix_tokens = s->prefix_tokens,
    };
    if (s->kind == UB_STORM_CROWD || s->kind == UB_STORM_STILL || is_rush(s)) {
        ask.at = (ub_ns)(index % 3) * s->span_ns;
    }
    ub_world_ask(s->world, ask);
}

static void draw_acts(struct ub_storm *s)
{
    bool reloads = s->kind == UB_STORM_RELOADS;
    bool liars = s->kind == UB_STORM_LIARS;
    s->acts = reloads || liars ? UB_STORM_ACTS : below(s, 9);
    s->acts = s->kind == UB_STORM_LINES ? 0 : s->acts;
    ub_ns at = 0;
    for (uint32_t i = 0; i < s->acts; i++) {
        at += (ub_ns)(ub_random_unit(&s->random) * (double)(2 * s->span_ns / s->acts));
        enum ub_storm_act_type type = (enum ub_storm_act_type)below(s, UB_STORM_DRAINS);
        type = liars && chance(s, 0.9) ? UB_STORM_MISCHIEF : type;
        if (reloads && chance(s, 0.6)) {
            type = chance(s, 0.2) ? UB_STORM_EMPTY : UB_STORM_RELOAD;
        } else if (s->kind == UB_STORM_DRAIN && i + 1 == s->acts) {
            type = UB_STORM_DRAINS;
        }
        s->act[i] = (struct ub_storm_act){at, type, below(s, s->upstreams)};
    }
}

static uint32_t count_upstreams(struct ub_storm *s)
{
    switch (s->kind) {
    case UB_STORM_WIDE:
        return 2 * UB_TIER_MAX;
    case UB_STORM_DEEP:
        return is_tower(s->seed) ? UB_TIERS_MAX * UB_TIER_MAX : UB_TIERS_MAX + below(s, 4);
    default:
        return 1 + below(s, 8);
    }
}

bool ub_storm_draw(struct ub_storm *s, uint64_t seed, bool trace, struct ub_flight *flight)
{
    *s = (struct ub_storm){.seed = seed, .kind = kind_of(seed), .random = {seed}, .flight = flight};
    struct ub_brain_limits limits = ub_storm_limits(seed);
    s->world = ub_world_new((struct ub_world_options){
        .seed = seed,
        .origin = 1 + (ub_ns)below(s, 1000000000),
        .workers = (uint16_t)limits.workers,
        .hold = (uint16_t)(s->kind == UB_STORM_CROWD || chance(s, 0.3) ? 1 + below(s, 32) : 0),
        .wake_late_ns = chance(s, 0.3) ? span(s, UB_US, 20 * UB_MS) : 0,
        .late_words_ns = chance(s, 0.5) ? span(s, UB_US, 10 * UB_SECOND) : 0,
        .limits = limits,
        .quiet = !trace,
        .no_idle_slots = s->kind == UB_STORM_LINES,
        .check_brain = seed % 8 == 0,
        .flight = flight,
    });
    if (s->world == NULL) {
        return false;
    }
    s->upstreams = count_upstreams(s);
    s->models = s->kind == UB_STORM_WIDE || s->kind == UB_STORM_LINES ? 1 : 1 + below(s, 3);
    s->span_ns = s->kind == UB_STORM_STILL ? 0 : span(s, 10 * UB_MS, 60 * UB_SECOND);
    s->tenants = below(s, limits.tenants + 1);
    ub_world_models(s->world, s->models);
    for (uint32_t i = 0; i < UB_PREFIX_MARKS; i++) {
        s->prefix[i] = ub_mix64(seed % 3 + i);
        s->prefix_tokens[i] = 64 * (i + 1);
    }
    for (uint32_t i = 0; i < s->upstreams; i++) {
        draw_upstream(s, i);
    }
    for (uint32_t m = 0; m < s->models; m++) {
        draw_policy(s, ub_world_policy(s->world, m));
    }
    ub_storm_reshape(s);
    uint32_t requests =
        s->kind == UB_STORM_CROWD ? 300 : 10 + below(s, s->kind == UB_STORM_WIDE ? 600 : 250);
    for (uint32_t i = 0; i < requests; i++) {
        draw_ask(s, i);
    }
    draw_acts(s);
    return true;
}

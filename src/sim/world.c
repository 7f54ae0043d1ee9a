#include "sim/world_inside.h"

#include "base/alloc.h"
#include "observe/flight.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define HOLD_MAX 32 /* actions for one hold of the lock */
#define IDLE_WAKES_MAX \
    100u /* WOKEN in a row at one instant without an action: it will never end \
          */

void ub_world_fail(struct ub_world *w, const char *words)
{
    if (w->broken == NULL) {
        snprintf(w->broken_words, sizeof w->broken_words, "at %lld ms: %s",
                 (long long)((w->now - w->options.origin) / UB_MS), words);
        w->broken = w->broken_words;
    }
}

/* The seed whose first SplitMix draw is `draw`: the finaliser backwards. */
static uint64_t seed_for(double draw)
{
    uint64_t z = (uint64_t)(draw * 0x1p53) << 11;
    z ^= z >> 31 ^ z >> 62;
    z *= 0x319642b2d24d8ec3u;
    z ^= z >> 27 ^ z >> 54;
    z *= 0x96de1b173f119089u;
    z ^= z >> 30 ^ z >> 60;
    return z - 0x9e3779b97f4a7c15u;
}

static void name_request(void *user, struct ub_buf *out, struct ub_request_id id)
{
    const struct ub_world *w = user;
    uint32_t index = w->by_request_slot[id.slot];
    /* A late word may be about the slot's former request; those are few, look for it. */
    while (index > 0 && (w->request[index].id.slot != id.slot ||
                         w->request[index].id.generation != id.generation)) {
        index--;
    }
    ub_buf_printf(out, "r%u", index + 1);
}

static void name_upstream(void *user, struct ub_buf *out, uint16_t slot)
{
    const struct ub_world *w = user;
    ub_buf_add_text(out, w->upstream[w->by_slot[slot]].name);
}

static void set_defaults(struct ub_world_options *o)
{
    const struct ub_brain_limits small = {.requests = 256,
                                          .upstreams = 16,
                                          .targets = 64,
                                          .models = 8,
                                          .routes = 32,
                                          .workers = 1,
                                          .prefixes = 1024,
                                          .tenants = UB_WORLD_TENANTS,
                                          .shares = UB_WORLD_TENANTS * UB_WORLD_MODELS};
    struct ub_brain_limits *l = &o->limits;
    l->requests = l->requests == 0 ? small.requests : l->requests;
    l->upstreams = l->upstreams == 0 ? small.upstreams : l->upstreams;
    l->targets = l->targets == 0 ? small.targets : l->targets;
    l->models = l->models == 0 ? small.models : l->models;
    l->routes = l->routes == 0 ? small.routes : l->routes;
    l->prefixes = l->prefixes == 0 ? small.prefixes : l->prefixes;
    o->workers = o->workers == 0 ? 1 : o->workers;
    l->workers = o->workers;
    l->tenants = l->tenants == 0 ? small.tenants : l->tenants;
    l->shares = l->shares == 0 ? small.shares : l->shares;
    o->origin = o->origin == 0 ? UB_HOUR : o->origin;
    o->hold = o->hold == 0 ? HOLD_MAX : o->hold;
}

static bool allocate(struct ub_world *w)
{
    const struct ub_brain_limits *l = &w->options.limits;
    size_t size = (ub_brain_size(l) + 63) / 64 * 64;
    w->block = aligned_alloc(64, size);
    if (w->block == NULL) {
        return false;
    }
    memset(w->block, 0, size);
    w->brain = ub_brain_init(w->block, l);
    w->checker = ub_checker_new(l, w->options.wake_late_ns + UB_MS);
    w->upstream = ub_calloc(l->upstreams, sizeof *w->upstream);
    w->by_slot = ub_calloc(l->upstreams, sizeof *w->by_slot);
    w->by_request_slot = ub_calloc(l->requests + 1, sizeof *w->by_request_slot);
    return w->brain != NULL && w->checker != NULL && w->upstream != NULL && w->by_slot != NULL &&
           w->by_request_slot != NULL;
}

struct ub_world *ub_world_new(struct ub_world_options options)
{
    struct ub_world *w = ub_calloc(1, sizeof *w);
    if (w == NULL) {
        return NULL;
    }
    set_defaults(&options);
    w->options = options;
    w->now = options.origin;
    w->events_random.state = options.seed;
    w->models_random.state = ub_mix64(options.seed + 1);
    w->pinned_seed = options.draw > 0 ? seed_for(options.draw) : 0;
    w->attempt_free = UB_SIM_NOBODY;
    w->model_count = 1;
    w->queue_size = 1000;
    w->names = (struct ub_names){name_request, name_upstream, w, options.origin};
    for (uint32_t i = 0; i < UB_WORLD_MODELS; i++) {
        w->policy[i] = ub_model_policy_default();
    }
    if (!allocate(w)) {
        ub_world_free(w);
        return NULL;
    }
    if (options.no_idle_slots) {
        ub_checker_no_idle_slots(w->checker);
    }
    if (options.flight != NULL) {
        ub_flight_begin(options.flight, w->brain);
    }
    return w;
}

void ub_world_free(struct ub_world *w)
{
    if (w == NULL) {
        return;
    }
    for (uint32_t i = 0; w->upstream != NULL && i < w->upstream_count; i++) {
        ub_engine_free(w->upstream[i].engine);
    }
    ub_checker_free(w->checker);
    ub_agenda_free(&w->agenda);
    ub_buf_free(&w->trace);
    ub_free(w->upstream);
    ub_free(w->by_slot);
    ub_free(w->by_request_slot);
    ub_free(w->request);
    ub_free(w->attempt);
    free(w->block);
    ub_free(w);
}

struct ub_model_policy *ub_world_policy(struct ub_world *w, uint32_t model)
{
    assert(model < UB_WORLD_MODELS);
    return &w->policy[model];
}

void ub_world_models(struct ub_world *w, uint32_t count)
{
    assert(count <= UB_WORLD_MODELS);
    w->model_count = count;
}

struct ub_tenant_spec *ub_world_tenant(struct ub_world *w, uint32_t tenant)
{
    assert(tenant >= 1 && tenant <= UB_WORLD_TENANTS);
    for (; w->tenant_count < tenant; w->tenant_count++) {
        w->tenant[w->tenant_count] = (struct ub_tenant_spec){
            .key = ub_world_tenant_key(w->tenant_count + 1), .class = UB_TRAFFIC_STANDARD};
    }
    return &w->tenant[tenant - 1];
}

struct ub_quota *ub_world_share(struct ub_world *w, uint32_t tenant, uint32_t model)
{
    assert(tenant >= 1 && tenant <= UB_WORLD_TENANTS && model < UB_WORLD_MODELS);
    return &w->share[tenant - 1][model];
}

struct ub_quota *ub_world_quota(struct ub_world *w, uint32_t model)
{
    assert(model < UB_WORLD_MODELS);
    return &w->quota[model];
}

void ub_world_queue_size(struct ub_world *w, uint32_t size)
{
    w->queue_size = size;
}

void ub_world_queue_bytes(struct ub_world *w, uint64_t bytes)
{
    w->queue_bytes = bytes;
}

static void carry_out(struct ub_world *w, const struct ub_action *action)
{
    if (action->type == UB_ACT_PROBE) {
        const struct ub_sim_upstream *u = &w->upstream[w->by_slot[action->upstream]];
        struct ub_entry entry = {
            .at = w->now + u->connect_ns + UB_MS, .what = UB_HAP_PROBED, .who = action->upstream};
        if (!ub_agenda_add(&w->agenda, entry)) {
            ub_world_fail(w, "no memory for the agenda");
        }
        return;
    }
    struct ub_sim_request *r = &w->request[w->by_request_slot[action->request.slot]];
    switch (action->type) {
    case UB_ACT_START:
        r->result.attempts++;
        r->result.degraded = action->degraded;
        r->result.upstream = &w->upstream[w->by_slot[action->upstream]];
        ub_world_attempt_start(w, action);
        break;
    case UB_ACT_FORWARD:
        r->result.forwarded = w->now - w->options.origin;
        ub_world_attempt_forward(w, action);
        break;
    case UB_ACT_HEARTBEAT:
        r->result.heartbeats++;
        break;
    case UB_ACT_CANCEL:
        ub_world_attempt_cancel(w, action);
        break;
    case UB_ACT_FINISH:
        if (r->result.forwarded == 0) { /* a whole answer, which goes out with its end */
            r->result.forwarded = w->now - w->options.origin;
        }
        ub_world_request_over(w, r, UB_SIM_FINISHED, action);
        break;
    case UB_ACT_ANSWER:
        ub_world_request_over(w, r, UB_SIM_ANSWERED, action);
        break;
    case UB_ACT_LOOK:
        ub_world_look(w, action);
        break;
    case UB_ACT_STAND_IN:
        r->result.degraded = action->degraded;
        ub_world_request_over(w, r, UB_SIM_STOOD_IN, action);
        break;
    case UB_ACT_CUT:
        ub_world_request_over(w, r, UB_SIM_CUT, action);
        break;
    case UB_ACT_DROP:
        ub_world_request_over(w, r, UB_SIM_DROPPED, action);
        break;
    default:
        break;
    }
}

/* One hold of the lock's worth of actions; they are carried out after the unlock. */
static uint32_t drain(struct ub_world *w, struct ub_request_id about, size_t line_start)
{
    struct ub_action list[HOLD_MAX];
    uint32_t count = 0;
    while (count < w->options.hold && ub_brain_next(w->brain, &list[count])) {
        if (w->options.flight != NULL) {
            ub_flight_action(w->options.flight, &list[count]);
        }
        count++;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!w->options.quiet) {
            ub_buf_add_text(&w->trace, w->trace.len == line_start ? "" : i == 0 ? ": " : ", ");
            ub_words_action(&w->trace, &w->names, &list[i], about);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        ub_checker_action(w->checker, &list[i], w->now);
        if (ub_checker_broken(w->checker) != NULL) {
            ub_world_fail(w, ub_checker_broken(w->checker));
            return count;
        }
        carry_out(w, &list[i]);
    }
    if (count < w->options.hold) {
        ub_checker_drained(w->checker, w->brain);
        if (ub_checker_broken(w->checker) != NULL) {
            ub_world_fail(w, ub_checker_broken(w->checker));
        }
    }
    return count;
}

static void take_slots(struct ub_world *w)
{
    for (uint32_t i = 0; i < w->upstream_count; i++) {
        uint16_t slot = ub_brain_upstream(w->brain, w->upstream[i].key);
        if (!w->upstream[i].removed && slot < w->options.limits.upstreams) {
            w->by_slot[slot] = (uint16_t)i;
        }
    }
}

static void check_step(struct ub_world *w)
{
    if (w->options.check_brain && ub_brain_check(w->brain) != NULL) {
        ub_world_fail(w, ub_brain_check(w->brain));
    }
}

void ub_world_say(struct ub_world *w, struct ub_event *event)
{
    if (w->broken != NULL) {
        return; /* what follows would only be its consequences */
    }
    event->now = w->now;
    event->seed = w->pinned_seed != 0 ? w->pinned_seed : ub_random_u64(&w->events_random);
    size_t line_start = w->trace.len;
    if (!w->options.quiet) {
        ub_words_at(&w->trace, &w->names, w->now);
        ub_words_event(&w->trace, &w->names, event);
    }
    if (w->options.flight != NULL) {
        ub_flight_event(w->options.flight, event);
    }
    bool routes = event->type == UB_EV_ROUTES;
    if (!routes) {
        ub_checker_event(w->checker, w->brain, event);
    }
    ub_brain_step(w->brain, event);
    if (routes) {
        take_slots(w);
        ub_checker_event(w->checker, w->brain, event);
    }
    check_step(w);
    uint32_t count = drain(w, event->request, line_start);
    check_step(w);
    bool idle = event->type == UB_EV_WOKEN && count == 0 && w->now == w->spoke_at;
    w->idle_wakes = idle ? w->idle_wakes + 1 : 0;
    w->spoke_at = w->now;
    if (w->options.quiet) {
        return;
    }
    bool dull = event->type == UB_EV_WOKEN || event->type == UB_EV_PROGRESS ||
                (routes && w->now == w->options.origin);
    if (count == 0 && dull) {
        w->trace.len = line_start;
    } else {
        ub_buf_add_text(&w->trace, count == 0 && !routes ? ": nothing\n" : "\n");
    }
}

static void be_routed(struct ub_world *w)
{
    if (!w->routed) {
        w->routed = true;
        const char *refusal = ub_world_reload(w);
        if (refusal != NULL) {
            ub_world_fail(w, refusal);
        }
    }
}

void ub_world_drain(struct ub_world *w)
{
    be_routed(w);
    struct ub_event event = {.type = UB_EV_DRAIN};
    ub_world_say(w, &event);
}

static void probed(struct ub_world *w, uint16_t slot)
{
    const struct ub_sim_upstream *u = &w->upstream[w->by_slot[slot]];
    struct ub_event event = {.type = UB_EV_PROBED};
    event.probed.upstream = slot;
    event.probed.ok = !u->down && ub_fault_facts(u->fault)->place != UB_AT_CONNECT;
    ub_world_say(w, &event);
}

static void happen(struct ub_world *w, const struct ub_entry *entry)
{
    switch ((enum ub_happening)entry->what) {
    case UB_HAP_ARRIVAL:
        ub_world_arrive(w, entry->who);
        break;
    case UB_HAP_LEAVING:
        ub_world_leave(w, entry->who);
        break;
    case UB_HAP_WORD:
        ub_world_attempt_word(w, entry);
        break;
    case UB_HAP_ENGINE:
        ub_world_engine_step(w, entry->who);
        break;
    case UB_HAP_LOAD:
        ub_world_engine_load(w, entry->who);
        break;
    case UB_HAP_LOOKED:
        ub_world_looked(w, entry->who);
        break;
    case UB_HAP_PROBED:
        probed(w, (uint16_t)entry->who);
        break;
    }
}

/* The earliest worker that wants to be woken, and when it will be. */
static ub_ns next_wake(struct ub_world *w, uint16_t *worker)
{
    ub_ns first = UB_NEVER;
    for (uint16_t i = 0; i < w->options.workers; i++) {
        ub_ns at = ub_brain_wake_at(w->brain, i);
        if (at < first) {
            first = at;
            *worker = i;
        }
    }
    if (first == UB_NEVER || first <= w->now || w->options.wake_late_ns == 0) {
        return first == UB_NEVER ? first : ub_ns_max(first, w->now);
    }
    /* How late is a matter of chance, but the same for the same instant. */
    return first + (ub_ns)(ub_mix64((uint64_t)first) % (uint64_t)w->options.wake_late_ns);
}

/* One event; false when nothing is to happen up to `until`. */
static bool step(struct ub_world *w, ub_ns until)
{
    uint16_t worker = 0;
    ub_ns wake = next_wake(w, &worker);
    ub_ns next = ub_agenda_first(&w->agenda);
    if (ub_ns_min(wake, next) > until || w->broken != NULL) {
        return false;
    }
    if (wake <= next) {
        w->now = wake;
        struct ub_event event = {.type = UB_EV_WOKEN, .worker = worker};
        ub_world_say(w, &event);
        if (w->idle_wakes > IDLE_WAKES_MAX + w->options.workers) {
            ub_world_fail(w, "the brain wants to be woken again and again for nothing");
        }
        return true;
    }
    struct ub_entry entry;
    if (!ub_agenda_take(&w->agenda, &entry)) {
        return false;
    }
    w->now = ub_ns_max(w->now, entry.at);
    happen(w, &entry);
    return true;
}

void ub_world_run_until(struct ub_world *w, ub_ns at)
{
    be_routed(w);
    ub_ns until = w->options.origin + at;
    while (step(w, until)) {
    }
    w->now = ub_ns_max(w->now, until);
}

void ub_world_run(struct ub_world *w)
{
    be_routed(w);
    while ((w->pending > 0 || w->speaking > 0) && step(w, UB_NEVER - 1)) {
    }
}

ub_ns ub_world_now(const struct ub_world *w)
{
    return w->now - w->options.origin;
}

struct ub_brain *ub_world_brain(struct ub_world *w)
{
    return w->brain;
}

const char *ub_world_trace(struct ub_world *w)
{
    ub_buf_add(&w->trace, "", 1);
    if (w->trace.failed) {
        return "(no memory for the trace)";
    }
    w->trace.len--;
    return w->trace.ptr;
}

void ub_world_forget(struct ub_world *w)
{
    ub_buf_clear(&w->trace);
}

const char *ub_world_broken(struct ub_world *w)
{
    if (w->broken == NULL && w->pending == 0 && w->speaking == 0) {
        ub_checker_quiet(w->checker, w->brain);
        if (ub_checker_broken(w->checker) != NULL) {
            ub_world_fail(w, ub_checker_broken(w->checker));
        } else if (ub_brain_check(w->brain) != NULL) {
            ub_world_fail(w, ub_brain_check(w->brain));
        }
    } else if (w->broken == NULL && w->speaking == 0 && w->agenda.count == 0) {
        ub_world_fail(w, "a request waits for ever");
    }
    return w->broken;
}

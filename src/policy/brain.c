#include "policy/steps.h"

#include "base/real.h"

#include <assert.h>
#include <string.h>

#define MAGIC          0x756e627573790001u /* "unbusy", layout 1 */
#define ALIGN          64u
#define PROBE_EVERY_NS (2 * UB_SECOND)

const char *ub_reason_words(enum ub_reason reason)
{
    static const char *const words[] = {
#define X(name, text) text,
        UB_REASONS(X)
#undef X
    };
    assert(reason < UB_WHY_COUNT);
    return words[reason];
}

static uint64_t place(uint64_t *end, uint64_t count, uint64_t size)
{
    uint64_t at = *end;
    *end = (at + count * size + ALIGN - 1) / ALIGN * ALIGN;
    return at;
}

/* Lays out the block; returns its size. Indices start at 1, so each array has one more. */
static uint64_t lay_out(struct ub_brain *brain, const struct ub_brain_limits *limits)
{
    uint64_t end = 0;
    place(&end, 1, sizeof *brain);
    brain->upstream_at = place(&end, limits->upstreams + 1ull, sizeof(struct upstream));
    brain->target_at = place(&end, limits->targets + 1ull, sizeof(struct target));
    brain->model_at = place(&end, limits->models + 1ull, sizeof(struct model));
    brain->route_at = place(&end, limits->routes + 1ull, sizeof(struct route));
    brain->tenant_at = place(&end, limits->tenants + 1ull, sizeof(struct tenant));
    brain->share_at = place(&end, limits->shares + 1ull, sizeof(struct share));
    brain->request_at = place(&end, limits->requests + 1ull, sizeof(struct request));
    brain->place_at = place(&end, limits->requests + 1ull, sizeof(uint32_t));
    brain->flow_at = place(&end, limits->requests + 1ull, sizeof(struct flow));
    brain->skew_at = place(&end, limits->requests + 1ull, sizeof(struct ub_skew_node));
    brain->bucket_at = place(&end, FLOW_BUCKETS, sizeof(uint32_t));
    brain->prefix_at = place(&end, limits->prefixes, sizeof(struct ub_prefix_entry));
    for (uint32_t w = 0; w < limits->workers; w++) {
        brain->heap_at[w] = place(&end, limits->requests + 1ull, sizeof(struct ub_timer_node));
    }
    return end;
}

static void check_limits(const struct ub_brain_limits *limits)
{
    assert(limits->requests >= 1 && limits->requests < UINT32_MAX / ACTIONS_MAX - 1);
    assert(limits->upstreams >= 1 && limits->upstreams < UB_NO_UPSTREAM);
    assert(limits->targets >= 1 && limits->targets < UINT16_MAX);
    assert(limits->models >= 1 && limits->models < UB_NO_MODEL);
    assert(limits->routes >= 1 && limits->routes < UINT16_MAX);
    assert(limits->workers >= 1 && limits->workers <= 64);
    assert(limits->tenants < UB_NO_TENANT && limits->shares < UINT16_MAX);
    assert(limits->prefixes >= 4 && (limits->prefixes & (limits->prefixes - 1)) == 0);
}

size_t ub_brain_size(const struct ub_brain_limits *limits)
{
    struct ub_brain layout;
    check_limits(limits);
    return (size_t)lay_out(&layout, limits);
}

struct ub_brain *ub_brain_init(void *block, const struct ub_brain_limits *limits)
{
    struct ub_brain *brain = block;
    check_limits(limits);
    brain->magic = MAGIC;
    brain->limits = *limits;
    brain->probe_at = UB_NEVER;
    lay_out(brain, limits);
    return brain;
}

double error_share_of(const struct target *target, ub_ns now)
{
    const double tau_ns = 30.0 * (double)UB_SECOND;
    return target->error_share * (1.0 - ub_decay_share((double)(now - target->error_at), tau_ns));
}

struct ub_request_id ub_brain_next_id(const struct ub_brain *brain)
{
    uint32_t slot = brain->request_free;
    if (slot == 0 && brain->requests_used < brain->limits.requests) {
        slot = brain->requests_used + 1;
    }
    if (slot == 0) {
        return (struct ub_request_id){0, 0};
    }
    uint32_t generation = request_of(brain, slot)->generation + 1;
    return (struct ub_request_id){slot, generation == 0 ? 1 : generation};
}

/* The request that an event speaks of, while it is alive; NULL for late words. */
static struct request *alive(const struct ub_brain *brain, const struct ub_event *event)
{
    if (event->request.slot == 0 || event->request.slot > brain->requests_used) {
        return NULL;
    }
    struct request *request = request_of(brain, event->request.slot);
    bool over = request->state == REQUEST_FREE || request->state == REQUEST_OVER;
    return over || request->generation != event->request.generation ? NULL : request;
}

/* The attempt that an event speaks of, while it runs; NULL for late words. */
static struct run *running(struct request *request, uint8_t attempt)
{
    for (int i = 0; i < RUNS_MAX; i++) {
        if (request->run[i].target != 0 && request->run[i].number == attempt) {
            return &request->run[i];
        }
    }
    return NULL;
}

static bool needs_probe(const struct ub_brain *brain, const struct upstream *upstream)
{
    for (uint16_t t = upstream->first_target; t != 0; t = target_of(brain, t)->next_of_upstream) {
        if (ub_breaker_wants_probe(&target_of(brain, t)->breaker)) {
            return true;
        }
    }
    return false;
}

void plan_probe(struct ub_brain *brain, ub_ns now)
{
    brain->probe_at = ub_ns_min(brain->probe_at, now + PROBE_EVERY_NS);
}

/* Every two seconds: ask for a probe of each upstream whose connections fail. */
static void probe_round(struct ub_brain *brain, ub_ns now)
{
    brain->probe_at = UB_NEVER;
    for (uint32_t i = 1; i <= brain->upstreams_used; i++) {
        struct upstream *upstream = upstream_of(brain, (uint16_t)i);
        if (!needs_probe(brain, upstream)) {
            continue;
        }
        plan_probe(brain, now);
        if (!upstream->probing) {
            upstream->probing = upstream->probe_queued = true;
            brain->probes_queued++;
        }
    }
}

static void probed(struct ub_brain *brain, const struct ub_event *event, struct ub_random *random)
{
    uint16_t index = (uint16_t)(event->probed.upstream + 1);
    if (index == 0 || index > brain->upstreams_used) {
        return;
    }
    struct upstream *upstream = upstream_of(brain, index);
    if (!upstream->probing || upstream->probe_queued) {
        return;
    }
    upstream->probing = false;
    release_upstream(brain, upstream);
    if (!event->probed.ok) {
        return;
    }
    for (uint16_t t = upstream->first_target; t != 0; t = target_of(brain, t)->next_of_upstream) {
        struct target *target = target_of(brain, t);
        if (ub_breaker_wants_probe(&target->breaker)) {
            ub_breaker_probe_good(&target->breaker, event->now);
        }
    }
    serve_whole_upstream(brain, index, event->now, random);
}

static void woken(struct ub_brain *brain, uint16_t worker, ub_ns now, struct ub_random *random)
{
    assert(worker < brain->limits.workers);
    struct ub_timers timers = timers_of(brain, worker);
    while (ub_timers_first(timers) <= now) {
        struct request *request = request_of(brain, timers.node[0].id);
        ub_timers_remove(timers, timers.node[0].id);
        life_woken(brain, request, now, random);
    }
    if (worker == 0 && brain->probe_at <= now) {
        probe_round(brain, now);
    }
}

static void step_request(struct ub_brain *brain, const struct ub_event *event,
                         struct ub_random *random)
{
    struct request *request = alive(brain, event);
    if (request == NULL) {
        return;
    }
    if (event->type == UB_EV_CLIENT_LEFT) {
        note_usage(request, event);
        life_client_left(brain, request, event->left, event->now, random);
        return;
    }
    if (event->type == UB_EV_LOOKED) {
        life_looked(brain, request, event->found, event->now, random);
        return;
    }
    struct run *run = running(request, event->attempt);
    if (run == NULL) {
        return;
    }
    note_usage(request, event);
    switch (event->type) {
    case UB_EV_FIRST_PAYLOAD:
        life_first_payload(brain, request, run, event->now, random);
        break;
    case UB_EV_PROGRESS:
        life_progress(brain, request, event, random);
        break;
    case UB_EV_ANSWERED:
        life_answered(brain, request, event->now);
        break;
    case UB_EV_QUEUED:
        life_queued(brain, request, run, event->now);
        break;
    case UB_EV_ENDED:
        life_ended(brain, request, run, &event->ended, event->now, random);
        break;
    default:
        assert(false);
    }
}

void ub_brain_step(struct ub_brain *brain, const struct ub_event *event)
{
    assert(event->now >= brain->now);
    struct ub_random random = {event->seed};
    brain->now = event->now;
    switch (event->type) {
    case UB_EV_ROUTES:
        adopt_routes(brain, event->routes, event->now);
        serve_all_lines(brain, event->now, &random);
        break;
    case UB_EV_ARRIVED:
        life_arrived(brain, event, &random);
        break;
    case UB_EV_WOKEN:
        woken(brain, event->worker, event->now, &random);
        break;
    case UB_EV_PROBED:
        probed(brain, event, &random);
        break;
    case UB_EV_LOAD:
        load_told(brain, event);
        break;
    case UB_EV_PART:
        part_told(brain, event, &random);
        break;
    case UB_EV_TENANT_PART:
        tenant_part_told(brain, event);
        break;
    case UB_EV_DRAIN:
        brain->draining = true;
        break;
    case UB_EV_FIRST_PAYLOAD:
    case UB_EV_PROGRESS:
    case UB_EV_ANSWERED:
    case UB_EV_QUEUED:
    case UB_EV_ENDED:
    case UB_EV_CLIENT_LEFT:
    case UB_EV_LOOKED:
        step_request(brain, event, &random);
        break;
    }
}

static bool next_probe(struct ub_brain *brain, struct ub_action *out)
{
    for (uint32_t i = 1; i <= brain->upstreams_used && brain->probes_queued > 0; i++) {
        struct upstream *upstream = upstream_of(brain, (uint16_t)i);
        if (upstream->probe_queued) {
            upstream->probe_queued = false;
            brain->probes_queued--;
            *out = (struct ub_action){
                .type = UB_ACT_PROBE, .reason = UB_WHY_PROBE, .upstream = (uint16_t)(i - 1)};
            return true;
        }
    }
    return false;
}

/* The request is over and everybody knows: its slot is free again. */
static void release(struct ub_brain *brain, struct request *request)
{
    leave_flow(brain, request);
    leave_ladder(brain, request);
    if (request->home != 0) {
        release_route(brain, request->home);
    }
    request->state = REQUEST_FREE;
    request->next = brain->request_free;
    brain->request_free = index_of(brain, request);
    brain->facts.requests--;
}

static struct ub_action public_action(const struct ub_brain *brain, const struct request *request,
                                      const struct action *a)
{
    return (struct ub_action){
        .type = (enum ub_action_type)a->type,
        .reason = (enum ub_reason)a->reason,
        .request = {index_of(brain, request), request->generation},
        .worker = request->worker,
        .upstream = a->upstream,
        .attempt = a->attempt,
        .pass_on = a->pass_on,
        .should_retry = a->should_retry,
        .resume = a->resume,
        .degraded = a->degraded,
        .error = (enum ub_error)a->error,
        .deadline = a->type == UB_ACT_START ? a->when : 0,
        .stall_ns = a->type == UB_ACT_FORWARD ? a->when : 0,
        .retry_after_ns = a->type == UB_ACT_ANSWER ? a->when : 0,
        .position = a->position,
        .wait_ns = a->type == UB_ACT_HEARTBEAT ? a->when : 0,
    };
}

bool ub_brain_next(struct ub_brain *brain, struct ub_action *out)
{
    uint32_t number = brain->first_action;
    if (number == 0) {
        return next_probe(brain, out);
    }
    struct request *request = request_of(brain, number / ACTIONS_MAX);
    struct action *action = action_at(brain, number);
    *out = public_action(brain, request, action);
    brain->first_action = action->next;
    brain->last_action = action->next == 0 ? 0 : brain->last_action;
    brain->facts.ready--;
    request->first_action = (uint8_t)((request->first_action + 1) % ACTIONS_MAX);
    if (--request->action_count == 0 && request->state == REQUEST_OVER) {
        release(brain, request);
    }
    return true;
}

ub_ns ub_brain_wake_at(const struct ub_brain *brain, uint16_t worker)
{
    assert(worker < brain->limits.workers);
    if (brain->first_action != 0 || brain->probes_queued > 0) {
        return 0;
    }
    const struct ub_timer_node *node = at_offset(brain, brain->heap_at[worker]);
    ub_ns at = brain->heap_count[worker] == 0 ? UB_NEVER : node[0].at;
    return worker == 0 ? ub_ns_min(at, brain->probe_at) : at;
}

uint16_t ub_brain_upstream(const struct ub_brain *brain, uint64_t key)
{
    uint16_t index = find_upstream(brain, key, 0);
    return upstream_of(brain, index)->listed ? (uint16_t)(index - 1) : UB_NO_UPSTREAM;
}

uint16_t ub_brain_model(const struct ub_brain *brain, uint64_t key)
{
    uint16_t index = find_model(brain, key);
    return model_of(brain, index)->route != 0 ? (uint16_t)(index - 1) : UB_NO_MODEL;
}

uint16_t ub_brain_tenant(const struct ub_brain *brain, uint64_t key)
{
    uint16_t index = find_tenant(brain, key, 0);
    return tenant_of(brain, index)->listed ? (uint16_t)(index - 1) : UB_NO_TENANT;
}

struct ub_brain_facts ub_brain_facts(const struct ub_brain *brain)
{
    return brain->facts;
}

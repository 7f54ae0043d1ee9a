/* inspect.c - looking at the brain from outside: facts for metrics and console, and its own check.
 */
#include "policy/steps.h"

static enum ub_upstream_state state_of(const struct upstream *upstream, const struct target *target)
{
    if (!upstream->listed) {
        return UB_UPSTREAM_DRAINING;
    }
    if (target->breaker.open_until == 0) {
        return UB_UPSTREAM_UP;
    }
    return target->breaker.on_trial ? UB_UPSTREAM_ON_TRIAL : UB_UPSTREAM_EJECTED;
}

bool ub_brain_target(const struct ub_brain *brain, uint16_t upstream_slot, uint16_t model_slot,
                     ub_ns now, struct ub_target_facts *out)
{
    if (upstream_slot >= brain->upstreams_used || model_slot >= brain->models_used) {
        return false;
    }
    const struct upstream *upstream = upstream_of(brain, (uint16_t)(upstream_slot + 1));
    uint16_t index = find_target(brain, (uint16_t)(upstream_slot + 1), (uint16_t)(model_slot + 1));
    if (index == 0) {
        return false;
    }
    const struct target *target = target_of(brain, index);
    const struct model *model = model_of(brain, target->model);
    struct ub_model_policy policy =
        model->route != 0 ? route_of(brain, model->route)->policy : ub_model_policy_default();
    double errors = error_share_of(target, now);
    const struct load *load = load_of(upstream, now);
    *out = (struct ub_target_facts){
        .state = state_of(upstream, target),
        .ejected_for = (enum ub_error)target->breaker.why,
        .inflight = upstream->inflight,
        .concurrency = slots_known(upstream),
        .learned = upstream->gradient.limit,
        .tokens_inflight = target->tokens,
        .load_known = load != NULL,
        .others = load == NULL ? 0 : load->others,
        .waiting = load == NULL ? 0 : load->waiting,
        .kv = load == NULL ? 0 : load->kv,
        .first_payload_ns = ub_pace_expect(&target->pace, 0, now),
        .response_ns = (ub_ns)target->pace.response_ns,
        .deadline_ns = ub_pace_deadline(&target->pace, 0, policy.first_token_min_ns,
                                        policy.first_token_max_ns),
        .error_share = errors,
        .weight = ub_balance_weight(target->pace.response_ns, errors, policy.slow_over_ns),
    };
    return true;
}

bool ub_brain_model_facts(const struct ub_brain *brain, uint16_t slot, ub_ns now,
                          struct ub_model_facts *out)
{
    if (slot >= brain->models_used || model_of(brain, (uint16_t)(slot + 1))->route == 0) {
        return false;
    }
    const struct model *model = model_of(brain, (uint16_t)(slot + 1));
    uint32_t level = level_of(model, now), steps = route_of(brain, model->route)->steps;
    *out = (struct ub_model_facts){.level = level < steps ? level : steps};
    return true;
}

bool ub_brain_tenant_facts(const struct ub_brain *brain, uint16_t slot, struct ub_tenant_facts *out)
{
    if (slot >= brain->tenants_used || tenant_of(brain, (uint16_t)(slot + 1))->key == 0) {
        return false;
    }
    const struct tenant *tenant = tenant_of(brain, (uint16_t)(slot + 1));
    *out = (struct ub_tenant_facts){.requests = tenant->requests,
                                    .part = tenant->part,
                                    .concurrency = tenant->whole_concurrency,
                                    .quota = tenant->whole,
                                    .asked = tenant->asked,
                                    .asked_tokens = tenant->asked_tokens};
    return true;
}

/* What all requests together should add up to. */
struct sums {
    uint32_t requests, running, waiting, backing_off, armed;
};

static const char *check_request(const struct ub_brain *brain, const struct request *request,
                                 struct sums *sums)
{
    uint32_t runs = 0;
    for (uint32_t i = 0; i < RUNS_MAX; i++) {
        runs += request->run[i].target != 0;
    }
    uint32_t most = request->state == REQUEST_TRYING      ? RUNS_MAX
                    : request->state == REQUEST_STREAMING ? 1
                                                          : 0;
    if (runs > most || (most > 0 && request->run[0].target == 0)) {
        return "a request has other attempts than its state allows";
    }
    sums->requests += request->state != REQUEST_FREE;
    sums->running += runs;
    sums->waiting += request->waits_in_line;
    sums->backing_off += request->state == REQUEST_BACKING_OFF;
    if (request->waits_in_line != (request->state == REQUEST_WAITING)) {
        return "a request waits in line without waiting, or the other way round";
    }
    if (request->state != REQUEST_FREE && request->step > route_of(brain, request->home)->steps) {
        return "a request has taken more steps than its ladder has";
    }
    if (request->state == REQUEST_OVER && request->action_count == 0) {
        return "a request is over and nobody was told";
    }
    const uint32_t *place = at_offset(brain, brain->place_at);
    bool armed = place[index_of(brain, request)] != 0;
    bool moves = request->state != REQUEST_FREE && request->state != REQUEST_OVER;
    if (armed != moves) {
        return armed ? "a request that is over has a timer" : "a live request has no timer";
    }
    sums->armed += armed;
    return NULL;
}

static const char *check_requests(const struct ub_brain *brain)
{
    struct sums sums = {0};
    for (uint32_t i = 1; i <= brain->requests_used; i++) {
        const char *words = check_request(brain, request_of(brain, i), &sums);
        if (words != NULL) {
            return words;
        }
    }
    uint32_t in_heaps = 0;
    for (uint32_t w = 0; w < brain->limits.workers; w++) {
        in_heaps += brain->heap_count[w];
    }
    const struct ub_brain_facts *facts = &brain->facts;
    if (sums.requests != facts->requests || sums.running != facts->running ||
        sums.waiting != facts->waiting || sums.backing_off != facts->backing_off) {
        return "the counters differ from the requests";
    }
    return sums.armed != in_heaps ? "the heaps of timers differ from the requests" : NULL;
}

static const char *check_targets(const struct ub_brain *brain)
{
    uint32_t running = 0;
    for (uint32_t i = 1; i <= brain->upstreams_used; i++) {
        const struct upstream *upstream = upstream_of(brain, (uint16_t)i);
        double limit = upstream->gradient.limit;
        if (limit != 0 &&
            !(upstream->learns && limit >= UB_GRADIENT_MIN && limit < UB_GRADIENT_MAX)) {
            return "a learned limit is out of bounds, or nobody asked for it";
        }
        if (upstream->part > upstream->concurrency || (upstream->part != 0 && !upstream->shared)) {
            return "an upstream has more than its part";
        }
        uint32_t inflight = 0;
        for (uint16_t t = upstream->first_target; t != 0;
             t = target_of(brain, t)->next_of_upstream) {
            const struct target *target = target_of(brain, t);
            inflight += target->inflight;
            if (target->refs == 0 || target->upstream != i) {
                return "a target hangs on the wrong upstream or on nothing";
            }
            if (target->inflight == 0 && target->tokens != 0) {
                return "tokens in flight without a request";
            }
        }
        if (inflight != upstream->inflight) {
            return "an upstream counts other requests than its targets";
        }
        running += inflight;
    }
    return running != brain->facts.running ? "attempts in flight differ from running requests"
                                           : NULL;
}

/* Walks one flow; returns how many wait in it, or more than all when it is badly linked. */
static uint32_t count_flow(const struct ub_brain *brain, const struct flow *flow, uint32_t index)
{
    uint32_t waiting = 0, previous = 0;
    for (uint32_t r = flow->first; r != 0; r = request_of(brain, r)->next) {
        const struct request *request = request_of(brain, r);
        if (request->previous != previous || request->flow != index || !request->waits_in_line ||
            ++waiting > flow->waiting) {
            return UINT32_MAX;
        }
        previous = r;
    }
    return previous == flow->last ? waiting : UINT32_MAX;
}

static const char *check_heap(const struct ub_brain *brain, uint16_t model, uint8_t class)
{
    const struct line *line = &model_of(brain, model)->line[class];
    const struct ub_skew_node *nodes = skew_of(brain);
    uint32_t flows = 0, waiting = 0;
    for (uint32_t i = 1; i <= brain->flows_used; i++) {
        const struct flow *flow = flow_of(brain, i);
        if (flow->refs == 0 || flow->model != model || flow->class != class || flow->waiting == 0) {
            continue;
        }
        flows++;
        waiting += flow->waiting;
        uint32_t up = nodes[i].up;
        if (up == 0 ? line->root != i : nodes[up].left != i && nodes[up].right != i) {
            return "a flow that waits is not in its line";
        }
        if (up != 0 && ub_skew_less(nodes, i, up)) {
            return "a flow that has got less stands behind one that has got more";
        }
    }
    return flows != line->flows || waiting != line->waiting ? "a line counts others than wait in it"
                                                            : NULL;
}

static const char *check_flows(const struct ub_brain *brain)
{
    uint32_t waiting = 0, refs = 0, held = 0;
    for (uint32_t i = 1; i <= brain->flows_used; i++) {
        const struct flow *flow = flow_of(brain, i);
        if (count_flow(brain, flow, i) != flow->waiting) {
            return "a flow is badly linked";
        }
        waiting += flow->waiting;
        refs += flow->refs;
    }
    for (uint32_t r = 1; r <= brain->requests_used; r++) {
        const struct request *request = request_of(brain, r);
        held += request->state != REQUEST_FREE && request->flow != 0;
    }
    if (refs != held) {
        return "flows are held by others than they count";
    }
    return waiting != brain->facts.waiting ? "the flows hold others than those who wait" : NULL;
}

static const char *check_waiting(const struct ub_brain *brain)
{
    uint32_t waiting[UB_TRAFFIC_CLASSES] = {0};
    uint64_t bytes[UB_TRAFFIC_CLASSES] = {0}, sum = 0;
    for (uint32_t r = 1; r <= brain->requests_used; r++) {
        const struct request *request = request_of(brain, r);
        if (request->waits_in_line) {
            waiting[request->class]++;
            bytes[request->class] += request->bytes;
            sum += request->bytes;
        }
    }
    for (uint8_t c = 0; c < UB_TRAFFIC_CLASSES; c++) {
        if (waiting[c] != brain->facts.waiting_of[c] || bytes[c] != brain->waiting_bytes[c]) {
            return "a class counts others than wait in it";
        }
    }
    return sum != brain->facts.waiting_bytes ? "the queue counts other bytes than it holds" : NULL;
}

static const char *check_lines(const struct ub_brain *brain)
{
    const char *words = check_flows(brain);
    words = words != NULL ? words : check_waiting(brain);
    for (uint32_t i = 1; i <= brain->models_used && words == NULL; i++) {
        uint32_t waiting = 0;
        for (uint8_t c = 0; c < UB_TRAFFIC_CLASSES && words == NULL; c++) {
            words = check_heap(brain, (uint16_t)i, c);
            waiting += model_of(brain, (uint16_t)i)->line[c].waiting;
        }
        if (words == NULL && waiting != model_of(brain, (uint16_t)i)->waiting) {
            words = "a model counts others than its lines";
        }
    }
    return words;
}

static const char *check_routes(const struct ub_brain *brain)
{
    for (uint32_t i = 1; i <= brain->routes_used; i++) {
        const struct route *route = route_of(brain, (uint16_t)i);
        if (route->refs == 0) {
            continue;
        }
        uint32_t refs = model_of(brain, route->model)->route == i;
        for (uint32_t r = 1; r <= brain->requests_used; r++) {
            const struct request *request = request_of(brain, r);
            bool held = request->state != REQUEST_FREE;
            refs += held && request->route == i;
            refs += held && request->home == i && request->route != i;
        }
        if (refs != route->refs) {
            return "a route is held by others than it counts";
        }
    }
    return NULL;
}

static const char *check_shares(const struct ub_brain *brain)
{
    uint32_t listed = 0, linked = 0;
    for (uint32_t i = 1; i <= brain->shares_used; i++) {
        listed += share_of(brain, (uint16_t)i)->listed;
    }
    for (uint32_t i = 1; i <= brain->tenants_used; i++) {
        uint16_t s = tenant_of(brain, (uint16_t)i)->first_share;
        for (; s != 0; s = share_of(brain, s)->next_of_tenant) {
            if (share_of(brain, s)->tenant != i || ++linked > listed) {
                return "a share hangs on the wrong tenant";
            }
        }
    }
    return linked != listed ? "a share hangs on nobody" : NULL;
}

static const char *check_tenants(const struct ub_brain *brain)
{
    uint32_t inside = 0, counted = 0;
    uint64_t reserved = 0;
    for (uint32_t r = 1; r <= brain->requests_used; r++) {
        const struct request *request = request_of(brain, r);
        bool moves = request->state != REQUEST_FREE && request->state != REQUEST_OVER;
        if (request->tenant != 0 && !moves) {
            return "a request that is over still counts for its tenant";
        }
        if (request->reserved != 0 && !moves) {
            return "the tokens of a request that is over are not settled";
        }
        inside += request->tenant != 0;
        reserved += request->reserved;
    }
    for (uint32_t i = 1; i <= brain->tenants_used; i++) {
        const struct tenant *tenant = tenant_of(brain, (uint16_t)i);
        counted += tenant->requests;
        if (tenant->part > UB_PART_WHOLE || tenant->concurrency > tenant->whole_concurrency ||
            (tenant->key != 0 && tenant->part < UB_PART_WHOLE && !tenant->shared)) {
            return "a tenant has more than its part, or a part of what is not shared";
        }
        if (tenant->key == 0 ? tenant->listed || tenant->requests > 0
                             : !tenant->listed && tenant->requests == 0) {
            return "a tenant's slot is kept for nothing, or given away";
        }
    }
    if (reserved != brain->facts.reserved_tokens) {
        return "the tokens that are reserved differ from those of the requests";
    }
    return inside != counted ? "tenants count other requests than are in the house"
                             : check_shares(brain);
}

const char *ub_brain_check(const struct ub_brain *brain)
{
    const char *words = check_requests(brain);
    words = words != NULL ? words : check_targets(brain);
    words = words != NULL ? words : check_lines(brain);
    words = words != NULL ? words : check_tenants(brain);
    return words != NULL ? words : check_routes(brain);
}

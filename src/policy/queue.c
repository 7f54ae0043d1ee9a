/* queue.c - the line in front of upstreams whose slots are all taken.
 *
 * Requests wait for a model, in one of four classes. Classes are strict, but for one guard: where a
 * lower class starves, every fifth slot is its own. Inside a class tenants are equal: a *flow* holds
 * those of one tenant, and the flow that has got the fewest tokens is served first (VTC, Sheng et al.
 * 2024, arXiv 2401.00588: a prompt's tokens count once, an answer's twice). A flow is charged an
 * estimate when it gets a slot, and what was really used when the answer is over. Who comes to a line
 * starts where the flow stood that was served last: neither old savings nor a crowd of its own help
 * it, and it waits for one answer of somebody else, not for a backlog.
 *
 * Where several models wait for one upstream, they are equal there by the same rule. A tenant is not
 * compared over models: who uses much of one that has plenty is not last at another.
 *
 * Within a flow the oldest goes first. But people who look at a screen are better served when some of
 * them are served soon than when all wait for a minute: in the classes critical and interactive a flow
 * that has not been empty for as long as an answer takes, so that every slot has changed hands, is
 * served newest first (adaptive LIFO, with CoDel's target and interval, as in Facebook's "Fail at
 * Scale"; a flow each, as in RFC 8290). Those at its old end are refused as soon as they would not be reached in
 * time. Standard and batch keep their order: the wait is what they asked for.
 *
 * Only those who waited are counted: while slots are free nobody takes anything from anybody, and it
 * costs nothing.
 */
#include "policy/steps.h"

#include "base/random.h"

#include <assert.h>

#define ANSWER_WEIGHT 2u
#define PAUSE         8.0 /* times the mean */

uint32_t used_tokens(uint32_t tokens_in, uint32_t tokens_out)
{
    uint64_t sum = (uint64_t)tokens_in + (uint64_t)ANSWER_WEIGHT * tokens_out;
    return sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

static struct line *line_of(const struct ub_brain *brain, const struct flow *flow)
{
    return &model_of(brain, flow->model)->line[flow->class];
}

static uint32_t *bucket_of(const struct ub_brain *brain, uint16_t model, uint16_t tenant,
                           uint8_t class)
{
    uint64_t name = (uint64_t)model << 24 | (uint64_t)tenant << 8 | class;
    return (uint32_t *)at_offset(brain, brain->bucket_at) + ub_mix64(name) % FLOW_BUCKETS;
}

uint32_t find_flow(const struct ub_brain *brain, const struct request *request)
{
    if (request->flow != 0) {
        return request->flow;
    }
    uint16_t model = route_of(brain, request->route)->model;
    uint32_t index = *bucket_of(brain, model, request->tenant, request->class);
    for (; index != 0; index = flow_of(brain, index)->next) {
        const struct flow *flow = flow_of(brain, index);
        if (flow->model == model && flow->tenant == request->tenant &&
            flow->class == request->class) {
            break;
        }
    }
    return index;
}

/* There is room for as many as requests. */
static uint32_t new_flow(struct ub_brain *brain, const struct request *request)
{
    uint32_t index = brain->flow_free;
    if (index != 0) {
        brain->flow_free = flow_of(brain, index)->next;
    } else {
        assert(brain->flows_used < brain->limits.requests);
        index = ++brain->flows_used;
    }
    uint16_t model = route_of(brain, request->route)->model;
    uint32_t *bucket = bucket_of(brain, model, request->tenant, request->class);
    *flow_of(brain, index) = (struct flow){
        .model = model, .tenant = request->tenant, .class = request->class, .next = *bucket};
    skew_of(brain)[index] = (struct ub_skew_node){0};
    *bucket = index;
    return index;
}

static void free_flow(struct ub_brain *brain, uint32_t index)
{
    struct flow *flow = flow_of(brain, index);
    uint32_t *link = bucket_of(brain, flow->model, flow->tenant, flow->class);
    while (*link != index) {
        link = &flow_of(brain, *link)->next;
    }
    *link = flow->next;
    *flow = (struct flow){.next = brain->flow_free};
    brain->flow_free = index;
}

/* What this flow has got is another amount now. */
static void set_key(struct ub_brain *brain, uint32_t index, uint64_t key)
{
    struct flow *flow = flow_of(brain, index);
    struct ub_skew_node *nodes = skew_of(brain);
    if (flow->waiting == 0) {
        nodes[index].key = key;
        return;
    }
    struct line *line = line_of(brain, flow);
    line->root = ub_skew_remove(nodes, line->root, index);
    nodes[index].key = key;
    line->root = ub_skew_add(nodes, line->root, index);
}

/* A model whose line was empty has no claim on what it did not want in the meantime. */
static void begin_model(struct ub_brain *brain, const struct request *request)
{
    const struct route *route = route_of(brain, request->route);
    struct walk walk = {0};
    for (uint16_t t; (t = next_target(route, &walk)) != 0;) {
        struct target *target = target_of(brain, t);
        uint64_t clock = upstream_of(brain, target->upstream)->line_clock;
        target->line_tokens = target->line_tokens > clock ? target->line_tokens : clock;
    }
}

static void begin_flow(struct ub_brain *brain, uint32_t index)
{
    struct flow *flow = flow_of(brain, index);
    struct line *line = line_of(brain, flow);
    struct ub_skew_node *node = &skew_of(brain)[index];
    node->key = node->key > line->clock ? node->key : line->clock;
    node->tie = brain->tickets++;
    line->root = ub_skew_add(skew_of(brain), line->root, index);
    if (line->flows++ == 0) {
        line->served_at = brain->now;
        line->samples = 0;
    }
    flow->standing_since = brain->now;
}

static void count_waiting(struct ub_brain *brain, const struct request *request, bool comes)
{
    uint32_t by = comes ? 1 : UINT32_MAX;
    struct flow *flow = flow_of(brain, request->flow);
    flow->waiting += by;
    line_of(brain, flow)->waiting += by;
    model_of(brain, flow->model)->waiting += by;
    brain->facts.waiting += by;
    brain->facts.waiting_of[flow->class] += by;
    brain->waiting_bytes[flow->class] += comes ? request->bytes : -(uint64_t)request->bytes;
    brain->facts.waiting_bytes += comes ? request->bytes : -(uint64_t)request->bytes;
}

bool has_place(const struct ub_brain *brain, const struct request *request)
{
    return request->waits_in_line ||
           (brain->facts.waiting < brain->queue_size &&
            (brain->queue_bytes == 0 ||
             brain->facts.waiting_bytes + request->bytes <= brain->queue_bytes));
}

/* Half an answer is worth finishing; and who waits for a better tier only is gone in a moment. */
static bool is_spared(const struct request *request)
{
    return request->committed || request->line_until == UB_NEVER;
}

/* Who has to go first: in the longest line of the lowest class below this one, the newest of a tenant
 * that has got much (a leaf of the heap). There is somebody. */
static uint32_t most_dispensable(const struct ub_brain *brain, uint8_t class)
{
    uint8_t c = UB_TRAFFIC_CLASSES - 1;
    while (c > class && brain->facts.waiting_of[c] == 0) {
        c--;
    }
    assert(c > class);
    const struct line *longest = &model_of(brain, 0)->line[c];
    for (uint32_t i = 1; i <= brain->models_used; i++) {
        const struct line *line = &model_of(brain, (uint16_t)i)->line[c];
        longest = line->waiting > longest->waiting ? line : longest;
    }
    const struct ub_skew_node *nodes = skew_of(brain);
    uint32_t at = longest->root;
    while (nodes[at].left != 0 || nodes[at].right != 0) {
        uint32_t left = nodes[at].left, right = nodes[at].right;
        bool goes_left = right == 0 || (left != 0 && ub_skew_less(nodes, right, left));
        at = goes_left ? left : right;
    }
    uint32_t newest = flow_of(brain, at)->last;
    while (is_spared(request_of(brain, newest)) && request_of(brain, newest)->previous != 0) {
        newest = request_of(brain, newest)->previous;
    }
    return newest;
}

void dismiss(struct ub_brain *brain, struct request *request, enum ub_reason reason, ub_ns now,
             struct ub_random *random)
{
    give_up(brain, request, reason, now, random);
    arm(brain, request);
}

/* Could those below its class make room for it? Nobody goes for nothing. */
static bool can_make_place(const struct ub_brain *brain, const struct request *request)
{
    uint32_t waiting = 0;
    uint64_t bytes = request->bytes;
    for (uint8_t c = 0; c <= request->class; c++) {
        waiting += brain->facts.waiting_of[c];
        bytes += brain->waiting_bytes[c];
    }
    return waiting < brain->queue_size && (brain->queue_bytes == 0 || bytes <= brain->queue_bytes);
}

static bool make_place(struct ub_brain *brain, const struct request *request, ub_ns now,
                       struct ub_random *random)
{
    if (!has_place(brain, request) && !can_make_place(brain, request)) {
        return false;
    }
    while (!has_place(brain, request)) {
        uint32_t victim = most_dispensable(brain, request->class);
        assert(victim != 0);
        dismiss(brain, request_of(brain, victim), UB_WHY_DISPLACED, now, random);
    }
    return true;
}

/* At the end; but who has half an answer already is not kept waiting by those who have none. */
static void link_request(struct ub_brain *brain, struct flow *flow, struct request *request)
{
    uint32_t index = index_of(brain, request);
    bool first = request->committed && flow->class > UB_TRAFFIC_INTERACTIVE && flow->first != 0;
    request->waits_in_line = true;
    request->ticket = first ? request_of(brain, flow->first)->ticket - 1 : flow->ticket++;
    request->next = first ? flow->first : 0;
    request->previous = first ? 0 : flow->last;
    *(request->previous == 0 ? &flow->first : &request_of(brain, request->previous)->next) = index;
    *(request->next == 0 ? &flow->last : &request_of(brain, request->next)->previous) = index;
}

bool enter_line(struct ub_brain *brain, struct request *request, ub_ns now,
                struct ub_random *random)
{
    if (!request->waits_in_line) {
        if (!make_place(brain, request, now, random)) {
            return false;
        }
        if (request->flow == 0) {
            uint32_t index = find_flow(brain, request);
            request->flow = index != 0 ? index : new_flow(brain, request);
            flow_of(brain, request->flow)->refs++;
        }
        struct flow *flow = flow_of(brain, request->flow);
        if (model_of(brain, flow->model)->waiting == 0) {
            begin_model(brain, request);
        }
        if (flow->waiting == 0) {
            begin_flow(brain, request->flow);
        }
        link_request(brain, flow, request);
        count_waiting(brain, request, true);
    }
    set_state(brain, request, REQUEST_WAITING);
    return true;
}

void leave_line(struct ub_brain *brain, struct request *request)
{
    if (!request->waits_in_line) {
        return;
    }
    struct flow *flow = flow_of(brain, request->flow);
    *(request->previous == 0 ? &flow->first : &request_of(brain, request->previous)->next) =
        request->next;
    *(request->next == 0 ? &flow->last : &request_of(brain, request->next)->previous) =
        request->previous;
    count_waiting(brain, request, false);
    if (flow->waiting == 0) {
        struct line *line = line_of(brain, flow);
        line->root = ub_skew_remove(skew_of(brain), line->root, request->flow);
        line->flows--;
    }
    request->waits_in_line = false;
    if (request->line_until != UB_NEVER) {
        request->slot_wait_ns = ub_ns_max(request->line_until - brain->now, 0);
    }
}

/* One long pause, as of an outage, says little about the time after it; many of them do. */
static void measure_line(struct line *line, ub_ns now)
{
    line->samples += line->samples < LINE_SAMPLES_MAX;
    double gap_ns = (double)(now - line->served_at);
    double mean_ns = line->samples == 1 ? 0 : line->gap_ns;
    if (line->samples >= LINE_SAMPLES && gap_ns > PAUSE * mean_ns) {
        gap_ns = PAUSE * mean_ns;
    }
    line->gap_ns = mean_ns + (gap_ns - mean_ns) / (double)line->samples;
    line->served_at = now;
}

void leave_line_served(struct ub_brain *brain, struct request *request, uint16_t index)
{
    if (!request->waits_in_line) {
        return;
    }
    struct line *line = line_of(brain, flow_of(brain, request->flow));
    struct target *target = target_of(brain, index);
    struct upstream *upstream = upstream_of(brain, target->upstream);
    uint64_t key = skew_of(brain)[request->flow].key;
    uint32_t cost =
        used_tokens(request->prompt_tokens, request->own_tokens - request->prompt_tokens);

    measure_line(line, brain->now);
    line->clock = line->clock > key ? line->clock : key;
    if (target->line_tokens > upstream->line_clock) {
        upstream->line_clock = target->line_tokens;
    }
    target->line_tokens += cost;
    if (request->charged == 0) {
        request->charged = cost;
        set_key(brain, request->flow, key + cost);
    }
    leave_line(brain, request);
}

void settle_flow(struct ub_brain *brain, struct request *request, uint32_t tokens)
{
    if (request->charged > 0 && !request->settled) {
        request->settled = true;
        uint64_t key = skew_of(brain)[request->flow].key;
        set_key(brain, request->flow, key - request->charged + tokens);
    }
}

void leave_flow(struct ub_brain *brain, struct request *request)
{
    if (request->flow == 0) {
        return;
    }
    if (request->first_at == 0) {
        settle_flow(brain, request, 0); /* nothing was served */
    }
    if (--flow_of(brain, request->flow)->refs == 0) {
        free_flow(brain, request->flow);
    }
}

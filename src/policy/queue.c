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
 * Only those who waited are counted: while slots are free nobody takes anything from anybody, and it
 * costs nothing.
 */
#include "policy/state.h"

#include "base/random.h"

#include <assert.h>

#define SCAN_MAX      8 /* of a line, behind a first that cannot use the slot */
#define STREAK_MAX    4 /* slots in a row, then it is the turn of a lower class that starves */
#define STARVES_NS    UB_SECOND
#define ANSWER_WEIGHT 2u

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

static uint32_t find_flow(const struct ub_brain *brain, const struct request *request)
{
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
    line->flows++;
    flow->standing_since = brain->now;
}

static void count_waiting(struct ub_brain *brain, struct flow *flow, uint32_t by)
{
    flow->waiting += by;
    line_of(brain, flow)->waiting += by;
    model_of(brain, flow->model)->waiting += by;
    brain->facts.waiting += by;
}

bool enter_line(struct ub_brain *brain, struct request *request)
{
    if (!request->waits_in_line) {
        if (brain->facts.waiting >= brain->queue_size) {
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
        uint32_t index = index_of(brain, request);
        request->next = 0;
        request->previous = flow->last;
        *(flow->last == 0 ? &flow->first : &request_of(brain, flow->last)->next) = index;
        flow->last = index;
        request->waits_in_line = true;
        count_waiting(brain, flow, 1);
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
    count_waiting(brain, flow, UINT32_MAX);
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

/* What an offer of a slot came to. */
enum offer {
    OFFER_DECLINED, /* nobody can use it */
    OFFER_TAKEN,
    OFFER_AGAIN, /* somebody left the line without it: who is next has changed */
};

/* The first few of the flow try. `looks` is how many more of the line may. */
static enum offer offer_flow(struct ub_brain *brain, uint32_t index, uint32_t *looks, ub_ns now,
                             struct ub_random *random)
{
    uint32_t next = flow_of(brain, index)->first;
    while (next != 0 && *looks > 0) {
        struct request *request = request_of(brain, next);
        next = request->next;
        --*looks;
        life_slot_freed(brain, request, now, random);
        if (!request->waits_in_line) {
            return request->state == REQUEST_TRYING ? OFFER_TAKEN : OFFER_AGAIN;
        }
    }
    return OFFER_DECLINED;
}

/* Of these flows, the place of the one that has got least. */
static uint32_t least(const struct ub_skew_node *nodes, const uint32_t *flow, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++) {
        best = ub_skew_less(nodes, flow[i], flow[best]) ? i : best;
    }
    return best;
}

/* Flow by flow in the order of the heap, which is not touched by that: behind each one that cannot
 * use the slot come its children. */
static enum offer offer_line(struct ub_brain *brain, const struct line *line, ub_ns now,
                             struct ub_random *random)
{
    const struct ub_skew_node *nodes = skew_of(brain);
    uint32_t flow[SCAN_MAX + 1] = {line->root}, count = line->root != 0;
    enum offer offer = OFFER_DECLINED;
    uint32_t looks = SCAN_MAX;
    while (count > 0 && looks > 0 && offer == OFFER_DECLINED) {
        uint32_t at = least(nodes, flow, count);
        uint32_t index = flow[at], left = nodes[index].left, right = nodes[index].right;
        flow[at] = flow[--count];
        offer = offer_flow(brain, index, &looks, now, random);
        if (left != 0) {
            flow[count++] = left;
        }
        if (right != 0) {
            flow[count++] = right;
        }
    }
    return offer;
}

/* The next of the line has waited since. */
static ub_ns next_since(const struct ub_brain *brain, const struct line *line)
{
    return request_of(brain, flow_of(brain, line->root)->first)->arrived_at;
}

/* The model that has got least here of those that wait in this class; among equals the one whose next
 * has waited longest. 0: none. */
static uint16_t next_model(const struct ub_brain *brain, const struct upstream *upstream,
                           uint8_t class)
{
    uint16_t best = 0;
    for (uint16_t t = upstream->first_target; t != 0; t = target_of(brain, t)->next_of_upstream) {
        const struct target *target = target_of(brain, t);
        const struct line *line = &model_of(brain, target->model)->line[class];
        if (line->root == 0) {
            continue;
        }
        const struct target *first = target_of(brain, best);
        if (best == 0 || target->line_tokens < first->line_tokens ||
            (target->line_tokens == first->line_tokens &&
             next_since(brain, line) <
                 next_since(brain, &model_of(brain, first->model)->line[class]))) {
            best = t;
        }
    }
    return best == 0 ? 0 : target_of(brain, best)->model;
}

static enum offer offer_class(struct ub_brain *brain, const struct upstream *upstream,
                              uint8_t class, ub_ns now, struct ub_random *random)
{
    uint16_t first = next_model(brain, upstream, class);
    if (first == 0) {
        return OFFER_DECLINED;
    }
    enum offer offer = offer_line(brain, &model_of(brain, first)->line[class], now, random);
    uint16_t t = upstream->first_target;
    for (; t != 0 && offer == OFFER_DECLINED; t = target_of(brain, t)->next_of_upstream) {
        uint16_t model = target_of(brain, t)->model;
        if (model != first) {
            offer = offer_line(brain, &model_of(brain, model)->line[class], now, random);
        }
    }
    return offer;
}

/* Of the classes below the highest that waits here, the one whose next has waited longest, when that
 * is too long. */
static uint8_t starving_class(const struct ub_brain *brain, const struct upstream *upstream,
                              ub_ns now)
{
    ub_ns longest_ns[UB_TRAFFIC_CLASSES];
    for (uint8_t c = 0; c < UB_TRAFFIC_CLASSES; c++) {
        longest_ns[c] = -1;
    }
    for (uint16_t t = upstream->first_target; t != 0; t = target_of(brain, t)->next_of_upstream) {
        const struct model *model = model_of(brain, target_of(brain, t)->model);
        for (uint8_t c = 0; c < UB_TRAFFIC_CLASSES && model->waiting > 0; c++) {
            if (model->line[c].root != 0) {
                longest_ns[c] = ub_ns_max(longest_ns[c], now - next_since(brain, &model->line[c]));
            }
        }
    }
    uint8_t top = 0, starving = UB_TRAFFIC_CLASSES;
    while (top < UB_TRAFFIC_CLASSES && longest_ns[top] < 0) {
        top++;
    }
    ub_ns most_ns = STARVES_NS;
    for (uint8_t c = (uint8_t)(top + 1); c < UB_TRAFFIC_CLASSES; c++) {
        if (longest_ns[c] > most_ns) {
            starving = c;
            most_ns = longest_ns[c];
        }
    }
    return starving;
}

static enum offer offer_slot(struct ub_brain *brain, uint16_t index, ub_ns now,
                             struct ub_random *random)
{
    struct upstream *upstream = upstream_of(brain, index);
    uint8_t starving = starving_class(brain, upstream, now);
    uint8_t turn = upstream->streak >= STREAK_MAX && starving < UB_TRAFFIC_CLASSES ? starving : 0;
    enum offer offer = offer_class(brain, upstream, turn, now, random);
    uint8_t class = turn;
    for (uint8_t c = 0; c < UB_TRAFFIC_CLASSES && offer == OFFER_DECLINED; c++) {
        class = c;
        offer = c == turn ? offer : offer_class(brain, upstream, c, now, random);
    }
    if (offer == OFFER_TAKEN) {
        bool passed = starving < UB_TRAFFIC_CLASSES && class < starving;
        upstream->streak = passed ? (uint8_t)ub_ns_min(upstream->streak + 1, STREAK_MAX) : 0;
    }
    return offer;
}

void serve_upstream(struct ub_brain *brain, uint16_t upstream, ub_ns now, struct ub_random *random)
{
    while (brain->facts.waiting > 0 && offer_slot(brain, upstream, now, random) == OFFER_AGAIN) {
    }
}

void serve_whole_upstream(struct ub_brain *brain, uint16_t upstream, ub_ns now,
                          struct ub_random *random)
{
    while (brain->facts.waiting > 0 && offer_slot(brain, upstream, now, random) != OFFER_DECLINED) {
    }
}

void serve_all_lines(struct ub_brain *brain, ub_ns now, struct ub_random *random)
{
    for (uint32_t i = 1; i <= brain->upstreams_used; i++) {
        serve_whole_upstream(brain, (uint16_t)i, now, random);
    }
}

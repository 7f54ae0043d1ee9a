/* serve.c - who gets a slot that is free: see queue.c for the rules. */
#include "policy/steps.h"

#define SCAN_MAX    8 /* of a line, behind a first that cannot use the slot */
#define STREAK_MAX  4 /* slots in a row, then it is the turn of a lower class that starves */
#define STARVES_NS  UB_SECOND
#define TARGET_NS   (100 * UB_MS)
#define INTERVAL_NS UB_SECOND
#define TRIM_MAX    2 /* for each slot */

bool serves_newest(const struct ub_brain *brain, const struct flow *flow)
{
    return flow->waiting > 0 && flow->class <= UB_TRAFFIC_INTERACTIVE &&
           brain->now - request_of(brain, flow->first)->arrived_at > TARGET_NS &&
           brain->now - flow->standing_since >
               ub_ns_max(INTERVAL_NS, answer_time(brain, flow->model));
}

/* Those at the old end of a flow that is served from the new one wait in vain when they would not be
 * reached in time even if nobody came any more. */
static void trim_flow(struct ub_brain *brain, uint32_t index, ub_ns now, struct ub_random *random)
{
    const struct flow *flow = flow_of(brain, index);
    for (int i = 0; i < TRIM_MAX && serves_newest(brain, flow); i++) {
        struct request *oldest = request_of(brain, flow->first);
        if (now - oldest->arrived_at <= 2 * TARGET_NS || is_in_sight(brain, oldest, now)) {
            return;
        }
        dismiss(brain, oldest, UB_WHY_NOT_IN_SIGHT, now, random);
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
    const struct flow *flow = flow_of(brain, index);
    bool newest = serves_newest(brain, flow);
    uint32_t next = newest ? flow->last : flow->first;
    while (next != 0 && *looks > 0) {
        struct request *request = request_of(brain, next);
        next = newest ? request->previous : request->next;
        --*looks;
        life_slot_freed(brain, request, now, random);
        if (request->waits_in_line) {
            continue;
        }
        trim_flow(brain, index, now, random);
        return request->state == REQUEST_TRYING ? OFFER_TAKEN : OFFER_AGAIN;
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

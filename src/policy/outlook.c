/* outlook.c - how long will it take? The place of a request in the line, and when it has a slot.
 *
 * The place counts everybody in a higher class, those of the same tenant that are served before it,
 * and from each other tenant as many as the line gives a turn meanwhile; where the guard against
 * starvation lifts a class, at most five times its place in there. Slots become free at the rate of
 * (slots / mean time of an answer), added up over the upstreams that work; where several models wait
 * for one, each gets its equal share. Half a slot less: the running answers are on their way already.
 *
 * While higher classes wait, too, a line that has stood for some slots is measured instead: its place in
 * the class times the mean time between two that got a slot. That knows what else will come there.
 *
 * It is an estimate, and an honest one in the mean: answers that are longer than usual, or upstreams
 * that fail, make it too short. Before the first answer has ended nothing is known, and nothing said.
 */
#include "policy/steps.h"

#define GUARD 5u /* see offer_slot */

/* Models that want slots of this upstream, this request's own included. */
static uint32_t claims(const struct ub_brain *brain, const struct upstream *upstream,
                       uint16_t model)
{
    uint32_t count = 1;
    for (uint16_t t = upstream->first_target; t != 0; t = target_of(brain, t)->next_of_upstream) {
        uint16_t other = target_of(brain, t)->model;
        count += other != model && model_of(brain, other)->waiting > 0;
    }
    return count;
}

/* Known or learned; 0 = as many as anybody wants. A part of nothing is about to be one of something:
 * somebody wants it. */
static double slots_of(const struct upstream *upstream)
{
    double known = (double)slots_known(upstream), learned = upstream->gradient.limit;
    known = known == 0 && upstream->shared ? 1 : known;
    return known > 0 && (learned == 0 || known < learned) ? known : learned;
}

/* Slots that become free for this model per nanosecond; 0 = nobody knows. A target that has not
 * answered yet is taken to be as fast as the mean of the others. */
static double slot_rate(const struct ub_brain *brain, const struct request *request)
{
    const struct route *route = route_of(brain, request->route);
    double known = 0, rate = 0, unknown = 0;
    struct walk walk = {0};
    for (uint16_t t; (t = next_target(route, &walk)) != 0;) {
        const struct target *target = target_of(brain, t);
        const struct upstream *upstream = upstream_of(brain, target->upstream);
        if (target->breaker.open_until != 0 || is_ruled_out(request, t)) {
            continue;
        }
        double slots = slots_of(upstream) / (double)claims(brain, upstream, route->model);
        if (target->pace.response_ns > 0) {
            known += slots;
            rate += slots / target->pace.response_ns;
        } else {
            unknown += slots;
        }
    }
    return known > 0 ? rate * (known + unknown) / known : 0;
}

ub_ns answer_time(const struct ub_brain *brain, uint16_t model)
{
    const struct route *route = route_of(brain, model_of(brain, model)->route);
    double sum = 0, count = 0;
    struct walk walk = {0};
    for (uint16_t t; (t = next_target(route, &walk)) != 0;) {
        double response_ns = target_of(brain, t)->pace.response_ns;
        sum += response_ns;
        count += response_ns > 0;
    }
    return count > 0 ? (ub_ns)(sum / count) : 0;
}

/* How many of its own flow are served before it; of one that does not wait yet: would be. */
static uint32_t ahead_in_flow(const struct ub_brain *brain, const struct request *request,
                              const struct flow *flow)
{
    bool newest = serves_newest(brain, flow);
    if (!request->waits_in_line) {
        return newest ? 0 : flow->waiting;
    }
    /* Those who left from the middle are counted: their tickets are not given out again. */
    uint32_t before = newest ? request_of(brain, flow->last)->ticket - request->ticket
                             : request->ticket - request_of(brain, flow->first)->ticket;
    return before < flow->waiting ? before : flow->waiting - 1;
}

/* `own`: of its flow, how many are served before it. */
static struct outlook outlook_behind(const struct ub_brain *brain, const struct request *request,
                                     const struct flow *flow, uint32_t own)
{
    const struct model *model = model_for(brain, request);
    const struct line *line = &model->line[request->class];
    uint32_t higher = 0;
    for (uint8_t c = 0; c < request->class; c++) {
        higher += model->line[c].waiting;
    }
    uint64_t turns = (uint64_t)(line->flows - (flow->waiting > 0)) * (own + 1ull);
    uint32_t others = line->waiting - flow->waiting;
    uint32_t place = own + (turns < others ? (uint32_t)turns : others) + 1;
    uint64_t guarded = (uint64_t)place * GUARD;
    uint64_t position = guarded < (uint64_t)place + higher ? guarded : (uint64_t)place + higher;
    double wait_ns;
    if (higher > 0 && line->samples >= LINE_SAMPLES) {
        wait_ns = ((double)place - 0.5) * line->gap_ns;
    } else {
        double rate = slot_rate(brain, request);
        wait_ns = rate > 0 ? ((double)position - 0.5) / rate : 0;
    }
    return (struct outlook){.position = (uint32_t)position,
                            .wait_ns = wait_ns < (double)UB_HOUR ? (ub_ns)wait_ns : UB_HOUR};
}

struct outlook outlook_of(const struct ub_brain *brain, const struct request *request)
{
    const struct flow *flow = flow_of(brain, find_flow(brain, request));
    return outlook_behind(brain, request, flow, ahead_in_flow(brain, request, flow));
}

ub_ns line_time(const struct ub_brain *brain, const struct request *request)
{
    const struct flow *flow = flow_of(brain, find_flow(brain, request));
    return outlook_behind(brain, request, flow, flow->waiting).wait_ns;
}

/* Will it have a slot before its time for that is over, as far as we know? */
bool is_in_sight(const struct ub_brain *brain, const struct request *request, ub_ns now)
{
    ub_ns left_ns =
        request->line_until == UB_NEVER ? request->slot_wait_ns : request->line_until - now;
    return outlook_of(brain, request).wait_ns <= ub_ns_min(left_ns, request->deadline - now);
}

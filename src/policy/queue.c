/* queue.c - the waiting line of a model, in front of upstreams whose slots are all taken. */
#include "policy/state.h"

#define SCAN_MAX 8 /* of a line, behind a first that cannot use the slot */

void leave_line(struct ub_brain *brain, struct request *request)
{
    if (!request->waits_in_line) {
        return;
    }
    struct model *model = model_for(brain, request);
    *(request->previous == 0 ? &model->first_waiting
                             : &request_of(brain, request->previous)->next) = request->next;
    *(request->next == 0 ? &model->last_waiting : &request_of(brain, request->next)->previous) =
        request->previous;
    request->waits_in_line = false;
    brain->facts.waiting--;
    if (request->line_until != UB_NEVER) {
        request->slot_wait_ns = ub_ns_max(request->line_until - brain->now, 0);
    }
}

bool enter_line(struct ub_brain *brain, struct request *request)
{
    if (!request->waits_in_line) {
        if (brain->facts.waiting >= brain->queue_size) {
            return false;
        }
        struct model *model = model_for(brain, request);
        uint32_t index = index_of(brain, request);
        request->next = 0;
        request->previous = model->last_waiting;
        *(model->last_waiting == 0 ? &model->first_waiting
                                   : &request_of(brain, model->last_waiting)->next) = index;
        model->last_waiting = index;
        request->waits_in_line = true;
        brain->facts.waiting++;
    }
    set_state(brain, request, REQUEST_WAITING);
    return true;
}

/* The first few of the line try for the slot; true: one of them got it. */
static bool serve_one(struct ub_brain *brain, uint16_t model, ub_ns now, struct ub_random *random)
{
    uint32_t index = model_of(brain, model)->first_waiting;
    for (int looked = 0; index != 0 && looked < SCAN_MAX; looked++) {
        struct request *request = request_of(brain, index);
        index = request->next;
        life_slot_freed(brain, request, now, random);
        if (!request->waits_in_line) {
            return true;
        }
    }
    return false;
}

void serve_line(struct ub_brain *brain, uint16_t model, ub_ns now, struct ub_random *random)
{
    while (serve_one(brain, model, now, random)) {
    }
}

void serve_all_lines(struct ub_brain *brain, ub_ns now, struct ub_random *random)
{
    for (uint32_t i = 1; i <= brain->models_used; i++) {
        serve_line(brain, (uint16_t)i, now, random);
    }
}

/* A slot of this upstream is free: of the lines that can use it, the one whose first has waited
 * longest goes first. */
void serve_upstream(struct ub_brain *brain, uint16_t index, ub_ns now, struct ub_random *random)
{
    if (brain->facts.waiting == 0) {
        return;
    }
    const struct upstream *upstream = upstream_of(brain, index);
    uint16_t model = 0;
    ub_ns longest = UB_NEVER;
    for (uint16_t t = upstream->first_target; t != 0; t = target_of(brain, t)->next_of_upstream) {
        uint16_t candidate = target_of(brain, t)->model;
        uint32_t first = model_of(brain, candidate)->first_waiting;
        if (first != 0 && request_of(brain, first)->arrived_at < longest) {
            model = candidate;
            longest = request_of(brain, first)->arrived_at;
        }
    }
    if (model == 0 || serve_one(brain, model, now, random)) {
        return;
    }
    for (uint16_t t = upstream->first_target; t != 0; t = target_of(brain, t)->next_of_upstream) {
        if (target_of(brain, t)->model != model &&
            serve_one(brain, target_of(brain, t)->model, now, random)) {
            return;
        }
    }
}

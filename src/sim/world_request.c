/* world_request.c - requests of the world: asked, arrived, left, over. */
#include "sim/world_inside.h"

#include "base/alloc.h"

#include <assert.h>

uint32_t ub_world_ask(struct ub_world *w, struct ub_ask ask)
{
    if (w->request_count == w->request_cap) {
        uint32_t cap = w->request_cap == 0 ? 64 : w->request_cap * 2;
        struct ub_sim_request *grown = ub_realloc(w->request, cap * sizeof *grown);
        if (grown == NULL) {
            ub_world_fail(w, "no memory for a request");
            return 0;
        }
        w->request = grown;
        w->request_cap = cap;
    }
    ask.prompt_tokens = ask.prompt_tokens == 0 ? 100 : ask.prompt_tokens;
    ask.answer_tokens = ask.answer_tokens == 0 ? 50 : ask.answer_tokens;
    uint32_t index = w->request_count++;
    w->request[index] =
        (struct ub_sim_request){.ask = ask, .running = {UB_SIM_NOBODY, UB_SIM_NOBODY}};
    w->pending++;
    struct ub_entry entry = {
        .at = ub_ns_max(w->now, w->options.origin + ask.at), .what = UB_HAP_ARRIVAL, .who = index};
    if (!ub_agenda_add(&w->agenda, entry)) {
        ub_world_fail(w, "no memory for the agenda");
    }
    return index + 1;
}

uint32_t ub_world_request(struct ub_world *w, ub_ns at)
{
    return ub_world_ask(w, (struct ub_ask){.at = at});
}

static uint8_t class_of(const struct ub_ask *ask)
{
    if (ask->class > 0) {
        return (uint8_t)(ask->class - 1);
    }
    return ask->tenant == 0 ? UB_TRAFFIC_STANDARD : UB_TRAFFIC_CRITICAL;
}

static void fill_arrival(const struct ub_world *w, const struct ub_ask *ask, struct ub_arrival *a)
{
    *a = (struct ub_arrival){
        .model = ub_brain_model(w->brain, ub_world_model_key(ask->model)),
        .tenant = ask->tenant == 0 ? UB_NO_TENANT
                                   : ub_brain_tenant(w->brain, ub_world_tenant_key(ask->tenant)),
        .retry = ask->retry,
        .class = class_of(ask),
        .stream = !ask->whole,
        .heartbeat = !ask->whole && !ask->no_heartbeat,
        .can_retry = !ask->no_retry,
        .can_resume = ask->resume && !ask->whole,
        .takes_message = !ask->no_message,
        .bytes = ask->bytes,
        .prompt_tokens = ask->prompt_tokens,
        .max_tokens = ask->max_tokens,
        .client_deadline = ask->client_deadline == 0 ? 0 : w->options.origin + ask->client_deadline,
        .cookie_key = ask->cookie_key,
        .header_hash = ask->header_hash,
        .client_hash = ask->client_hash,
        .prefix_count = ask->prefix_count,
    };
    for (uint32_t i = 0; i < ask->prefix_count; i++) {
        a->prefix[i] = ask->prefix[i];
        a->prefix_tokens[i] = ask->prefix_tokens[i];
    }
}

void ub_world_arrive(struct ub_world *w, uint32_t index)
{
    struct ub_sim_request *r = &w->request[index];
    r->result.arrived = w->now - w->options.origin;
    r->id = ub_brain_next_id(w->brain);
    r->worker = (uint16_t)(index % w->options.workers);
    if (r->id.generation == 0) {
        r->result.outcome = UB_SIM_NO_ROOM;
        r->result.over = r->result.arrived;
        w->pending--;
        if (!w->options.quiet) {
            ub_words_at(&w->trace, &w->names, w->now);
            ub_buf_printf(&w->trace, "r%u arrived: no room\n", index + 1);
        }
        return;
    }
    r->alive = true;
    w->by_request_slot[r->id.slot] = index;
    if (r->ask.leaves_after_ns != 0) {
        struct ub_entry entry = {
            .at = w->now + r->ask.leaves_after_ns, .what = UB_HAP_LEAVING, .who = index};
        if (!ub_agenda_add(&w->agenda, entry)) {
            ub_world_fail(w, "no memory for the agenda");
        }
    }
    struct ub_event event = {.type = UB_EV_ARRIVED, .request = r->id, .worker = r->worker};
    fill_arrival(w, &r->ask, &event.arrived);
    ub_world_say(w, &event);
}

void ub_world_leave(struct ub_world *w, uint32_t index)
{
    struct ub_sim_request *r = &w->request[index];
    if (!r->alive) {
        return;
    }
    struct ub_event event = {.type = UB_EV_CLIENT_LEFT, .request = r->id};
    for (size_t i = 0; i < UB_COUNT(r->running); i++) {
        uint32_t said = r->running[i] == UB_SIM_NOBODY ? 0 : ub_world_said(w, r->running[i]);
        event.said = said > event.said ? said : event.said;
    }
    event.left = r->ask.leaves_slow ? UB_ERR_CLIENT_SLOW : UB_ERR_CLIENT_GONE;
    ub_world_say(w, &event);
}

void ub_world_look(struct ub_world *w, const struct ub_action *action)
{
    uint32_t index = w->by_request_slot[action->request.slot];
    struct ub_entry entry = {.at = ub_ns_after(w->now, w->request[index].ask.look_ns),
                             .what = UB_HAP_LOOKED,
                             .who = index};
    if (entry.at < UB_NEVER && !ub_agenda_add(&w->agenda, entry)) {
        ub_world_fail(w, "no memory for the agenda");
    }
}

void ub_world_looked(struct ub_world *w, uint32_t index)
{
    const struct ub_sim_request *r = &w->request[index];
    struct ub_event event = {.type = UB_EV_LOOKED, .request = r->id, .found = r->ask.stale};
    ub_world_say(w, &event);
}

/* The official SDKs: the advice exactly, else half a second doubling to eight, less up to a quarter. */
static ub_ns returns_after(struct ub_world *w, const struct ub_sim_request *r)
{
    if (r->result.retry_after_ns > 0 && !r->ask.stubborn) {
        return r->result.retry_after_ns;
    }
    double pause_ns = (double)(UB_SECOND / 2 << (r->ask.returned < 4 ? r->ask.returned : 4));
    return (ub_ns)(pause_ns * (1.0 - 0.25 * ub_random_unit(&w->models_random)));
}

static void come_back(struct ub_world *w, uint32_t index)
{
    const struct ub_sim_request *r = &w->request[index];
    bool may = r->result.should_retry || (r->ask.stubborn && r->result.outcome == UB_SIM_ANSWERED);
    if (r->ask.returns == 0 || !may) {
        return;
    }
    struct ub_ask ask = r->ask;
    ask.returns--;
    ask.returned = (uint8_t)(ask.returned + 1);
    ask.at = ub_world_now(w) + returns_after(w, r);
    uint32_t number = ub_world_ask(w, ask); /* the table may have grown */
    w->request[index].result.returned_as = number;
}

void ub_world_request_over(struct ub_world *w, struct ub_sim_request *r,
                           enum ub_sim_outcome outcome, const struct ub_action *action)
{
    r->alive = false;
    r->result.outcome = outcome;
    r->result.error = action->error;
    r->result.reason = action->reason;
    r->result.should_retry = outcome == UB_SIM_ANSWERED && action->should_retry;
    r->result.retry_after_ns = action->retry_after_ns;
    r->result.over = w->now - w->options.origin;
    w->pending--;
    come_back(w, (uint32_t)(r - w->request));
}

struct ub_sim_result ub_world_result(const struct ub_world *w, uint32_t number)
{
    assert(number >= 1 && number <= w->request_count);
    return w->request[number - 1].result;
}

uint32_t ub_world_asked(const struct ub_world *w)
{
    return w->request_count;
}

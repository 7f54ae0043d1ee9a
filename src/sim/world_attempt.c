/* world_attempt.c - the life of one attempt at a model upstream.
 *
 * CONNECTED -> (WAITS -> QUEUED) -> FIRST -> MARK ... -> (ANSWERED) -> OVER; the fault that was drawn at the start has its
 * moment at its place. An attempt has at most one entry in the agenda; `serial` tells an entry that
 * was overtaken. A cancelled attempt gives back its slot at once, its word may still come.
 */
#include "sim/world_inside.h"

#include "base/alloc.h"

#include <assert.h>

static struct ub_sim_upstream *upstream_of(struct ub_world *w, const struct ub_sim_attempt *a)
{
    return &w->upstream[a->upstream];
}

static void plan(struct ub_world *w, struct ub_sim_attempt *a, enum ub_stage stage, ub_ns at)
{
    a->stage = (uint8_t)stage;
    a->serial++;
    a->due = at;
    if (at == UB_NEVER) {
        a->stage = UB_STAGE_SILENT;
        return;
    }
    struct ub_entry entry = {
        .at = at, .what = UB_HAP_WORD, .who = (uint32_t)(a - w->attempt), .serial = a->serial};
    if (!ub_agenda_add(&w->agenda, entry)) {
        ub_world_fail(w, "no memory for the agenda");
    }
}

static void serve(struct ub_world *w, struct ub_sim_attempt *a);

static void serve_next(struct ub_world *w, struct ub_sim_upstream *u)
{
    while (u->first_waiting != UB_SIM_NOBODY && (u->slots == 0 || u->running < u->slots)) {
        struct ub_sim_attempt *a = &w->attempt[u->first_waiting];
        u->first_waiting = a->next;
        if (u->first_waiting == UB_SIM_NOBODY) {
            u->last_waiting = UB_SIM_NOBODY;
        }
        u->waiting--;
        serve(w, a);
    }
}

static void leave_queue(struct ub_world *w, struct ub_sim_upstream *u, uint32_t index)
{
    uint32_t before = UB_SIM_NOBODY;
    for (uint32_t i = u->first_waiting; i != index; i = w->attempt[i].next) {
        before = i;
    }
    uint32_t after = w->attempt[index].next;
    if (before == UB_SIM_NOBODY) {
        u->first_waiting = after;
    } else {
        w->attempt[before].next = after;
    }
    if (u->last_waiting == index) {
        u->last_waiting = before;
    }
    u->waiting--;
}

static bool is_queued(const struct ub_sim_attempt *a)
{
    return a->stage == UB_STAGE_WAITS || a->stage == UB_STAGE_QUEUED;
}

static void stop(struct ub_world *w, struct ub_sim_attempt *a)
{
    struct ub_sim_upstream *u = upstream_of(w, a);
    a->running = false;
    ub_sim_upstream_run(u, -1, w->now);
    if (u->engine != NULL) {
        ub_engine_cancel(u->engine, a->sequence);
    }
}

/* The upstream is done with it. */
static void give_back(struct ub_world *w, struct ub_sim_attempt *a)
{
    struct ub_sim_upstream *u = upstream_of(w, a);
    if (is_queued(a)) {
        leave_queue(w, u, (uint32_t)(a - w->attempt));
        a->stage = UB_STAGE_SILENT;
    }
    if (a->running) {
        stop(w, a);
        serve_next(w, u);
    }
}

static void forget(struct ub_world *w, struct ub_sim_attempt *a)
{
    assert(!a->running);
    a->stage = UB_STAGE_FREE;
    a->serial++;
    a->next = w->attempt_free;
    w->attempt_free = (uint32_t)(a - w->attempt);
    w->speaking--;
}

static struct ub_sim_attempt *take(struct ub_world *w)
{
    if (w->attempt_free == UB_SIM_NOBODY) {
        if (w->attempt_count == w->attempt_cap) {
            uint32_t cap = w->attempt_cap == 0 ? 64 : w->attempt_cap * 2;
            struct ub_sim_attempt *grown = ub_realloc(w->attempt, cap * sizeof *grown);
            if (grown == NULL) {
                return NULL;
            }
            w->attempt = grown;
            w->attempt_cap = cap;
        }
        w->attempt[w->attempt_count] = (struct ub_sim_attempt){.next = UB_SIM_NOBODY};
        w->attempt_free = w->attempt_count++;
    }
    struct ub_sim_attempt *a = &w->attempt[w->attempt_free];
    w->attempt_free = a->next;
    w->speaking++;
    return a;
}

static void end_with(struct ub_world *w, struct ub_sim_attempt *a, enum ub_error error, ub_ns at)
{
    a->error = (uint8_t)error;
    plan(w, a, UB_STAGE_OVER, at);
}

void ub_world_attempt_start(struct ub_world *w, const struct ub_action *action)
{
    struct ub_sim_attempt *a = take(w);
    if (a == NULL) {
        ub_world_fail(w, "no memory for an attempt");
        return;
    }
    uint32_t request = w->by_request_slot[action->request.slot];
    uint32_t serial = a->serial;
    *a = (struct ub_sim_attempt){
        .id = action->request,
        .request = request,
        .serial = serial,
        .next = UB_SIM_NOBODY,
        .upstream = w->by_slot[action->upstream],
        .number = action->attempt,
    };
    struct ub_sim_request *r = &w->request[request];
    r->running[r->running[0] != UB_SIM_NOBODY] = (uint32_t)(a - w->attempt);
    struct ub_sim_upstream *u = upstream_of(w, a);
    u->started++;
    a->fault = (uint8_t)ub_sim_upstream_fault(u, r->ask.prompt_tokens, w->now, &w->models_random);

    const struct ub_fault_facts *fault = ub_fault_facts(a->fault);
    ub_ns connected = w->now + u->connect_ns;
    if (action->resume && u->when_resumed != UB_ERR_OK) {
        end_with(w, a, u->when_resumed, ub_ns_after(connected, u->refuse_ns));
    } else if (fault->place == UB_AT_CONNECT) {
        end_with(w, a, fault->error, ub_ns_after(connected, ub_sim_upstream_pause(u, a->fault)));
    } else {
        plan(w, a, UB_STAGE_CONNECTED, connected);
    }
}

static void refuse(struct ub_world *w, struct ub_sim_attempt *a, ub_ns pause_ns)
{
    struct ub_sim_upstream *u = upstream_of(w, a);
    ub_ns at = ub_ns_after(w->now, u->refuse_ns);
    end_with(w, a, ub_fault_facts(a->fault)->error, ub_ns_after(at, pause_ns));
}

static void connected(struct ub_world *w, struct ub_sim_attempt *a)
{
    struct ub_sim_upstream *u = upstream_of(w, a);
    if (ub_fault_facts(a->fault)->place == UB_AT_HEAD && !a->hurt) {
        a->hurt = true;
        ub_ns pause_ns = ub_sim_upstream_pause(u, a->fault);
        if (ub_fault_facts(a->fault)->error != UB_ERR_OK || pause_ns == UB_NEVER) {
            refuse(w, a, pause_ns);
        } else {
            plan(w, a, UB_STAGE_CONNECTED, w->now + pause_ns);
        }
        return;
    }
    if (u->slots == 0 || u->running < u->slots) {
        serve(w, a);
    } else if (u->waiting < u->queue_max) {
        a->stage = UB_STAGE_QUEUED;
        uint32_t index = (uint32_t)(a - w->attempt);
        if (u->last_waiting == UB_SIM_NOBODY) {
            u->first_waiting = index;
        } else {
            w->attempt[u->last_waiting].next = index;
        }
        u->last_waiting = index;
        u->waiting++;
        if (u->keep_alive_ns != 0) {
            plan(w, a, UB_STAGE_WAITS, w->now + u->keep_alive_ns);
        }
    } else {
        a->fault = (uint8_t)u->when_full;
        refuse(w, a, 0);
    }
}

/* When does the fault have its moment? UB_NEVER when it has none between `from` and the end. */
static ub_ns hurt_at(const struct ub_sim_attempt *a, ub_ns from)
{
    switch (ub_fault_facts(a->fault)->place) {
    case UB_AT_FIRST:
        return from;
    case UB_AT_MIDWAY:
        return from + (a->body_end - from) / 2;
    case UB_AT_END:
        return a->body_end;
    default:
        return UB_NEVER;
    }
}

/* The fault's moment: the attempt ends with its error, or everything is put off by its pause. True
 * when it ends (or is silent from now on). */
static bool hurt(struct ub_world *w, struct ub_sim_attempt *a, ub_ns at)
{
    struct ub_sim_upstream *u = upstream_of(w, a);
    ub_ns pause_ns = ub_sim_upstream_pause(u, a->fault);
    enum ub_error error = ub_fault_facts(a->fault)->error;
    a->hurt = true;
    if (error != UB_ERR_OK || pause_ns == UB_NEVER) {
        end_with(w, a, error, ub_ns_after(at, pause_ns));
        return true;
    }
    a->body_end += pause_ns;
    return false;
}

static void serve(struct ub_world *w, struct ub_sim_attempt *a)
{
    struct ub_sim_upstream *u = upstream_of(w, a);
    const struct ub_ask *ask = &w->request[a->request].ask;
    if (u->engine != NULL) {
        if (!ub_world_engine_add(w, a)) {
            a->fault = (uint8_t)u->when_full;
            refuse(w, a, 0);
        }
        return;
    }
    a->running = true;
    ub_sim_upstream_run(u, 1, w->now);

    ub_ns first =
        w->now + ub_latency_draw(&u->first, &w->models_random) + u->prefill_ns * ask->prompt_tokens;
    a->body_end = first + u->token_ns * ask->answer_tokens;
    enum ub_fault_place place = ub_fault_facts(a->fault)->place;
    if (place == UB_AT_FIRST || (ask->whole && place != UB_AT_NOTHING)) {
        ub_ns before = a->body_end;
        if (hurt(w, a, hurt_at(a, first))) {
            return;
        }
        first += a->body_end - before;
    }
    if (ask->whole) {
        end_with(w, a, UB_ERR_OK, a->body_end); /* its first payload is its end, too */
    } else {
        plan(w, a, UB_STAGE_FIRST, first);
    }
}

/* The next thing of an attempt that has begun to speak: a mark, its fault, or its end. */
static void go_on(struct ub_world *w, struct ub_sim_attempt *a)
{
    const struct ub_ask *ask = &w->request[a->request].ask;
    ub_ns mark = w->now + (a->stall_ns != 0 ? a->stall_ns : w->policy[ask->model].stall_ns) / 4;
    ub_ns moment = a->hurt ? UB_NEVER : hurt_at(a, w->now);
    if (moment != UB_NEVER && (moment <= mark || a->body_end <= mark)) {
        if (ub_fault_facts(a->fault)->place == UB_AT_END) {
            plan(w, a, UB_STAGE_ANSWERED, moment);
            return;
        }
        ub_ns before = a->body_end;
        if (hurt(w, a, moment)) {
            return;
        }
        mark = a->body_end - before + moment; /* nothing comes before the pause is over */
    }
    if (a->body_end <= mark) {
        end_with(w, a, UB_ERR_OK, a->body_end);
    } else {
        plan(w, a, UB_STAGE_MARK, mark);
    }
}

uint32_t ub_world_said(const struct ub_world *w, uint32_t index)
{
    const struct ub_sim_attempt *a = &w->attempt[index];
    const struct ub_ask *ask = &w->request[a->request].ask;
    ub_ns token_ns = w->upstream[a->upstream].token_ns;
    if (a->produced > 0) {
        return a->produced;
    }
    if (ask->whole || a->body_end == 0) {
        return 0;
    }
    ub_ns left_ns = ub_ns_max(a->body_end - w->now, 0);
    uint64_t left = token_ns == 0 ? 0 : (uint64_t)(left_ns / token_ns);
    return left >= ask->answer_tokens ? 0 : ask->answer_tokens - (uint32_t)left;
}

void ub_world_attempt_say(struct ub_world *w, struct ub_sim_attempt *a, enum ub_event_type type)
{
    const struct ub_sim_upstream *u = upstream_of(w, a);
    const struct ub_ask *ask = &w->request[a->request].ask;
    struct ub_event event = {.type = type, .request = a->id, .attempt = a->number};
    event.said = ub_world_said(w, (uint32_t)(a - w->attempt));
    if (type == UB_EV_ENDED) {
        event.ended.error = a->error;
        event.ended.sealed = ask->sealed;
        if (u->retry_after_ns != 0 && ub_fault_facts(a->fault)->place == UB_AT_HEAD) {
            event.ended.not_before = w->now + u->retry_after_ns;
        }
        if (a->error == UB_ERR_OK) {
            event.ended.tokens_in = ask->prompt_tokens;
            event.ended.tokens_out = ask->answer_tokens;
            event.ended.pause_ns = ask->whole ? 0
                                   : a->hurt  ? ub_sim_upstream_pause(u, a->fault)
                                              : u->token_ns;
        }
    }
    ub_world_say(w, &event);
}

/* After its end or its cancellation the request must not point here any more. */
static void unlink_request(struct ub_world *w, const struct ub_sim_attempt *a)
{
    struct ub_sim_request *r = &w->request[a->request];
    for (size_t i = 0; i < UB_COUNT(r->running); i++) {
        if (r->running[i] == (uint32_t)(a - w->attempt)) {
            r->running[i] = UB_SIM_NOBODY;
        }
    }
}

/* It ends with its `error`. */
void ub_world_attempt_done(struct ub_world *w, uint32_t index)
{
    struct ub_sim_attempt *a = &w->attempt[index];
    give_back(w, a);
    unlink_request(w, a);
    ub_world_attempt_say(w, a, UB_EV_ENDED);
    forget(w, &w->attempt[index]);
}

void ub_world_attempt_word(struct ub_world *w, const struct ub_entry *entry)
{
    uint32_t index = entry->who;
    struct ub_sim_attempt *a = &w->attempt[index];
    if (a->serial != entry->serial) {
        return;
    }
    enum ub_stage stage = a->stage;
    if (stage == UB_STAGE_CONNECTED) {
        connected(w, a);
        return;
    }
    if (stage == UB_STAGE_OVER) {
        ub_world_attempt_done(w, index);
        return;
    }
    if (stage == UB_STAGE_WAITS) {
        a->stage = UB_STAGE_QUEUED;
        ub_world_attempt_say(w, a, UB_EV_QUEUED);
        return;
    }
    ub_world_attempt_say(w, a,
                         stage == UB_STAGE_FIRST      ? UB_EV_FIRST_PAYLOAD
                         : stage == UB_STAGE_ANSWERED ? UB_EV_ANSWERED
                                                      : UB_EV_PROGRESS);
    a = &w->attempt[index]; /* the table may have grown */
    if (a->serial != entry->serial) {
        return; /* that word was its last */
    }
    if (stage != UB_STAGE_ANSWERED || !hurt(w, a, w->now)) {
        go_on(w, a);
    }
    if (a->cancelled && (a->stage == UB_STAGE_SILENT ||
                         a->due > ub_ns_after(a->cancelled_at, w->options.late_words_ns))) {
        forget(w, a);
    }
}

struct ub_sim_attempt *ub_world_attempt_running(struct ub_world *w, const struct ub_sim_request *r,
                                                uint8_t number)
{
    for (size_t i = 0; i < UB_COUNT(r->running); i++) {
        if (r->running[i] != UB_SIM_NOBODY && w->attempt[r->running[i]].number == number) {
            return &w->attempt[r->running[i]];
        }
    }
    return NULL;
}

static struct ub_sim_attempt *meant(struct ub_world *w, const struct ub_action *action)
{
    return ub_world_attempt_running(w, &w->request[w->by_request_slot[action->request.slot]],
                                    action->attempt);
}

void ub_world_attempt_forward(struct ub_world *w, const struct ub_action *action)
{
    struct ub_sim_attempt *a = meant(w, action);
    if (a != NULL) {
        a->stall_ns = action->stall_ns;
    }
}

static void cancel(struct ub_world *w, struct ub_sim_attempt *a)
{
    unlink_request(w, a);
    bool speaks = a->stage == UB_STAGE_FIRST || a->stage == UB_STAGE_MARK ||
                  a->stage == UB_STAGE_ANSWERED || a->stage == UB_STAGE_OVER;
    give_back(w, a);
    a->cancelled = true;
    a->cancelled_at = w->now;
    if (!speaks || w->options.late_words_ns == 0 ||
        a->due > ub_ns_after(w->now, w->options.late_words_ns)) {
        forget(w, a);
    }
}

/* Nothing happens when it is over already. */
void ub_world_attempt_cancel(struct ub_world *w, const struct ub_action *action)
{
    struct ub_sim_attempt *a = meant(w, action);
    if (a != NULL) {
        cancel(w, a);
    }
}

/* The process behind the upstream is gone: whoever is connected hears a reset. */
void ub_world_attempts_reset(struct ub_world *w, uint32_t upstream)
{
    for (uint32_t i = 0; i < w->attempt_count; i++) {
        struct ub_sim_attempt *a = &w->attempt[i];
        if (a->upstream != upstream || a->stage == UB_STAGE_FREE || a->cancelled) {
            continue;
        }
        struct ub_sim_upstream *u = upstream_of(w, a);
        if (is_queued(a)) {
            leave_queue(w, u, i);
        }
        if (a->running) {
            stop(w, a);
        }
        end_with(w, a, UB_ERR_RESET, w->now);
    }
}

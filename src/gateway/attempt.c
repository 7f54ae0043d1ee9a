#include "gateway/attempt_inside.h"

#include "base/log.h"
#include "gateway/account.h"
#include "gateway/ask.h"
#include "gateway/degrade.h"
#include "gateway/grace.h"
#include "gateway/hold.h"
#include "gateway/reply.h"
#include "gateway/resume.h"
#include "gateway/settle.h"
#include <assert.h>

#define REFUSAL_MAX ((size_t)64 * 1024)
#define LINGER_NS   UB_SECOND /* for the end of the framing after [DONE] */

static void on_head(struct ub_call *call, const struct ub_http_head *head);
static void on_body(struct ub_call *call, struct ub_slice chunk);
static void on_turn(struct ub_call *call);
static void on_ended(struct ub_call *call, enum ub_error error, const char *words);

static const struct ub_call_handler handler = {on_head, on_body, on_ended, on_turn};

struct ub_attempt *ub_attempt_find(const struct ub_request *request, uint8_t number)
{
    struct ub_attempt *attempt = request->attempts;
    while (attempt != NULL && attempt->number != number) {
        attempt = attempt->next;
    }
    return attempt;
}

ub_ns ub_attempt_now(const struct ub_attempt *attempt)
{
    return ub_loop_now(attempt->request->worker->loop);
}

void ub_attempt_tell(struct ub_attempt *attempt, struct ub_event *event)
{
    event->request = attempt->request->id;
    event->worker = attempt->request->worker->number;
    event->attempt = attempt->number;
    event->said = ub_account_said(attempt);
    ub_worker_tell(attempt->request->worker, event);
}

static void drop_call(struct ub_attempt *attempt)
{
    if (!attempt->call_over) {
        ub_call_cancel(&attempt->call);
        attempt->call_over = true;
        ub_timer_stop(attempt->request->worker->loop, &attempt->linger);
        ub_request_call_over(attempt->request);
    }
}

static void lingered(struct ub_timer *timer)
{
    drop_call(timer->user);
}

void ub_attempt_mute(struct ub_attempt *attempt)
{
    attempt->mute = true;
    ub_resume_hand_over(attempt);
    ub_relay_close(&attempt->relay);
    ub_tail_close(&attempt->tail);
    ub_hold_let_go(attempt);
    if (attempt->call_over || attempt->lingers) {
        return;
    }
    if (attempt->relay.done && attempt->relay.error == UB_ERR_OK) {
        attempt->lingers = true;
        ub_call_resume(&attempt->call);
        ub_timer_start(attempt->request->worker->loop, &attempt->linger,
                       ub_attempt_now(attempt) + LINGER_NS);
    } else {
        drop_call(attempt);
    }
}

static void note_end(struct ub_attempt *attempt, enum ub_error error)
{
    struct ub_request *request = attempt->request;
    if (ub_error_blames(error)) {
        const char *words = attempt->relay.words;
        UB_LOG(WARN,
               "attempt failed request=%s attempt=%u upstream=%s error=%s status=%d reason=\"%s\"",
               request->name, attempt->number, attempt->site->config->name, ub_error_slug(error),
               attempt->status, words == NULL ? ub_error_words(error) : words);
    }
    ub_metrics_add(request->worker->shard, UB_METRIC_ATTEMPTS, attempt->site->slot, error, 1);
    if (attempt->forwarded && attempt->kind == UB_ATTEMPT_STREAM && ub_error_blames(error)) {
        ub_metrics_add(request->worker->shard, UB_METRIC_BROKEN_STREAMS, ub_resume_bar(attempt), 0,
                       1);
    }
    if (attempt->number <= UB_COUNT(request->tried)) {
        struct ub_try *try = &request->tried[attempt->number - 1];
        try->error = (uint8_t)error;
        try->running = false;
        try->ms = (uint32_t)((ub_attempt_now(attempt) - attempt->started_at) / UB_MS);
    }
}

/* The attempt is over; the brain decides what follows. */
void ub_attempt_end(struct ub_attempt *attempt, enum ub_error error)
{
    const struct ub_openai_usage *usage = &attempt->relay.usage;
    if (error != UB_ERR_OK) {
        ub_grace_look(attempt); /* both may come in one read */
    }
    bool sealed = ub_resume_bar(attempt) != UB_RESUME_NONE;
    attempt->relay.error = error;
    attempt->mute = true;
    note_end(attempt, error);
    ub_resume_hand_over(attempt); /* who goes on may be asked at once */
    ub_attempt_tell(attempt, &(struct ub_event){.type = UB_EV_ENDED,
                                                .ended = {.error = error,
                                                          .not_before = attempt->not_before,
                                                          .tokens_in = usage->input,
                                                          .tokens_out = usage->output,
                                                          .tokens_cached = usage->cached,
                                                          .pause_ns = attempt->pulse.longest_ns,
                                                          .sealed = sealed}});
    ub_attempt_mute(attempt);
}

void ub_attempt_cancel(struct ub_attempt *attempt, enum ub_error error)
{
    if (!attempt->mute) {
        attempt->relay.error = error;
        note_end(attempt, error);
        if (error == UB_ERR_OUTRUN) {
            ub_settle_loser(attempt);
        }
        ub_attempt_mute(attempt);
    }
}

void ub_attempt_free(struct ub_attempt *attempt)
{
    assert(attempt->call_over);
    ub_relay_close(&attempt->relay);
    ub_tail_close(&attempt->tail);
    ub_buf_free(&attempt->held);
    ub_resume_free(attempt);
    ub_stock_give(&attempt->request->worker->attempt_stock, attempt);
}

static void note_start(struct ub_request *request, const struct ub_action *action,
                       const struct ub_site *site, ub_ns now)
{
    ub_metrics_add(request->worker->shard, UB_METRIC_STARTS, action->reason, 0, 1);
    request->tries = action->attempt;
    if (request->started_at == 0) {
        request->started_at = now;
    }
    if (action->attempt <= UB_COUNT(request->tried)) {
        request->tried[action->attempt - 1] = (struct ub_try){
            .site = (uint16_t)(site - request->view->setup->sites),
            .reason = (uint8_t)action->reason,
            .running = true,
            .start_ms = (uint32_t)((now - request->arrived_at) / UB_MS),
        };
    }
}

void ub_attempt_start(struct ub_request *request, const struct ub_action *action)
{
    const struct ub_site *site = ub_setup_site(request->view->setup, action->upstream);
    assert(site != NULL); /* the brain only names what the request's own routes know */
    ub_ns now = ub_loop_now(request->worker->loop);
    note_start(request, action, site, now);
    struct ub_attempt *attempt = ub_stock_take(&request->worker->attempt_stock, sizeof *attempt);
    if (attempt == NULL) {
        ub_worker_tell(request->worker, &(struct ub_event){.type = UB_EV_ENDED,
                                                           .request = request->id,
                                                           .worker = request->worker->number,
                                                           .attempt = action->attempt,
                                                           .ended = {.error = UB_ERR_NO_MEMORY}});
        return;
    }
    request->degraded = action->degraded;
    *attempt = (struct ub_attempt){.call = {.handler = &handler, .user = attempt},
                                   .linger = {.fire = lingered, .user = attempt},
                                   .request = request,
                                   .site = site,
                                   .number = action->attempt,
                                   .started_at = now,
                                   .length = -1,
                                   .held = {.max = UB_HELD_MAX + UB_READ_MAX},
                                   .next = request->attempts};
    ub_relay_init(&attempt->relay, site->config->dialect, !request->wants_usage,
                  request->worker->parts);
    request->attempts = attempt;
    struct ub_ask ask;
    bool asked = !action->resume || ub_resume_recall_question(request);
    if (asked) {
        ub_ask_write(&ask, request, site, &attempt->shorter);
    }
    if (!action->resume) {
        ub_resume_keep(attempt);
    } else if (!asked || !ub_resume_ask(attempt, &ask)) {
        attempt->call_over = true; /* there is none */
        ub_attempt_end(attempt, UB_ERR_SEALED);
        return;
    }
    request->calls++;
    ub_call_start(&attempt->call, ub_view_origin(request->view, site), &ask.request);
}

/* --- refusals -------------------------------------------------------------------------------- */

static void refused(struct ub_attempt *attempt)
{
    enum ub_error error = ub_openai_refusal(attempt->status, ub_buf_slice(&attempt->held),
                                            attempt->site->config->dialect);
    ub_hold_keep(&attempt->request->refused, attempt, false);
    ub_attempt_end(attempt, error);
}

/* --- streams --------------------------------------------------------------------------------- */

void ub_attempt_pass(struct ub_attempt *attempt, const struct ub_slice *parts, uint32_t count)
{
    struct ub_request *request = attempt->request;
    if (request->exchange == NULL || count == 0) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        request->bytes_out += parts[i].len;
    }
    if (!ub_exchange_send(request->exchange, parts, count) && !request->full) {
        request->full = true;
        ub_request_set_patient(request, true);
        ub_pulse_held(attempt);
        ub_call_pause(&attempt->call);
    }
}

/* What the relay has for the client goes out, or is kept until it may. False without memory. */
static bool flush(struct ub_attempt *attempt)
{
    struct ub_relay *relay = &attempt->relay;
    if (attempt->forwarded) {
        ub_attempt_pass(attempt, relay->parts, relay->part_count);
    } else {
        for (uint32_t i = 0; i < relay->part_count; i++) {
            ub_buf_add_slice(&attempt->held, relay->parts[i]);
        }
        ub_hold_charge(attempt);
    }
    relay->part_count = 0;
    return !attempt->held.failed;
}

void ub_attempt_note_payload(struct ub_attempt *attempt)
{
    ub_ns now = ub_attempt_now(attempt);
    ub_pulse_begin(attempt);
    ub_metrics_observe(attempt->request->worker->shard, UB_METRIC_ATTEMPT_FIRST_TOKEN,
                       attempt->site->slot, now - attempt->started_at);
    if (attempt->queued_at != 0) {
        ub_metrics_observe(attempt->request->worker->shard, UB_METRIC_ATTEMPT_QUEUED,
                           attempt->site->slot, now - attempt->queued_at);
    }
}

void ub_attempt_first_payload(struct ub_attempt *attempt)
{
    ub_attempt_note_payload(attempt);
    ub_attempt_tell(attempt, &(struct ub_event){.type = UB_EV_FIRST_PAYLOAD});
}

static void stream_over(struct ub_attempt *attempt)
{
    if (attempt->relay.error == UB_ERR_EMPTY_ANSWER) {
        ub_hold_keep(&attempt->request->empty, attempt, true);
    }
    ub_attempt_end(attempt, attempt->relay.error);
}

static void read_stream(struct ub_attempt *attempt, struct ub_slice chunk)
{
    struct ub_relay *relay = &attempt->relay;
    while (!attempt->mute) {
        enum ub_relay_found found = ub_relay_next(relay, &chunk);
        if (found == UB_RELAY_MORE) {
            break; /* what was gathered goes out with the rest of this read */
        }
        if (!flush(attempt)) {
            ub_attempt_end(attempt, UB_ERR_NO_MEMORY);
            return;
        }
        if (found == UB_RELAY_PAYLOAD) {
            ub_attempt_first_payload(attempt);
        } else if (found == UB_RELAY_DONE || found == UB_RELAY_BROKEN) {
            stream_over(attempt);
        }
    }
}

/* The upstream has answered 200, and then only that the request waits there: comments of a stream,
 * blank lines before an answer in one piece (DeepSeek, API-FACTS 1.1). */
void ub_attempt_note_queued(struct ub_attempt *attempt)
{
    if (attempt->queued_at == 0) {
        attempt->queued_at = ub_attempt_now(attempt);
        ub_attempt_tell(attempt, &(struct ub_event){.type = UB_EV_QUEUED});
    }
}

static void on_stream(struct ub_attempt *attempt, struct ub_slice chunk)
{
    const struct ub_relay *relay = &attempt->relay;
    uint32_t events = relay->events, payload = relay->payload;
    read_stream(attempt, chunk);
    ub_metrics_add(attempt->request->worker->shard, UB_METRIC_STREAM_EVENTS, 0, 0,
                   relay->events - events);
    if (!attempt->mute && relay->keeps) {
        ub_resume_charge(attempt);
    }
    if (!attempt->mute && attempt->forwarded && relay->payload != payload) {
        ub_pulse_payload(attempt);
    } else if (!attempt->mute && relay->commented && relay->payload == 0) {
        ub_attempt_note_queued(attempt);
    }
}

static void on_turn(struct ub_call *call)
{
    struct ub_attempt *attempt = call->user;
    if (!attempt->mute && attempt->relay.part_count > 0 && !flush(attempt)) {
        ub_attempt_end(attempt, UB_ERR_NO_MEMORY);
    }
    ub_grace_look(attempt);
}

/* --- what the brain wants -------------------------------------------------------------------- */

void ub_attempt_forward(struct ub_attempt *attempt, const struct ub_action *action)
{
    struct ub_request *request = attempt->request;
    attempt->forwarded = true;
    ub_pulse_forward(attempt, action);
    if (request->speaker != NULL) {
        ub_settle_loser(request->speaker); /* it broke, and never said what it used */
    }
    request->speaker = attempt;
    request->spoke = attempt->site;
    if (request->payload_at == 0) {
        request->payload_at = ub_attempt_now(attempt);
    }
    if (attempt->complete || request->exchange == NULL) {
        return; /* FINISH follows, and then all of it goes out at once */
    }
    if (attempt->kind == UB_ATTEMPT_STREAM) {
        ub_reply_stream(request);
    } else {
        ub_reply_plain(request, attempt->status, attempt->type, attempt->length);
    }
    struct ub_slice held = ub_buf_slice(&attempt->held);
    if (attempt->kind == UB_ATTEMPT_PLAIN) {
        ub_tail_add(&attempt->tail, held);
    }
    ub_attempt_pass(attempt, &held, 1);
    ub_hold_let_go(attempt);
    if (request->full) { /* perhaps since the one before it */
        ub_pulse_held(attempt);
        ub_call_pause(&attempt->call);
    }
}

void ub_attempt_finish(struct ub_attempt *attempt)
{
    struct ub_request *request = attempt->request;
    if (attempt->kind == UB_ATTEMPT_STREAM) {
        ub_attempt_pass(attempt, &UB_SSE_DONE, 1);
    } else if (attempt->complete) {
        struct ub_slice held = ub_buf_slice(&attempt->held);
        ub_reply_plain(request, attempt->status, attempt->type, (int64_t)held.len);
        ub_attempt_pass(attempt, &held, 1);
    }
    ub_exchange_end(request->exchange);
}

void ub_attempt_resume(struct ub_attempt *attempt)
{
    ub_grace_look(attempt);
    if (!attempt->call_over) {
        ub_call_resume(&attempt->call);
    }
}

void ub_attempt_still_alive(struct ub_attempt *attempt)
{
    if (!attempt->mute && !ub_grace_hold(attempt)) {
        ub_pulse_tell(attempt);
    }
}

/* --- what the upstream says ------------------------------------------------------------------ */

static void on_head(struct ub_call *call, const struct ub_http_head *head)
{
    struct ub_attempt *attempt = call->user;
    struct ub_slice type = ub_http_value(head, "content-type");
    if (attempt->mute) {
        return;
    }
    attempt->status = head->status;
    attempt->length = head->content_length;
    if (type.len < sizeof attempt->type) {
        memcpy(attempt->type, type.ptr, type.len);
    }
    if (head->status < 200 || head->status > 299) {
        attempt->kind = UB_ATTEMPT_REFUSED;
        attempt->not_before = ub_openai_retry_at(head, ub_clock_now(), ub_clock_wall());
    } else if (attempt->request->stream && ub_sse_is_type(type)) {
        attempt->kind = UB_ATTEMPT_STREAM;
    } else {
        attempt->kind = UB_ATTEMPT_PLAIN;
    }
}

static void on_body(struct ub_call *call, struct ub_slice chunk)
{
    struct ub_attempt *attempt = call->user;
    struct ub_request *request = attempt->request;
    if (attempt->mute) {
        return;
    }
    ub_metrics_add(request->worker->shard, UB_METRIC_BYTES, UB_SIDE_UPSTREAM, 0, chunk.len);
    switch (attempt->kind) {
    case UB_ATTEMPT_STREAM:
        on_stream(attempt, chunk);
        break;
    case UB_ATTEMPT_PLAIN:
        ub_attempt_on_plain(attempt, chunk);
        break;
    case UB_ATTEMPT_ASKED:
    case UB_ATTEMPT_REFUSED:
        ub_buf_add_slice(&attempt->held, chunk);
        ub_hold_charge(attempt);
        if (attempt->held.failed || attempt->held.len > REFUSAL_MAX) {
            refused(attempt);
        }
        break;
    }
}

static void on_ended(struct ub_call *call, enum ub_error error, const char *words)
{
    struct ub_attempt *attempt = call->user;
    struct ub_request *request = attempt->request;
    attempt->call_over = true;
    ub_timer_stop(request->worker->loop, &attempt->linger);
    if (!attempt->mute) {
        if (error != UB_ERR_OK) {
            attempt->relay.words = words;
        }
        if (attempt->kind == UB_ATTEMPT_REFUSED) {
            refused(attempt);
        } else if (error != UB_ERR_OK) {
            ub_attempt_end(attempt, error);
        } else if (attempt->kind == UB_ATTEMPT_STREAM) {
            ub_relay_end(&attempt->relay);
            stream_over(attempt);
        } else {
            ub_attempt_plain_over(attempt);
        }
    }
    ub_request_call_over(request);
}

#include "gateway/request.h"

#include "base/alloc.h"
#include "base/embed.h"
#include "gateway/account.h"
#include "gateway/attempt.h"
#include "gateway/degrade.h"
#include "gateway/hold.h"
#include "gateway/intake.h"
#include "gateway/listing.h"
#include "gateway/reply.h"
#include "gateway/resume.h"
#include "gateway/settle.h"
#include <assert.h>

/* There will be no other attempt, and nothing that was kept is passed on any more. */
static void forget_question(struct ub_request *request)
{
    ub_hold_drop(request);
    ub_resume_drop(request);
    ub_scan_free(&request->worker->scan_stock, request->scan);
    request->scan = NULL;
}

static void bury(struct ub_task *task)
{
    struct ub_request *request = UB_OWNER(task, struct ub_request, burial);
    struct ub_worker *worker = request->worker;
    while (request->attempts != NULL) {
        struct ub_attempt *attempt = request->attempts;
        request->attempts = attempt->next;
        ub_attempt_free(attempt);
    }
    *(request->prev == NULL ? &worker->requests : &request->prev->next) = request->next;
    if (request->next != NULL) {
        request->next->prev = request->prev;
    }
    worker->request_count--;
    forget_question(request);
    ub_free(request->passed_text);
    ub_view_release(request->view);
    ub_stock_give(&worker->request_stock, request);
    ub_worker_end_when_idle(worker);
}

/* Takes the steps towards the end that have become possible. */
static void wind_up(struct ub_request *request)
{
    if (request->phase != UB_REQUEST_OVER) {
        return;
    }
    if (request->calls == 0 && request->body.budget != NULL) {
        ub_body_close(&request->body);
    }
    if (request->exchange != NULL) {
        return;
    }
    if (!request->settled) {
        request->settled = true;
        ub_settle(request);
    }
    if (request->calls == 0) {
        ub_loop_post(request->worker->loop, &request->burial);
    }
}

void ub_request_end(struct ub_request *request, enum ub_error outcome, enum ub_reason why)
{
    assert(request->phase != UB_REQUEST_OVER);
    request->phase = UB_REQUEST_OVER;
    request->outcome = outcome;
    request->why = why;
    request->over_at = ub_loop_now(request->worker->loop);
    ub_request_set_patient(request, false);
    ub_listing_stop(request);
    for (struct ub_attempt *attempt = request->attempts; attempt != NULL; attempt = attempt->next) {
        ub_attempt_mute(attempt);
    }
    forget_question(request);
    wind_up(request);
}

void ub_request_call_over(struct ub_request *request)
{
    assert(request->calls > 0);
    request->calls--;
    wind_up(request);
}

void ub_request_set_patient(struct ub_request *request, bool patient)
{
    if (request->patient != patient) {
        request->patient = patient;
        ub_worker_patient(request->worker, patient ? 1 : -1);
    }
}

void ub_request_tick(struct ub_request *request)
{
    if (!request->patient) {
        return;
    }
    if (request->phase == UB_REQUEST_READING) {
        ub_intake_tick(request);
    } else if (request->speaker != NULL) {
        ub_attempt_still_alive(request->speaker);
    }
}

/* --- what the brain wants -------------------------------------------------------------------- */

void ub_request_arrived(struct ub_request *request, struct ub_request_id id)
{
    request->id = id;
    request->phase = UB_REQUEST_RUNNING;
    request->arrived_at = ub_loop_now(request->worker->loop);
    request->why = UB_WHY_NONE;
    ub_metrics_add(request->worker->shard, UB_METRIC_REQUESTS_RUNNING,
                   request->view->setup->model_slots[request->model], 0, 1);
}

static void answer(struct ub_request *request, const struct ub_action *action)
{
    struct ub_refusal refusal = action->error == UB_ERR_OVER_LIMIT
                                    ? ub_refusal_over_limit(action->reason)
                                    : ub_refusal_of(action->error);
    refusal.advice = action->should_retry ? UB_ADVICE_RETRY : UB_ADVICE_GIVE_UP;
    refusal.retry_after_ns = action->retry_after_ns;
    if (action->error != UB_ERR_EMPTY_ANSWER) {
        request->degraded = 0; /* nothing of it is answered */
    }
    if (action->error == UB_ERR_EMPTY_ANSWER && request->empty.attempt == action->attempt) {
        ub_reply_kept(request, &request->empty, &refusal);
    } else if (!action->pass_on || request->refused.attempt != action->attempt ||
               !ub_reply_kept(request, &request->refused, &refusal)) {
        ub_reply_refuse(request, &refusal);
    }
    ub_request_end(request, action->error, action->reason);
}

static void forward(struct ub_request *request, const struct ub_action *action)
{
    if (ub_resume_keeps_question(request)) {
        ub_hold_drop(request);
    } else {
        forget_question(request);
    }
    ub_attempt_forward(ub_attempt_find(request, action->attempt), action);
}

static void finish(struct ub_request *request, const struct ub_action *action)
{
    struct ub_attempt *attempt = ub_attempt_find(request, action->attempt);
    if (!attempt->forwarded) { /* its first payload was its end, too */
        forward(request, action);
    }
    if (request->exchange != NULL) {
        ub_attempt_finish(attempt);
    }
    ub_request_end(request, UB_ERR_OK, action->reason);
}

static void cut(struct ub_request *request, const struct ub_action *action)
{
    struct ub_refusal refusal = ub_refusal_of(action->error);
    ub_reply_cut(request, &refusal);
    ub_request_end(request, action->error, action->reason);
}

void ub_request_carry(struct ub_request *request, const struct ub_action *action)
{
    assert(request->phase == UB_REQUEST_RUNNING);
    switch (action->type) {
    case UB_ACT_START:
        ub_attempt_start(request, action);
        break;
    case UB_ACT_FORWARD:
        forward(request, action);
        break;
    case UB_ACT_HEARTBEAT:
        ub_reply_heartbeat(request, action);
        break;
    case UB_ACT_CANCEL: {
        struct ub_attempt *attempt = ub_attempt_find(request, action->attempt);
        if (attempt != NULL) { /* NULL: it could not even be started */
            ub_attempt_cancel(attempt, action->error);
        }
        break;
    }
    case UB_ACT_FINISH:
        finish(request, action);
        break;
    case UB_ACT_LOOK:
        ub_degrade_look(request);
        break;
    case UB_ACT_STAND_IN:
        ub_degrade_stand_in(request, action);
        break;
    case UB_ACT_ANSWER:
        answer(request, action);
        break;
    case UB_ACT_CUT:
        cut(request, action);
        break;
    case UB_ACT_DROP:
        ub_request_end(request, action->error, action->reason);
        break;
    case UB_ACT_PROBE: /* never about a request */
    case UB_ACT_TYPES:
        assert(false);
    }
}

/* --- what the client does -------------------------------------------------------------------- */

static struct ub_request *request_new(struct ub_worker *worker, struct ub_exchange *exchange,
                                      const struct ub_http_head *head)
{
    struct ub_request *request = ub_stock_take(&worker->request_stock, sizeof *request);
    if (request == NULL) {
        return NULL;
    }
    *request = (struct ub_request){.worker = worker,
                                   .view = ub_view_hold(worker->view),
                                   .exchange = exchange,
                                   .head = head,
                                   .burial = {.run = bury},
                                   .model = -1,
                                   .began_at = ub_loop_now(worker->loop),
                                   .wall_at = ub_clock_wall()};
    UB_ACCESS_TEXT(request->client, exchange->peer);
    request->next = worker->requests;
    if (request->next != NULL) {
        request->next->prev = request;
    }
    worker->requests = request;
    worker->request_count++;
    exchange->user = request;
    return request;
}

static void on_head(struct ub_exchange *exchange, const struct ub_http_head *head)
{
    struct ub_request *request = request_new(exchange->listener_user, exchange, head);
    if (request == NULL) {
        struct ub_slice body = ub_refusal_spare();
        struct ub_http_field type = {UB_LIT("Content-Type"), UB_LIT("application/json")};
        ub_exchange_respond(exchange, 503, &type, 1, (int64_t)body.len);
        ub_exchange_send(exchange, &body, 1);
        ub_exchange_end(exchange);
        return;
    }
    ub_intake_head(request);
}

static void on_body(struct ub_exchange *exchange, struct ub_slice chunk)
{
    struct ub_request *request = exchange->user;
    if (request != NULL && request->phase == UB_REQUEST_READING) {
        ub_intake_body(request, chunk);
    }
}

static void on_body_end(struct ub_exchange *exchange)
{
    struct ub_request *request = exchange->user;
    if (request == NULL) {
        return;
    }
    if (request->phase == UB_REQUEST_READING) {
        ub_request_set_patient(request, false);
        ub_intake_arrive(request);
    }
    request->head = NULL;
}

static void on_writable(struct ub_exchange *exchange)
{
    struct ub_request *request = exchange->user;
    if (request != NULL && request->full) {
        request->full = false;
        ub_request_set_patient(request, false);
        if (request->speaker != NULL) {
            ub_attempt_resume(request->speaker);
        }
    }
}

static void on_gone(struct ub_exchange *exchange, enum ub_gone why)
{
    struct ub_request *request = exchange->user;
    if (request == NULL) {
        return;
    }
    request->exchange = NULL;
    request->head = NULL;
    bool slow = why == UB_GONE_SLOW_READER || why == UB_GONE_SLOW_BODY;
    enum ub_error left = slow ? UB_ERR_CLIENT_SLOW : UB_ERR_CLIENT_GONE;
    switch (request->phase) {
    case UB_REQUEST_READING:
        ub_request_end(request, left, UB_WHY_CLIENT_LEFT);
        break;
    case UB_REQUEST_RUNNING:
        ub_worker_tell(request->worker,
                       &(struct ub_event){.type = UB_EV_CLIENT_LEFT,
                                          .request = request->id,
                                          .worker = request->worker->number,
                                          .said = ub_account_said(request->speaker),
                                          .left = left});
        break;
    case UB_REQUEST_OVER:
        if (why != UB_GONE_DONE && request->outcome == UB_ERR_OK) {
            request->outcome = left; /* the end of the answer did not reach it */
        }
        wind_up(request);
        break;
    }
}

const struct ub_exchange_handler ub_request_handler = {on_head, on_body, on_body_end, on_writable,
                                                       on_gone};

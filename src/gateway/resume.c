#include "gateway/resume.h"

#include "base/alloc.h"
#include "gateway/degrade.h"
#include "gateway/hold.h"
#include <assert.h>

#define RECALL_MAX ((size_t)256 * 1024) /* bytes of a body that are read in one turn of the loop */

_Static_assert((int)UB_RESUME_BAR_COUNT == (int)UB_METRIC_BARS, "the same bars in the same order");

enum ub_resume_bar ub_resume_at_arrival(const struct ub_request *request)
{
    const struct ub_config *config = request->view->setup->config;
    if (!config->models[request->model].resume || config->resume_buffer == 0) {
        return UB_RESUME_OFF;
    }
    return ub_resume_asked(ub_scan_fields(request->scan), request->endpoint == UB_ENDPOINT_CHAT);
}

void ub_resume_keep(struct ub_attempt *attempt)
{
    const struct ub_request *request = attempt->request;
    if (request->bar == UB_RESUME_NONE) {
        ub_relay_keep(&attempt->relay, request->view->setup->config->resume_buffer);
    }
}

bool ub_resume_keeps_question(const struct ub_request *request)
{
    return request->bar == UB_RESUME_NONE && request->body_bytes.len > RECALL_MAX;
}

bool ub_resume_recall_question(struct ub_request *request)
{
    if (request->scan == NULL) {
        request->scan = ub_scan_new(&request->worker->scan_stock);
        bool again = request->scan != NULL && ub_scan_feed(request->scan, request->body_bytes) &&
                     ub_scan_finish(request->scan);
        assert(again || request->scan == NULL); /* it was good the first time */
    }
    return request->scan != NULL;
}

static bool write_prefill(struct ub_attempt *attempt, struct ub_ask *ask)
{
    const struct ub_request *request = attempt->request;
    const struct ub_scan_fields *asked = ub_scan_fields(request->scan);
    struct ub_prefill *prefill = attempt->prefill = ub_calloc(1, sizeof *prefill);
    if (prefill == NULL) {
        return false;
    }
    const struct ub_prefill_wish wish = {
        .body = request->body_bytes,
        .asked = asked,
        .model = ub_ask_model(request, attempt->site),
        .dialect = attempt->site->config->dialect,
        .target = ask->request.target,
        .delivered = &request->delivered,
        .max_tokens = ub_degrade_tokens(request),
    };
    if (!ub_prefill_write(prefill, &wish)) {
        return false;
    }
    ask->request.body = prefill->parts;
    ask->request.body_count = prefill->count;
    ask->request.target = ub_buf_slice(&prefill->target);
    return true;
}

bool ub_resume_ask(struct ub_attempt *attempt, struct ub_ask *ask)
{
    const struct ub_request *request = attempt->request;
    const struct ub_scan_fields *asked = ub_scan_fields(request->scan);
    const struct ub_delivered *delivered = &request->delivered;
    if (ub_delivered_bar(delivered) != UB_RESUME_NONE) {
        return false;
    }
    enum ub_resume_way way = ub_delivered_way(delivered, asked, attempt->site->config->dialect);
    if (way == UB_RESUME_BY_PREFILL && !write_prefill(attempt, ask)) {
        return false;
    }
    bool ok = ub_relay_continue(&attempt->relay, delivered, way);
    ub_resume_charge(attempt);
    return ok;
}

void ub_resume_charge(struct ub_attempt *attempt)
{
    struct ub_delivered *delivered = &attempt->relay.delivered;
    if (ub_delivered_bytes(delivered) != attempt->kept_bytes) {
        if (!ub_budget_has_room(&attempt->request->worker->gateway->budget)) {
            ub_delivered_give_up(delivered);
        }
        attempt->kept_bytes = ub_delivered_bytes(delivered);
        ub_hold_charge(attempt);
    }
}

enum ub_resume_bar ub_resume_bar(const struct ub_attempt *attempt)
{
    if (attempt->request->bar != UB_RESUME_NONE) {
        return attempt->request->bar;
    }
    return attempt->relay.keeps ? ub_delivered_bar(&attempt->relay.delivered) : UB_RESUME_NO_MEMORY;
}

void ub_resume_hand_over(struct ub_attempt *attempt)
{
    struct ub_request *request = attempt->request;
    if (!attempt->relay.keeps) {
        return;
    }
    struct ub_delivered delivered = ub_relay_take_delivered(&attempt->relay);
    attempt->kept_bytes = 0;
    if (attempt->forwarded && request->phase == UB_REQUEST_RUNNING) {
        ub_delivered_close(&request->delivered);
        request->delivered = delivered;
        ub_hold_charge_request(request);
    } else {
        ub_delivered_close(&delivered); /* the client has nothing of it */
    }
    ub_hold_charge(attempt);
}

void ub_resume_drop(struct ub_request *request)
{
    ub_delivered_close(&request->delivered);
    ub_hold_charge_request(request);
}

void ub_resume_free(struct ub_attempt *attempt)
{
    if (attempt->prefill != NULL) {
        ub_prefill_close(attempt->prefill);
        ub_free(attempt->prefill);
        attempt->prefill = NULL;
    }
}

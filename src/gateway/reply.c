#include "gateway/reply.h"

#include "base/digits.h"
#include "base/random.h"
#include "gateway/cookie.h"
#include "gateway/degrade.h"
#include "http/openai.h"
#include "http/sse.h"

#define FIELDS_MAX 18

/* Fields under construction, with room for their texts. */
struct fields {
    struct ub_http_field list[FIELDS_MAX];
    uint32_t count;
    char attempts[UB_DIGITS_MAX];
    char after_ms[UB_DIGITS_MAX];
    char after_s[UB_DIGITS_MAX];
    char position[UB_DIGITS_MAX];
    char wait_ms[UB_DIGITS_MAX];
    char cookie[UB_COOKIE_MAX];
    char degraded[UB_DEGRADE_LABEL];
    struct {
        char limit[UB_DIGITS_MAX], left[UB_DIGITS_MAX], reset[UB_RESET_TEXT];
    } allowance[2];
};

static void add(struct fields *fields, struct ub_slice name, struct ub_slice value)
{
    fields->list[fields->count++] = (struct ub_http_field){name, value};
}

static void add_cookie(struct fields *fields, const struct ub_request *request)
{
    const struct ub_config *config = request->view->setup->config;
    const char *name = request->model < 0 ? NULL : config->models[request->model].affinity_cookie;
    uint64_t key = request->spoke->config->id;
    if (name != NULL && key != request->cookie_key) {
        size_t len = ub_cookie_write(fields->cookie, name, key);
        if (len > 0) {
            add(fields, UB_LIT("Set-Cookie"), (struct ub_slice){fields->cookie, len});
        }
    }
}

/* What the client may still ask: in OpenAI's names, on every answer while a limit holds. */
static void add_allowance(struct fields *fields, const struct ub_allowance *allowance)
{
    static const struct {
        struct ub_slice limit, left, reset;
    } names[2] = {
        {UB_LIT("X-RateLimit-Limit-Requests"), UB_LIT("X-RateLimit-Remaining-Requests"),
         UB_LIT("X-RateLimit-Reset-Requests")},
        {UB_LIT("X-RateLimit-Limit-Tokens"), UB_LIT("X-RateLimit-Remaining-Tokens"),
         UB_LIT("X-RateLimit-Reset-Tokens")},
    };
    const struct ub_allowance_part *parts[2] = {&allowance->requests, &allowance->tokens};
    for (int i = 0; i < 2; i++) {
        if (parts[i]->limit > 0) {
            add(fields, names[i].limit, ub_digits(parts[i]->limit, fields->allowance[i].limit));
            add(fields, names[i].left, ub_digits(parts[i]->left, fields->allowance[i].left));
            add(fields, names[i].reset,
                ub_slice_of(ub_refusal_reset(parts[i]->full_ns, fields->allowance[i].reset)));
        }
    }
}

static void add_common(struct fields *fields, struct ub_request *request, struct ub_slice type)
{
    add(fields, UB_LIT("Content-Type"), type);
    add(fields, UB_LIT("X-Request-Id"), ub_slice_of(request->name));
    if (request->spoke != NULL) {
        add(fields, UB_LIT("X-Unbusy-Upstream"), ub_slice_of(request->spoke->config->name));
        add_cookie(fields, request);
    }
    if (request->arrived_at != 0) {
        add(fields, UB_LIT("X-Unbusy-Attempts"), ub_digits(request->tries, fields->attempts));
        add(fields, UB_LIT("X-Unbusy-Cache"), UB_LIT("bypass"));
        add_allowance(fields, &request->allowance);
    }
    if (request->degraded != 0) {
        request->labelled = request->degraded;
        add(fields, UB_LIT("X-Unbusy-Degraded"), ub_degrade_label(request, fields->degraded));
    }
}

static void add_advice(struct fields *fields, struct ub_request *request,
                       const struct ub_refusal *refusal)
{
    if (refusal->advice == UB_ADVICE_NONE) {
        return;
    }
    bool retry = refusal->advice == UB_ADVICE_RETRY;
    add(fields, UB_LIT("X-Should-Retry"), retry ? UB_LIT("true") : UB_LIT("false"));
    if (!retry || refusal->retry_after_ns == 0) {
        return;
    }
    ub_ns delay_ns =
        ub_refusal_delay(refusal->retry_after_ns, ub_random_unit(&request->worker->random));
    add(fields, UB_LIT("Retry-After-Ms"),
        ub_digits((uint64_t)((delay_ns + UB_MS - 1) / UB_MS), fields->after_ms));
    add(fields, UB_LIT("Retry-After"),
        ub_digits((uint64_t)((delay_ns + UB_SECOND - 1) / UB_SECOND), fields->after_s));
}

static void respond(struct ub_request *request, int status, const struct fields *fields,
                    int64_t length)
{
    request->responded = true;
    request->status = status;
    ub_metrics_add(request->worker->shard, UB_METRIC_RESPONSES, (uint32_t)status, 0, 1);
    ub_exchange_respond(request->exchange, status, fields->list, fields->count, length);
}

static void send_one(struct ub_request *request, struct ub_slice bytes)
{
    request->bytes_out += bytes.len;
    ub_exchange_send(request->exchange, &bytes, 1);
}

static void begin_stream(struct ub_request *request, struct fields *fields)
{
    add_common(fields, request, UB_LIT("text/event-stream; charset=utf-8"));
    add(fields, UB_LIT("Cache-Control"), UB_LIT("no-cache"));
    add(fields, UB_LIT("X-Accel-Buffering"), UB_LIT("no")); /* nginx in front of us */
    respond(request, 200, fields, -1);
}

/* The head went out with a heartbeat, before this was so. */
static void label_late(struct ub_request *request)
{
    char label[UB_DEGRADE_LABEL];
    struct ub_slice parts[] = {UB_LIT(": degraded: "), ub_degrade_label(request, label),
                               UB_LIT("\n")};
    request->labelled = request->degraded;
    for (size_t i = 0; i < UB_COUNT(parts); i++) {
        request->bytes_out += parts[i].len;
    }
    ub_exchange_send(request->exchange, parts, UB_COUNT(parts));
}

void ub_reply_stream(struct ub_request *request)
{
    if (!request->responded) {
        struct fields fields = {.count = 0};
        begin_stream(request, &fields);
    } else if (request->degraded != request->labelled && request->degraded != 0) {
        label_late(request);
    }
}

void ub_reply_plain(struct ub_request *request, int status, const char *type, int64_t length)
{
    struct fields fields = {.count = 0};
    add_common(&fields, request, type[0] == '\0' ? UB_LIT("application/json") : ub_slice_of(type));
    respond(request, status, &fields, length);
}

static void whole(struct ub_request *request, int status, struct fields *fields,
                  struct ub_slice body)
{
    respond(request, status, fields, (int64_t)body.len);
    send_one(request, body);
    ub_exchange_end(request->exchange);
}

void ub_reply_json(struct ub_request *request, int status, struct ub_slice body)
{
    if (request->exchange == NULL) {
        return;
    }
    struct fields fields = {.count = 0};
    add_common(&fields, request, UB_LIT("application/json"));
    whole(request, status, &fields, body);
}

void ub_reply_events(struct ub_request *request, struct ub_slice events)
{
    if (request->exchange == NULL) {
        return;
    }
    ub_reply_stream(request);
    send_one(request, events);
    send_one(request, UB_SSE_DONE);
    ub_exchange_end(request->exchange);
}

static void error_event(struct ub_request *request, const struct ub_refusal *refusal)
{
    struct ub_buf object = {0};
    struct ub_buf event = {0};
    ub_refusal_write(refusal, &object);
    ub_sse_write_event(&event, object.failed ? ub_refusal_spare() : ub_buf_slice(&object));
    request->is_broken = true;
    if (event.failed) {
        ub_exchange_abort(request->exchange); /* a cut is the only other way not to look whole */
    } else {
        send_one(request, ub_buf_slice(&event));
        ub_exchange_end(request->exchange);
    }
    ub_buf_free(&object);
    ub_buf_free(&event);
}

void ub_reply_refuse(struct ub_request *request, const struct ub_refusal *refusal)
{
    if (request->exchange == NULL) {
        return;
    }
    if (request->responded) {
        error_event(request, refusal);
        return;
    }
    struct ub_buf body = {0};
    struct fields fields = {.count = 0};
    ub_refusal_write(refusal, &body);
    add_common(&fields, request, UB_LIT("application/json"));
    add_advice(&fields, request, refusal);
    if (refusal->status == 405) {
        add(&fields, UB_LIT("Allow"),
            request->endpoint == UB_ENDPOINT_MODELS ? UB_LIT("GET") : UB_LIT("POST"));
    } else if (refusal->status == 401) {
        add(&fields, UB_LIT("WWW-Authenticate"), UB_LIT("Bearer"));
    }
    whole(request, refusal->status, &fields,
          body.failed ? ub_refusal_spare() : ub_buf_slice(&body));
    ub_buf_free(&body);
}

void ub_reply_cut(struct ub_request *request, const struct ub_refusal *refusal)
{
    if (request->exchange == NULL) {
        return;
    }
    if (request->stream) {
        error_event(request, refusal);
    } else {
        request->is_broken = true;
        ub_exchange_abort(request->exchange);
    }
}

bool ub_reply_kept(struct ub_request *request, const struct ub_kept *kept,
                   const struct ub_refusal *refusal)
{
    struct ub_slice bytes = ub_buf_slice(&kept->bytes);
    if (request->exchange == NULL) {
        return true;
    }
    request->spoke = &request->view->setup->sites[kept->site];
    request->passed_on = kept;
    if (kept->stream) {
        ub_reply_stream(request);
        send_one(request, bytes);
        send_one(request, UB_SSE_DONE);
        ub_exchange_end(request->exchange);
        return true;
    }
    if (!ub_openai_is_error(bytes) && kept->status > 299) {
        request->spoke = NULL;
        request->passed_on = NULL;
        return false;
    }
    if (request->responded) { /* after heartbeats */
        struct ub_slice parts[] = {UB_LIT("data: "), bytes, UB_LIT("\n\n")};
        request->is_broken = true;
        ub_exchange_send(request->exchange, parts, UB_COUNT(parts));
        ub_exchange_end(request->exchange);
        return true;
    }
    struct fields fields = {.count = 0};
    add_common(&fields, request, UB_LIT("application/json"));
    add_advice(&fields, request, refusal);
    whole(request, kept->status, &fields, bytes);
    return true;
}

static void begin_waiting(struct ub_request *request, const struct ub_action *action)
{
    struct fields fields = {.count = 0};
    if (action->position > 0) {
        add(&fields, UB_LIT("X-Unbusy-Queue-Position"),
            ub_digits(action->position, fields.position));
    }
    if (action->wait_ns > 0) {
        add(&fields, UB_LIT("X-Unbusy-Queue-Wait-Ms"),
            ub_digits((uint64_t)((action->wait_ns + UB_MS - 1) / UB_MS), fields.wait_ms));
    }
    begin_stream(request, &fields);
}

void ub_reply_heartbeat(struct ub_request *request, const struct ub_action *action)
{
    if (request->exchange == NULL) {
        return;
    }
    if (!request->responded) {
        begin_waiting(request, action);
    }
    ub_metrics_add(request->worker->shard, UB_METRIC_HEARTBEATS, 0, 0, 1);
    if (action->position == 0) {
        send_one(request, UB_LIT(": still waiting for an upstream\n"));
        return;
    }
    char position[UB_DIGITS_MAX], seconds[UB_DIGITS_MAX];
    struct ub_slice parts[6] = {UB_LIT(": waiting, position "),
                                ub_digits(action->position, position)};
    uint32_t count = 2;
    if (action->wait_ns > 0) {
        parts[count++] = UB_LIT(", about ");
        parts[count++] =
            ub_digits((uint64_t)((action->wait_ns + UB_SECOND - 1) / UB_SECOND), seconds);
        parts[count++] = UB_LIT(" s");
    }
    parts[count++] = UB_LIT("\n");
    for (uint32_t i = 0; i < count; i++) {
        request->bytes_out += parts[i].len;
    }
    ub_exchange_send(request->exchange, parts, count);
}

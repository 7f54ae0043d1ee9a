#include "gateway/intake.h"

#include "base/alloc.h"
#include "base/digits.h"
#include "base/units.h"
#include "gateway/auth.h"
#include "gateway/cookie.h"
#include "gateway/degrade.h"
#include "gateway/models.h"
#include "gateway/reply.h"
#include "gateway/resume.h"
#include <stdio.h>
#include <stdlib.h>

#define MEMORY_WAIT_NS (2 * UB_SECOND) /* then the client is told to come back */
#define ADOPTIONS_MAX  8               /* reloads that may overtake one arrival */

/* The fields that we look for when the body is there, in one pass over the head. The first ones are
 * those that upstreams get to see; nothing else of a client's head leaves. */
enum { TIMEOUT = UB_PASSED_FIELDS, READ_TIMEOUT, WHOLE_TIMEOUT, COOKIE, CLASS, RETRIES, WANTED };
static const struct ub_slice wanted[WANTED] = {
    UB_LIT("traceparent"),
    UB_LIT("tracestate"),
    UB_LIT("idempotency-key"),
    UB_LIT("openai-beta"),
    [TIMEOUT] = UB_LIT("x-unbusy-timeout"),
    [READ_TIMEOUT] = UB_LIT("x-stainless-read-timeout"),
    [WHOLE_TIMEOUT] = UB_LIT("x-stainless-timeout"),
    [COOKIE] = UB_LIT("cookie"),
    [CLASS] = UB_LIT("x-unbusy-class"),
    [RETRIES] = UB_LIT("x-stainless-retry-count"),
};

/* The value of the first field of each name; empty when there is none. */
static void pick(const struct ub_http_head *head, struct ub_slice values[WANTED])
{
    for (int k = 0; k < WANTED; k++) {
        values[k] = (struct ub_slice){"", 0};
    }
    uint64_t lengths = 0; /* most fields are ruled out by this */
    for (int k = 0; k < WANTED; k++) {
        lengths |= (uint64_t)1 << wanted[k].len;
    }
    for (uint32_t i = 0; i < head->field_count; i++) {
        struct ub_slice name = head->field[i].name;
        bool maybe = name.len < 64 && (lengths >> name.len & 1) != 0;
        for (int k = 0; maybe && k < WANTED; k++) {
            if (name.len == wanted[k].len && values[k].len == 0 &&
                ub_slice_eq_nocase(name, wanted[k])) {
                values[k] = head->field[i].value;
            }
        }
    }
}

static void refuse_now(struct ub_request *request, enum ub_error outcome,
                       const struct ub_refusal *refusal)
{
    ub_reply_refuse(request, refusal);
    ub_request_end(request, outcome, UB_WHY_NONE);
}

static void refuse_as(struct ub_request *request, enum ub_error outcome)
{
    struct ub_refusal refusal = ub_refusal_for_now(outcome);
    refuse_now(request, outcome, &refusal);
}

static void refuse_client(struct ub_request *request, int status, const char *code,
                          const char *words)
{
    refuse_now(request, UB_ERR_BAD_REQUEST,
               &(struct ub_refusal){.status = status, .code = code, .message = ub_slice_of(words)});
}

static bool is_id_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
}

/* The client's own x-request-id when it is a harmless one, so that traces join up. */
static void name_request(struct ub_request *request)
{
    struct ub_slice given = ub_http_value(request->head, "x-request-id");
    bool usable = given.len > 0 && given.len < sizeof request->name;
    for (size_t i = 0; i < given.len && usable; i++) {
        usable = is_id_char(given.ptr[i]);
    }
    if (usable) {
        memcpy(request->name, given.ptr, given.len);
        return;
    }
    memcpy(request->name, "req-", 4);
    ub_digits_hex(request->name + 4, ub_random_u64(&request->worker->random));
    ub_digits_hex(request->name + 20, ub_random_u64(&request->worker->random));
}

static bool identify(struct ub_request *request)
{
    const struct ub_config *config = request->view->setup->config;
    request->tenant = NULL;
    request->class = UB_TRAFFIC_STANDARD;
    if (config->tenant_count == 0) {
        if (config->open || !ub_auth_is_foreign_page(request->head)) {
            return true;
        }
        refuse_client(request, 403, "foreign_page",
                      "without tenants, web pages of other hosts may not ask here");
        return false;
    }
    struct ub_slice key = ub_auth_key(request->head);
    int index = ub_auth_tenant(config, key);
    if (index < 0) {
        refuse_client(request, 401, "invalid_api_key",
                      key.len == 0 ? "no API key was given: send it as \"Authorization: Bearer\""
                                   : "this API key is not known here");
        return false;
    }
    request->tenant = &config->tenants[index];
    request->class = request->tenant->class;
    return true;
}

static bool check_method(struct ub_request *request)
{
    struct ub_slice method = request->head->method;
    if (request->endpoint == UB_ENDPOINT_MODELS
            ? ub_slice_is(method, "GET") || ub_slice_is(method, "HEAD")
            : ub_slice_is(method, "POST")) {
        return true;
    }
    refuse_client(request, 405, "method_not_allowed", "this page has no such method");
    return false;
}

static bool check_encoding(struct ub_request *request)
{
    struct ub_slice encoding = ub_http_value(request->head, "content-encoding");
    if (encoding.len == 0 || ub_slice_eq_nocase(encoding, UB_LIT("identity"))) {
        return true;
    }
    refuse_client(request, 415, "unsupported_encoding",
                  "request bodies must not be encoded (no Content-Encoding)");
    return false;
}

bool ub_intake_head(struct ub_request *request)
{
    const struct ub_http_head *head = request->head;
    struct ub_slice name;
    name_request(request);
    request->class = UB_TRAFFIC_STANDARD;
    request->endpoint = ub_endpoint_find(head->target, &name);
    if (request->endpoint == UB_ENDPOINT_UNKNOWN) {
        refuse_client(request, 404, "unknown_url", "there is no such page here");
        return false;
    }
    if (!check_method(request) || !identify(request)) {
        return false;
    }
    if (request->endpoint == UB_ENDPOINT_MODELS) {
        ub_models_answer(request, name);
        return false;
    }
    if (!check_encoding(request)) {
        return false;
    }
    request->scan = ub_scan_new(&request->worker->scan_stock);
    if (request->scan == NULL) {
        refuse_as(request, UB_ERR_NO_MEMORY);
        return false;
    }
    uint64_t expected = head->content_length > 0 ? (uint64_t)head->content_length : 0;
    ub_body_init(&request->body, &request->worker->gateway->budget, expected);
    return true;
}

/* --- the body -------------------------------------------------------------------------------- */

/* The rest is read and thrown away, since a client that is still sending might never see an answer
 * that is followed by a reset. */
static void spoil(struct ub_request *request, enum ub_error outcome, int status, const char *code,
                  const char *words) /* static, or the scan's */
{
    request->spoilt = true;
    request->outcome = outcome;
    request->refusal =
        (struct ub_refusal){.status = status, .code = code, .message = ub_slice_of(words)};
    if (status == 503) {
        request->refusal.advice = UB_ADVICE_RETRY;
        request->refusal.retry_after_ns = UB_SECOND;
    }
    ub_body_close(&request->body);
}

static void spoil_memory(struct ub_request *request)
{
    spoil(request, UB_ERR_NO_MEMORY, 503, ub_error_slug(UB_ERR_NO_MEMORY),
          ub_error_words(UB_ERR_NO_MEMORY));
}

void ub_intake_body(struct ub_request *request, struct ub_slice chunk)
{
    request->bytes_in += chunk.len;
    if (request->spoilt || request->lists) {
        return;
    }
    if (!ub_scan_feed(request->scan, chunk)) {
        spoil(request, UB_ERR_BAD_REQUEST, 400, "invalid_json", ub_scan_bad(request->scan));
    } else if (!ub_body_add(&request->body, chunk)) {
        spoil_memory(request);
    } else if (!ub_budget_has_room(request->body.budget) && !request->patient) {
        ub_exchange_pause_body(request->exchange);
        request->patient_since = ub_loop_now(request->worker->loop);
        ub_request_set_patient(request, true);
    }
}

void ub_intake_tick(struct ub_request *request)
{
    if (ub_budget_has_room(request->body.budget)) {
        ub_request_set_patient(request, false);
        ub_exchange_resume_body(request->exchange);
    } else if (ub_loop_now(request->worker->loop) - request->patient_since > MEMORY_WAIT_NS) {
        refuse_as(request, UB_ERR_NO_MEMORY);
    }
}

/* --- arriving -------------------------------------------------------------------------------- */

static bool keep_passed_fields(struct ub_request *request, const struct ub_slice *values)
{
    size_t size = 0;
    for (uint32_t i = 0; i < UB_PASSED_FIELDS; i++) {
        size += values[i].len;
    }
    if (size == 0) {
        return true;
    }
    char *at = request->passed_text = ub_malloc(size);
    if (at == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < UB_PASSED_FIELDS; i++) {
        if (values[i].len > 0) {
            memcpy(at, values[i].ptr, values[i].len);
            request->passed[request->passed_count++] =
                (struct ub_http_field){wanted[i], (struct ub_slice){at, values[i].len}};
            at += values[i].len;
        }
    }
    return true;
}

static ub_ns seconds_of(struct ub_slice text)
{
    char copy[32];
    if (text.len == 0 || text.len >= sizeof copy) {
        return 0;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    char *end;
    double seconds = strtod(copy, &end);
    bool sane = *end == '\0' && seconds > 0 && seconds < 1e6;
    return sane ? (ub_ns)(seconds * (double)UB_SECOND) : 0;
}

/* How long the client will wait for its answer, as it says itself; 0 = it does not say. The SDKs'
 * own figure is about reads, so it bounds only an answer that comes as a whole. */
static ub_ns client_patience(const struct ub_request *request, const struct ub_slice *values)
{
    ub_ns patience_ns = 0;
    if (values[TIMEOUT].len > 0 && ub_duration_parse(values[TIMEOUT], &patience_ns) &&
        patience_ns > 0) {
        return patience_ns;
    }
    if (request->stream) {
        return 0;
    }
    patience_ns = seconds_of(values[READ_TIMEOUT]);
    return patience_ns != 0 ? patience_ns : seconds_of(values[WHOLE_TIMEOUT]);
}

static uint64_t hash_of(struct ub_slice text)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a, mixed: never 0 but by chance */
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
    }
    return text.len == 0 ? 0 : ub_mix64(hash);
}

/* The client may ask for a lower class than its tenant's. A word that is no class asks for nothing.
 */
static void lower_class(struct ub_request *request, struct ub_slice asked)
{
    for (uint32_t lower = request->class + 1u; asked.len > 0 && lower < UB_TRAFFIC_CLASSES;
         lower++) {
        if (ub_slice_eq_nocase(asked, ub_slice_of(ub_metrics_word(UB_LABEL_CLASS, lower)))) {
            request->class = (enum ub_traffic)lower;
            return;
        }
    }
}

/* How often the client has tried before, as the SDKs say; more than a byte holds is as good. */
static uint8_t retries_of(struct ub_slice text)
{
    uint32_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return 0;
        }
        count = count * 10 + (uint32_t)(text.ptr[i] - '0');
        count = count > UINT8_MAX ? UINT8_MAX : count;
    }
    return (uint8_t)count;
}

static void fill_tenant(struct ub_request *request, const struct ub_slice *values,
                        struct ub_arrival *arrival)
{
    const struct ub_setup *setup = request->view->setup;
    lower_class(request, values[CLASS]);
    arrival->retry = retries_of(values[RETRIES]);
    arrival->class = (uint8_t)request->class;
    arrival->tenant = request->tenant == NULL
                          ? UB_NO_TENANT
                          : setup->tenant_slots[request->tenant - setup->config->tenants];
}

static void fill_arrival(struct ub_request *request, const struct ub_slice *values,
                         struct ub_arrival *arrival)
{
    const struct ub_scan_fields *asked = ub_scan_fields(request->scan);
    const struct ub_model_config *model = &request->view->setup->config->models[request->model];
    ub_ns patience_ns = client_patience(request, values);
    fill_tenant(request, values, arrival);
    arrival->stream = request->stream;
    arrival->heartbeat = request->stream;
    arrival->can_retry = true;
    arrival->takes_message = ub_degrade_takes_message(request);
    request->bar = ub_resume_at_arrival(request);
    arrival->can_resume = request->bar == UB_RESUME_NONE;
    request->choices = request->endpoint == UB_ENDPOINT_CHAT ? asked->n : 0;
    request->prompt_tokens = asked->prompt_tokens;
    arrival->bytes = request->bytes_in > UINT32_MAX ? UINT32_MAX : (uint32_t)request->bytes_in;
    arrival->prompt_tokens = asked->prompt_tokens;
    /* An embedding has no answer that tokens would have to be reserved for. */
    arrival->max_tokens = request->endpoint == UB_ENDPOINT_EMBEDDINGS ? 1 : asked->max_tokens;
    arrival->client_deadline = patience_ns == 0 ? 0 : ub_clock_now() + patience_ns;
    if (model->affinity_cookie != NULL) {
        request->cookie_key = ub_cookie_read(values[COOKIE], model->affinity_cookie);
    }
    if (model->affinity_header != NULL) {
        arrival->header_hash = hash_of(ub_http_value(request->head, model->affinity_header));
    }
    arrival->cookie_key = request->cookie_key;
    arrival->client_hash = request->exchange->peer_hash;
    arrival->prefix_count = asked->prefix_count;
    memcpy(arrival->prefix, asked->prefix, asked->prefix_count * sizeof asked->prefix[0]);
    memcpy(arrival->prefix_tokens, asked->prefix_tokens,
           asked->prefix_count * sizeof asked->prefix_tokens[0]);
}

static bool find_model(struct ub_request *request)
{
    struct ub_slice name = ub_slice_of(ub_scan_fields(request->scan)->model_name);
    request->model = ub_config_model(request->view->setup->config, name);
    bool allowed = request->tenant == NULL || ub_auth_allows(request->tenant, name);
    if (request->model >= 0 && allowed) {
        return true;
    }
    char words[UB_MODEL_NAME_MAX + 64];
    snprintf(words, sizeof words, "the model \"%.*s\" does not exist here", UB_SLICE_ARG(name));
    refuse_now(request, UB_ERR_NO_ROUTE,
               &(struct ub_refusal){.status = 404,
                                    .code = "model_not_found",
                                    .param = "model",
                                    .message = ub_slice_of(words)});
    return false;
}

/* In OpenAI's words. Embeddings know no streams: there the field is the upstream's affair. */
static bool check_types(struct ub_request *request)
{
    const struct ub_scan_fields *asked = ub_scan_fields(request->scan);
    char words[128];
    if (asked->wrong_param == NULL || request->endpoint == UB_ENDPOINT_EMBEDDINGS) {
        return true;
    }
    snprintf(words, sizeof words, "Invalid type for '%s': expected %s, but got %s instead.",
             asked->wrong_param, asked->wrong_want, asked->wrong_got);
    refuse_now(request, UB_ERR_BAD_REQUEST,
               &(struct ub_refusal){.status = 400,
                                    .code = "invalid_type",
                                    .param = asked->wrong_param,
                                    .message = ub_slice_of(words)});
    return false;
}

static bool read_fields(struct ub_request *request, const struct ub_slice *values)
{
    const struct ub_scan_fields *asked = ub_scan_fields(request->scan);
    UB_ACCESS_TEXT(request->model_name, ub_slice_of(asked->model_name));
    if (asked->model_name[0] == '\0') {
        refuse_now(request, UB_ERR_BAD_REQUEST,
                   &(struct ub_refusal){.status = 400,
                                        .code = "model_required",
                                        .param = "model",
                                        .message = UB_LIT("the field \"model\" is missing, too "
                                                          "long, or not a string")});
        return false;
    }
    if (!check_types(request)) {
        return false;
    }
    request->stream = asked->stream && request->endpoint != UB_ENDPOINT_EMBEDDINGS;
    request->wants_usage = asked->wants_usage;
    if (!ub_body_finish(&request->body, &request->body_bytes) ||
        !keep_passed_fields(request, values)) {
        refuse_as(request, UB_ERR_NO_MEMORY);
        return false;
    }
    return true;
}

static bool follow_reload(struct ub_request *request)
{
    if (!ub_worker_adopt(request->worker)) {
        refuse_as(request, UB_ERR_NO_MEMORY);
        return false;
    }
    struct ub_view *before = request->view;
    request->view = ub_view_hold(request->worker->view);
    ub_view_release(before);
    return identify(request);
}

void ub_intake_arrive(struct ub_request *request)
{
    if (request->lists) {
        return; /* its answer is under way */
    }
    if (!request->spoilt && !ub_scan_finish(request->scan)) {
        spoil(request, UB_ERR_BAD_REQUEST, 400, "invalid_json", ub_scan_bad(request->scan));
    }
    if (request->spoilt) {
        refuse_now(request, request->outcome, &request->refusal);
        return;
    }
    struct ub_slice values[WANTED];
    pick(request->head, values);
    if (!read_fields(request, values)) {
        return;
    }
    for (int i = 0; i < ADOPTIONS_MAX; i++) {
        if (!find_model(request)) {
            return;
        }
        struct ub_event event = {.type = UB_EV_ARRIVED};
        fill_arrival(request, values, &event.arrived);
        const struct ub_setup *setup = request->view->setup;
        switch (ub_worker_arrive(request->worker, &event,
                                 setup->config->routes.models[request->model].key, request,
                                 setup)) {
        case UB_ARRIVED_IN:
            return;
        case UB_ARRIVED_FULL:
            refuse_as(request, UB_ERR_QUEUE_FULL);
            return;
        case UB_ARRIVED_STALE:
            if (!follow_reload(request)) {
                return;
            }
        }
    }
    refuse_as(request, UB_ERR_ALL_BUSY);
}

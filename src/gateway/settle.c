#include "gateway/settle.h"

#include "gateway/account.h"
#include "gateway/attempt.h"
#include "gateway/degrade.h"

static uint32_t model_slot(const struct ub_request *request)
{
    return request->model < 0 ? UB_NO_MODEL : request->view->setup->model_slots[request->model];
}

static uint32_t tenant_slot(const struct ub_request *request)
{
    const struct ub_config *config = request->view->setup->config;
    return request->tenant == NULL ? UINT32_MAX : (uint32_t)(request->tenant - config->tenants);
}

/* Reported and estimated tokens are never added up. */
static void count_usage(const struct ub_request *request, const struct ub_account *account)
{
    const struct ub_metrics_shard *shard = request->worker->shard;
    bool reported = account->usage == UB_USAGE_REPORTED;
    uint32_t model = model_slot(request), upstream = account->site->slot;
    for (uint32_t kind = 0; kind < UB_TOKENS_KINDS; kind++) {
        uint32_t tokens = account->tokens[kind];
        ub_metrics_add(shard, reported ? UB_METRIC_TOKENS : UB_METRIC_TOKENS_ESTIMATED, model, kind,
                       tokens);
        ub_metrics_add(shard,
                       reported ? UB_METRIC_UPSTREAM_TOKENS : UB_METRIC_UPSTREAM_TOKENS_ESTIMATED,
                       upstream, kind, tokens);
        if (request->tenant != NULL) {
            ub_metrics_add(shard,
                           reported ? UB_METRIC_TENANT_TOKENS : UB_METRIC_TENANT_TOKENS_ESTIMATED,
                           tenant_slot(request), kind, tokens);
        }
    }
    if (account->cost_nanos > 0) {
        uint64_t nanos = (uint64_t)account->cost_nanos;
        ub_metrics_add(shard, UB_METRIC_COST, model, account->usage, nanos);
        ub_metrics_add(shard, UB_METRIC_UPSTREAM_COST, upstream, account->usage, nanos);
    }
}

void ub_settle_loser(const struct ub_attempt *attempt)
{
    const struct ub_metrics_shard *shard = attempt->request->worker->shard;
    const struct ub_account account = ub_account_of_loser(attempt);
    for (uint32_t kind = 0; kind < UB_TOKENS_KINDS; kind++) {
        ub_metrics_add(shard, UB_METRIC_UPSTREAM_TOKENS_ESTIMATED, account.site->slot, kind,
                       account.tokens[kind]);
    }
    if (account.cost_nanos > 0) {
        ub_metrics_add(shard, UB_METRIC_UPSTREAM_COST, account.site->slot, account.usage,
                       (uint64_t)account.cost_nanos);
    }
}

/* Those who were refused waited, too: without them a full queue would look short. */
static void count_wait(const struct ub_request *request)
{
    const struct ub_metrics_shard *shard = request->worker->shard;
    ub_ns until = request->started_at != 0 ? request->started_at : request->over_at;
    ub_metrics_observe(shard, UB_METRIC_CLASS_QUEUE_TIME, request->class,
                       until - request->arrived_at);
    if (request->started_at != 0) {
        ub_metrics_observe(shard, UB_METRIC_QUEUE_TIME, model_slot(request),
                           request->started_at - request->arrived_at);
    }
}

static void count(const struct ub_request *request, const struct ub_account *account)
{
    const struct ub_metrics_shard *shard = request->worker->shard;
    uint32_t model = model_slot(request);
    _Static_assert((int)UB_TRAFFIC_BATCH == (int)UB_METRIC_CLASS_BATCH, "the same four classes");
    ub_metrics_add(shard, UB_METRIC_BYTES, UB_SIDE_CLIENT, 0, request->bytes_in);
    ub_metrics_add(shard, UB_METRIC_REQUESTS, model, request->outcome, 1);
    ub_degrade_count(request);
    ub_metrics_add(shard, UB_METRIC_CLASS_REQUESTS, request->class, request->outcome, 1);
    if (request->tenant != NULL) {
        ub_metrics_add(shard, UB_METRIC_TENANT_REQUESTS, tenant_slot(request), 0, 1);
    }
    if (ub_error_class(request->outcome) == UB_CLASS_OURS) {
        ub_metrics_add(shard, UB_METRIC_REFUSALS, request->class, request->why, 1);
    }
    if (request->outcome == UB_ERR_OVER_LIMIT) {
        _Static_assert(UB_WHY_TOO_LARGE - UB_WHY_TENANT_REQUESTS == UB_METRIC_LIMIT_TOO_LARGE,
                       "the same limits in the same order");
        ub_metrics_add(shard, UB_METRIC_LIMITED, tenant_slot(request),
                       (uint32_t)request->why - UB_WHY_TENANT_REQUESTS, 1);
    }
    if (request->arrived_at == 0) {
        return;
    }
    ub_metrics_add(shard, UB_METRIC_REQUESTS_RUNNING, model, 0, (uint64_t)-1);
    ub_metrics_observe(shard, UB_METRIC_REQUEST_TIME, model,
                       request->over_at - request->arrived_at);
    if (request->payload_at != 0) {
        ub_metrics_observe(shard, UB_METRIC_FIRST_TOKEN_TIME, model,
                           request->payload_at - request->arrived_at);
    }
    count_wait(request);
    if (account->has_usage) {
        count_usage(request, account);
    }
}

static void fill_attempts(struct ub_access_record *record, const struct ub_request *request)
{
    record->attempts = (uint8_t)request->tries;
    for (uint32_t i = 0; i < request->tries && i < UB_ACCESS_ATTEMPTS; i++) {
        const struct ub_try *try = &request->tried[i];
        struct ub_access_attempt *attempt = &record->attempt[i];
        UB_ACCESS_TEXT(attempt->upstream,
                       ub_slice_of(request->view->setup->sites[try->site].config->name));
        attempt->reason = try->reason;
        attempt->error = try->error;
        attempt->start_ms = try->start_ms;
        attempt->ms = try->ms;
    }
}

static void fill_usage(struct ub_access_record *record, const struct ub_account *account)
{
    record->usage = account->has_usage ? ub_metrics_word(UB_LABEL_USAGE, account->usage) : "none";
    record->tokens_in = account->tokens[UB_TOKENS_INPUT];
    record->tokens_out = account->tokens[UB_TOKENS_OUTPUT];
    record->tokens_cached = account->tokens[UB_TOKENS_CACHED];
    record->cost_nanos = account->cost_nanos;
}

static ub_ns since(ub_ns at, ub_ns from)
{
    return at == 0 ? -1 : at - from;
}

void ub_settle(const struct ub_request *request)
{
    struct ub_account account = ub_account_of(request);
    count(request, &account);
    struct ub_access *access = request->worker->gateway->access;
    struct ub_access_record *record =
        access == NULL ? NULL : ub_access_begin(access, request->worker->number);
    if (record == NULL) {
        return;
    }
    ub_ns from = request->arrived_at == 0 ? request->began_at : request->arrived_at;
    record->wall_ns = request->wall_at;
    UB_ACCESS_TEXT(record->id, ub_slice_of(request->name));
    UB_ACCESS_TEXT(record->client, ub_slice_of(request->client));
    if (request->tenant != NULL) {
        UB_ACCESS_TEXT(record->tenant, ub_slice_of(request->tenant->name));
    }
    record->class = ub_metrics_word(UB_LABEL_CLASS, request->class);
    if (request->spoke != NULL) {
        UB_ACCESS_TEXT(record->upstream, ub_slice_of(request->spoke->config->name));
        if (request->spoke->config->zone != NULL) {
            UB_ACCESS_TEXT(record->zone, ub_slice_of(request->spoke->config->zone));
        }
    }
    UB_ACCESS_TEXT(record->model, ub_slice_of(request->model_name));
    record->endpoint = ub_endpoint_word(request->endpoint);
    record->status = (uint16_t)request->status;
    record->outcome = (uint8_t)request->outcome;
    record->why = (uint8_t)request->why;
    record->stream = request->stream;
    if (request->degraded != 0) {
        char label[UB_DEGRADE_LABEL];
        UB_ACCESS_TEXT(record->degraded, ub_degrade_label(request, label));
    }
    fill_attempts(record, request);
    record->queue_ns = since(request->started_at, from);
    record->first_token_ns = since(request->payload_at, from);
    record->total_ns = request->over_at - from;
    fill_usage(record, &account);
    record->bytes_in = request->bytes_in;
    record->bytes_out = request->bytes_out;
    ub_access_commit(access, request->worker->number);
}

#include "tools/mock_inside.h"

#include "base/alloc.h"

/* "Authorization: Bearer KEY", or Anthropic's "x-api-key: KEY". */
static bool has_key(const struct ub_http_head *head, const char *key)
{
    if (key == NULL) {
        return true;
    }
    struct ub_slice value = ub_http_value(head, "authorization");
    const struct ub_slice bearer = UB_LIT("Bearer ");
    if (ub_slice_starts(value, bearer)) {
        value.ptr += bearer.len;
        value.len -= bearer.len;
        return ub_slice_is(ub_slice_trim(value), key);
    }
    return ub_slice_is(ub_http_value(head, "x-api-key"), key);
}

/* {"method":...,"target":...,"headers":{...} and no closing brace yet: the body follows. */
static void write_head(struct ub_buf *out, const struct ub_http_head *head)
{
    ub_buf_add_text(out, "{\"method\":");
    ub_buf_add_json(out, head->method);
    ub_buf_add_text(out, ",\"target\":");
    ub_buf_add_json(out, head->target);
    ub_buf_add_text(out, ",\"headers\":{");
    for (uint32_t i = 0; i < head->field_count; i++) {
        if (i > 0) {
            ub_buf_add_text(out, ",");
        }
        ub_buf_add_json(out, head->field[i].name);
        ub_buf_add_text(out, ":");
        ub_buf_add_json(out, head->field[i].value);
    }
    ub_buf_add_text(out, "}");
}

/* False: the header cannot be read, and that was answered. */
static bool read_prank(struct ub_mock_job *job, struct ub_slice text)
{
    if (text.len == 0) {
        return true;
    }
    struct ub_buf words = {0};
    bool ok = ub_prank_parse(text, &job->prank, &words);
    if (!ok) {
        ub_buf_add(&words, "", 1);
        const struct ub_mock_trouble trouble = {400, words.failed ? "x-mock-fault" : words.ptr,
                                                "invalid_request_error", "x-mock-fault",
                                                "invalid_request_error"};
        job->outcome = UB_MOCK_ENDED_REFUSED;
        ub_mock_refuse_with(job, &trouble, 0);
    }
    ub_buf_free(&words);
    return ok;
}

static void on_head(struct ub_exchange *exchange, const struct ub_http_head *head)
{
    struct ub_mock_worker *worker = exchange->listener_user;
    struct ub_mock_job *job = ub_calloc(1, sizeof *job);
    exchange->user = job;
    if (job == NULL) {
        ub_exchange_abort(exchange);
        return;
    }
    job->worker = worker;
    job->exchange = exchange;
    job->arrived_at = ub_clock_now();
    job->outcome = UB_MOCK_ENDED_DROPPED;
    job->n = 1;
    job->body.max = UB_MOCK_BODY_MAX;
    job->has_key = has_key(head, worker->mock->options.key);
    write_head(&job->head, head);
    job->is_post = ub_slice_is(head->method, "POST");
    size_t len =
        head->target.len < sizeof job->target - 1 ? head->target.len : sizeof job->target - 1;
    memcpy(job->target, head->target.ptr, len);
    job->target[len] = '\0';
    job->target[strcspn(job->target, "?")] = '\0';
    job->number = atomic_load(&worker->mock->requests) + 1;
    read_prank(job, ub_http_value(head, "x-mock-fault"));
}

static void on_body(struct ub_exchange *exchange, struct ub_slice chunk)
{
    struct ub_mock_job *job = exchange->user;
    if (job != NULL && job->state == UB_JOB_BODY) {
        ub_buf_add_slice(&job->body, chunk);
    }
}

void ub_mock_answer(struct ub_mock_job *job, int status, const char *type, struct ub_slice body)
{
    const struct ub_http_field fields[] = {{UB_LIT("content-type"), ub_slice_of(type)}};
    job->responded = true;
    job->state = UB_JOB_ENDED;
    if (ub_exchange_respond(job->exchange, status, fields, 1, (int64_t)body.len)) {
        ub_exchange_send(job->exchange, &body, 1);
        ub_exchange_end(job->exchange);
    }
}

/* With or without /v1, and under /beta as at DeepSeek's. */
static bool find_endpoint(const char *target, enum ub_mock_endpoint *out)
{
    static const char *const paths[] = {"/chat/completions", "/completions", "/embeddings"};
    target += strncmp(target, "/beta/", 6) == 0 ? 5 : 0;
    target += strncmp(target, "/v1/", 4) == 0 ? 3 : 0;
    for (size_t i = 0; i < UB_COUNT(paths); i++) {
        if (strcmp(target, paths[i]) == 0) {
            *out = (enum ub_mock_endpoint)i;
            return true;
        }
    }
    return false;
}

/* Partial answers, in the words of the dialect. */
enum ub_ask_begun ub_mock_begun(const struct ub_mock_job *job)
{
    switch (job->worker->mock->options.dialect) {
    case UB_MOCK_DEEPSEEK:
        return strncmp(job->target, "/beta/", 6) == 0 ? UB_BEGUN_BY_PREFIX : UB_BEGUN_ELSEWHERE;
    case UB_MOCK_VLLM:
        return UB_BEGUN_BY_FLAGS;
    case UB_MOCK_SGLANG:
        return UB_BEGUN_BY_FLAG;
    case UB_MOCK_LLAMA:
        return UB_BEGUN_ALWAYS;
    default:
        return UB_BEGUN_NEVER;
    }
}

/* What the last request was, for tests: `head`, then its body as text. */
static void remember(struct ub_mock_job *job)
{
    struct ub_mock *mock = job->worker->mock;
    pthread_mutex_lock(&mock->lock);
    ub_buf_clear(&mock->last);
    ub_buf_add_slice(&mock->last, ub_buf_slice(&job->head));
    if (job->body.len < UB_MOCK_LAST_MAX / 8) {
        ub_buf_add_text(&mock->last, ",\"body\":");
        ub_buf_add_json(&mock->last, ub_buf_slice(&job->body));
    }
    ub_buf_add_text(&mock->last, "}");
    pthread_mutex_unlock(&mock->lock);
}

static void on_body_end(struct ub_exchange *exchange)
{
    struct ub_mock_job *job = exchange->user;
    if (job == NULL || job->state != UB_JOB_BODY) {
        return;
    }
    if (ub_mock_page(job)) {
        return;
    }
    if (!job->is_post || !find_endpoint(job->target, &job->endpoint)) {
        const struct ub_mock_trouble trouble = {404, "Not Found", "invalid_request_error", NULL,
                                                "not_found"};
        ub_mock_refuse_with(job, &trouble, 0);
        return;
    }
    job->is_request = true;
    job->number = atomic_fetch_add(&job->worker->mock->requests, 1) + 1;
    remember(job);
    if (job->body.failed) {
        const struct ub_mock_trouble trouble = {503, "out of memory", "server_error", NULL, NULL};
        ub_mock_refuse_with(job, &trouble, 0);
        return;
    }
    ub_mock_job_start(job);
}

static void on_writable(struct ub_exchange *exchange)
{
    struct ub_mock_job *job = exchange->user;
    job->paused = false;
    ub_mock_job_pump(job);
}

static void on_gone(struct ub_exchange *exchange, enum ub_gone why)
{
    if (exchange->user != NULL) {
        ub_mock_job_gone(exchange->user, why);
    }
}

const struct ub_exchange_handler ub_mock_handler = {
    .head = on_head,
    .body = on_body,
    .body_end = on_body_end,
    .writable = on_writable,
    .gone = on_gone,
};

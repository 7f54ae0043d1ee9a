#include "tools/mock_inside.h"

/* In whose words a prompt is too long: what clients and gateways have to recognise. */
static struct ub_mock_trouble too_long(enum ub_mock_dialect dialect)
{
    switch (dialect) {
    case UB_MOCK_OPENAI:
        return (struct ub_mock_trouble){
            400,
            "This model's maximum context length is 8192 tokens. However, your messages resulted "
            "in 9001 tokens. Please reduce the length of the messages.",
            "invalid_request_error", "messages", "context_length_exceeded"};
    case UB_MOCK_SGLANG:
        return (struct ub_mock_trouble){
            400, "The input (9001 tokens) is longer than the model's context length (8192 tokens).",
            "BadRequestError", NULL, "400"};
    case UB_MOCK_LLAMA:
        return (struct ub_mock_trouble){
            400,
            "the request exceeds the available context size. try increasing the context size or "
            "enable context shift",
            "exceed_context_size_error", NULL, "400"};
    case UB_MOCK_VLLM:
        return (struct ub_mock_trouble){
            400,
            "This model's maximum context length is 8192 tokens. However, you requested 9001 "
            "tokens (8745 in the messages, 256 in the completion). Please reduce the length of "
            "the messages or completion.",
            "BadRequestError", NULL, "400"};
    default:
        return (struct ub_mock_trouble){
            400,
            "This model's maximum context length is 131072 tokens. However, you requested 140000 "
            "tokens (131808 in the messages, 8192 in the completion). Please reduce the length of "
            "the messages or completion.",
            "invalid_request_error", NULL, "invalid_request_error"};
    }
}

struct ub_mock_trouble ub_mock_trouble_of(enum ub_prank prank, enum ub_mock_dialect dialect)
{
    int status = ub_prank_facts(prank)->status;
    switch (prank) {
    case UB_PRANK_THROTTLED:
    case UB_PRANK_THROTTLED_UNTIL:
        return (struct ub_mock_trouble){status, "Rate limit reached for requests",
                                        "rate_limit_error", NULL, "rate_limit_exceeded"};
    case UB_PRANK_BUSY_503:
    case UB_PRANK_FLAP:
        return (struct ub_mock_trouble){
            status,
            "Service is too busy. We advise users to temporarily switch to alternative "
            "LLM API service providers.",
            "service_unavailable_error", NULL, "invalid_request_error"};
    case UB_PRANK_BUSY_529:
    case UB_PRANK_BUSY_200:
        return (struct ub_mock_trouble){status, "Overloaded", "overloaded_error", NULL, NULL};
    case UB_PRANK_BROKE:
        return (struct ub_mock_trouble){status, "Insufficient Balance", "unknown_error", NULL,
                                        "invalid_request_error"};
    case UB_PRANK_KEY_REFUSED:
        return (struct ub_mock_trouble){status,
                                        "Authentication Fails, Your api key: ****mock is invalid",
                                        "authentication_error", NULL, "invalid_request_error"};
    case UB_PRANK_NO_MODEL:
        return (struct ub_mock_trouble){status, "The model does not exist.",
                                        "invalid_request_error", "model", "model_not_found"};
    case UB_PRANK_CONTEXT:
        return too_long(dialect);
    case UB_PRANK_REFUSED_CONTENT:
        return (struct ub_mock_trouble){status, "Content Exists Risk", "invalid_request_error",
                                        NULL, "invalid_request_error"};
    case UB_PRANK_NO_PREFILL:
        return (struct ub_mock_trouble){
            400, "The last message must be from the user; assistant prefill is not supported.",
            "invalid_request_error", "messages", "invalid_request_error"};
    default:
        return (struct ub_mock_trouble){500, "Internal Server Error", "server_error", NULL,
                                        "internal_error"};
    }
}

static void add_text_or_null(struct ub_buf *out, const char *text)
{
    if (text == NULL) {
        ub_buf_add_text(out, "null");
    } else {
        ub_buf_add_json(out, ub_slice_of(text));
    }
}

/* The self-hosted engines put the status as a number into `code`; SGLang and older vLLM have no
 * "error" around it. */
void ub_mock_trouble_write(const struct ub_mock_trouble *trouble, enum ub_mock_dialect dialect,
                           struct ub_buf *out)
{
    bool engine = dialect == UB_MOCK_VLLM || dialect == UB_MOCK_SGLANG || dialect == UB_MOCK_LLAMA;
    bool flat = dialect == UB_MOCK_SGLANG;
    ub_buf_add_text(out, flat ? "{\"object\":\"error\",\"message\":" : "{\"error\":{\"message\":");
    ub_buf_add_json(out, ub_slice_of(trouble->message));
    ub_buf_add_text(out, ",\"type\":");
    add_text_or_null(out, trouble->type);
    ub_buf_add_text(out, ",\"param\":");
    add_text_or_null(out, trouble->param);
    ub_buf_add_text(out, ",\"code\":");
    if (engine) {
        ub_buf_printf(out, "%d", trouble->status);
    } else {
        add_text_or_null(out, trouble->code);
    }
    ub_buf_add_text(out, flat ? "}" : "}}");
}

void ub_mock_refuse_with(struct ub_mock_job *job, const struct ub_mock_trouble *trouble,
                         ub_ns retry_after_ns)
{
    char seconds[32];
    char id[32];
    /* Retry-After has whole seconds: rounded up, never sooner than meant. */
    snprintf(seconds, sizeof seconds, "%lld",
             (long long)((retry_after_ns + UB_SECOND - 1) / UB_SECOND));
    snprintf(id, sizeof id, "mock-%llu", (unsigned long long)job->number);
    const struct ub_http_field fields[] = {
        {UB_LIT("content-type"), UB_LIT("application/json")},
        {UB_LIT("x-request-id"), ub_slice_of(id)},
        {UB_LIT("retry-after"), ub_slice_of(seconds)},
    };
    job->out.len = 0;
    ub_mock_trouble_write(trouble, job->worker->mock->options.dialect, &job->out);
    struct ub_slice body = ub_buf_slice(&job->out);
    job->responded = true;
    job->state = UB_JOB_ENDED;
    if (ub_exchange_respond(job->exchange, trouble->status, fields, retry_after_ns > 0 ? 3 : 2,
                            (int64_t)body.len)) {
        ub_exchange_send(job->exchange, &body, 1);
        ub_exchange_end(job->exchange);
    }
}

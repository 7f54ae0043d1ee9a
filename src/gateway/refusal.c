#include "gateway/refusal.h"

struct ub_refusal ub_refusal_of(enum ub_error error)
{
    return (struct ub_refusal){
        .status = ub_error_status(error),
        .code = ub_error_slug(error),
        .message = ub_slice_of(ub_error_words(error)),
    };
}

struct ub_refusal ub_refusal_for_now(enum ub_error error)
{
    struct ub_refusal refusal = ub_refusal_of(error);
    refusal.advice = UB_ADVICE_RETRY;
    refusal.retry_after_ns = UB_SECOND;
    return refusal;
}

const char *ub_refusal_type(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 429:
        return "rate_limit_error";
    default:
        return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

void ub_refusal_write(const struct ub_refusal *refusal, struct ub_buf *out)
{
    ub_buf_add_text(out, "{\"error\":{\"message\":");
    ub_buf_add_json(out, refusal->message);
    ub_buf_printf(out, ",\"type\":\"%s\",\"param\":", ub_refusal_type(refusal->status));
    if (refusal->param == NULL) {
        ub_buf_add_text(out, "null");
    } else {
        ub_buf_add_json(out, ub_slice_of(refusal->param));
    }
    ub_buf_printf(out, ",\"code\":\"%s\"}}", refusal->code);
}

struct ub_slice ub_refusal_spare(void)
{
    return UB_LIT("{\"error\":{\"message\":\"the gateway is out of memory\","
                  "\"type\":\"server_error\",\"param\":null,\"code\":\"no_memory\"}}");
}

ub_ns ub_refusal_delay(ub_ns retry_after_ns, double draw)
{
    ub_ns delay_ns = ub_ns_clamp(retry_after_ns, UB_MS, UB_ADVICE_MAX_NS);
    delay_ns += (ub_ns)(draw * (double)delay_ns / 4);
    return ub_ns_min(delay_ns, UB_ADVICE_MAX_NS);
}

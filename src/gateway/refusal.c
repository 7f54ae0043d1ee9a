#include "gateway/refusal.h"

#include <stdio.h>

struct ub_refusal ub_refusal_of(enum ub_error error)
{
    return (struct ub_refusal){
        .status = ub_error_status(error),
        .code = ub_error_slug(error),
        .message = ub_slice_of(ub_error_words(error)),
    };
}

struct ub_refusal ub_refusal_over_limit(enum ub_reason why)
{
    static const char *const words[UB_WHY_COUNT] = {
        [UB_WHY_TENANT_REQUESTS] = "Rate limit reached: requests of the owner of this API key.",
        [UB_WHY_TENANT_TOKENS] = "Rate limit reached: tokens of the owner of this API key.",
        [UB_WHY_TENANT_CONCURRENCY] =
            "Limit reached: requests of the owner of this API key at the same time.",
        [UB_WHY_SHARE_REQUESTS] =
            "Rate limit reached: requests of the owner of this API key to this model.",
        [UB_WHY_SHARE_TOKENS] =
            "Rate limit reached: tokens of the owner of this API key with this model.",
        [UB_WHY_MODEL_REQUESTS] = "Rate limit reached: requests to this model.",
        [UB_WHY_MODEL_TOKENS] = "Rate limit reached: tokens of this model.",
        [UB_WHY_TOO_LARGE] =
            "Request too large: the prompt has more tokens than the rate limit ever lets through "
            "at once.",
    };
    struct ub_refusal refusal = ub_refusal_of(UB_ERR_OVER_LIMIT);
    if (words[why] != NULL) {
        refusal.message = ub_slice_of(words[why]);
    }
    return refusal;
}

const char *ub_refusal_reset(ub_ns reset_ns, char out[UB_RESET_TEXT])
{
    uint64_t ms = (uint64_t)(ub_ns_max(reset_ns, 0) / UB_MS + (reset_ns % UB_MS > 0));
    uint64_t h = ms / 3600000, m = ms / 60000 % 60, s = ms / 1000 % 60;
    int len = 0;
    if (ms > 0 && ms < 1000) {
        snprintf(out, UB_RESET_TEXT, "%ums", (unsigned)ms);
        return out;
    }
    if (h > 0) {
        len = snprintf(out, UB_RESET_TEXT, "%lluh", (unsigned long long)h);
    }
    if (h > 0 || m > 0) {
        len += snprintf(out + len, UB_RESET_TEXT - (size_t)len, "%um", (unsigned)m);
    }
    len += snprintf(out + len, UB_RESET_TEXT - (size_t)len, "%u", (unsigned)s);
    if (ms % 1000 > 0) {
        len += snprintf(out + len, UB_RESET_TEXT - (size_t)len, ".%03u", (unsigned)(ms % 1000));
    }
    snprintf(out + len, UB_RESET_TEXT - (size_t)len, "s");
    return out;
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

#include "http/complaint.h"

#define SEARCHED_MAX 2048 /* bytes of a text in which signs are looked for */

/* Reading ------------------------------------------------------------------------------------- */

static void read_text(struct ub_walk *walk, struct ub_slice *text)
{
    if (!ub_walk_string(walk, text)) {
        ub_walk_skip(walk);
    }
}

/* "context_length_exceeded", 429, or "429". */
static void read_code(struct ub_walk *walk, struct ub_complaint *complaint)
{
    if (ub_walk_count(walk, &complaint->status)) {
        return;
    }
    read_text(walk, &complaint->code);
    struct ub_walk number = ub_walk_of(complaint->code);
    if (!ub_walk_count(&number, &complaint->status) || !ub_walk_over(&number)) {
        complaint->status = 0;
    }
}

bool ub_complaint_member(struct ub_walk *walk, struct ub_slice key, struct ub_complaint *complaint)
{
    if (ub_slice_is(key, "message") || ub_slice_is(key, "detail")) {
        read_text(walk, &complaint->message);
    } else if (ub_slice_is(key, "type")) {
        read_text(walk, &complaint->type);
    } else if (ub_slice_is(key, "code")) {
        read_code(walk, complaint);
    } else {
        return false;
    }
    return true;
}

bool ub_complaint_walk(struct ub_walk *walk, struct ub_complaint *complaint)
{
    if (ub_walk_string(walk, &complaint->message)) {
        return complaint->message.len > 0;
    }
    if (!ub_walk_object(walk)) {
        return ub_walk_says(walk);
    }
    bool something = false;
    struct ub_slice key;
    while (ub_walk_key(walk, &key)) {
        something = true;
        if (!ub_complaint_member(walk, key, complaint)) {
            ub_walk_skip(walk);
        }
    }
    return something;
}

bool ub_complaint_read(struct ub_slice body, struct ub_complaint *complaint)
{
    struct ub_walk walk = ub_walk_of(body);
    struct ub_slice key;
    bool found = false;
    *complaint = (struct ub_complaint){0};
    if (ub_walk_object(&walk)) {
        while (ub_walk_key(&walk, &key)) {
            if (ub_slice_is(key, "error")) {
                found = ub_complaint_walk(&walk, complaint) || found;
            } else if (ub_complaint_member(&walk, key, complaint)) {
                found = true;
            } else {
                ub_walk_skip(&walk);
            }
        }
    }
    if (!found || !ub_walk_over(&walk)) {
        *complaint = (struct ub_complaint){.message = body};
        return false;
    }
    return true;
}

/* Meaning ------------------------------------------------------------------------------------- */

/* Words by which upstreams say what a status does not; the first that is found counts. Each was
 * seen in the documentation or the issues of somebody. */
struct sign {
    const char *words;
    enum ub_error error;
};

static const struct sign signs[] = {
    /* The prompt does not fit. */
    {"context_length_exceeded", UB_ERR_CONTEXT_TOO_LONG}, /* OpenAI */
    {"exceed_context_size", UB_ERR_CONTEXT_TOO_LONG},     /* llama-server */
    {"context length", UB_ERR_CONTEXT_TOO_LONG},          /* DeepSeek, vLLM, SGLang */
    {"context size", UB_ERR_CONTEXT_TOO_LONG},            /* llama-server */
    {"context window", UB_ERR_CONTEXT_TOO_LONG},          /* OpenAI */
    {"maximum model length", UB_ERR_CONTEXT_TOO_LONG},    /* vLLM */
    {"prompt is too long", UB_ERR_CONTEXT_TOO_LONG},      /* Anthropic, TensorRT-LLM */
    {"input is too long", UB_ERR_CONTEXT_TOO_LONG},       /* Bedrock */
    /* What it says is not wanted. */
    {"content exists risk", UB_ERR_CONTENT_REFUSED},       /* DeepSeek */
    {"content_filter", UB_ERR_CONTENT_REFUSED},            /* Azure */
    {"content management policy", UB_ERR_CONTENT_REFUSED}, /* Azure */
    {"content_policy_violation", UB_ERR_CONTENT_REFUSED},  /* OpenAI */
    {"data_inspection_failed", UB_ERR_CONTENT_REFUSED},    /* Alibaba Cloud */
    {"inappropriate content", UB_ERR_CONTENT_REFUSED},     /* Alibaba Cloud */
    /* Nobody pays. Resellers say it with any status. */
    {"insufficient balance", UB_ERR_NO_BALANCE},                             /* DeepSeek */
    {"insufficient_quota", UB_ERR_NO_BALANCE},                               /* OpenAI */
    {"insufficient_user_quota", UB_ERR_NO_BALANCE},                          /* one-api */
    {"insufficient credits", UB_ERR_NO_BALANCE},                             /* OpenRouter */
    {"exceeded your current quota", UB_ERR_NO_BALANCE},                      /* OpenAI */
    {"\xe4\xbd\x99\xe9\xa2\x9d\xe4\xb8\x8d\xe8\xb6\xb3", UB_ERR_NO_BALANCE}, /* "balance too low" */
    /* It is not served there. */
    {"model_not_found", UB_ERR_MODEL_MISSING}, /* OpenAI */
    {"model not exist", UB_ERR_MODEL_MISSING}, /* DeepSeek */
    {"model not found", UB_ERR_MODEL_MISSING},
    {"not a valid model", UB_ERR_MODEL_MISSING}, /* OpenRouter */
};

static const struct sign busy_signs[] = {
    {"rate_limit", UB_ERR_THROTTLED},
    {"rate limit", UB_ERR_THROTTLED},
    {"too many requests", UB_ERR_THROTTLED},
    {"overloaded", UB_ERR_UPSTREAM_BUSY},
    {"busy", UB_ERR_UPSTREAM_BUSY},
    {"capacity", UB_ERR_UPSTREAM_BUSY},
    {"unavailable", UB_ERR_UPSTREAM_BUSY},
    {"\xe7\xb9\x81\xe5\xbf\x99", UB_ERR_UPSTREAM_BUSY}, /* "busy" */
};

static const struct sign other_signs[] = {
    {"authentication", UB_ERR_KEY_REFUSED},
    {"invalid_api_key", UB_ERR_KEY_REFUSED},
    {"permission", UB_ERR_KEY_REFUSED},
    {"invalid_request", UB_ERR_BAD_REQUEST},
};

static bool says(struct ub_slice text, const char *words)
{
    text.len = text.len < SEARCHED_MAX ? text.len : SEARCHED_MAX;
    return ub_slice_has_nocase(text, ub_slice_of(words));
}

static enum ub_error find(const struct ub_complaint *complaint, const struct sign *list,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (says(complaint->message, list[i].words) || says(complaint->code, list[i].words) ||
            says(complaint->type, list[i].words)) {
            return list[i].error;
        }
    }
    return UB_ERR_OK;
}

static enum ub_error or_else(enum ub_error found, enum ub_error otherwise)
{
    return found != UB_ERR_OK ? found : otherwise;
}

enum ub_error ub_complaint_refusal(int status, const struct ub_complaint *complaint)
{
    enum ub_error sign = find(complaint, signs, UB_COUNT(signs));
    enum ub_error busy = find(complaint, busy_signs, UB_COUNT(busy_signs));
    switch (status) {
    case 400:
    case 422:
        return or_else(sign, UB_ERR_BAD_REQUEST);
    case 401:
        return sign == UB_ERR_NO_BALANCE ? sign : UB_ERR_KEY_REFUSED;
    case 402:
        return UB_ERR_NO_BALANCE;
    case 403:
        return sign == UB_ERR_CONTEXT_TOO_LONG ? UB_ERR_KEY_REFUSED
                                               : or_else(sign, UB_ERR_KEY_REFUSED);
    case 404:
    case 405:
        return UB_ERR_MODEL_MISSING;
    case 408:
    case 409:
        return UB_ERR_UPSTREAM_ERROR; /* what SDKs would try again */
    case 413:
        return UB_ERR_CONTEXT_TOO_LONG;
    case 429:
        return sign == UB_ERR_NO_BALANCE ? sign : UB_ERR_THROTTLED;
    case 451:
        return UB_ERR_CONTENT_REFUSED;
    case 503:
    case 529:
        return UB_ERR_UPSTREAM_BUSY;
    default:
        break;
    }
    if (status == 500) {
        bool fault = sign == UB_ERR_CONTEXT_TOO_LONG || sign == UB_ERR_CONTENT_REFUSED;
        return fault ? sign : or_else(busy, UB_ERR_UPSTREAM_ERROR);
    }
    if (status >= 400 && status <= 499) {
        return or_else(sign, UB_ERR_BAD_REQUEST);
    }
    return status >= 500 ? UB_ERR_UPSTREAM_ERROR : UB_ERR_BAD_ANSWER;
}

enum ub_error ub_complaint_error(const struct ub_complaint *complaint)
{
    if (complaint->status >= 400 && complaint->status <= 599) {
        return ub_complaint_refusal((int)complaint->status, complaint);
    }
    enum ub_error found = find(complaint, signs, UB_COUNT(signs));
    found = or_else(found, find(complaint, busy_signs, UB_COUNT(busy_signs)));
    found = or_else(found, find(complaint, other_signs, UB_COUNT(other_signs)));
    return or_else(found, UB_ERR_UPSTREAM_ERROR);
}

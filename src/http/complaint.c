#include "http/complaint.h"

#define SEARCHED_MAX 1024 /* bytes of all texts together in which signs are looked for */

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

void ub_complaint_read(struct ub_slice body, struct ub_complaint *complaint)
{
    struct ub_walk walk = ub_walk_of(body);
    struct ub_slice key;
    *complaint = (struct ub_complaint){0};
    if (ub_walk_object(&walk)) {
        while (ub_walk_key(&walk, &key)) {
            if (ub_slice_is(key, "error")) {
                ub_complaint_walk(&walk, complaint);
            } else if (!ub_complaint_member(&walk, key, complaint)) {
                ub_walk_skip(&walk);
            }
        }
    }
    bool says = complaint->message.len + complaint->type.len + complaint->code.len > 0;
    if (!says || !ub_walk_over(&walk)) {
        *complaint = (struct ub_complaint){.message = body};
    }
}

/* Meaning ------------------------------------------------------------------------------------- */

/* Words by which upstreams say what a status does not; the first that is found counts. Each was
 * seen in the documentation or the issues of somebody. */
struct sign {
    const char *words;
    enum ub_error error;
};

static const struct sign context_signs[] = {
    {"context_length_exceeded", UB_ERR_CONTEXT_TOO_LONG}, /* OpenAI */
    {"exceed_context_size", UB_ERR_CONTEXT_TOO_LONG},     /* llama-server */
    {"context length", UB_ERR_CONTEXT_TOO_LONG},          /* DeepSeek, vLLM, SGLang */
    {"context size", UB_ERR_CONTEXT_TOO_LONG},            /* llama-server */
    {"context window", UB_ERR_CONTEXT_TOO_LONG},          /* OpenAI */
    {"maximum model length", UB_ERR_CONTEXT_TOO_LONG},    /* vLLM */
    {"prompt is too long", UB_ERR_CONTEXT_TOO_LONG},      /* Anthropic, TensorRT-LLM */
    {"input is too long", UB_ERR_CONTEXT_TOO_LONG},       /* Bedrock */
};

static const struct sign signs[] = {
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

/* llama-server threw whatever it did not like about a request as a 500 until late 2025, and still
 * does where nobody has looked yet. */
static const struct sign llama_signs[] = {
    {"json schema conversion failed", UB_ERR_BAD_REQUEST},
    {"failed to parse grammar", UB_ERR_BAD_REQUEST},
    {"failed to parse messages", UB_ERR_BAD_REQUEST},
    {"unsupported param", UB_ERR_BAD_REQUEST},
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

/* The texts in lower case, one behind the other: refusals come in storms, so they are prepared once
 * and searched by memmem. */
struct haystack {
    size_t len;
    size_t own; /* of it, code and type: the server's own words */
    char text[SEARCHED_MAX];
};

static void add_text(struct haystack *hay, struct ub_slice text)
{
    for (size_t i = 0; i < text.len && hay->len < sizeof hay->text; i++) {
        char c = text.ptr[i];
        hay->text[hay->len++] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    if (hay->len < sizeof hay->text) {
        hay->text[hay->len++] = '\n';
    }
}

static void collect(struct haystack *hay, const struct ub_complaint *complaint)
{
    hay->len = 0;
    add_text(hay, complaint->code);
    add_text(hay, complaint->type);
    hay->own = hay->len;
    add_text(hay, complaint->message);
}

static enum ub_error find_in(const char *text, size_t len, const struct sign *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (memmem(text, len, list[i].words, strlen(list[i].words)) != NULL) {
            return list[i].error;
        }
    }
    return UB_ERR_OK;
}

static enum ub_error find(const struct haystack *hay, const struct sign *list, size_t count)
{
    return find_in(hay->text, hay->len, list, count);
}

static enum ub_error or_else(enum ub_error found, enum ub_error otherwise)
{
    return found != UB_ERR_OK ? found : otherwise;
}

/* What is said, by words that can be believed of such a server. */
static enum ub_error find_sign(const struct haystack *hay, enum ub_dialect dialect)
{
    size_t len = ub_dialect_is_engine(dialect) ? hay->own : hay->len;
    return or_else(find(hay, context_signs, UB_COUNT(context_signs)),
                   find_in(hay->text, len, signs, UB_COUNT(signs)));
}

/* Statuses that say enough by themselves. */
static enum ub_error by_status(int status)
{
    switch (status) {
    case 402:
        return UB_ERR_NO_BALANCE;
    case 404:
    case 405:
        return UB_ERR_MODEL_MISSING;
    case 408:
    case 409:
        return UB_ERR_UPSTREAM_ERROR; /* what SDKs would try again */
    case 413:
        return UB_ERR_CONTEXT_TOO_LONG;
    case 451:
        return UB_ERR_CONTENT_REFUSED;
    case 503:
    case 529:
        return UB_ERR_UPSTREAM_BUSY;
    default:
        break;
    }
    if (status > 500) {
        return UB_ERR_UPSTREAM_ERROR;
    }
    return status < 400 ? UB_ERR_BAD_ANSWER : UB_ERR_OK;
}

/* The other statuses: what the words say, as far as it can be meant. */
static enum ub_error by_words(int status, enum ub_error sign)
{
    switch (status) {
    case 401:
        return sign == UB_ERR_NO_BALANCE ? sign : UB_ERR_KEY_REFUSED;
    case 403:
        return sign == UB_ERR_CONTEXT_TOO_LONG ? UB_ERR_KEY_REFUSED
                                               : or_else(sign, UB_ERR_KEY_REFUSED);
    case 429:
        return sign == UB_ERR_NO_BALANCE ? sign : UB_ERR_THROTTLED;
    case 500:
        return sign == UB_ERR_CONTEXT_TOO_LONG || sign == UB_ERR_CONTENT_REFUSED ? sign : UB_ERR_OK;
    default:
        return or_else(sign, UB_ERR_BAD_REQUEST);
    }
}

enum ub_error ub_complaint_refusal(int status, const struct ub_complaint *complaint,
                                   enum ub_dialect dialect)
{
    enum ub_error error = by_status(status);
    if (error != UB_ERR_OK) {
        return error;
    }
    struct haystack hay;
    collect(&hay, complaint);
    error = by_words(status, find_sign(&hay, dialect));
    if (dialect == UB_DIALECT_LLAMA) {
        error = or_else(error, find(&hay, llama_signs, UB_COUNT(llama_signs)));
    }
    error = or_else(error, find(&hay, busy_signs, UB_COUNT(busy_signs)));
    return or_else(error, UB_ERR_UPSTREAM_ERROR);
}

enum ub_error ub_complaint_error(const struct ub_complaint *complaint, enum ub_dialect dialect)
{
    if (complaint->status >= 400 && complaint->status <= 599) {
        return ub_complaint_refusal((int)complaint->status, complaint, dialect);
    }
    struct haystack hay;
    collect(&hay, complaint);
    enum ub_error found = find_sign(&hay, dialect);
    found = or_else(found, find(&hay, busy_signs, UB_COUNT(busy_signs)));
    if (dialect != UB_DIALECT_DEEPSEEK) {
        found = or_else(found, find(&hay, other_signs, UB_COUNT(other_signs)));
    }
    return or_else(found, UB_ERR_UPSTREAM_ERROR);
}

#include "tools/load_answer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX ((size_t)64 * 1024 * 1024)

void ub_load_answer_init(struct ub_load_answer *answer, enum ub_load_endpoint endpoint, bool stream)
{
    *answer = (struct ub_load_answer){.endpoint = endpoint, .stream = stream};
    answer->body.max = BODY_MAX;
    ub_sse_init(&answer->sse, 4 * UB_SSE_EVENT_MAX);
}

void ub_load_answer_close(struct ub_load_answer *answer)
{
    ub_sse_close(&answer->sse);
    ub_buf_free(&answer->body);
}

/* What stands behind the next "key": in `in`, which is advanced to it; empty when there is none.
 * Good enough for what services write: keys are not looked for inside of strings, where their
 * quotes would be escaped. */
static struct ub_slice value_of(struct ub_slice *in, const char *quoted_key)
{
    size_t len = strlen(quoted_key);
    const char *at = memmem(in->ptr, in->len, quoted_key, len);
    if (at == NULL) {
        return (struct ub_slice){NULL, 0};
    }
    in->len -= (size_t)(at - in->ptr) + len;
    in->ptr = at + len;
    struct ub_slice value = *in;
    while (value.len > 0 && (value.ptr[0] == ' ' || value.ptr[0] == ':')) {
        value.ptr++;
        value.len--;
    }
    return value;
}

/* Is one of these keys there with a text that is not empty? */
static bool has_payload(struct ub_slice json)
{
    static const char *const keys[] = {"\"content\"", "\"reasoning_content\"",
                                       "\"text\"",    "\"arguments\"",
                                       "\"name\"",    "\"refusal\""};
    for (size_t i = 0; i < UB_COUNT(keys); i++) {
        struct ub_slice rest = json;
        for (;;) {
            struct ub_slice value = value_of(&rest, keys[i]);
            if (value.len < 2) {
                break;
            }
            if (value.ptr[0] == '"' && value.ptr[1] != '"') {
                return true;
            }
        }
    }
    return false;
}

static void read_count(struct ub_slice json, const char *quoted_key, uint64_t *out)
{
    struct ub_slice value = value_of(&json, quoted_key);
    uint64_t number = 0;
    size_t i = 0;
    for (; i < value.len && i < 15 && value.ptr[i] >= '0' && value.ptr[i] <= '9'; i++) {
        number = number * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    if (i > 0) {
        *out = number;
    }
}

static void read_finish(struct ub_load_answer *answer, struct ub_slice json)
{
    struct ub_slice value = value_of(&json, "\"finish_reason\"");
    if (value.len < 2 || value.ptr[0] != '"') {
        return;
    }
    size_t len = 0;
    while (len + 1 < value.len && len < sizeof answer->finish - 1 && value.ptr[len + 1] != '"') {
        len++;
    }
    memcpy(answer->finish, value.ptr + 1, len);
    answer->finish[len] = '\0';
}

/* True: the event had payload. */
static bool read_event(struct ub_load_answer *answer, struct ub_slice json)
{
    if (ub_slice_is(ub_slice_trim(json), "[DONE]")) {
        answer->done = true;
        return false;
    }
    json = ub_slice_trim(json);
    if (json.len < 2 || json.ptr[0] != '{' || json.ptr[json.len - 1] != '}') {
        answer->malformed = true;
        return false;
    }
    if (memmem(json.ptr, json.len, "\"choices\"", 9) == NULL) {
        answer->has_error = answer->has_error || memmem(json.ptr, json.len, "\"error\"", 7) != NULL;
        return false;
    }
    read_finish(answer, json);
    if (memmem(json.ptr, json.len, "\"usage\"", 7) != NULL) {
        read_count(json, "\"prompt_tokens\"", &answer->prompt_tokens);
        read_count(json, "\"completion_tokens\"", &answer->answer_tokens);
    }
    return has_payload(json);
}

uint32_t ub_load_answer_feed(struct ub_load_answer *answer, struct ub_slice bytes)
{
    if (!answer->stream) {
        ub_buf_add_slice(&answer->body, bytes);
        return 0;
    }
    uint32_t payload = 0;
    for (;;) {
        enum ub_sse_found found = ub_sse_next(&answer->sse, &bytes);
        if (found == UB_SSE_EVENT) {
            payload += read_event(answer, answer->sse.data);
        } else if (found != UB_SSE_COMMENT) {
            answer->malformed = answer->malformed || found != UB_SSE_MORE;
            break;
        }
    }
    answer->events += payload;
    return payload;
}

static const char *judge_end(const struct ub_load_answer *answer, bool *silent)
{
    if (strcmp(answer->finish, "insufficient_system_resource") == 0) {
        return "insufficient_system_resource";
    }
    if (answer->finish[0] == '\0') {
        *silent = true;
        return "cut: no finish_reason";
    }
    return NULL;
}

static const char *judge_stream(struct ub_load_answer *answer, bool *silent)
{
    if (answer->has_error) {
        return "error event";
    }
    if (answer->malformed) {
        return "malformed event";
    }
    const char *wrong = judge_end(answer, silent);
    if (wrong != NULL) {
        return wrong;
    }
    if (!answer->done) {
        *silent = true;
        return "cut: no [DONE]";
    }
    return answer->events == 0 ? "empty answer" : NULL;
}

static const char *judge_tree(struct ub_load_answer *answer, const json_t *root, bool *silent)
{
    if (json_object_get(root, "error") != NULL) {
        return "error inside a 200";
    }
    const json_t *usage = json_object_get(root, "usage");
    answer->prompt_tokens = (uint64_t)json_integer_value(json_object_get(usage, "prompt_tokens"));
    answer->answer_tokens =
        (uint64_t)json_integer_value(json_object_get(usage, "completion_tokens"));
    if (answer->endpoint == UB_LOAD_EMBEDDINGS) {
        return json_array_size(json_object_get(root, "data")) > 0 ? NULL : "empty answer";
    }
    const json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
    const char *finish = json_string_value(json_object_get(choice, "finish_reason"));
    snprintf(answer->finish, sizeof answer->finish, "%s", finish != NULL ? finish : "");
    const char *wrong = judge_end(answer, silent);
    if (wrong != NULL) {
        return wrong;
    }
    return has_payload(ub_buf_slice(&answer->body)) ? NULL : "empty answer";
}

static const char *judge_plain(struct ub_load_answer *answer, bool *silent)
{
    if (answer->body.failed) {
        return "answer too long";
    }
    json_error_t error;
    json_t *root = json_loadb(answer->body.ptr == NULL ? "" : answer->body.ptr, answer->body.len,
                              JSON_ALLOW_NUL, &error);
    if (root == NULL) {
        return answer->body.len == 0 ? "empty body" : "answer is not JSON";
    }
    const char *wrong = judge_tree(answer, root, silent);
    json_decref(root);
    return wrong;
}

const char *ub_load_answer_judge(struct ub_load_answer *answer, bool *silent)
{
    *silent = false;
    return answer->stream ? judge_stream(answer, silent) : judge_plain(answer, silent);
}

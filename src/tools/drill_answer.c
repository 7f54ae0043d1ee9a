#include "tools/drill_answer.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define BODY_MAX ((size_t)8 * 1024 * 1024)

void ub_drill_answer_init(struct ub_drill_answer *answer, bool stream)
{
    *answer = (struct ub_drill_answer){.stream = stream, .after_ms = -1, .after_s = -1};
    answer->body.max = answer->line.max = answer->data.max = answer->text.max = BODY_MAX;
}

void ub_drill_answer_close(struct ub_drill_answer *answer)
{
    ub_buf_free(&answer->text);
    ub_buf_free(&answer->body);
    ub_buf_free(&answer->line);
    ub_buf_free(&answer->data);
}

static void breach(struct ub_drill_answer *answer, const char *words)
{
    answer->wrong = answer->wrong == NULL ? words : answer->wrong;
}

/* ---- the head ---- */

static bool is_type(struct ub_slice value, const char *type)
{
    size_t len = 0;
    while (len < value.len && value.ptr[len] != ';') {
        len++;
    }
    return ub_slice_eq_nocase(ub_slice_trim((struct ub_slice){value.ptr, len}), ub_slice_of(type));
}

/* < 0: not there, or no number. */
static double number_of(struct ub_slice value)
{
    char text[32];
    if (value.len == 0 || value.len >= sizeof text) {
        return -1;
    }
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    char *end;
    double number = strtod(text, &end);
    return *end == '\0' && number >= 0 ? number : -1;
}

void ub_drill_answer_head(struct ub_drill_answer *answer, const struct ub_http_head *head)
{
    answer->status = head->status;
    struct ub_slice type = ub_http_value(head, "content-type");
    answer->is_events = is_type(type, "text/event-stream");
    answer->is_json = is_type(type, "application/json");
    answer->after_ms = number_of(ub_http_value(head, "retry-after-ms"));
    answer->after_s = number_of(ub_http_value(head, "retry-after"));
    struct ub_slice should = ub_http_value(head, "x-should-retry");
    answer->advice = ub_slice_is(should, "true")    ? UB_DRILL_SAYS_RETRY
                     : ub_slice_is(should, "false") ? UB_DRILL_SAYS_GIVE_UP
                                                    : UB_DRILL_SAYS_NOTHING;
}

/* ---- what it says ---- */

/* The official SDKs read these three. */
static void take_error(struct ub_drill_answer *answer, const json_t *error)
{
    answer->has_error = true;
    const char *code = json_string_value(json_object_get(error, "code"));
    snprintf(answer->code, sizeof answer->code, "%s", code != NULL ? code : "");
    if (!json_is_string(json_object_get(error, "message")) ||
        !json_is_string(json_object_get(error, "type")) || json_object_get(error, "code") == NULL) {
        breach(answer, "an error without message, type and code");
    }
}

/* The same in all events of a stream. */
static void take_name(struct ub_drill_answer *answer, const json_t *value, char *kept, size_t size,
                      const char *words)
{
    const char *name = json_string_value(value);
    if (name == NULL) {
        breach(answer, "an answer without id or model");
    } else if (kept[0] == '\0') {
        snprintf(kept, size, "%s", name);
    } else if (strncmp(kept, name, size - 1) != 0) {
        breach(answer, words);
    }
}

static void take_usage(struct ub_drill_answer *answer, const json_t *usage)
{
    if (!json_is_object(usage)) {
        return;
    }
    answer->usages++;
    answer->prompt_tokens = (uint64_t)json_integer_value(json_object_get(usage, "prompt_tokens"));
    answer->answer_tokens =
        (uint64_t)json_integer_value(json_object_get(usage, "completion_tokens"));
}

static void take_text(struct ub_drill_answer *answer, const json_t *content)
{
    size_t len = json_string_length(content);
    if (len == 0) {
        return;
    }
    if (answer->finish[0] != '\0') {
        breach(answer, "text behind the finish_reason");
    }
    answer->payloads++;
    ub_buf_add(&answer->text, json_string_value(content), len);
}

static void take_finish(struct ub_drill_answer *answer, const json_t *reason)
{
    const char *text = json_string_value(reason);
    if (text == NULL) {
        return;
    }
    if (answer->finish[0] != '\0') {
        breach(answer, "two finish_reasons");
    }
    snprintf(answer->finish, sizeof answer->finish, "%s", text);
}

/* `part`: "delta" or "message". */
static void take_object(struct ub_drill_answer *answer, const json_t *root, const char *part)
{
    const json_t *error = json_object_get(root, "error");
    if (json_is_object(error)) {
        take_error(answer, error);
        return;
    }
    const json_t *choices = json_object_get(root, "choices");
    if (!json_is_array(choices)) {
        breach(answer, "neither an answer nor an error");
        return;
    }
    take_name(answer, json_object_get(root, "id"), answer->id, sizeof answer->id,
              "two ids in one stream");
    take_name(answer, json_object_get(root, "model"), answer->model, sizeof answer->model,
              "two models in one stream");
    const json_t *choice = json_array_get(choices, 0);
    take_text(answer, json_object_get(json_object_get(choice, part), "content"));
    take_finish(answer, json_object_get(choice, "finish_reason"));
    take_usage(answer, json_object_get(root, "usage"));
}

static void take_json(struct ub_drill_answer *answer, struct ub_slice text, const char *part,
                      const char *words)
{
    json_t *root = json_loadb(text.ptr == NULL ? "" : text.ptr, text.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (json_is_object(root)) {
        take_object(answer, root, part);
    } else {
        breach(answer, words);
    }
    json_decref(root);
}

/* ---- events ---- */

static void dispatch(struct ub_drill_answer *answer)
{
    struct ub_slice data = ub_buf_slice(&answer->data);
    bool is_done = ub_slice_is(data, "[DONE]");
    if (answer->done) {
        breach(answer, "something behind [DONE]");
    } else if (is_done) {
        answer->done = true;
    } else if (answer->has_error) {
        breach(answer, "something behind the error");
    } else {
        take_json(answer, data, "delta", "an event that is not JSON");
    }
}

static void end_event(struct ub_drill_answer *answer)
{
    if (answer->has_data) {
        dispatch(answer);
    } else if (answer->in_event) {
        breach(answer, "an event without data");
    } else if (answer->after_comment) {
        breach(answer, "an empty line behind a comment");
    }
    answer->in_event = answer->has_data = false;
    ub_buf_clear(&answer->data);
}

static void take_data(struct ub_drill_answer *answer, struct ub_slice value)
{
    if (answer->has_data) {
        ub_buf_add_text(&answer->data, "\n");
    }
    if (value.len > 0 && value.ptr[0] == ' ') {
        value = (struct ub_slice){value.ptr + 1, value.len - 1};
    }
    ub_buf_add_slice(&answer->data, value);
    answer->has_data = true;
}

static void take_line(struct ub_drill_answer *answer, struct ub_slice line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    if (line.len == 0) {
        end_event(answer);
        answer->after_comment = false;
        return;
    }
    if (line.ptr[0] == ':') {
        if (answer->in_event) {
            breach(answer, "a comment inside an event");
        }
        answer->after_comment = true;
        return;
    }
    answer->after_comment = false;
    answer->in_event = true;
    if (ub_slice_starts(line, UB_LIT("data:"))) {
        take_data(answer, (struct ub_slice){line.ptr + 5, line.len - 5});
    } else if (ub_slice_starts(line, UB_LIT("id:")) || ub_slice_is(line, "id")) {
        breach(answer, "an id line");
    } else if (!ub_slice_starts(line, UB_LIT("event:"))) {
        breach(answer, "a line that is no field of an event");
    }
}

static void feed_stream(struct ub_drill_answer *answer, struct ub_slice bytes)
{
    while (bytes.len > 0) {
        const char *end = memchr(bytes.ptr, '\n', bytes.len);
        size_t len = end == NULL ? bytes.len : (size_t)(end - bytes.ptr);
        ub_buf_add(&answer->line, bytes.ptr, len);
        if (end == NULL) {
            return;
        }
        take_line(answer, ub_buf_slice(&answer->line));
        ub_buf_clear(&answer->line);
        bytes = (struct ub_slice){bytes.ptr + len + 1, bytes.len - len - 1};
    }
}

void ub_drill_answer_feed(struct ub_drill_answer *answer, struct ub_slice bytes)
{
    if (answer->is_events) {
        feed_stream(answer, bytes);
    } else {
        ub_buf_add_slice(&answer->body, bytes);
    }
}

void ub_drill_answer_end(struct ub_drill_answer *answer)
{
    if (answer->is_events) {
        if (answer->in_event || answer->line.len > 0) {
            breach(answer, "ends inside an event");
        }
    } else if (answer->status != 0) {
        take_json(answer, ub_buf_slice(&answer->body), "message", "a body that is not JSON");
    }
    if (answer->body.failed || answer->line.failed || answer->data.failed || answer->text.failed) {
        breach(answer, "an answer too long to be one");
    }
}

#include "tools/mock_inside.h"

#include "base/random.h"
#include <math.h>

#define CALL_PIECES 5 /* tokens of a tool call: its name and four parts of its arguments */

/* Pieces of a partial answer that UB_PRANK_DIVERGE says again before it says something else: enough
 * to tell that it began again. */
#define DIVERGES_AT 12

static const char *object_of(const struct ub_mock_job *job, bool chunk)
{
    if (job->endpoint == UB_MOCK_COMPLETIONS) {
        return "text_completion";
    }
    return chunk ? "chat.completion.chunk" : "chat.completion";
}

static void add_top(const struct ub_mock_job *job, struct ub_buf *out, bool chunk)
{
    uint64_t id = ub_mix64(job->worker->mock->options.seed ^ job->number);
    const char *model = job->prank.prank == UB_PRANK_WRONG_MODEL ? "some-other-model" : job->model;
    ub_buf_printf(out, "{\"id\":\"%s-%016llx\",\"object\":\"%s\",\"created\":%lld,\"model\":",
                  job->endpoint == UB_MOCK_COMPLETIONS ? "cmpl" : "chatcmpl",
                  (unsigned long long)id, object_of(job, chunk),
                  (long long)(ub_clock_wall() / UB_SECOND));
    ub_buf_add_json(out, ub_slice_of(model));
    ub_buf_add_text(out, ",\"choices\":[");
}

void ub_say_begin(struct ub_mock_job *job)
{
    ub_buf_clear(&job->open);
    add_top(job, &job->open, true);
}

/* n choices speak with different voices. */
static uint64_t voice(const struct ub_mock_job *job, uint32_t choice)
{
    return choice == 0 ? job->talk : ub_mix64(job->talk + choice);
}

static struct ub_slice piece_at(const struct ub_mock_job *job, uint32_t choice, uint32_t index,
                                char out[UB_TALK_PIECE])
{
    bool thinks = index < job->reasoning;
    uint64_t seed = voice(job, choice) ^ (thinks ? 0x7468696e6b : 0);
    uint32_t at = thinks ? index : index - job->reasoning + job->place.index;
    if (job->prank.prank == UB_PRANK_DIVERGE && job->has_begun && at >= DIVERGES_AT) {
        seed = ub_mix64(seed);
    }
    struct ub_slice piece = ub_talk_piece(seed, at, out);
    if (!thinks && index == job->reasoning) {
        piece.ptr += job->place.skip;
        piece.len -= job->place.skip;
    }
    return piece;
}

/* Parts of the arguments {"text":"word"}, escaped once. */
static void add_argument(const struct ub_mock_job *job, struct ub_buf *out, uint32_t index)
{
    static const char *const parts[] = {"{\\\"text\\\":", "\\\"", NULL, "\\\"}"};
    if (parts[index - 1] != NULL) {
        ub_buf_add_text(out, parts[index - 1]);
        return;
    }
    char piece[UB_TALK_PIECE];
    ub_buf_add_slice(out, ub_talk_piece(job->talk, 0, piece));
}

static void add_call_delta(const struct ub_mock_job *job, struct ub_buf *out, uint32_t index)
{
    if (index == 0) {
        ub_buf_printf(out,
                      "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"index\":0,"
                      "\"id\":\"call_%016llx\",\"type\":\"function\",\"function\":{\"name\":\"%s\","
                      "\"arguments\":\"\"}}]}",
                      (unsigned long long)ub_mix64(job->talk), job->call);
        return;
    }
    ub_buf_add_text(out, "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"");
    if (index < CALL_PIECES) {
        add_argument(job, out, index);
    }
    ub_buf_add_text(out, "\"}}]}");
}

/* The odd forms: id lines, CRLF, comments between and inside, and pieces over time. */
static void add_event(struct ub_mock_job *job, struct ub_buf *out, struct ub_slice json)
{
    enum ub_prank form = job->prank.prank;
    const char *line = form == UB_PRANK_CRLF ? "\r\n" : "\n";
    if (form == UB_PRANK_COMMENTS) {
        ub_buf_add_text(out, ": a comment\n\n");
    }
    if (form == UB_PRANK_ID_LINES) {
        ub_buf_printf(out, "id: %u\nevent: message\n", job->sent);
    }
    ub_buf_add_text(out, form == UB_PRANK_CRLF ? "data:" : "data: ");
    size_t comma = json.len / 2;
    while (comma < json.len && json.ptr[comma] != ',') {
        comma++;
    }
    if (form == UB_PRANK_INSIDE && comma < json.len) { /* not in [DONE] */
        /* Two data lines are one event, joined by a line feed, which JSON does not mind here. */
        ub_buf_add(out, json.ptr, comma);
        ub_buf_add_text(out, "\n: inside\ndata: ");
        ub_buf_add(out, json.ptr + comma, json.len - comma);
    } else {
        ub_buf_add_slice(out, json);
    }
    ub_buf_add_text(out, line);
    ub_buf_add_text(out, line);
}

static bool send_text(struct ub_mock_job *job, struct ub_slice text)
{
    if (job->prank.prank == UB_PRANK_SPLIT) {
        ub_buf_add_slice(&job->queue, text);
        ub_mock_job_wake(job, ub_clock_now());
        return true;
    }
    return ub_exchange_send(job->exchange, &text, 1);
}

void ub_say_event(struct ub_mock_job *job, struct ub_slice json)
{
    struct ub_buf event = {0};
    add_event(job, &event, json);
    job->paused = !send_text(job, ub_buf_slice(&event)) || job->paused;
    ub_buf_free(&event);
}

void ub_say_comment(struct ub_mock_job *job, const char *text)
{
    struct ub_slice parts[] = {UB_LIT(": "), ub_slice_of(text), UB_LIT("\n\n")};
    if (job->prank.prank == UB_PRANK_SPLIT) {
        return; /* would fall between the pieces of an event */
    }
    job->paused = !ub_exchange_send(job->exchange, parts, 3) || job->paused;
}

/* One event in the usual form: what is the same for all tokens is not written again. */
static bool send_plain(struct ub_mock_job *job, uint32_t choice, struct ub_slice key,
                       struct ub_slice piece)
{
    char index[48];
    bool text = job->endpoint == UB_MOCK_COMPLETIONS;
    int len = snprintf(index, sizeof index, "{\"index\":%u,%s", choice,
                       text ? "\"text\":\"" : "\"delta\":{");
    struct ub_slice close =
        text ? UB_LIT("\",\"finish_reason\":null}]") : UB_LIT("\"},\"finish_reason\":null}]");
    struct ub_slice parts[] = {
        UB_LIT("data: "),
        ub_buf_slice(&job->open),
        {index, (size_t)len},
        key,
        piece,
        close,
        job->include_usage ? UB_LIT(",\"usage\":null}\n\n") : UB_LIT("}\n\n"),
    };
    return ub_exchange_send(job->exchange, parts, UB_COUNT(parts));
}

static bool is_plain(enum ub_prank form)
{
    return ub_prank_facts(form)->place != UB_PRANK_FORM || form == UB_PRANK_HUGE;
}

/* A choice's part of an event, from "{" to "}". */
static void add_choice(struct ub_mock_job *job, struct ub_buf *out, uint32_t choice,
                       struct ub_slice key, struct ub_slice piece)
{
    if (job->endpoint == UB_MOCK_COMPLETIONS) {
        ub_buf_printf(out, "{\"index\":%u,\"text\":\"%.*s\",\"finish_reason\":null}", choice,
                      UB_SLICE_ARG(piece));
        return;
    }
    ub_buf_printf(out, "{\"index\":%u,\"delta\":", choice);
    if (job->call[0] != '\0') {
        add_call_delta(job, out, job->sent);
    } else {
        ub_buf_printf(out, "{%.*s%.*s\"}", UB_SLICE_ARG(key), UB_SLICE_ARG(piece));
    }
    ub_buf_add_text(out, ",\"finish_reason\":null}");
}

static bool send_odd(struct ub_mock_job *job, uint32_t choice, struct ub_slice key,
                     struct ub_slice piece)
{
    ub_buf_clear(&job->out);
    ub_buf_add_slice(&job->out, ub_buf_slice(&job->open));
    add_choice(job, &job->out, choice, key, piece);
    ub_buf_add_text(&job->out, job->include_usage ? "],\"usage\":null}" : "]}");
    ub_say_event(job, ub_buf_slice(&job->out));
    return !job->paused;
}

bool ub_say_token(struct ub_mock_job *job, uint32_t index)
{
    char piece[UB_TALK_PIECE];
    struct ub_slice key = UB_LIT("\"content\":\"");
    if (job->reasoning > 0) {
        key = index < job->reasoning ? UB_LIT("\"content\":null,\"reasoning_content\":\"")
                                     : UB_LIT("\"reasoning_content\":null,\"content\":\"");
    }
    if (job->endpoint == UB_MOCK_COMPLETIONS) {
        key = UB_LIT("");
    }
    bool more = true;
    bool plain = is_plain(job->prank.prank) && job->call[0] == '\0';
    for (uint32_t choice = 0; choice < job->n; choice++) {
        struct ub_slice text = piece_at(job, choice, index, piece);
        more =
            (plain ? send_plain(job, choice, key, text) : send_odd(job, choice, key, text)) && more;
    }
    return more;
}

void ub_say_first(struct ub_mock_job *job)
{
    if (job->endpoint != UB_MOCK_CHAT) {
        return;
    }
    ub_buf_clear(&job->out);
    ub_buf_add_slice(&job->out, ub_buf_slice(&job->open));
    for (uint32_t i = 0; i < job->n; i++) {
        ub_buf_printf(&job->out,
                      "%s{\"index\":%u,\"delta\":{\"role\":\"assistant\",\"content\":\"\"%s},"
                      "\"finish_reason\":null}",
                      i == 0 ? "" : ",", i,
                      job->reasoning > 0 ? ",\"reasoning_content\":\"\"" : "");
    }
    ub_buf_add_text(&job->out, job->include_usage ? "],\"usage\":null}" : "]}");
    ub_say_event(job, ub_buf_slice(&job->out));
}

const char *ub_say_reason(const struct ub_mock_job *job)
{
    if (job->length) {
        return "length";
    }
    return job->call[0] != '\0' ? "tool_calls" : "stop";
}

static void add_usage(const struct ub_mock_job *job, struct ub_buf *out, uint32_t tokens)
{
    uint32_t prompt = job->prompt_tokens;
    uint32_t answer = job->endpoint == UB_MOCK_EMBEDDINGS ? 0 : tokens * job->n;
    if (job->prank.prank == UB_PRANK_WRONG_USAGE) {
        prompt = prompt * 10 + 1000;
        answer = 1;
    }
    ub_buf_printf(out, "{\"prompt_tokens\":%u,", prompt);
    if (job->endpoint != UB_MOCK_EMBEDDINGS) {
        uint32_t thought = tokens < job->reasoning ? tokens : job->reasoning;
        ub_buf_printf(out,
                      "\"completion_tokens\":%u,\"prompt_tokens_details\":{\"cached_tokens\":%u},"
                      "\"completion_tokens_details\":{\"reasoning_tokens\":%u},",
                      answer, job->cached_tokens, thought);
    }
    if (job->worker->mock->options.dialect == UB_MOCK_DEEPSEEK) {
        ub_buf_printf(out, "\"prompt_cache_hit_tokens\":%u,\"prompt_cache_miss_tokens\":%u,",
                      job->cached_tokens, prompt - job->cached_tokens);
    }
    ub_buf_printf(out, "\"total_tokens\":%u}", prompt + answer);
}

void ub_say_finish(struct ub_mock_job *job, const char *reason)
{
    bool text = job->endpoint == UB_MOCK_COMPLETIONS;
    ub_buf_clear(&job->out);
    ub_buf_add_slice(&job->out, ub_buf_slice(&job->open));
    for (uint32_t i = 0; i < job->n; i++) {
        ub_buf_printf(&job->out, "%s{\"index\":%u,%s,\"finish_reason\":\"%s\"}", i == 0 ? "" : ",",
                      i, text ? "\"text\":\"\"" : "\"delta\":{}", reason);
    }
    ub_buf_add_text(&job->out, job->include_usage ? "],\"usage\":null}" : "]}");
    ub_say_event(job, ub_buf_slice(&job->out));
    if (job->include_usage) {
        ub_buf_clear(&job->out);
        ub_buf_add_slice(&job->out, ub_buf_slice(&job->open));
        ub_buf_add_text(&job->out, "],\"usage\":");
        add_usage(job, &job->out, job->sent);
        ub_buf_add_text(&job->out, "}");
        ub_say_event(job, ub_buf_slice(&job->out));
    }
}

static void add_words(const struct ub_mock_job *job, struct ub_buf *out, uint32_t choice,
                      uint32_t from, uint32_t to)
{
    char piece[UB_TALK_PIECE];
    ub_buf_add_text(out, "\"");
    for (uint32_t i = from; i < to; i++) {
        ub_buf_add_slice(out, piece_at(job, choice, i, piece));
    }
    ub_buf_add_text(out, "\"");
}

static void add_call(const struct ub_mock_job *job, struct ub_buf *out)
{
    ub_buf_printf(out,
                  "null,\"tool_calls\":[{\"index\":0,\"id\":\"call_%016llx\",\"type\":\"function\","
                  "\"function\":{\"name\":\"%s\",\"arguments\":\"",
                  (unsigned long long)ub_mix64(job->talk), job->call);
    for (uint32_t i = 1; i < CALL_PIECES; i++) {
        add_argument(job, out, i);
    }
    ub_buf_add_text(out, "\"}}]");
}

static void add_message(const struct ub_mock_job *job, struct ub_buf *out, uint32_t choice,
                        uint32_t tokens)
{
    uint32_t thought = tokens < job->reasoning ? tokens : job->reasoning;
    ub_buf_add_text(out, "\"message\":{\"role\":\"assistant\",\"content\":");
    if (job->call[0] != '\0') {
        add_call(job, out);
    } else {
        add_words(job, out, choice, thought, tokens);
    }
    if (job->reasoning > 0) {
        ub_buf_add_text(out, ",\"reasoning_content\":");
        add_words(job, out, choice, 0, thought);
    }
    ub_buf_add_text(out, "}");
}

/* Unit vectors that follow from the seed and the input. */
static void add_vector(const struct ub_mock_job *job, struct ub_buf *out, uint32_t input)
{
    struct ub_random random = {.state = job->input_hash[input] ^ job->worker->mock->options.seed};
    double scale = sqrt(3.0 / job->dimensions); /* uniform in [-1, 1] has the mean square 1/3 */
    float values[4096];
    for (uint32_t i = 0; i < job->dimensions; i++) {
        values[i] = (float)((2 * ub_random_unit(&random) - 1) * scale);
    }
    if (!job->base64) {
        for (uint32_t i = 0; i < job->dimensions; i++) {
            ub_buf_printf(out, "%s%.7g", i == 0 ? "[" : ",", (double)values[i]);
        }
        ub_buf_add_text(out, "]");
        return;
    }
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = (const unsigned char *)values;
    size_t len = job->dimensions * sizeof values[0];
    ub_buf_add_text(out, "\"");
    for (size_t i = 0; i < len; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16 |
                         (i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (i + 2 < len ? bytes[i + 2] : 0);
        char text[4] = {alphabet[group >> 18], alphabet[group >> 12 & 63],
                        i + 1 < len ? alphabet[group >> 6 & 63] : '=',
                        i + 2 < len ? alphabet[group & 63] : '='};
        ub_buf_add(out, text, 4);
    }
    ub_buf_add_text(out, "\"");
}

static void whole_embeddings(struct ub_mock_job *job, struct ub_buf *out)
{
    ub_buf_add_text(out, "{\"object\":\"list\",\"data\":[");
    for (uint32_t i = 0; i < job->inputs; i++) {
        ub_buf_printf(
            out, "%s{\"object\":\"embedding\",\"index\":%u,\"embedding\":", i == 0 ? "" : ",", i);
        add_vector(job, out, i);
        ub_buf_add_text(out, "}");
    }
    ub_buf_add_text(out, "],\"model\":");
    ub_buf_add_json(out, ub_slice_of(job->model));
    ub_buf_add_text(out, ",\"usage\":");
    add_usage(job, out, 0);
    ub_buf_add_text(out, "}");
}

void ub_say_whole(struct ub_mock_job *job, struct ub_buf *out, uint32_t tokens, const char *reason)
{
    if (job->endpoint == UB_MOCK_EMBEDDINGS) {
        whole_embeddings(job, out);
        return;
    }
    add_top(job, out, false);
    for (uint32_t i = 0; i < job->n; i++) {
        ub_buf_printf(out, "%s{\"index\":%u,", i == 0 ? "" : ",", i);
        if (job->endpoint == UB_MOCK_COMPLETIONS) {
            ub_buf_add_text(out, "\"text\":");
            add_words(job, out, i, 0, tokens);
        } else {
            add_message(job, out, i, tokens);
        }
        ub_buf_printf(out, ",\"logprobs\":null,\"finish_reason\":\"%s\"}", reason);
    }
    ub_buf_add_text(out, "],\"usage\":");
    add_usage(job, out, tokens);
    ub_buf_add_text(out, "}");
}

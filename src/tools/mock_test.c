/* A mock in this process, against plain blocking sockets. */
#include "tools/mock_visit.h"

#include "base/test.h"
#include <stdatomic.h>

#define STREAM                                                        \
    "{\"model\":\"m\",\"stream\":true,\"max_tokens\":8,\"messages\":" \
    "[{\"role\":\"user\",\"content\":\"tell me\"}]}"
#define PLAIN                                         \
    "{\"model\":\"m\",\"max_tokens\":8,\"messages\":" \
    "[{\"role\":\"user\",\"content\":\"tell me\"}]}"
#define CHAT "/v1/chat/completions"

/* How it ends: closed, open and silent, or going on until the client leaves. */
enum end { CLOSES, SILENT, GOES_ON };

/* `has` and `lacks` are parts of the whole answer. */
static const struct {
    const char *name;
    const char *target;
    const char *fault;
    const char *body;
    const char *has;
    const char *has_too;
    const char *lacks;
    enum end end;
} rows[] = {
    {"a plain answer", CHAT, NULL, PLAIN, "HTTP/1.1 200", "\"completion_tokens\":8",
     "data:", CLOSES},
    {"without /v1", "/chat/completions", NULL, PLAIN, "\"finish_reason\":\"length\"", "}", "]]",
     CLOSES},
    {"under /beta", "/beta/chat/completions", NULL, PLAIN, "HTTP/1.1 200", "}", "]]", CLOSES},
    {"a stream", CHAT, NULL, STREAM, "text/event-stream", "data: [DONE]", "\"usage\"", CLOSES},
    {"a stream with usage", CHAT, NULL,
     "{\"model\":\"m\",\"stream\":true,\"max_tokens\":2,\"stream_options\":{\"include_usage\":true}"
     ",\"messages\":[{\"role\":\"user\",\"content\":\"abcd\"}]}",
     "\"usage\":null}", "\"choices\":[],\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":2,",
     "]]", CLOSES},
    {"completions", "/v1/completions", NULL, "{\"model\":\"m\",\"prompt\":\"x\",\"max_tokens\":3}",
     "\"object\":\"text_completion\"", "\"text\":\"", "message", CLOSES},
    {"embeddings", "/v1/embeddings", NULL,
     "{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"dimensions\":3}", "\"index\":1,\"embedding\":[",
     "\"total_tokens\":", "completion_tokens", CLOSES},
    {"embeddings in base64", "/v1/embeddings", NULL,
     "{\"model\":\"m\",\"input\":\"a\",\"dimensions\":4,\"encoding_format\":\"base64\"}",
     "\"embedding\":\"", "==\"", "[-0", CLOSES},
    {"a tool call", CHAT, NULL,
     "{\"model\":\"m\",\"tools\":[{\"type\":\"function\"}],\"messages\":[{\"role\":\"user\","
     "\"content\":\"please call:weather now\"}]}",
     "\"name\":\"weather\",\"arguments\":\"{\\\"text\\\":\\\"", "\"finish_reason\":\"tool_calls\"",
     "]]]", CLOSES},
    {"a tool call streamed", CHAT, NULL,
     "{\"model\":\"m\",\"stream\":true,\"tools\":[{\"type\":\"function\"}],\"messages\":[{\"role\":"
     "\"user\",\"content\":\"call:weather\"}]}",
     "\"name\":\"weather\",\"arguments\":\"\"", "\"finish_reason\":\"tool_calls\"", "]]]", CLOSES},
    {"not JSON", CHAT, NULL, "{", "HTTP/1.1 400", "invalid JSON at byte", "choices", CLOSES},
    {"no messages", CHAT, NULL, "{\"model\":\"m\"}", "HTTP/1.1 400", "messages", "choices", CLOSES},
    {"no such page", "/v1/nothing", NULL, "{}", "HTTP/1.1 404", "error", "choices", CLOSES},
    {"no such fault", CHAT, "cutt", PLAIN, "HTTP/1.1 400", "did you mean cut?", "choices", CLOSES},

    {"429", CHAT, "429", PLAIN, "HTTP/1.1 429", "rate_limit", "retry-after", CLOSES},
    {"429-after", CHAT, "429-after; retry=7s", PLAIN, "HTTP/1.1 429", "retry-after: 7\r\n", "]]",
     CLOSES},
    {"500", CHAT, "500", PLAIN, "HTTP/1.1 500", "server_error", "choices", CLOSES},
    {"502", CHAT, "502", PLAIN, "HTTP/1.1 502", "<html>", "choices", CLOSES},
    {"503", CHAT, "503", PLAIN, "HTTP/1.1 503", "too busy", "choices", CLOSES},
    {"529", CHAT, "529", PLAIN, "HTTP/1.1 529", "overloaded_error", "choices", CLOSES},
    {"402", CHAT, "402", PLAIN, "HTTP/1.1 402", "Insufficient Balance", "choices", CLOSES},
    {"401", CHAT, "401", PLAIN, "HTTP/1.1 401", "authentication_error", "choices", CLOSES},
    {"404", CHAT, "404", PLAIN, "HTTP/1.1 404", "model_not_found", "choices", CLOSES},
    {"context", CHAT, "context", PLAIN, "HTTP/1.1 400", "context_length_exceeded", "choices",
     CLOSES},
    {"refused", CHAT, "refused", PLAIN, "HTTP/1.1 400", "Content Exists Risk", "choices", CLOSES},
    {"flap", CHAT, "flap;every=1h", PLAIN, "HTTP/1.1 503", "too busy", "choices", CLOSES},
    {"busy-200", CHAT, "busy-200", PLAIN, "HTTP/1.1 200", "overloaded_error", "choices", CLOSES},
    {"busy-200 streamed", CHAT, "busy-200", STREAM, "data: {\"error\"", "overloaded_error",
     "choices", CLOSES},
    {"empty-body", CHAT, "empty-body", PLAIN, "HTTP/1.1 200", "Content-Length: 0", "choices",
     CLOSES},
    {"no-prefill leaves others alone", CHAT, "no-prefill", PLAIN, "HTTP/1.1 200", "choices", "]]",
     CLOSES},
    {"reset", CHAT, "reset", PLAIN, "", "", "HTTP", CLOSES},
    {"silence", CHAT, "silence", PLAIN, "", "", "HTTP", SILENT},
    {"half-open", CHAT, "half-open", PLAIN, "", "", "HTTP", SILENT},
    {"bad-head", CHAT, "bad-head", PLAIN, "HTTP/1.1 fine", "", "choices", CLOSES},
    {"bad-length", CHAT, "bad-length", PLAIN, "Content-Length: 2\r\nContent-Length: 11", "",
     "choices", CLOSES},
    {"bad-chunk", CHAT, "bad-chunk", PLAIN, "\r\nzz\r\n", "", "choices", CLOSES},
    {"truncated", CHAT, "truncated", PLAIN, "HTTP/1.1 200", "\"choices\":[", "finish_reason",
     CLOSES},
    {"truncated stream", CHAT, "truncated", STREAM, "data: {", "", "[DONE]", CLOSES},
    {"late", CHAT, "late;delay=300ms", PLAIN, "HTTP/1.1 200", "finish_reason", "]]", CLOSES},
    {"queued", CHAT, "queued;every=20ms", STREAM, "", ": keep-alive\n\n", "choices", GOES_ON},
    {"storm", CHAT, "storm;delay=100ms", STREAM, ": keep-alive\n\n", "[DONE]", "]]]", CLOSES},
    {"storm before a plain answer", CHAT, "storm;delay=100ms", PLAIN, "1\r\n\n\r\n1\r\n\n\r\n",
     "finish_reason", "]]]", CLOSES},
    {"cut", CHAT, "cut", STREAM, "\"content\":\"", "", "[DONE]", CLOSES},
    {"cut plain", CHAT, "cut", PLAIN, "HTTP/1.1 200", "", "finish_reason", CLOSES},
    {"cut-event", CHAT, "cut-event", STREAM, "\"content\":\"", "", "[DONE]", CLOSES},
    {"cut-clean", CHAT, "cut-clean", STREAM, "\"content\":\"", "\r\n0\r\n\r\n", "[DONE]", CLOSES},
    {"stall", CHAT, "stall", STREAM, "\"content\":\"", "", "[DONE]", SILENT},
    {"stall plain", CHAT, "stall", PLAIN, "HTTP/1.1 200", "", "finish_reason", SILENT},
    {"malformed", CHAT, "malformed", STREAM, "\"delta\":{\"c\n", "", "[DONE]", CLOSES},
    {"error-event", CHAT, "error-event", STREAM, "\"content\":\"", "data: {\"error\"", "[DONE]",
     CLOSES},
    {"no-resource", CHAT, "no-resource", STREAM, "\"insufficient_system_resource\"", "[DONE]",
     "\"length\"", CLOSES},
    {"no-resource plain", CHAT, "no-resource;after=2", PLAIN, "\"insufficient_system_resource\"",
     "\"completion_tokens\":2", "\"length\"", CLOSES},
    {"drip", CHAT, "drip;every=20ms", STREAM, "\"content\":\"", "[DONE]", "]]]", CLOSES},
    {"no-done", CHAT, "no-done", STREAM, "\"finish_reason\":\"length\"", "\r\n0\r\n\r\n", "[DONE]",
     CLOSES},
    {"empty", CHAT, "empty", STREAM, "\"finish_reason\":\"stop\"", "[DONE]", "\"content\":\"a",
     CLOSES},
    {"empty plain", CHAT, "empty", PLAIN, "\"content\":\"\"", "\"finish_reason\":\"stop\"", "]]",
     CLOSES},
    {"wrong-usage", CHAT, "wrong-usage", PLAIN, "\"completion_tokens\":1,", "\"prompt_tokens\":10",
     "]]", CLOSES},
    {"wrong-model", CHAT, "wrong-model", PLAIN, "some-other-model", "finish_reason", "]]", CLOSES},
    {"id-lines", CHAT, "id-lines", STREAM, "\nid: 1\n", "[DONE]", "]]]", CLOSES},
    {"crlf", CHAT, "crlf", STREAM, "\r\n\r\n", "data:[DONE]\r\n\r\n", "]]]", CLOSES},
    {"comments", CHAT, "comments", STREAM, ": a comment\n\ndata: ", "[DONE]", "]]]", CLOSES},
    {"inside", CHAT, "inside", STREAM, "\n: inside\ndata: ,", "[DONE]", "]]]", CLOSES},
    {"huge", CHAT, "huge", STREAM, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "[DONE]", "]]]",
     CLOSES},
    {"endless-head", CHAT, "endless-head", PLAIN, "HTTP/1.1 200 OK", "\r\nx-filler: aaaa",
     "\r\n\r\n", GOES_ON},
    {"flood-1xx", CHAT, "flood-1xx", PLAIN, "HTTP/1.1 103", "link", "HTTP/1.1 200", GOES_ON},
    {"stall-alive", CHAT, "stall-alive;every=10ms", STREAM, "\"content\":\"", ": keep-alive\n\n",
     "[DONE]", GOES_ON},
    {"stall-alive plain", CHAT, "stall-alive;every=10ms", PLAIN, "HTTP/1.1 200",
     "\r\n1\r\n\n\r\n1\r\n\n\r\n", "finish_reason", GOES_ON},
    {"late-done", CHAT, "late-done;every=10ms", STREAM, "\"finish_reason\":\"length\"",
     ": keep-alive\n\n", "[DONE]", GOES_ON},
    {"late-done plain", CHAT, "late-done;every=10ms", PLAIN, "finish_reason",
     "\r\n1\r\n\n\r\n1\r\n\n\r\n", "]]]", GOES_ON},
    {"split", CHAT, "split", STREAM, "\r\n7\r\ndata: {\r\n", "\r\n0\r\n\r\n", "]]]", CLOSES},
    {"a reset while streaming", CHAT, "reset", STREAM, "", "", "HTTP", CLOSES},
};

static void check_rows(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        int fd = ask("POST", rows[i].target, rows[i].fault, rows[i].body);
        bool open;
        const struct leave_at leave = {rows[i].has, rows[i].has_too};
        const char *text = hear_until(fd, rows[i].end == SILENT ? 80 : 20000,
                                      rows[i].end == GOES_ON ? &leave : NULL, &open);
        bool right = strstr(text, rows[i].has) != NULL && strstr(text, rows[i].has_too) != NULL &&
                     strstr(text, rows[i].lacks) == NULL && open == (rows[i].end == SILENT);
        if (!UB_CHECK(right, "%s", rows[i].name)) {
            printf("# %s%.3000s\n", open ? "(open) " : "", text);
        }
    }
}

static void say(const char *body, char *out, size_t size)
{
    bool open;
    content_of(hear(ask("POST", CHAT, NULL, body), 5000, &open), out, size);
}

static void check_words(void)
{
    char plain[1024] = "";
    char stream[1024] = "";
    char other[1024] = "";
    say(PLAIN, plain, sizeof plain);
    say(STREAM, stream, sizeof stream);
    UB_CHECK(strlen(plain) > 10, "eight tokens are some text (%s)", plain);
    UB_CHECK_TEXT(stream, plain, "the same question gets the same answer, streamed or not");
    say("{\"model\":\"m\",\"max_tokens\":8,\"messages\":[{\"role\":\"user\",\"content\":\"tell "
        "him\"}]}",
        other, sizeof other);
    UB_CHECK(strcmp(other, plain) != 0, "another question gets another answer");

    bool open;
    content_of(hear(ask("POST", CHAT, "diverge", PLAIN), 5000, &open), other, sizeof other);
    UB_CHECK(strcmp(plain, other) != 0, "or in other words");
}

static const char *page(const char *method, const char *target, const char *body)
{
    bool open;
    return hear(ask(method, target, NULL, body), 5000, &open);
}

static bool await_stats(const char *part)
{
    return UB_AWAIT(strstr(page("GET", "/mock/stats", ""), part) != NULL);
}

static void check_leaving(void)
{
    UB_CHECK(await_stats("\"in_flight\":0,"), "nothing is in flight any more");
    int fd = ask("POST", CHAT, NULL,
                 "{\"model\":\"m\",\"stream\":true,\"ignore_eos\":true,\"max_tokens\":100000,"
                 "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    UB_CHECK(await_stats("\"in_flight\":1,"), "a long answer holds a place");
    UB_CHECK(strstr(page("GET", "/metrics", ""), "num_requests_running{engine=\"0\",model_name=\""
                                                 "mock\"} 1\n") != NULL,
             "and vLLM's metrics say so");
    close(fd);
    UB_CHECK(await_stats("\"in_flight\":0,") && await_stats("\"running\":0,\"waiting\":0"),
             "a client that leaves frees it");
    UB_CHECK(strstr(page("GET", "/mock/stats", ""), "\"cancelled\":") != NULL, "and is counted");
}

static void check_control(void)
{
    UB_CHECK(strstr(page("POST", "/mock/faults", "{\"faults\":[\"500;times=1\"]}"), "200 OK") !=
                 NULL,
             "faults are set while it runs");
    UB_CHECK(strstr(page("POST", CHAT, PLAIN), "HTTP/1.1 500") != NULL, "and fire");
    UB_CHECK(strstr(page("POST", CHAT, PLAIN), "HTTP/1.1 200") != NULL, "once");
    UB_CHECK(strstr(page("GET", "/mock/stats", ""), "\\\"content\\\":\\\"tell me\\\"") != NULL,
             "the last request can be looked at");
    UB_CHECK(strstr(page("POST", "/mock/faults", "{\"faults\":[\"5000\"]}"), "HTTP/1.1 400") !=
                 NULL,
             "unknown faults are refused");
    UB_CHECK(strstr(page("GET", "/v1/models", ""), "\"id\":\"mock\"") != NULL, "models are listed");
    UB_CHECK(strstr(page("GET", "/health", ""), "HTTP/1.1 200") != NULL, "it is in good health");
}

static bool refuses(void)
{
    int fd = dial();
    if (fd >= 0) {
        close(fd);
    }
    return fd < 0;
}

static void check_refusing(void)
{
    page("POST", "/mock/faults", "{\"refuse_ms\":500}");
    UB_CHECK(UB_AWAIT(refuses()), "connections are refused for a while");
    UB_CHECK(UB_AWAIT(!refuses()), "and taken again");
}

static struct ub_mock *start(struct ub_mock_options options)
{
    const char *words = "";
    struct ub_mock *started = ub_mock_start(&options, &words);
    if (started == NULL) {
        printf("Bail out! %s\n", words);
        exit(1);
    }
    return started;
}

/* One slot and a queue of one: the third is told that it is too many. */
static void check_full(struct ub_mock_options options)
{
    options.slots = 1;
    options.queue = 1;
    options.busy_status = 429;
    options.retry_after_ns = 3 * UB_SECOND;
    options.keep_alive_ns = 20 * UB_MS;
    options.queue_wait_ns = 200 * UB_MS;
    options.dialect = UB_MOCK_DEEPSEEK;
    mock = start(options);
    int first = ask("POST", CHAT, NULL,
                    "{\"model\":\"m\",\"stream\":true,\"ignore_eos\":true,\"max_tokens\":100000,"
                    "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    await_stats("\"in_flight\":1,");
    int second = ask("POST", CHAT, NULL, STREAM);
    await_stats("\"in_flight\":2,");
    bool open;
    const char *text = hear(ask("POST", CHAT, NULL, PLAIN), 5000, &open);
    UB_CHECK(strstr(text, "HTTP/1.1 429") != NULL && strstr(text, "retry-after: 3\r\n") != NULL,
             "over capacity: 429 with Retry-After");
    text = hear(second, 5000, &open);
    UB_CHECK(strstr(text, ": keep-alive\n\n") != NULL && strstr(text, "choices") == NULL && !open,
             "who waits hears keep-alives, and is closed after the longest wait");
    close(first);
    UB_CHECK(await_stats("\"in_flight\":0,"), "the place is free");
    text = hear(ask("POST", CHAT, NULL, PLAIN), 5000, &open);
    UB_CHECK(strstr(text, "\"reasoning_content\":\"") != NULL &&
                 strstr(text, "\"reasoning_tokens\":2}") != NULL &&
                 strstr(text, "\"prompt_cache_hit_tokens\":0") != NULL,
             "DeepSeek thinks first, and reports its cache");
    ub_mock_stop(mock);
}

/* What the script was asked, by the mock's thread. */
struct asked {
    atomic_uint chosen;
    atomic_uint ended;
    atomic_uint cancelled;
    _Atomic uint64_t question[2];
};

static void choose(void *user, uint64_t question, struct ub_prank_rule *rule)
{
    struct asked *asked = user;
    unsigned n = atomic_fetch_add(&asked->chosen, 1);
    asked->question[n % 2] = question;
    if (n == 0) {
        ub_prank_parse(UB_LIT("503"), rule, NULL);
    } else if (n == 2) {
        ub_prank_parse(UB_LIT("silence"), rule, NULL);
    }
}

static void ended(void *user, uint64_t question, bool cancelled)
{
    struct asked *asked = user;
    atomic_fetch_add(&asked->cancelled, cancelled);
    atomic_fetch_add(&asked->ended, 1);
}

static void check_script(struct ub_mock_options options)
{
    struct asked asked = {0};
    const struct ub_mock_script script = {choose, ended, &asked};
    options.script = &script;
    ub_prank_parse(UB_LIT("500"), &options.pranks.rule[options.pranks.count++], NULL);
    mock = start(options);
    UB_CHECK(strstr(page("POST", CHAT, PLAIN), "HTTP/1.1 503") != NULL,
             "the script says what goes wrong, not the rules");
    UB_CHECK(strstr(page("POST", CHAT, STREAM), "HTTP/1.1 200") != NULL &&
                 asked.question[0] == asked.question[1],
             "it knows the same question again, streamed or not");
    UB_CHECK(UB_AWAIT(asked.ended == 2) && asked.cancelled == 0, "and hears when it is over");
    int fd = ask("POST", CHAT, NULL,
                 "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"else\"}]}");
    UB_CHECK(UB_AWAIT(asked.chosen == 3) && asked.question[0] != asked.question[1],
             "another question has another number");
    close(fd);
    UB_CHECK(UB_AWAIT(asked.ended == 3) && asked.cancelled == 1, "and when its client left");
    ub_mock_stop(mock);
}

/* An engine that loses its sequences wants to be looked at again; nobody may look any more. */
static void check_stop_midway(struct ub_mock_options options)
{
    mock = start(options);
    int fd = ask("POST", CHAT, NULL,
                 "{\"model\":\"m\",\"stream\":true,\"ignore_eos\":true,\"max_tokens\":100000,"
                 "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    await_stats("\"in_flight\":1,");
    ub_mock_stop(mock);
    bool open;
    hear(fd, 5000, &open);
    UB_CHECK(!open, "stopped in the middle of an answer, it closes the connection");
}

int main(void)
{
    struct ub_mock_options options = ub_mock_defaults();
    options.profile = *ub_engine_profile_find("instant");
    options.threads = 2;
    mock = start(options);
    check_rows();
    check_words();
    check_leaving();
    check_control();
    check_refusing();
    ub_mock_stop(mock);
    options.threads = 1;
    check_script(options);
    check_full(options);
    check_stop_midway(options);
    return ub_test_done();
}

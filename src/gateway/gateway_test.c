/* The gateway as a whole: what leaves for upstreams, what happens after the commit point, and what
 * its clients may and may not do. */
#include "gateway/stage.h"

#include "base/alloc.h"
#include "base/test.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHAT   "/v1/chat/completions"
#define HELLO  "{\"choices\":[{\"message\":{\"content\":\"hello\"},\"finish_reason\":\"stop\"}]}"
#define GOOD   "plain 200 " HELLO
#define BUSY   "plain 503 {\"error\":{\"message\":\"busy\"}}"
#define HE     "{\"choices\":[{\"delta\":{\"content\":\"he\"}}]}"
#define STOP   "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"
#define ASK    "{\"model\":\"m\",\"messages\":[]}"
#define STREAM "{\"model\":\"m\",\"stream\":true}"

#define SCRIPTS(...)      \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

static struct ub_stage stage_of(const char *const *a, const char *const *b, const char *yaml)
{
    struct ub_stage stage = {0};
    ub_stage_actor(&stage, a);
    if (b != NULL) {
        ub_stage_actor(&stage, b);
    }
    ub_stage_open(&stage, yaml);
    return stage;
}

static bool has(const char *text, const char *part)
{
    return text != NULL && strcasestr(text, part) != NULL;
}

/* --- what upstreams see ---------------------------------------------------------------------- */

static void what_leaves(void)
{
    struct ub_stage stage = stage_of(SCRIPTS(GOOD), NULL, "models:\n  - {name: m, tiers: [[a]]}\n");
    struct ub_guest guest = ub_guest_ask(stage.port, CHAT,
                                         "Authorization: Bearer sk-client\r\nCookie: secret=1\r\n"
                                         "X-Forwarded-For: 1.2.3.4\r\nAccept-Encoding: gzip\r\n"
                                         "Traceparent: 00-trace\r\nX-Request-Id: my-id\r\n",
                                         ASK);
    char *heard = ub_actor_heard(&stage, 0);
    UB_CHECK(has(heard, "POST /v1/chat/completions HTTP/1.1\r\n"), "the path behind the base");
    UB_CHECK(has(heard, "\r\nAuthorization: Bearer sk-up-a\r\n"), "the upstream's own key");
    UB_CHECK(!has(heard, "sk-client"), "the client's key never leaves");
    UB_CHECK(!has(heard, "secret=1") && !has(heard, "1.2.3.4"),
             "nor does anything else of its head");
    UB_CHECK(has(heard, "\r\nTraceparent: 00-trace\r\n"), "but what is on the list");
    UB_CHECK(has(heard, "\r\nAccept-Encoding: identity\r\n"), "answers come unpacked");
    UB_CHECK(has(heard, "\r\nX-Request-Id: my-id\r\n") &&
                 has(guest.head, "X-Request-Id: my-id\r\n"),
             "one id for all three");
    UB_CHECK(has(heard, "\r\n\r\n" ASK), "the body, byte for byte");
    ub_free(heard);
    ub_guest_free(&guest);
    ub_stage_close(&stage);
}

/* --- refusals -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *request;
    int status;
    const char *code;
} refusals[] = {
    {"an unknown page", "GET /v1/images HTTP/1.1\r\nHost: x\r\n\r\n", 404, "unknown_url"},
    {"a page outside of /v1", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404, "unknown_url"},
    {"GET where POST is meant", "GET /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n", 405,
     "method_not_allowed"},
    {"POST of models", "POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405,
     "method_not_allowed"},
    {"a page of another host in this machine's browser",
     "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n"
     "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
     403, "foreign_page"},
    {"an encoded body",
     "POST /chat/completions HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: "
     "2\r\n\r\n{}",
     415, "unsupported_encoding"},
    {"a body that is not JSON",
     "POST /chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{x", 400,
     "invalid_json"},
    {"a body without a model",
     "POST /chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 400,
     "model_required"},
    {"no body at all", "POST /embeddings HTTP/1.1\r\nHost: x\r\n\r\n", 400, "invalid_json"},
    {"the model twice",
     "POST /chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: "
     "25\r\n\r\n{\"model\":\"m\",\"model\":\"n\"}",
     400, "invalid_json"},
    {"an unknown model",
     "POST /chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n{\"model\":\"x\"}",
     404, "model_not_found"},
    {"one model that is not there", "GET /v1/models/x HTTP/1.1\r\nHost: x\r\n\r\n", 404,
     "model_not_found"},
    {"one model that is", "GET /v1/models/m HTTP/1.1\r\nHost: x\r\n\r\n", 200, "\"id\":\"m\""},
    {"the list", "GET /models HTTP/1.1\r\nHost: x\r\n\r\n", 200, "\"object\":\"list\""},
};

static void what_is_refused(void)
{
    struct ub_stage stage = stage_of(SCRIPTS(GOOD), NULL, "");
    for (size_t i = 0; i < UB_COUNT(refusals); i++) {
        int fd = ub_guest_dial(stage.port);
        ub_guest_say(fd, refusals[i].request);
        struct ub_guest guest = ub_guest_hear(fd);
        UB_CHECK(guest.status == refusals[i].status && has(guest.body.ptr, refusals[i].code) &&
                     has(guest.head, "x-request-id: "),
                 "%s: %d %s", refusals[i].name, guest.status, guest.body.ptr);
        ub_guest_free(&guest);
    }
    UB_CHECK(ub_actor_requests(&stage, 0) == 0, "nothing of it reached the upstream");
    ub_stage_close(&stage);
}

static void who_may_come_in(void)
{
    /* SHA-256 of "sk-good" */
    struct ub_stage stage =
        stage_of(SCRIPTS(GOOD), NULL,
                 "models: [{name: m, tiers: [[a]]}, {name: other, tiers: [[a]]}]\n"
                 "tenants: [{name: web, models: [m], keys: [{sha256: "
                 "'a6951e5ba8dfed31b6a8be4d20cf1f5cf1d4a07a7e9c4c5e0b1d2a3b4c5d6e7f'}]}]\n");
    struct ub_guest guest = ub_guest_ask(stage.port, CHAT, "", ASK);
    UB_CHECK(guest.status == 401 && has(guest.head, "WWW-Authenticate: Bearer"), "no key");
    ub_guest_free(&guest);
    guest = ub_guest_ask(stage.port, CHAT, "Authorization: Bearer sk-bad\r\n", ASK);
    UB_CHECK(guest.status == 401 && has(guest.body.ptr, "invalid_api_key"), "a wrong key");
    ub_guest_free(&guest);
    ub_stage_close(&stage);
}

static void when_to_come_back(void)
{
    struct ub_stage stage =
        stage_of(SCRIPTS(BUSY), NULL, "models: [{name: m, retry: {attempts: 1}}]\n");
    struct ub_guest guest = ub_guest_ask(stage.port, CHAT, "", ASK);
    const char *ms = strcasestr(guest.head, "retry-after-ms: ");
    long delay_ms = ms == NULL ? 0 : strtol(ms + 16, NULL, 10);
    UB_CHECK(guest.status == 503 && has(guest.body.ptr, "all_busy"), "everybody is busy: %s",
             guest.body.ptr);
    UB_CHECK(delay_ms > 0 && delay_ms <= 60000 && has(guest.head, "\r\nretry-after: ") &&
                 has(guest.head, "\r\nx-should-retry: true"),
             "with advice that SDKs obey");
    ub_guest_free(&guest);
    ub_stage_close(&stage);
}

/* --- after the commit point ------------------------------------------------------------------ */

static const struct {
    const char *name;
    const char *script;
    const char *code; /* of the error event */
} breaks[] = {
    {"a cut", "stream\nevent " HE "\ncut", "stream_broken"},
    {"a reset", "stream\nevent " HE "\nwait 20\nreset", "stream_broken"},
    {"a clean end without a finish reason", "stream\nevent " HE "\nend", "stream_broken"},
    {"an event that is not JSON", "stream\nevent " HE "\nevent {\"a\":\ndone", "stream_broken"},
    {"half an event", "stream\nevent " HE "\nraw data: {\"choices\nend", "stream_broken"},
    {"an error event", "stream\nevent " HE "\nevent {\"error\":{\"message\":\"x\"}}\nend",
     "stream_broken"},
    {"a lack of resources",
     "stream\nevent " HE "\nevent {\"choices\":[{\"delta\":{},\"finish_reason\":"
     "\"insufficient_system_resource\"}]}\ndone",
     "stream_broken"},
    {"a stall", "stream\nevent " HE "\nhang", "stream_broken"},
    {"comments that hide a stall",
     "stream\nevent " HE "\nraw : a\\n\nwait 100\nraw : b\\n\nwait 100\nraw : c\\n\nhang",
     "stream_broken"},
};

static void what_breaks_after_the_commit(void)
{
    for (size_t i = 0; i < UB_COUNT(breaks); i++) {
        struct ub_stage stage =
            stage_of(SCRIPTS(breaks[i].script), SCRIPTS(GOOD),
                     "models: [{name: m, tiers: [[a], [b]], stall: 150ms, resume: false}]\n");
        struct ub_guest guest = ub_guest_ask(stage.port, CHAT, "", STREAM);
        const char *error =
            guest.body.ptr == NULL ? NULL : strstr(guest.body.ptr, "data: {\"error\"");
        UB_CHECK(guest.status == 200 && has(guest.body.ptr, "data: " HE "\n\n") && error != NULL &&
                     has(error, breaks[i].code) && !has(guest.body.ptr, "[DONE]"),
                 "%s ends in an error event and without [DONE]", breaks[i].name);
        UB_CHECK(error != NULL && error > guest.body.ptr + 2 && memcmp(error - 2, "\n\n", 2) == 0,
                 "%s: which stands by itself", breaks[i].name);
        UB_CHECK(ub_actor_requests(&stage, 1) == 0, "%s: and nobody else is asked", breaks[i].name);
        ub_guest_free(&guest);
        ub_stage_close(&stage);
    }
}

/* However it breaks, the other one says all of it, and the client hears what it has not. */
static void what_goes_on_elsewhere(void)
{
    static const char again[] =
        "stream\nevent {\"id\":\"b\",\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n"
        "event {\"id\":\"b\",\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n"
        "event {\"id\":\"b\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\ndone";
    for (size_t i = 0; i < UB_COUNT(breaks); i++) {
        struct ub_stage stage = stage_of(SCRIPTS(breaks[i].script), SCRIPTS(again),
                                         "models: [{name: m, tiers: [[a], [b]], stall: 400ms,"
                                         " retry: {attempts: 6, base: 5ms}}]\n");
        struct ub_guest guest = ub_guest_ask(stage.port, CHAT, "", STREAM);
        UB_CHECK(guest.status == 200 && guest.whole && has(guest.body.ptr, "data: " HE "\n\n") &&
                     has(guest.body.ptr, "{\"content\":\"llo\"}") &&
                     has(guest.body.ptr, "data: [DONE]\n\n") && !has(guest.body.ptr, "\"error\"") &&
                     !has(guest.body.ptr, "hello"),
                 "%s goes on elsewhere: %s", breaks[i].name, guest.body.ptr);
        ub_guest_free(&guest);
        ub_stage_close(&stage);
    }
}

static void a_big_answer_that_breaks(void)
{
    struct ub_stage stage = stage_of(SCRIPTS("big 3000000"), NULL, "");
    struct ub_guest guest = ub_guest_ask(stage.port, CHAT, "", ASK);
    UB_CHECK(guest.status == 200 && guest.whole && guest.body.len > 3000000,
             "an answer above what is held");
    ub_guest_free(&guest);
    ub_stage_close(&stage);

    struct ub_buf script = {0};
    ub_buf_add_text(&script, "bytes HTTP/1.1 200 OK\\r\\nContent-Length: 5000000\\r\\n\\r\\n");
    for (int i = 0; i < 200000; i++) {
        ub_buf_add_text(&script, "xxxxxxxxxx");
    }
    ub_buf_add(&script, "\ncut", 5);
    stage = stage_of(SCRIPTS(script.ptr), NULL, "");
    guest = ub_guest_ask(stage.port, CHAT, "", ASK);
    UB_CHECK(guest.status == 200 && !guest.whole, "one that is cut is seen to be cut");
    ub_guest_free(&guest);
    ub_stage_close(&stage);
    ub_buf_free(&script);
}

/* --- waiting --------------------------------------------------------------------------------- */

static void heartbeats(void)
{
    struct ub_stage stage = stage_of(
        SCRIPTS("wait 400\nstream\nevent " HE "\nevent " STOP "\ndone", "wait 400\n" BUSY), NULL,
        "models: [{name: m, retry: {attempts: 1}, heartbeat: {after: 100ms, every: "
        "100ms}}]\n");
    struct ub_guest guest = ub_guest_ask(stage.port, CHAT, "", STREAM);
    UB_CHECK(guest.body.ptr[0] == ':' && has(guest.body.ptr, "\ndata: " HE) &&
                 !has(guest.body.ptr, "\n\n:") && has(guest.body.ptr, "[DONE]"),
             "a waiting stream gets comment lines");
    ub_guest_free(&guest);
    guest = ub_guest_ask(stage.port, CHAT, "", STREAM);
    UB_CHECK(guest.status == 200 && has(guest.body.ptr, "\ndata: {\"error\"") &&
                 !has(guest.body.ptr, "[DONE]"),
             "and then an error can only be an event");
    ub_guest_free(&guest);
    ub_stage_close(&stage);
}

/* Three clients and one slot: those who wait hear their place, in the head and in each comment. */
static void places_in_line(void)
{
    struct ub_stage stage = {.upstream = ", concurrency: 1"};
    ub_stage_actor(&stage, SCRIPTS("wait 300\nstream\nevent " HE "\nevent " STOP "\ndone"));
    ub_stage_open(&stage, "models: [{name: m, heartbeat: {after: 100ms, every: 100ms}}]\n");
    int fd[3];
    for (int i = 0; i < 3; i++) {
        fd[i] = ub_guest_dial(stage.port);
        ub_guest_say(fd[i],
                     "POST " CHAT " HTTP/1.1\r\nHost: x\r\nContent-Length: 27\r\n\r\n" STREAM);
        UB_AWAIT(ub_keeper_facts(stage.gateway->keeper).requests == (uint32_t)i + 1);
    }
    for (int i = 0; i < 3; i++) {
        struct ub_guest guest = ub_guest_hear(fd[i]);
        if (i == 0) {
            UB_CHECK(!has(guest.head, "x-unbusy-queue"), "the first one has its slot");
        } else {
            UB_CHECK(has(guest.head,
                         i == 1 ? "x-unbusy-queue-position: 1\r" : "x-unbusy-queue-position: 2\r"),
                     "the head has the place");
            UB_CHECK(
                has(guest.body.ptr, i == 1 ? ": waiting, position 1\n" : ": waiting, position 2\n"),
                "and so has the comment");
        }
        if (i == 2) {
            UB_CHECK(has(guest.body.ptr, "\n: waiting, position 1, about 1 s\n"),
                     "which moves up, and knows for how long once an answer has ended");
        }
        ub_guest_free(&guest);
    }
    ub_stage_close(&stage);
}

static void deadlines(void)
{
    struct ub_stage stage = stage_of(SCRIPTS("hang"), NULL, "");
    struct ub_guest guest = ub_guest_ask(stage.port, CHAT, "x-unbusy-timeout: 200ms\r\n", STREAM);
    UB_CHECK(guest.status == 504 && guest.total_ns < 2 * UB_SECOND, "the client's own deadline");
    ub_guest_free(&guest);
    guest = ub_guest_ask(stage.port, CHAT, "x-stainless-read-timeout: 0.2\r\n", ASK);
    UB_CHECK(guest.status == 504 && guest.total_ns < 2 * UB_SECOND, "and what an SDK says");
    ub_guest_free(&guest);
    ub_stage_close(&stage);
}

/* --- clients that leave or are slow ---------------------------------------------------------- */

static bool was_counted(const struct ub_stage *stage, const char *line)
{
    struct ub_buf text = {0};
    ub_metrics_render(stage->gateway->metrics, &text);
    ub_buf_add(&text, "", 1);
    bool found = has(text.ptr, line);
    ub_buf_free(&text);
    return found;
}

static void a_client_that_leaves(const char *script, const char *body, const char *words)
{
    struct ub_stage stage = stage_of(SCRIPTS(script), NULL, "");
    char request[512];
    snprintf(request, sizeof request,
             "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    int fd = ub_guest_dial(stage.port);
    ub_guest_say(fd, request);
    UB_AWAIT(ub_actor_hanging(&stage, 0) == 1);
    if (strstr(script, "event") != NULL) {
        char first;
        UB_CHECK(recv(fd, &first, 1, MSG_PEEK) == 1, "%s: it has begun", words);
    }
    ub_ns left_at = ub_clock_now();
    close(fd);
    bool closed = UB_AWAIT(ub_actor_hung_up_at(&stage, 0) != 0);
    ub_ns took_ns = ub_actor_hung_up_at(&stage, 0) - left_at;
    UB_CHECK(closed && took_ns < 50 * UB_MS, "%s: its attempt is cancelled at once (%.1f ms)",
             words, (double)took_ns / 1e6);
    UB_CHECK(
        UB_AWAIT(was_counted(&stage, "requests_total{model=\"m\",outcome=\"client_gone\"} 1\n")) &&
            was_counted(&stage, "attempts_total{upstream=\"a\",error=\"client_gone\"} 1\n") &&
            was_counted(&stage, "requests_running{model=\"m\"} 0\n"),
        "%s: and it is settled once", words);
    ub_stage_close(&stage);
}

/* It reads nothing for as long as two others need, one after the other, to be cut for a stall. */
static void a_slow_reader(void)
{
    struct ub_stage stage = stage_of(SCRIPTS("big 20000000", "stream\nevent " HE "\nhang"), NULL,
                                     "models: [{name: m, stall: 150ms}]\n");
    int fd = ub_guest_dial(stage.port);
    ub_guest_say(fd, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\n"
                     "{\"model\":\"m\"}");
    UB_AWAIT(ub_actor_requests(&stage, 0) == 1);
    for (int i = 0; i < 2; i++) {
        struct ub_guest other = ub_guest_ask(stage.port, CHAT, "", STREAM);
        UB_CHECK(has(other.body.ptr, "stream_broken"), "one whose upstream stalls is cut");
        ub_guest_free(&other);
    }
    struct ub_guest guest = ub_guest_hear(fd);
    UB_CHECK(guest.whole && guest.body.len > 20000000,
             "a slow reader gets all of it in the end: that is no stall");
    ub_guest_free(&guest);
    ub_stage_close(&stage);
}

/* --- affinity, keep-alive, reload, drain ----------------------------------------------------- */

static void cookies(void)
{
    struct ub_stage stage = stage_of(
        SCRIPTS(GOOD), SCRIPTS(GOOD),
        "models: [{name: m, tiers: [[a, b]], balance: round_robin, affinity: {cookie: route}}]\n");
    struct ub_guest guest = ub_guest_ask(stage.port, CHAT, "", ASK);
    char cookie[64] = "";
    const char *at = strcasestr(guest.head, "set-cookie: ");
    if (at != NULL) {
        snprintf(cookie, sizeof cookie, "Cookie: %.*s\r\n", (int)strcspn(at + 12, ";"), at + 12);
    }
    UB_CHECK(at != NULL && has(at, "; Path=/; HttpOnly; SameSite=Lax"), "a cookie is set");
    uint32_t first = ub_actor_requests(&stage, 0) == 1 ? 0 : 1;
    ub_guest_free(&guest);
    for (int i = 0; i < 4; i++) {
        guest = ub_guest_ask(stage.port, CHAT, cookie, ASK);
        UB_CHECK(!has(guest.head, "set-cookie"), "not again while it holds");
        ub_guest_free(&guest);
    }
    UB_CHECK(ub_actor_requests(&stage, first) == 5, "and it is obeyed");
    ub_stage_close(&stage);
}

static void a_reload(void)
{
    struct ub_stage stage =
        stage_of(SCRIPTS("stream\nevent " HE "\nwait 300\nevent " STOP "\ndone"), SCRIPTS(GOOD),
                 "models: [{name: m, tiers: [[a]]}]\n");
    int fd = ub_guest_dial(stage.port);
    ub_guest_say(fd, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 27\r\n\r\n"
                     "{\"model\":\"m\",\"stream\":true}");
    UB_AWAIT(ub_actor_requests(&stage, 0) == 1);
    struct ub_buf words = {0};
    struct ub_config *config = ub_stage_config(&stage, "models: [{name: n, tiers: [[b]]}]\n");
    UB_CHECK(ub_gateway_reload(stage.gateway, config, &words), "a reload while a stream runs");
    ub_config_release(config);
    struct ub_guest guest = ub_guest_ask(stage.port, CHAT, "", "{\"model\":\"n\"}");
    UB_CHECK(guest.status == 200 && has(guest.head, "x-unbusy-upstream: b"),
             "the new model at once");
    ub_guest_free(&guest);
    guest = ub_guest_ask(stage.port, CHAT, "", "{\"model\":\"m\"}");
    UB_CHECK(guest.status == 404, "the old one is gone");
    ub_guest_free(&guest);
    guest = ub_guest_hear(fd);
    UB_CHECK(guest.whole && has(guest.body.ptr, "[DONE]"), "the stream did not notice");
    ub_guest_free(&guest);
    ub_stage_close(&stage);
}

static atomic_bool all_ended;

static void ended(void *user)
{
    atomic_store(&all_ended, true);
}

static void a_drain(void)
{
    struct ub_stage stage =
        stage_of(SCRIPTS("stream\nevent " HE "\nwait 200\nevent " STOP "\ndone"), NULL, "");
    int fd = ub_guest_dial(stage.port);
    ub_guest_say(fd, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 27\r\n\r\n"
                     "{\"model\":\"m\",\"stream\":true}");
    UB_AWAIT(ub_actor_requests(&stage, 0) == 1);
    ub_gateway_drain(stage.gateway, ended, NULL);
    struct ub_guest guest = ub_guest_hear(fd);
    UB_CHECK(guest.whole && has(guest.body.ptr, "[DONE]"), "what runs may finish");
    ub_guest_free(&guest);
    UB_CHECK(UB_AWAIT(atomic_load(&all_ended)), "then the workers end by themselves");
    ub_stage_close(&stage);
}

int main(void)
{
    what_leaves();
    what_is_refused();
    who_may_come_in();
    when_to_come_back();
    what_breaks_after_the_commit();
    what_goes_on_elsewhere();
    a_big_answer_that_breaks();
    heartbeats();
    places_in_line();
    deadlines();
    a_client_that_leaves("hang", ASK, "before the head");
    a_client_that_leaves("stream\nevent " HE "\nhang", STREAM, "in the middle of a stream");
    a_slow_reader();
    cookies();
    a_reload();
    a_drain();
    return ub_test_done();
}

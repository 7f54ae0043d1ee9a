/* The server's side of HTTP/1.1 against bare sockets. */
#include "base/alloc.h"
#include "base/test.h"
#include "net/answerer.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

/* ---- requests and answers ---- */

#define GET(target)  "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(target) "POST " target " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
#define OK_HEAD      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
#define LAST_HEAD    OK_HEAD "Content-Length: 5\r\nDate\r\nConnection: close\r\n\r\n"
#define HELLO        OK_HEAD "Content-Length: 5\r\nDate\r\n\r\nhello"

static const struct {
    const char *name;
    const char *said;
    const char *heard; /* the Date field without its value */
    const char *told;
    bool closes;
    bool at_once; /* not in pieces */
} rows[] = {
    {"a body of known length goes out with Content-Length", GET("/hello"), HELLO,
     "head /hello, end, gone done; ", false},
    {"one of unknown length goes out chunked, an empty piece is no chunk", GET("/stream"),
     OK_HEAD "Transfer-Encoding: chunked\r\nDate\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n",
     "head /stream, end, gone done; ", false},
    {"an HTTP/1.0 client gets it until close", "GET /stream HTTP/1.0\r\nHost: a\r\n\r\n",
     OK_HEAD "Date\r\nConnection: close\r\n\r\nonetwo", "head /stream, end, gone done; ", true},
    {"a second request uses the same connection, also when both come at once",
     GET("/hello") GET("/none") GET("/hello"),
     HELLO "HTTP/1.1 204 No Content\r\nDate\r\n\r\n" HELLO,
     "head /hello, end, gone done; head /none, end, gone done; head /hello, end, gone done; ",
     false},
    {"Connection: close is obeyed", "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
     LAST_HEAD "hello", "head /hello, end, gone done; ", true},
    {"a HEAD request gets no body", "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n" GET("/empty"),
     OK_HEAD "Content-Length: 5\r\nDate\r\n\r\n" OK_HEAD "Content-Length: 0\r\nDate\r\n\r\n",
     "head /hello, end, gone done; head /empty, end, gone done; ", false},
    {"a body comes through, then the next request", POST("/hello") "abc" GET("/hello"), HELLO HELLO,
     "head /hello, body 3, end, gone done; head /hello, end, gone done; ", false},
    {"100 Continue is said when the body is awaited",
     "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
     "HTTP/1.1 100 Continue\r\n\r\n" HELLO, "head /hello, body 3, end, gone done; ", false},
    {"an answer before the body: no 100, and the connection closes",
     "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
     LAST_HEAD "early", "head /early, gone done; ", true},
    {"an answer before the body is whole says that the connection closes", POST("/early") "a",
     LAST_HEAD "early", "head /early, gone done; ", true},
    {"when the body is here already it goes on", POST("/early") "abc" GET("/hello"),
     OK_HEAD "Content-Length: 5\r\nDate\r\n\r\nearly" HELLO,
     "head /early, gone done; head /hello, end, gone done; ", false, true},
    {"an answer from the head on keeps the connection when there is no body",
     GET("/early") GET("/hello"), OK_HEAD "Content-Length: 5\r\nDate\r\n\r\nearly" HELLO,
     "head /early, gone done; head /hello, end, gone done; ", false},
    {"cutting an answer that is out already only closes", GET("/late-abort"), LAST_HEAD "whole",
     "head /late-abort, end, gone done; ", true},
    {"a cut answer has no end", GET("/cut"),
     OK_HEAD "Transfer-Encoding: chunked\r\nDate\r\n\r\n4\r\nhalf\r\n",
     "head /cut, end, gone aborted; ", true},
    {"an answer that is shorter than announced is cut", GET("/short"),
     OK_HEAD "Content-Length: 10\r\nDate\r\n\r\nshort", "head /short, end, gone aborted; ", true},
    {"an answer that is longer than announced never gets out", GET("/long"), "",
     "head /long, end, gone aborted; ", true},
    {"the handler may leave while a body comes in", POST("/cut-in-body") "a", "",
     "head /cut-in-body, body 1, gone aborted; ", true},
};

/* Without the values of Date fields. */
static const char *without_dates(const char *text)
{
    static struct ub_buf out;
    ub_buf_clear(&out);
    while (*text != '\0') {
        const char *date = strstr(text, "Date: ");
        size_t len = date == NULL ? strlen(text) : (size_t)(date - text) + 4;
        ub_buf_add(&out, text, len);
        text = date == NULL ? text + len : strstr(date, "\r\n");
    }
    ub_buf_add(&out, "", 1);
    return out.ptr;
}

static bool settled(struct ub_peer *peer, const char *told, bool closes)
{
    ub_peer_hear(peer);
    return strlen(ub_answerer_told()) >= strlen(told) &&
           ub_listener_running(ub_answerer.listener) == 0 && (!closes || peer->finished);
}

static void say_in_pieces(struct ub_peer *peer, const char *text, size_t piece)
{
    for (size_t len = strlen(text); len > 0;) {
        size_t now = len < piece ? len : piece;
        ub_peer_say(peer, (struct ub_slice){text, now});
        ub_loop_turn(ub_answerer.loop, 0);
        text += now;
        len -= now;
    }
}

/* Bytes that arrive one by one split bodies: their count is the same, their pieces are not. */
static void requests(size_t piece)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        if ((piece == 1 && strstr(rows[i].told, "body 3") != NULL) ||
            (piece < 1000 && rows[i].at_once)) {
            continue;
        }
        ub_buf_clear(&ub_answerer.told);
        struct ub_peer peer = ub_answerer_dial();
        say_in_pieces(&peer, rows[i].said, piece);
        UB_UNTIL(ub_answerer.loop, settled(&peer, rows[i].told, rows[i].closes));
        UB_CHECK_TEXT(without_dates(ub_peer_text(&peer)), rows[i].heard,
                      "%s: heard (pieces of %zu)", rows[i].name, piece);
        UB_CHECK_TEXT(ub_answerer_told(), rows[i].told, "%s: told", rows[i].name);
        UB_CHECK(peer.finished == rows[i].closes, "%s: the connection %s", rows[i].name,
                 rows[i].closes ? "closes" : "stays");
        ub_peer_close(&peer, false);
    }
}

/* ---- refusals ---- */

static const struct {
    const char *name;
    const char *said;
    const char *status;
    const char *told;
} bad_rows[] = {
    {"garbage", "\x16\x03\x01 hello\r\n\r\n", "400", ""},
    {"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
     "400", ""},
    {"length and chunks",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400",
     ""},
    {"no host", "GET / HTTP/1.1\r\n\r\n", "400", ""},
    {"a body above the bound", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n",
     "413", ""},
    {"a broken chunk line after a good head",
     "POST /wait HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400",
     "head /wait, gone bad; "},
    {"a broken second request, after the first was answered", GET("/hello") "NONSENSE\r\n\r\n",
     "400", "head /hello, end, gone done; "},
};

static void refusals(void)
{
    for (size_t i = 0; i < UB_COUNT(bad_rows); i++) {
        ub_buf_clear(&ub_answerer.told);
        struct ub_peer peer = ub_answerer_dial();
        ub_peer_say_text(&peer, bad_rows[i].said);
        char status[32];
        snprintf(status, sizeof status, "HTTP/1.1 %s ", bad_rows[i].status);
        UB_CHECK(ub_peer_sees_end(&peer) && !peer.reset && strstr(ub_peer_text(&peer), status),
                 "%s: %s and a closed connection", bad_rows[i].name, bad_rows[i].status);
        UB_CHECK(strstr(ub_peer_text(&peer), "\r\n\r\n{\"error\":{\"message\":\"") &&
                     strstr(ub_peer_text(&peer),
                            ",\"type\":\"invalid_request_error\",\"param\":null,"
                            "\"code\":null}}"),
                 "...with an error object");
        UB_CHECK_TEXT(ub_answerer_told(), bad_rows[i].told,
                      "...and the handler hears only what was good");
        ub_peer_close(&peer, false);
    }
    ub_buf_clear(&ub_answerer.told);
    struct ub_peer peer = ub_answerer_dial();
    ub_peer_say_text(&peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n");
    static char block[65536];
    for (int i = 0; i < 16; i++) {
        ub_peer_say(&peer, (struct ub_slice){block, sizeof block});
    }
    UB_CHECK(ub_peer_hears(&peer, "413"), "the refusal reaches a client that is still sending");
    ub_peer_close(&peer, false);
}

/* ---- time limits ---- */

static void late_ones(void)
{
    struct ub_listener_options o = ub_answerer_options();
    o.head_ns = o.body_ns = o.write_ns = o.idle_ns = 30 * UB_MS;
    ub_answerer_open(o);

    struct ub_peer peer = ub_answerer_dial();
    ub_peer_say_text(&peer, "GET /hello HT");
    UB_CHECK(ub_peer_sees_end(&peer) && strstr(ub_peer_text(&peer), "HTTP/1.1 408 "),
             "a head that does not come to its end gets 408");
    ub_peer_close(&peer, false);

    peer = ub_answerer_dial();
    ub_peer_say_text(&peer, POST("/wait") "a");
    UB_CHECK(ub_peer_sees_end(&peer) && strstr(ub_peer_text(&peer), "HTTP/1.1 408 "),
             "so does a body");
    UB_CHECK_TEXT(ub_answerer_told(), "head /wait, body 1, gone slow body; ",
                  "...and the handler is told");
    ub_peer_close(&peer, false);

    peer = ub_answerer_dial();
    UB_CHECK(ub_peer_sees_end(&peer) && peer.heard.len == 0, "who says nothing is closed silently");
    ub_peer_close(&peer, false);

    peer = ub_answerer_dial();
    ub_peer_say_text(&peer, GET("/hello"));
    UB_CHECK(ub_peer_hears(&peer, "hello") && ub_peer_sees_end(&peer),
             "an idle kept-alive connection too");
    ub_peer_close(&peer, false);

    ub_buf_clear(&ub_answerer.told);
    ub_answerer.sent = 0;
    ub_answerer.wanted = (size_t)64 << 20;
    peer = ub_peer_dial(ub_answerer.loop, ub_listener_port(ub_answerer.listener), 4096);
    ub_peer_say_text(&peer, GET("/big"));
    UB_CHECK(UB_UNTIL(ub_answerer.loop, ub_answerer_was_told("gone slow reader")),
             "who does not read is dropped");
    ub_peer_close(&peer, false);
    ub_answerer_close();
}

/* ---- leaving ---- */

static void leave(const char *target, bool reset, const char *told, const char *name)
{
    ub_buf_clear(&ub_answerer.told);
    struct ub_peer peer = ub_answerer_dial();
    ub_peer_say_text(&peer, target);
    UB_UNTIL(ub_answerer.loop, ub_answerer.running != NULL &&
                                   (ub_answerer_was_told("end") || ub_answerer_was_told("/pause")));
    ub_loop_turn(ub_answerer.loop, 0);
    ub_ns left_at = ub_clock_now();
    if (reset) {
        ub_peer_close(&peer, true);
    } else {
        ub_peer_finish(&peer);
    }
    UB_UNTIL(ub_answerer.loop, ub_answerer_was_told("gone"));
    UB_CHECK_TEXT(ub_answerer_told(), told, "%s", name);
    UB_CHECK(ub_clock_now() - left_at < 200 * UB_MS, "...at once");
    if (!reset) {
        ub_peer_close(&peer, false);
    }
}

static void leavers(void)
{
    ub_answerer_open(ub_answerer_options());
    leave(GET("/wait"), false, "head /wait, end, gone left; ", "a FIN while we are silent");
    leave(GET("/wait"), true, "head /wait, end, gone left; ", "a reset while we are silent");
    leave(GET("/wait") GET("/hello"), false, "head /wait, end, gone left; ",
          "a FIN behind a request that was sent ahead");
    leave(GET("/begin"), false, "head /begin, end, gone left; ",
          "a FIN in the middle of an answer");
    leave(POST("/pause") "abc", false, "head /pause, gone left; ",
          "a FIN while the body is paused");
    ub_answerer_close();

    struct ub_listener_options o = ub_answerer_options();
    o.half_close = true;
    ub_answerer_open(o);
    struct ub_peer peer = ub_answerer_dial();
    ub_peer_say_text(&peer, GET("/begin"));
    ub_peer_finish(&peer);
    UB_CHECK(ub_peer_hears(&peer, "begun"), "with half_close a FIN is not leaving...");
    for (int i = 0; i < 5; i++) {
        ub_loop_turn(ub_answerer.loop, UB_MS);
    }
    UB_CHECK(ub_answerer.running != NULL, "...also while the answer goes on");
    if (ub_answerer.running != NULL) {
        ub_exchange_end(ub_answerer.running);
    }
    UB_CHECK(ub_peer_hears(&peer, "\r\n0\r\n\r\n") && ub_peer_sees_end(&peer),
             "...and it gets its whole answer");
    ub_peer_close(&peer, false);
    leave(GET("/wait"), true, "head /wait, end, gone left; ", "a reset is leaving all the same");
    ub_answerer_close();
}

/* ---- back-pressure ---- */

static void slow_reader(void)
{
    ub_answerer_open(ub_answerer_options());
    ub_answerer.sent = 0;
    ub_answerer.wanted = (size_t)8 << 20;
    struct ub_peer peer =
        ub_peer_dial(ub_answerer.loop, ub_listener_port(ub_answerer.listener), 4096);
    ub_peer_say_text(&peer, GET("/big"));
    UB_UNTIL(ub_answerer.loop, ub_answerer.sent > 0);
    for (int i = 0; i < 20; i++) {
        ub_loop_turn(ub_answerer.loop, UB_MS);
    }
    UB_CHECK(ub_answerer.sent <= 160 * 1024,
             "a client that does not read takes %zu KiB: at most 160", ub_answerer.sent / 1024);
    UB_CHECK(ub_answerer.running != NULL && ub_exchange_backlog(ub_answerer.running) <= 72 * 1024,
             "of these, %zu KiB lie with us",
             ub_answerer.running ? ub_exchange_backlog(ub_answerer.running) / 1024 : 0);
    UB_UNTIL(ub_answerer.loop, (ub_peer_hear(&peer), ub_answerer.running == NULL));
    UB_UNTIL(ub_answerer.loop, (ub_peer_hear(&peer), peer.heard.len > ub_answerer.wanted));
    UB_CHECK(peer.heard.len > ub_answerer.wanted && peer.heard.len < ub_answerer.wanted + 200,
             "when it reads, all of it comes");
    ub_peer_close(&peer, false);

    ub_buf_clear(&ub_answerer.told);
    peer = ub_answerer_dial();
    ub_peer_say_text(&peer, "POST /pause HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n");
    UB_UNTIL(ub_answerer.loop, ub_answerer.running != NULL);
    static char block[90000];
    ub_peer_say(&peer, (struct ub_slice){block, sizeof block});
    for (int i = 0; i < 5; i++) {
        ub_loop_turn(ub_answerer.loop, UB_MS);
    }
    UB_CHECK_TEXT(ub_answerer_told(), "head /pause, ", "a paused body is not handed on");
    if (ub_answerer.running != NULL) {
        ub_exchange_resume_body(ub_answerer.running);
        UB_CHECK_TEXT(ub_answerer_told(), "head /pause, ", "nothing is called from inside resume");
    }
    UB_CHECK(UB_UNTIL(ub_answerer.loop, ub_answerer_was_told("end, ")),
             "after it, all of it comes");
    ub_peer_close(&peer, false);
    UB_UNTIL(ub_answerer.loop, ub_answerer_was_told("gone"));

    ub_buf_clear(&ub_answerer.told);
    peer = ub_answerer_dial();
    ub_peer_say_text(&peer, POST("/pause-in-body") "abc");
    UB_UNTIL(ub_answerer.loop, ub_answerer_was_told("body 3, "));
    ub_loop_turn(ub_answerer.loop, UB_MS);
    UB_CHECK_TEXT(ub_answerer_told(), "head /pause-in-body, body 3, ",
                  "one that is paused at its last byte has not ended");
    if (ub_answerer.running != NULL) {
        ub_exchange_resume_body(ub_answerer.running);
    }
    UB_CHECK(UB_UNTIL(ub_answerer.loop, ub_answerer_was_told("body 3, end, ")),
             "but does when it goes on, though nothing more comes");
    ub_peer_close(&peer, false);
    ub_answerer_close();
}

/* ---- draining ---- */

static bool drained;

static void on_drained(void *user)
{
    *(bool *)user = true;
}

static void draining(void)
{
    ub_answerer_open(ub_answerer_options());
    struct ub_peer idle = ub_answerer_dial(), busy = ub_answerer_dial(), queued;
    struct ub_peer lingers = ub_answerer_dial();
    ub_peer_say_text(&lingers, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    ub_peer_hears(&lingers, "hello");
    ub_peer_say_text(&idle, GET("/hello"));
    ub_peer_hears(&idle, "hello");
    ub_peer_say_text(&busy, GET("/wait"));
    UB_UNTIL(ub_answerer.loop, ub_answerer_was_told("head /wait, end"));
    struct ub_exchange *waiting = ub_answerer.running;
    queued = ub_answerer_dial();
    ub_peer_say_text(&queued, GET("/hello"));
    drained = false;
    ub_listener_drain(ub_answerer.listener, on_drained, &drained);
    UB_CHECK(ub_peer_sees_end(&idle), "draining closes who is idle");
    UB_CHECK(ub_peer_hears(&queued, "hello") && strstr(ub_peer_text(&queued), "Connection: close"),
             "who was waiting to be accepted is served");
    UB_CHECK(!drained, "it is not done while an exchange runs");
    ub_answerer_respond(waiting, 2);
    ub_answerer_send(waiting, "ok");
    ub_exchange_end(waiting);
    UB_CHECK(ub_peer_hears(&busy, "ok") && strstr(ub_peer_text(&busy), "Connection: close"),
             "the running one finishes with Connection: close");
    ub_ns ended_at = ub_clock_now();
    UB_CHECK(UB_UNTIL(ub_answerer.loop, drained) && ub_clock_now() - ended_at < 2 * UB_SECOND,
             "then it is soon done, though no client closes its connection");
    ub_peer_close(&idle, false);
    ub_peer_close(&busy, false);
    ub_peer_close(&queued, false);
    ub_peer_close(&lingers, false);
    ub_listener_free(ub_answerer.listener);

    ub_answerer_open(ub_answerer_options());
    struct ub_listener_options o = ub_answerer_options();
    const char *words = "";
    o.port = ub_listener_port(ub_answerer.listener);
    o.exclusive = true;
    UB_CHECK(ub_listener_open(ub_answerer.loop, &o, &words) == NULL &&
                 strcmp(words, "Address already in use") == 0,
             "an exclusive listener is refused where somebody listens");
    o.exclusive = false;
    struct ub_listener *second = ub_listener_open(ub_answerer.loop, &o, &words);
    UB_CHECK(second != NULL, "another worker shares the address");
    ub_listener_free(second);
    struct ub_peer peer = ub_answerer_dial();
    ub_peer_say_text(&peer, GET("/wait"));
    UB_UNTIL(ub_answerer.loop, ub_answerer_was_told("head /wait, end"));
    o.idle_ns = 20 * UB_MS;
    UB_CHECK(ub_listener_update(ub_answerer.listener, &o), "new options while an exchange runs");
    ub_exchange_respond(ub_answerer.running, 200, NULL, 0, 0);
    ub_exchange_end(ub_answerer.running);
    UB_CHECK(ub_peer_sees_end(&peer), "...count from the next wait on");
    ub_peer_close(&peer, false);
    ub_answerer_close();
}

/* ---- memory ---- */

/* What a connection costs while it waits for its next request. */
static void idle_memory(void)
{
    enum { COUNT = 200 };
    static struct ub_peer peers[COUNT];
    ub_answerer_open(ub_answerer_options());
    size_t before = 0;
    for (int i = 0; i < COUNT; i++) {
        if (i == COUNT / 2) { /* by then everything that is made once has been made */
            before = mallinfo2().uordblks;
        }
        peers[i] = ub_answerer_dial();
        ub_peer_say_text(&peers[i], GET("/hello"));
        ub_peer_hears(&peers[i], "hello");
        ub_buf_free(&peers[i].heard);
        ub_loop_turn(ub_answerer.loop, 0);
        ub_buf_free(&ub_answerer.told);
    }
    size_t each = (mallinfo2().uordblks - before) / (COUNT / 2);
    UB_CHECK(ub_listener_connections(ub_answerer.listener) == COUNT && each <= 1024,
             "an idle connection costs %zu bytes", each);
    for (int i = 0; i < COUNT; i++) {
        ub_peer_close(&peers[i], false);
    }
    ub_answerer_close();
}

static void failing_memory(void)
{
    struct ub_listener_options o = ub_answerer_options();
    const char *words = "";
    int64_t tries = 0;
    do {
        ub_alloc_fail_nth(++tries);
        ub_answerer.listener = ub_listener_open(ub_answerer.loop, &o, &words);
    } while (ub_answerer.listener == NULL && tries < 100);
    ub_alloc_fail_nth(0);
    UB_CHECK(ub_answerer.listener != NULL && tries > 3,
             "opening survives each of %d failed allocations", (int)tries - 1);
    ub_answerer_close();
    ub_answerer_open(ub_answerer_options());
    int64_t count = 0;
    bool crossed = false;
    for (int64_t nth = 1; count >= nth - 1 && nth < 100; nth++) { /* until none failed */
        ub_answerer.sent = 0;
        ub_answerer.wanted = (size_t)1 << 20;
        struct ub_peer peer =
            ub_peer_dial(ub_answerer.loop, ub_listener_port(ub_answerer.listener), 8192);
        ub_buf_reserve(&peer.heard, (size_t)2 << 20); /* the test's own memory does not fail */
        ub_buf_reserve(&ub_answerer.told, 1000);
        ub_alloc_fail_nth(nth);
        ub_peer_say_text(&peer, GET("/big") GET("/stream"));
        UB_UNTIL(ub_answerer.loop,
                 (ub_peer_hear(&peer),
                  peer.finished || ub_answerer_was_told("head /stream, end, gone")));
        crossed = crossed || ub_answerer_was_told("head /stream, end, gone done");
        ub_peer_close(&peer, false);
        UB_UNTIL(ub_answerer.loop, ub_listener_connections(ub_answerer.listener) == 0);
        count = ub_alloc_count();
        ub_alloc_fail_nth(0);
        ub_buf_clear(&ub_answerer.told);
    }
    UB_CHECK(count > 3 && crossed, "each of %d allocations failed once; nothing broke", (int)count);
    struct ub_peer peer = ub_answerer_dial();
    ub_peer_say_text(&peer, GET("/hello"));
    UB_CHECK(ub_peer_hears(&peer, "hello"), "the server still serves");
    ub_peer_close(&peer, false);
    ub_answerer_close();
}

int main(void)
{
    ub_answerer.loop = ub_loop_new();
    ub_answerer_open(ub_answerer_options());
    requests(100000);
    requests(7);
    requests(1);
    refusals();
    ub_answerer_close();
    late_ones();
    leavers();
    slow_reader();
    draining();
    idle_memory();
    failing_memory();
    ub_buf_free(&ub_answerer.told);
    ub_loop_free(ub_answerer.loop);
    return ub_test_done();
}

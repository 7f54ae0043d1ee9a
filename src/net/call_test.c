/* Calls to upstreams that are bare sockets: answers, pauses, limits. Their pool: pool_test.c. */
#include "base/alloc.h"
#include "base/test.h"
#include "net/noted_call.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct ub_loop *loop;
static struct ub_origin *origin;
static int listener;
static uint16_t port;

#define OK5  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
#define GOOD OK5 "hello"

/* ---- answers ---- */

static const struct {
    const char *name;
    const char *said;
    bool then_fin, then_reset;
    const char *told;
} rows[] = {
    {"a body of known length", GOOD, false, false, "head 200, body hello, ended ok"},
    {"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", false,
     false, "head 200, body abc, ended ok"},
    {"interim answers are skipped", "HTTP/1.1 100 Continue\r\n\r\n" GOOD, false, false,
     "head 200, body hello, ended ok"},
    {"a body until close", "HTTP/1.0 200 OK\r\n\r\nabc", true, false,
     "head 200, body abc, ended ok"},
    {"a reset is no clean end of it", "HTTP/1.0 200 OK\r\n\r\nabc", false, true,
     "head 200, body abc, ended truncated"},
    {"cut inside a known length", OK5 "he", true, false, "head 200, body he, ended truncated"},
    {"reset inside a known length", OK5 "he", false, true, "head 200, body he, ended truncated"},
    {"cut between chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
     true, false, "head 200, body abc, ended truncated"},
    {"cut before the last chunk's end",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", true, false,
     "head 200, body abc, ended truncated"},
    {"closed without a word", "", true, false, "ended reset"},
    {"reset without a word", "", false, true, "ended reset"},
    {"closed inside the head", "HTTP/1.1 200 OK\r\nContent-", true, false, "ended reset"},
    {"no HTTP at all", "SSH-2.0-OpenSSH_9.2\r\n", false, false, "ended bad_answer"},
    {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", false,
     false, "ended bad_answer"},
    {"a broken chunk line", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", false,
     false, "head 200, ended bad_answer"},
    {"an error status is an answer", "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy", false,
     false, "head 503, body busy, ended ok"},
};

static void answers(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_noted_call call;
        origin = ub_noted_origin(loop, port, "127.0.0.1", "");
        ub_noted_start(&call, loop, origin);
        struct ub_peer peer = ub_peer_accept(loop, listener);
        ub_peer_hears(&peer, "\r\n\r\n");
        ub_peer_say_text(&peer, rows[i].said);
        for (int turn = 0; turn < 3; turn++) {
            ub_loop_turn(loop, UB_MS);
        }
        if (rows[i].then_fin) {
            ub_peer_finish(&peer);
        }
        if (rows[i].then_reset) {
            ub_peer_close(&peer, true);
        }
        ub_noted_ends(&call);
        UB_CHECK_TEXT(ub_noted_told(&call), rows[i].told, "%s", rows[i].name);
        if (!rows[i].then_reset) {
            ub_peer_close(&peer, false);
        }
        ub_buf_free(&call.told);
        ub_origin_free(origin);
    }
}

static void floods(void)
{
    struct ub_noted_call call;
    origin = ub_noted_origin(loop, port, "127.0.0.1", "");
    ub_noted_start(&call, loop, origin);
    struct ub_peer peer = ub_peer_accept(loop, listener);
    ub_peer_say_text(&peer, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 2000 && !call.over; i++) {
        ub_peer_say_text(&peer, "X-Filler: 0123456789012345678901234567890123456789\r\n");
    }
    UB_CHECK(ub_noted_ends(&call) && call.error == UB_ERR_BAD_ANSWER, "an endless head is refused");
    ub_peer_close(&peer, false);
    ub_buf_free(&call.told);

    ub_noted_start(&call, loop, origin);
    peer = ub_peer_accept(loop, listener);
    for (int i = 0; i < 100 && !call.over; i++) {
        ub_peer_say_text(&peer, "HTTP/1.1 102 Processing\r\n\r\n");
    }
    UB_CHECK(ub_noted_ends(&call) && call.error == UB_ERR_BAD_ANSWER,
             "so is a flood of interim answers");
    ub_peer_close(&peer, false);
    ub_buf_free(&call.told);
    ub_origin_free(origin);
}

/* ---- requests ---- */

static void requests(void)
{
    struct ub_noted_call call = {.loop = loop, .call = {.handler = &ub_noted_handler}};
    call.call.user = &call;
    static char big[12000000];
    memset(big, 'b', sizeof big);
    const struct ub_slice body[] = {
        UB_LIT("{\"model\":"), UB_LIT(""), {big, sizeof big}, UB_LIT("}")};
    struct ub_call_request request = ub_noted_request(body, 4);
    origin = ub_noted_origin(loop, port, "127.0.0.1", "");
    ub_call_start(&call.call, origin, &request);
    UB_CHECK(!call.over, "nothing is called from inside start");
    struct ub_peer peer = ub_peer_accept(loop, listener);
    char want[200];
    snprintf(want, sizeof want,
             "POST /v1/x?y HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX-Test: yes\r\n"
             "Content-Length: 12000010\r\n\r\n{\"model\":bbb",
             port);
    UB_CHECK(ub_peer_hears(&peer, want), "head and body as they should be");
    UB_CHECK(
        UB_UNTIL(loop, (ub_peer_hear(&peer), peer.heard.len == strlen(want) + 12000010 - 12)) &&
            peer.heard.ptr[peer.heard.len - 1] == '}',
        "the whole body comes, in its order");
    ub_peer_say_text(&peer, GOOD);
    UB_CHECK(ub_noted_ends(&call) && call.error == UB_ERR_OK, "and it is answered");
    ub_peer_close(&peer, false);
    ub_buf_free(&call.told);

    call = (struct ub_noted_call){.loop = loop, .call = {.handler = &ub_noted_handler}};
    call.call.user = &call;
    ub_call_start(&call.call, origin, &request);
    peer = ub_peer_accept(loop, listener);
    ub_peer_hears(&peer, "bbb");
    ub_peer_say_text(&peer, "HTTP/1.1 413 Too Much\r\nContent-Length: 0\r\n\r\n");
    UB_CHECK(ub_noted_ends(&call), "an answer before the whole body was sent is an answer");
    UB_CHECK_TEXT(ub_noted_told(&call), "head 413, ended ok", "...like others");
    UB_CHECK(ub_peer_sees_end(&peer), "...but its connection is not used again");
    ub_peer_close(&peer, false);
    ub_buf_free(&call.told);
    ub_origin_free(origin);

    origin = ub_noted_origin(loop, port, "::1", "");
    ub_noted_start(&call, loop, origin);
    UB_CHECK(ub_noted_ends(&call) && call.error == UB_ERR_CONNECT_REFUSED,
             "nobody listens on ::1: refused");
    ub_buf_free(&call.told);
    ub_origin_free(origin);
}

/* ---- pausing and cancelling ---- */

static void pausing(void)
{
    struct ub_noted_call call;
    origin = ub_noted_origin(loop, port, "127.0.0.1", "");
    ub_noted_start(&call, loop, origin);
    call.pause_at_head = true;
    struct ub_peer peer = ub_peer_accept(loop, listener);
    ub_peer_hears(&peer, "\r\n\r\n");
    ub_peer_say_text(&peer, GOOD);
    for (int i = 0; i < 5; i++) {
        ub_loop_turn(loop, UB_MS);
    }
    UB_CHECK_TEXT(ub_noted_told(&call), "head 200, ",
                  "a paused call hears nothing, not even its body");
    ub_call_resume(&call.call);
    UB_CHECK_TEXT(ub_noted_told(&call), "head 200, ", "nothing is called from inside resume");
    ub_noted_ends(&call);
    UB_CHECK_TEXT(ub_noted_told(&call), "head 200, body hello, ended ok",
                  "after it, the rest comes");
    ub_buf_free(&call.told);

    ub_noted_start(&call, loop, origin);
    call.pause_at_body = true;
    ub_peer_say_text(&peer, GOOD);
    UB_UNTIL(loop, strstr(ub_noted_told(&call), "body hello") != NULL);
    ub_loop_turn(loop, UB_MS);
    UB_CHECK_TEXT(ub_noted_told(&call), "head 200, body hello, ",
                  "one that pauses at its last bytes has not ended");
    ub_call_resume(&call.call);
    ub_noted_ends(&call);
    UB_CHECK_TEXT(ub_noted_told(&call), "head 200, body hello, ended ok",
                  "but does when it goes on, though nothing more comes");
    ub_buf_free(&call.told);

    ub_noted_start(&call, loop, origin);
    call.pause_at_body = true;
    ub_peer_say_text(&peer, "HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n");
    static char block[65536];
    size_t pushed = 0;
    ssize_t took = 0;
    for (int idle = 0; idle < 20;) {
        took = send(peer.fd, block, sizeof block, MSG_NOSIGNAL);
        pushed += took > 0 ? (size_t)took : 0;
        idle = took > 0 ? 0 : idle + 1;
        ub_loop_turn(loop, UB_MS);
    }
    UB_CHECK(call.body_len <= 32 * 1024, "paused at the first piece, %zu KiB were handed on",
             call.body_len / 1024);
    UB_CHECK(pushed < 16 * 1024 * 1024, "the sender was stopped after %zu KiB", pushed / 1024);
    ub_call_cancel(&call.call);
    UB_CHECK(ub_peer_sees_end(&peer), "cancelling closes the connection");
    ub_peer_close(&peer, false);
    ub_buf_free(&call.told);

    ub_noted_start(&call, loop, origin);
    call.cancel_at_head = true;
    peer = ub_peer_accept(loop, listener);
    ub_peer_hears(&peer, "\r\n\r\n");
    ub_peer_say_text(&peer, GOOD);
    UB_CHECK(ub_peer_sees_end(&peer), "a call may be cancelled from its head");
    UB_CHECK_TEXT(ub_noted_told(&call), "head 200, ", "...and hears nothing more");
    ub_peer_close(&peer, false);
    ub_buf_free(&call.told);

    ub_noted_start(&call, loop, origin);
    ub_call_cancel(&call.call);
    ub_call_cancel(&call.call);
    ub_loop_turn(loop, 0);
    ub_noted_start(&call, loop, origin);
    ub_loop_turn(loop, UB_MS);
    ub_call_cancel(&call.call);
    UB_CHECK(call.told.len == 0, "or while it is dialling");
    struct ub_peer unused = ub_peer_accept(loop, listener);
    ub_peer_close(&unused, false);
    ub_origin_free(origin);
}

/* The end of the connection behind bytes that were read, but not handed on. */
static void paused_end(void)
{
    struct ub_noted_call call;
    origin = ub_noted_origin(loop, port, "127.0.0.1", "");
    static const char whole[] =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
    for (int cut = 0; cut < 2; cut++) {
        ub_noted_start(&call, loop, origin);
        call.pause_at_body = true;
        struct ub_peer peer = ub_peer_accept(loop, listener);
        ub_peer_hears(&peer, "\r\n\r\n");
        ub_peer_say(&peer, (struct ub_slice){whole, sizeof whole - 1 - (cut ? 5 : 0)});
        UB_UNTIL(loop, strstr(ub_noted_told(&call), "body abc") != NULL);
        ub_peer_close(&peer, true);
        for (int i = 0; i < 5; i++) {
            ub_loop_turn(loop, UB_MS);
        }
        UB_CHECK_TEXT(ub_noted_told(&call), "head 200, body abc, ",
                      "a reset behind what a paused call has not heard is not told yet");
        call.pause_at_body = false;
        ub_call_resume(&call.call);
        ub_noted_ends(&call);
        UB_CHECK_TEXT(ub_noted_told(&call),
                      cut ? "head 200, body abc, body def, ended truncated"
                          : "head 200, body abc, body def, ended ok",
                      "...%s",
                      cut ? "an answer without its end is truncated"
                          : "an answer that is there is whole");
        ub_buf_free(&call.told);
    }
    ub_origin_free(origin);
}

/* ---- connecting ---- */

static enum ub_error probed;
static int probes;

static void on_probed(void *user, enum ub_error error)
{
    (void)user;
    probed = error;
    probes++;
}

static void connecting(void)
{
    uint16_t none = 0;
    int unused = ub_peer_listen(false, &none, 1);
    close(unused);
    struct ub_noted_call call;
    origin = ub_noted_origin(loop, none, "127.0.0.1", "");
    ub_noted_start(&call, loop, origin);
    ub_noted_ends(&call);
    UB_CHECK_TEXT(ub_noted_told(&call), "ended connect_refused",
                  "a refused connection is told as that");
    ub_buf_free(&call.told);
    ub_origin_probe(origin, UB_SECOND, on_probed, NULL);
    UB_CHECK(UB_UNTIL(loop, probes == 1) && probed == UB_ERR_CONNECT_REFUSED, "also to a probe");
    ub_origin_free(origin);

    origin = ub_noted_origin(loop, port, "127.0.0.1", "");
    ub_origin_probe(origin, UB_SECOND, on_probed, NULL);
    UB_CHECK(UB_UNTIL(loop, probes == 2) && probed == UB_ERR_OK, "a good probe");
    struct ub_peer peer = ub_peer_accept(loop, listener);
    ub_noted_start(&call, loop, origin);
    ub_noted_good_answer(&call, &peer);
    UB_CHECK(call.call.reused, "leaves its connection in the pool");
    ub_peer_close(&peer, false);
    ub_origin_free(origin);

    /* A listening socket whose queue is full drops what comes: a black hole without a network. */
    uint16_t hole_port = 0;
    int hole = ub_peer_listen(false, &hole_port, 0);
    struct ub_peer fillers[4];
    int filled = 0;
    fillers[filled++] = ub_peer_dial(loop, hole_port, 0);
    origin = ub_noted_origin(loop, hole_port, "127.0.0.1", "");
    struct ub_noted_call lost = {.loop = loop, .call = {.handler = &ub_noted_handler}};
    lost.call.user = &lost;
    struct ub_call_request request = ub_noted_request(NULL, 0);
    request.connect_by_ns = 50 * UB_MS;
    ub_ns began = ub_clock_now();
    ub_call_start(&lost.call, origin, &request);
    ub_noted_ends(&lost);
    ub_ns took = ub_clock_now() - began;
    UB_CHECK_TEXT(ub_noted_told(&lost), "ended connect_failed",
                  "a black hole costs the time allowed");
    UB_CHECK(took >= 50 * UB_MS && took < UB_SECOND, "...and no more");
    ub_buf_free(&lost.told);
    ub_origin_free(origin);
    while (filled > 0) {
        ub_peer_close(&fillers[--filled], false);
    }
    close(hole);
}

/* ---- a plain proxy ---- */

static void plain_proxy(void)
{
    char proxy[64];
    snprintf(proxy, sizeof proxy, "http://user:pass@127.0.0.1:%u/", port);
    origin = ub_noted_origin(loop, 80, "model.example", proxy);
    struct ub_noted_call call;
    ub_noted_start(&call, loop, origin);
    struct ub_peer peer = ub_peer_accept(loop, listener);
    UB_CHECK(ub_peer_hears(&peer,
                           "GET http://model.example/v1/x?y HTTP/1.1\r\n"
                           "Proxy-Authorization: Basic dXNlcjpwYXNz\r\nHost: model.example\r\n"),
             "a proxy gets the whole URL and its credentials");
    ub_noted_good_answer(&call, &peer);
    UB_CHECK(call.error == UB_ERR_OK, "and answers");
    ub_peer_close(&peer, false);
    ub_origin_free(origin);
}

/* ---- memory ---- */

static void failing_memory(void)
{
    int64_t count = 0, failed = 0;
    for (int64_t nth = 1; count >= nth - 1 && nth < 100; nth++) {
        struct ub_noted_call call = {.loop = loop, .call = {.handler = &ub_noted_handler}};
        ub_buf_reserve(&call.told, 1000); /* the test's own memory does not fail */
        call.call.user = &call;
        struct ub_call_request request = ub_noted_request(NULL, 0);
        struct ub_peer peer = {.loop = loop, .fd = -1};
        ub_buf_reserve(&peer.heard, 4096);
        ub_alloc_fail_nth(nth);
        struct ub_origin *to = ub_noted_origin(loop, port, "127.0.0.1", "");
        if (to != NULL) {
            ub_call_start(&call.call, to, &request);
            bool answered = false;
            ub_ns limit = ub_clock_now() + UB_SECOND;
            while (!call.over && ub_clock_now() < limit) {
                ub_loop_turn(loop, UB_MS);
                if (peer.fd < 0) {
                    peer.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                } else if (!answered) {
                    ub_peer_say_text(&peer, GOOD);
                    answered = true;
                }
            }
            failed += call.error == UB_ERR_NO_MEMORY;
            ub_origin_free(to);
        }
        count = ub_alloc_count();
        ub_alloc_fail_nth(0);
        if (peer.fd >= 0) {
            ub_peer_close(&peer, false);
        } else {
            ub_buf_free(&peer.heard);
        }
        ub_buf_free(&call.told);
    }
    UB_CHECK(count > 5 && failed > 3, "each of %d allocations failed once: %d calls ended so",
             (int)count, (int)failed);
}

int main(void)
{
    loop = ub_loop_new();
    listener = ub_peer_listen(false, &port, 64);
    answers();
    floods();
    requests();
    pausing();
    paused_end();
    connecting();
    plain_proxy();
    failing_memory();
    close(listener);
    ub_loop_free(loop);
    return ub_test_done();
}

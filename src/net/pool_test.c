/* Connections to an upstream that are kept for the next call, and what may have happened to them. */
#include "base/test.h"
#include "net/client.h"
#include "net/noted_call.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

static struct ub_loop *loop;
static struct ub_origin *origin;
static int listener;
static uint16_t port;

static void pool(void)
{
    struct ub_noted_call call;
    origin = ub_noted_origin(loop, port, "127.0.0.1", "");
    ub_noted_start(&call, loop, origin);
    struct ub_peer peer = ub_peer_accept(loop, listener);
    ub_noted_good_answer(&call, &peer);
    ub_noted_start(&call, loop, origin);
    ub_noted_good_answer(&call, &peer);
    UB_CHECK(call.error == UB_ERR_OK && call.call.reused, "a connection is used again");

    ub_noted_start(&call, loop, origin);
    ub_peer_hears(&peer, "\r\n\r\n");
    ub_peer_close(&peer, true); /* it dies with our request on it */
    struct ub_peer fresh = ub_peer_accept(loop, listener);
    ub_noted_good_answer(&call, &fresh);
    UB_CHECK(call.error == UB_ERR_OK && !call.call.reused,
             "one that died before an answer is replaced unseen");
    ub_noted_start(&call, loop, origin);
    ub_peer_hears(&fresh, "\r\n\r\n");
    ub_peer_say_text(&fresh, "HTTP/1.1 200 OK\r\n");
    ub_loop_turn(loop, UB_MS);
    ub_peer_close(&fresh, false);
    ub_noted_ends(&call);
    UB_CHECK_TEXT(ub_noted_told(&call), "ended reset",
                  "but not when a byte of the answer had come");
    ub_buf_free(&call.told);

    ub_noted_start(&call, loop, origin);
    fresh = ub_peer_accept(loop, listener);
    ub_noted_good_answer(&call, &fresh);
    ub_peer_close(&fresh, false); /* dies idle */
    ub_loop_turn(loop, UB_MS);
    ub_loop_turn(loop, UB_MS);
    ub_noted_start(&call, loop, origin);
    fresh = ub_peer_accept(loop, listener);
    ub_noted_good_answer(&call, &fresh);
    UB_CHECK(call.error == UB_ERR_OK, "one that died idle is not used");
    ub_peer_say_text(&fresh, UB_NOTED_GOOD);
    UB_CHECK(ub_peer_sees_end(&fresh), "one that speaks unasked is closed");
    ub_peer_close(&fresh, false);

    ub_origin_free(origin);
}

static struct ub_noted_call follower;
static struct ub_peer idle;

/* In the turn that ends one call: another starts on the idle connection, and its words are read
 * before the question goes out. Read here, so that no order of epoll decides. */
static void follow(struct ub_call *call, enum ub_error error, const char *words)
{
    (void)call;
    (void)error;
    (void)words;
    ub_noted_start(&follower, loop, origin);
    struct ub_stream *stream = &follower.call.connection->stream;
    ub_peer_say_text(&idle, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
    struct pollfd there = {.fd = stream->fd, .events = POLLIN};
    poll(&there, 1, 1000);
    ub_stream_read(stream);
}

/* Requests go out at the end of a turn. Words of a kept connection that come in the same turn are
 * not the answer to what it was not asked yet. */
static void unasked(void)
{
    struct ub_noted_call first, other;
    origin = ub_noted_origin(loop, port, "127.0.0.1", "");
    ub_noted_start(&first, loop, origin);
    struct ub_peer busy = ub_peer_accept(loop, listener);
    ub_noted_start(&other, loop, origin);
    idle = ub_peer_accept(loop, listener);
    ub_noted_good_answer(&other, &idle);
    ub_peer_hears(&busy, "\r\n\r\n");

    struct ub_call_handler handler = ub_noted_handler;
    handler.ended = follow;
    first.call.handler = &handler;
    ub_peer_say_text(&busy, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    UB_UNTIL(loop, follower.loop != NULL);
    UB_CHECK(!follower.over, "a word before the question is no answer");
    if (!follower.over) {
        struct ub_peer fresh = ub_peer_accept(loop, listener);
        ub_noted_good_answer(&follower, &fresh);
        ub_peer_close(&fresh, false);
    }
    UB_CHECK(follower.error == UB_ERR_OK && !follower.call.reused,
             "the question goes to a fresh connection");
    ub_buf_free(&first.told);
    ub_buf_free(&follower.told);
    ub_peer_close(&busy, false);
    ub_peer_close(&idle, false);
    ub_origin_free(origin);
}

static void pool_bounds(void)
{
    struct ub_noted_call call, other;
    struct ub_peer peer, peers[3];
    struct ub_noted_call calls[3];
    origin = ub_noted_origin(loop, port, "127.0.0.1", "");
    for (int i = 0; i < 3; i++) {
        ub_noted_start(&calls[i], loop, origin);
        peers[i] = ub_peer_accept(loop, listener);
    }
    for (int i = 0; i < 3; i++) {
        ub_noted_good_answer(&calls[i], &peers[i]);
    }
    UB_CHECK(ub_peer_sees_end(&peers[0]), "above its size the pool closes the oldest");
    ub_noted_start(&other, loop, origin);
    ub_noted_good_answer(&other, &peers[2]);
    UB_CHECK(other.error == UB_ERR_OK && other.call.reused, "the newest is used first");
    for (int i = 0; i < 3; i++) {
        ub_peer_close(&peers[i], false);
    }
    ub_origin_free(origin);

    struct ub_origin_options brief = {
        .host = UB_LIT("127.0.0.1"), .port = port, .idle_max = 1, .idle_ns = 20 * UB_MS};
    origin = ub_origin_new(loop, &brief);
    ub_noted_start(&call, loop, origin);
    peer = ub_peer_accept(loop, listener);
    ub_noted_good_answer(&call, &peer);
    UB_CHECK(ub_peer_sees_end(&peer), "an idle connection is closed after its time");
    ub_peer_close(&peer, false);
    ub_origin_free(origin);
}

int main(void)
{
    loop = ub_loop_new();
    listener = ub_peer_listen(false, &port, 64);
    pool();
    unasked();
    pool_bounds();
    close(listener);
    ub_loop_free(loop);
    return ub_test_done();
}

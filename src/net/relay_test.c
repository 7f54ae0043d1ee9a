/* Both sides together: a relay as small as possible. What lies between an upstream and a client
 * that does not read is bounded, kernel buffers included; cuts and leaving go through. */
#include "base/test.h"
#include "net/client.h"
#include "net/peer.h"
#include "net/server_conn.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BETWEEN_MAX ((size_t)256 * 1024)

static struct ub_loop *loop;
static struct ub_origin *origin;
static struct ub_listener *listener;

/* ---- the relay ---- */

static struct {
    struct ub_call call;
    struct ub_exchange *exchange;
    bool running;
    enum ub_error error;
} relay;

static void on_head(struct ub_exchange *exchange, const struct ub_http_head *head)
{
    const struct ub_call_request request = {
        .method = UB_LIT("GET"), .target = head->target, .connect_by_ns = 5 * UB_SECOND};
    relay.exchange = exchange;
    relay.running = true;
    ub_call_start(&relay.call, origin, &request);
}

static void on_body(struct ub_exchange *exchange, struct ub_slice chunk)
{
    (void)exchange;
    (void)chunk;
}

static void on_body_end(struct ub_exchange *exchange)
{
    (void)exchange;
}

static void on_writable(struct ub_exchange *exchange)
{
    (void)exchange;
    ub_call_resume(&relay.call);
}

static void on_gone(struct ub_exchange *exchange, enum ub_gone why)
{
    (void)exchange;
    (void)why;
    relay.exchange = NULL;
    if (relay.running) {
        ub_call_cancel(&relay.call);
        relay.running = false;
    }
}

static const struct ub_exchange_handler handler = {on_head, on_body, on_body_end, on_writable,
                                                   on_gone};

static void call_head(struct ub_call *call, const struct ub_http_head *head)
{
    (void)call;
    ub_exchange_respond(relay.exchange, head->status, NULL, 0, -1);
}

static void call_body(struct ub_call *call, struct ub_slice chunk)
{
    if (!ub_exchange_send(relay.exchange, &chunk, 1)) {
        ub_call_pause(call);
    }
}

static void call_ended(struct ub_call *call, enum ub_error error, const char *words)
{
    (void)call;
    (void)words;
    relay.running = false;
    relay.error = error;
    if (relay.exchange != NULL && error == UB_ERR_OK) {
        ub_exchange_end(relay.exchange);
    } else if (relay.exchange != NULL) {
        ub_exchange_abort(relay.exchange);
    }
}

static const struct ub_call_handler call_handler = {call_head, call_body, call_ended};

/* ---- what lies between ---- */

static size_t in_queue(int fd, unsigned long what)
{
    int bytes = 0;
    ioctl(fd, what, &bytes);
    return (size_t)bytes;
}

/* Read buffer of the upstream's connection, our own memory, write buffer of the client's. */
static size_t between(size_t *ours)
{
    const struct ub_server_conn *conn = (const struct ub_server_conn *)relay.exchange;
    *ours = ub_exchange_backlog(relay.exchange) + relay.call.connection->held.len;
    return in_queue(relay.call.connection->stream.fd, FIONREAD) + *ours +
           in_queue(conn->stream.fd, TIOCOUTQ);
}

/* Pushes pieces until nothing moves for a while. */
static size_t push(struct ub_peer *upstream, size_t piece, size_t at_most)
{
    static char block[65536];
    size_t pushed = 0;
    for (int still = 0; still < 20 && pushed < at_most;) {
        ssize_t took = send(upstream->fd, block, piece, MSG_NOSIGNAL);
        pushed += took > 0 ? (size_t)took : 0;
        still = took > 0 ? 0 : still + 1;
        ub_loop_turn(loop, took > 0 ? 0 : UB_MS);
    }
    return pushed;
}

static void slow_reader(int upstream_fd, size_t piece, bool after_fast, const char *name)
{
    struct ub_peer client = ub_peer_dial(loop, ub_listener_port(listener), after_fast ? 0 : 8192);
    ub_peer_say_text(&client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    struct ub_peer upstream = ub_peer_accept(loop, upstream_fd);
    ub_peer_hears(&upstream, "\r\n\r\n");
    ub_peer_say_text(&upstream, "HTTP/1.0 200 OK\r\n\r\n");
    size_t pushed = 19;
    for (int i = 0; after_fast && i < 400; i++) { /* buffers that grow by themselves do now */
        pushed += push(&upstream, piece, piece);
        ub_peer_hear(&client);
        ub_loop_turn(loop, 0);
    }
    pushed += push(&upstream, piece, (size_t)64 << 20);
    size_t ours, lies = between(&ours);
    UB_CHECK(lies <= BETWEEN_MAX, "%s: %zu KiB lie between", name, lies / 1024);
    UB_CHECK(ours <= 81 * 1024, "...of these %zu KiB in our memory", ours / 1024);
    ub_peer_finish(&upstream);
    ub_peer_hears(&client, "\r\n0\r\n\r\n");
    UB_CHECK(relay.error == UB_ERR_OK && client.heard.len > pushed, "when it reads, all comes");
    ub_peer_close(&client, false);
    ub_peer_close(&upstream, false);
    UB_UNTIL(loop, ub_listener_connections(listener) == 0);
}

/* Small buffers must not mean waiting for delayed acknowledgements (40 ms each). Threads, because
 * these come only to who really sleeps. */
#define BIG ((size_t)10 << 20)

static void *write_big(void *user)
{
    static char block[65536];
    int fd = *(int *)user;
    fcntl(fd, F_SETFL, 0);
    for (size_t sent = 0; sent < BIG;) {
        ssize_t took = send(fd, block, sizeof block, MSG_NOSIGNAL);
        if (took <= 0) {
            return NULL;
        }
        sent += (size_t)took;
    }
    return NULL;
}

static atomic_size_t big_read;

static void *read_big(void *user)
{
    static char block[65536];
    int fd = *(int *)user;
    fcntl(fd, F_SETFL, 0);
    ssize_t took = 1;
    while (took > 0 && atomic_load(&big_read) < BIG) {
        took = recv(fd, block, sizeof block, 0);
        atomic_fetch_add(&big_read, took > 0 ? (size_t)took : 0);
    }
    return NULL;
}

static void fast_reader(int upstream_fd)
{
    struct ub_peer client = ub_peer_dial(loop, ub_listener_port(listener), 0);
    ub_peer_say_text(&client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    struct ub_peer upstream = ub_peer_accept(loop, upstream_fd);
    ub_peer_hears(&upstream, "\r\n\r\n");
    ub_peer_say_text(&upstream, "HTTP/1.0 200 OK\r\n\r\n");
    ub_ns began = ub_clock_now();
    pthread_t writer, reader;
    pthread_create(&writer, NULL, write_big, &upstream.fd);
    pthread_create(&reader, NULL, read_big, &client.fd);
    UB_UNTIL(loop, atomic_load(&big_read) >= BIG);
    ub_ns took_ns = ub_clock_now() - began;
    UB_CHECK(took_ns < UB_SECOND, "10 MiB go through without delays (%d ms)",
             (int)(took_ns / UB_MS));
    shutdown(upstream.fd, SHUT_RDWR);
    shutdown(client.fd, SHUT_RDWR);
    pthread_join(writer, NULL);
    pthread_join(reader, NULL);
    ub_peer_close(&upstream, false);
    ub_peer_close(&client, false);
    UB_UNTIL(loop, ub_listener_connections(listener) == 0);
}

static void cuts(int upstream_fd)
{
    struct ub_peer client = ub_peer_dial(loop, ub_listener_port(listener), 0);
    ub_peer_say_text(&client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    struct ub_peer upstream = ub_peer_accept(loop, upstream_fd);
    ub_peer_hears(&upstream, "\r\n\r\n");
    ub_peer_say_text(&upstream,
                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    UB_CHECK(ub_peer_hears(&client, "3\r\nabc\r\n"), "an event goes through at once");
    ub_peer_close(&upstream, false);
    UB_CHECK(ub_peer_sees_end(&client) && strstr(ub_peer_text(&client), "\r\n0\r\n") == NULL &&
                 relay.error == UB_ERR_TRUNCATED,
             "an upstream that cuts its answer is not a clean end");
    ub_peer_close(&client, false);

    client = ub_peer_dial(loop, ub_listener_port(listener), 0);
    ub_peer_say_text(&client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    upstream = ub_peer_accept(loop, upstream_fd);
    ub_peer_hears(&upstream, "\r\n\r\n");
    ub_ns left_at = ub_clock_now();
    ub_peer_close(&client, false);
    UB_CHECK(ub_peer_sees_end(&upstream) && ub_clock_now() - left_at < 200 * UB_MS,
             "a client that leaves takes its attempt along");
    ub_peer_close(&upstream, false);
}

int main(void)
{
    loop = ub_loop_new();
    uint16_t port = 0;
    int upstream_fd = ub_peer_listen(false, &port, 8);
    const struct ub_origin_options to = {
        .host = UB_LIT("127.0.0.1"), .port = port, .idle_max = 4, .idle_ns = 5 * UB_SECOND};
    origin = ub_origin_new(loop, &to);
    relay.call.handler = &call_handler;
    const struct ub_listener_options options = {
        .host = UB_LIT("127.0.0.1"),
        .handler = &handler,
        .limits = {.head_max = 8192, .target_max = 1000, .body_max = 100000},
        .head_ns = 5 * UB_SECOND,
        .body_ns = 5 * UB_SECOND,
        .write_ns = 9 * UB_SECOND,
        .idle_ns = 5 * UB_SECOND,
    };
    const char *words;
    listener = ub_listener_open(loop, &options, &words);
    slow_reader(upstream_fd, 65536, false, "big pieces, never read");
    slow_reader(upstream_fd, 180, false, "small pieces, never read");
    slow_reader(upstream_fd, 1400, false, "pieces of a packet, never read");
    slow_reader(upstream_fd, 65536, true, "big pieces, read fast at first");
    slow_reader(upstream_fd, 180, true, "small pieces, read fast at first");
    fast_reader(upstream_fd);
    cuts(upstream_fd);
    ub_listener_free(listener);
    ub_origin_free(origin);
    close(upstream_fd);
    ub_loop_free(loop);
    return ub_test_done();
}

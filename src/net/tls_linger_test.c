/* The last word of a TLS connection is close_notify: it ends a body until close. A server that
 * drains waits until the socket has taken it. */
#include "base/test.h"
#include "net/peer.h"
#include "net/server.h"
#include "net/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLOSE_NOTIFY 24 /* bytes of its record in TLS 1.3 */

static struct ub_loop *loop;
static bool stuck; /* the socket takes no close_notify */
static int refused;

ssize_t send(int fd, const void *bytes, size_t len, int flags) /* instead of libc's */
{
    if (stuck && len == CLOSE_NOTIFY) {
        refused++;
        errno = EAGAIN;
        return -1;
    }
    return sendto(fd, bytes, len, flags, NULL, 0);
}

/* ---- the server ---- */

static void on_head(struct ub_exchange *exchange, const struct ub_http_head *head)
{
    const struct ub_slice body = UB_LIT("until close");
    (void)head;
    ub_exchange_respond(exchange, 200, NULL, 0, -1);
    ub_exchange_send(exchange, &body, 1);
    ub_exchange_end(exchange);
}

static void on_body(struct ub_exchange *exchange, struct ub_slice chunk)
{
    (void)exchange;
    (void)chunk;
}

static void on_nothing(struct ub_exchange *exchange)
{
    (void)exchange;
}

static void on_gone(struct ub_exchange *exchange, enum ub_gone why)
{
    (void)exchange;
    (void)why;
}

static const struct ub_exchange_handler handler = {on_head, on_body, on_nothing, on_nothing,
                                                   on_gone};

static struct ub_listener *open_listener(struct ub_tls_server *tls)
{
    const char *words;
    const struct ub_listener_options options = {
        .host = UB_LIT("127.0.0.1"),
        .handler = &handler,
        .tls = tls,
        .limits = {.head_max = 8192, .target_max = 1000, .body_max = 1000},
        .head_ns = 5 * UB_SECOND,
        .body_ns = 5 * UB_SECOND,
        .write_ns = 5 * UB_SECOND,
        .idle_ns = 5 * UB_SECOND,
    };
    return ub_listener_open(loop, &options, &words);
}

/* ---- the client ---- */

static struct ub_stream client;
static size_t got;
static bool clean_end, closed;

static void on_opened(struct ub_stream *stream)
{
    const struct ub_slice request = UB_LIT("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    ub_stream_write(stream, &request, 1);
}

static void on_input(struct ub_stream *stream, struct ub_slice bytes)
{
    (void)stream;
    got += bytes.len;
}

static void on_finished(struct ub_stream *stream, bool clean)
{
    clean_end = clean;
    ub_stream_close(stream, true);
}

static void on_broken(struct ub_stream *stream, enum ub_error error, const char *words)
{
    (void)error;
    (void)words;
    ub_stream_close(stream, true);
}

static void on_closed(struct ub_stream *stream)
{
    (void)stream;
    closed = true;
}

static const struct ub_stream_handler client_handler = {on_opened, on_input,  on_finished,
                                                        NULL,      on_broken, on_closed};

static void linger(struct ub_tls_server *server_tls, struct ub_tls_client *client_tls)
{
    struct ub_tls_session session = {0};
    struct ub_listener *listener = open_listener(server_tls);
    struct ub_peer peer = ub_peer_dial(loop, ub_listener_port(listener), 0);
    ub_stream_open(&client, loop, &client_handler, peer.fd, NULL);
    ub_stream_start_tls(&client, ub_tls_connect(client_tls, "127.0.0.1", &session));
    stuck = true;
    UB_UNTIL(loop, got > 0 && refused > 0);
    ub_listener_drain(listener, NULL, NULL);
    ub_ns until = ub_clock_now() + 400 * UB_MS; /* twice as long as a drain lets a reader linger */
    while (ub_clock_now() < until) {
        ub_loop_turn(loop, 5 * UB_MS);
    }
    UB_CHECK(!closed, "a drain waits for a socket that has not taken close_notify");
    stuck = false;
    UB_UNTIL(loop, closed);
    UB_CHECK(clean_end, "and then the answer has a clean end");
    UB_CHECK(UB_UNTIL(loop, ub_listener_connections(listener) == 0), "the connection goes");
    ub_tls_session_forget(&session);
    ub_listener_free(listener);
    ub_loop_turn(loop, 0);
}

int main(void)
{
    char folder[] = "/tmp/unbusy-linger-XXXXXX", command[400], words[UB_TLS_WORDS];
    char key[64], cert[64];
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    snprintf(key, sizeof key, "%s/key", folder);
    snprintf(cert, sizeof cert, "%s/cert", folder);
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
             "-subj /CN=a -addext subjectAltName=IP:127.0.0.1 -keyout %s -out %s 2>/dev/null",
             key, cert);
    if (system(command) != 0) {
        ub_test_skip("no openssl command to make a certificate with");
    } else {
        const struct ub_tls_server_options options = {.cert = cert, .key = key};
        loop = ub_loop_new();
        struct ub_tls_server *server_tls = ub_tls_server_new(&options, words);
        struct ub_tls_client *client_tls = ub_tls_client_new(cert, true, words);
        linger(server_tls, client_tls);
        ub_tls_client_free(client_tls);
        ub_tls_server_free(server_tls);
        ub_loop_free(loop);
    }
    unlink(key);
    unlink(cert);
    rmdir(folder);
    return ub_test_done();
}

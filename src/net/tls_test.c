/* TLS on both sides: good and bad certificates, resumption, cut connections, reload. The
 * certificates are made here, by the openssl command. */
#include "base/alloc.h"
#include "base/test.h"
#include "net/client.h"
#include "net/peer.h"
#include "net/server.h"
#include "net/tls.h"
#include "net/tls_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct ub_loop *loop;
static char folder[] = "/tmp/unbusy-tls-XXXXXX";

/* ---- certificates ---- */

static const char *file(const char *name)
{
    static char paths[8][128];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static bool run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool run(const char *format, ...)
{
    char command[1000];
    int len = snprintf(command, sizeof command, "cd %s && ", folder);
    va_list args;
    va_start(args, format);
    vsnprintf(command + len, sizeof command - (size_t)len, format, args);
    va_end(args);
    strncat(command, " 2>log", sizeof command - strlen(command) - 1);
    return system(command) == 0;
}

/* A self-signed certificate that is its own CA, for these names. */
static bool make_cert(const char *name, const char *alt_names)
{
    return run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
               "-subj /CN=%s -addext subjectAltName=%s -keyout %s.key -out %s.pem",
               name, alt_names, name, name);
}

/* ---- a server and a call ---- */

static bool served_tls;
static size_t big_len;

static void on_head(struct ub_exchange *exchange, const struct ub_http_head *head)
{
    (void)head;
    served_tls = exchange->tls;
}

static void on_body(struct ub_exchange *exchange, struct ub_slice chunk)
{
    (void)exchange;
    big_len += chunk.len;
}

static size_t to_send;

static void send_on(struct ub_exchange *exchange)
{
    static char block[10000];
    memset(block, 'x', sizeof block);
    while (to_send > 0) {
        struct ub_slice parts[2] = {{block, 1}, {block, to_send < 9999 ? to_send - 1 : 9998}};
        to_send -= parts[0].len + parts[1].len;
        if (!ub_exchange_send(exchange, parts, 2)) {
            return;
        }
    }
    ub_exchange_end(exchange);
}

static void on_body_end(struct ub_exchange *exchange)
{
    ub_exchange_respond(exchange, 200, NULL, 0, -1);
    send_on(exchange);
}

static void on_gone(struct ub_exchange *exchange, enum ub_gone why)
{
    (void)exchange;
    (void)why;
}

static const struct ub_exchange_handler handler = {on_head, on_body, on_body_end, send_on, on_gone};

static struct ub_listener_options options(struct ub_tls_server *tls)
{
    return (struct ub_listener_options){
        .host = UB_LIT("127.0.0.1"),
        .handler = &handler,
        .tls = tls,
        .limits = {.head_max = 8192, .target_max = 1000, .body_max = (uint64_t)1 << 30},
        .head_ns = 5 * UB_SECOND,
        .body_ns = 5 * UB_SECOND,
        .write_ns = 5 * UB_SECOND,
        .idle_ns = 5 * UB_SECOND,
    };
}

static struct {
    struct ub_call call;
    size_t got;
    int status;
    bool over, resumed, pause;
    enum ub_error error;
    char words[100];
} it;

static void call_head(struct ub_call *call, const struct ub_http_head *head)
{
    it.status = head->status;
    it.resumed =
        call->connection->stream.tls != NULL && ub_tls_resumed(call->connection->stream.tls);
}

static void call_body(struct ub_call *call, struct ub_slice chunk)
{
    it.got += chunk.len;
    if (it.pause) {
        ub_call_pause(call);
    }
}

static void call_ended(struct ub_call *call, enum ub_error error, const char *words)
{
    (void)call;
    it.over = true;
    it.error = error;
    snprintf(it.words, sizeof it.words, "%s", words);
}

static const struct ub_call_handler call_handler = {call_head, call_body, call_ended};

static void start(struct ub_origin *origin, struct ub_slice body, size_t answer_len)
{
    struct ub_call_request request = {.method = UB_LIT("POST"),
                                      .target = UB_LIT("/"),
                                      .body = &body,
                                      .body_count = 1,
                                      .connect_by_ns = 5 * UB_SECOND};
    memset(&it, 0, sizeof it);
    it.call.handler = &call_handler;
    to_send = answer_len;
    big_len = 0;
    ub_call_start(&it.call, origin, &request);
}

static enum ub_error call_it(struct ub_origin *origin)
{
    start(origin, UB_LIT("hello"), 5);
    UB_UNTIL(loop, it.over);
    return it.over ? it.error : UB_ERR_STALLED;
}

static struct ub_origin *new_origin(struct ub_tls_client *client, const char *host, uint16_t port)
{
    const struct ub_origin_options o = {.tls = true,
                                        .host = ub_slice_of(host),
                                        .port = port,
                                        .tls_client = client,
                                        .idle_max = 4,
                                        .idle_ns = 5 * UB_SECOND};
    return ub_origin_new(loop, &o);
}

static void drop_idle(struct ub_origin *origin)
{
    struct ub_connection *connection;
    while ((connection = ub_pool_take(origin)) != NULL) {
        ub_connection_close(connection);
    }
}

/* ---- tests ---- */

static int send_fails;

ssize_t send(int fd, const void *bytes, size_t len, int flags) /* instead of libc's */
{
    errno = ENOMEM;
    return send_fails-- > 0 ? -1 : sendto(fd, bytes, len, flags, NULL, 0);
}

static void good_ones(struct ub_listener *listener, struct ub_tls_client *client)
{
    struct ub_origin *origin = new_origin(client, "127.0.0.1", ub_listener_port(listener));
    UB_CHECK(call_it(origin) == UB_ERR_OK && it.status == 200 && it.got == 5 && served_tls,
             "a request over TLS (%s)", it.words);
    UB_CHECK(!it.resumed && call_it(origin) == UB_ERR_OK && it.call.reused,
             "the connection is used again");
    send_fails = 1;
    UB_CHECK(call_it(origin) == UB_ERR_OK && it.call.reused,
             "a kernel without memory for a moment is a full socket");
    drop_idle(origin);
    UB_CHECK(call_it(origin) == UB_ERR_OK && !it.call.reused && it.resumed,
             "a new connection resumes the session");
    ub_origin_free(origin);

    static char body[5000000];
    origin = new_origin(client, "localhost", ub_listener_port(listener));
    start(origin, (struct ub_slice){body, sizeof body}, 3000000);
    UB_UNTIL(loop, it.got > 0 || it.over);
    it.pause = true;
    for (int i = 0; i < 20; i++) {
        ub_loop_turn(loop, UB_MS);
    }
    size_t got = it.got;
    ub_loop_turn(loop, UB_MS);
    UB_CHECK(it.got == got && to_send > 0, "pausing stops a big answer");
    it.pause = false;
    ub_call_resume(&it.call);
    UB_UNTIL(loop, it.over);
    UB_CHECK(it.error == UB_ERR_OK && it.got == 3000000 && big_len == sizeof body,
             "big bodies both ways, by name (%s)", it.words);
    ub_origin_free(origin);
}

static void bad_ones(uint16_t port)
{
    char words[UB_TLS_WORDS];
    struct ub_tls_client *strange = ub_tls_client_new(file("other.pem"), true, words);
    struct ub_tls_client *system_store = ub_tls_client_new(NULL, true, words);
    struct ub_tls_client *careless = ub_tls_client_new(NULL, false, words);
    struct ub_tls_client *good = ub_tls_client_new(file("server.pem"), true, words);
    struct ub_origin *origin = new_origin(strange, "127.0.0.1", port);
    UB_CHECK(call_it(origin) == UB_ERR_TLS_FAILED, "a certificate of another CA: %s", it.words);
    ub_origin_free(origin);
    origin = new_origin(system_store, "127.0.0.1", port);
    UB_CHECK(call_it(origin) == UB_ERR_TLS_FAILED, "one that the system does not know: %s",
             it.words);
    ub_origin_free(origin);
    origin = new_origin(careless, "127.0.0.1", port);
    UB_CHECK(call_it(origin) == UB_ERR_OK, "it does when nobody verifies");
    ub_origin_free(origin);
    origin = new_origin(good, "127.0.0.1", port);
    SSL_CTX_set_max_proto_version(good->context, TLS1_2_VERSION);
    UB_CHECK(call_it(origin) == UB_ERR_TLS_FAILED, "TLS 1.2 is refused by default: %s", it.words);
    SSL_CTX_set_max_proto_version(good->context, 0);
    ub_origin_free(origin);

    struct ub_peer peer = ub_peer_dial(loop, port, 0);
    ub_peer_say_text(&peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    UB_CHECK(ub_peer_sees_end(&peer), "plain HTTP on a TLS port is closed");
    ub_peer_close(&peer, false);

    ub_tls_client_free(strange);
    ub_tls_client_free(system_store);
    ub_tls_client_free(careless);
    ub_tls_client_free(good);
}

static void other_certificates(struct ub_listener *listener, uint16_t port)
{
    char words[UB_TLS_WORDS];
    struct ub_tls_client *strange = ub_tls_client_new(file("other.pem"), true, words);
    struct ub_tls_client *good = ub_tls_client_new(file("server.pem"), true, words);
    const struct ub_tls_server_options named = {.cert = file("other.pem"),
                                                .key = file("other.key")};
    struct ub_tls_server *other = ub_tls_server_new(&named, words);
    struct ub_listener_options o = options(other);
    UB_CHECK(ub_listener_update(listener, &o), "a new certificate on a listener");
    struct ub_origin *origin = new_origin(good, "127.0.0.1", port);
    UB_CHECK(call_it(origin) == UB_ERR_TLS_FAILED, "...is what new connections get: %s", it.words);
    ub_origin_free(origin);
    origin = new_origin(strange, "127.0.0.1", port);
    UB_CHECK(call_it(origin) == UB_ERR_TLS_FAILED, "a certificate for another name: %s", it.words);
    ub_origin_free(origin);

    const struct ub_tls_server_options wants = {.cert = file("server.pem"),
                                                .key = file("server.key"),
                                                .client_ca = file("other.pem"),
                                                .allow_12 = true};
    struct ub_tls_server *asking = ub_tls_server_new(&wants, words);
    o = options(asking);
    ub_listener_update(listener, &o);
    origin = new_origin(good, "127.0.0.1", port);
    enum ub_error error = call_it(origin);
    UB_CHECK(error == UB_ERR_RESET || error == UB_ERR_TLS_FAILED,
             "a client without the certificate that is asked for: %s", it.words);
    SSL_CTX_use_certificate_file(good->context, file("other.pem"), SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(good->context, file("other.key"), SSL_FILETYPE_PEM);
    UB_CHECK(call_it(origin) == UB_ERR_OK, "with it");
    drop_idle(origin);
    ub_tls_session_forget(&origin->session);
    SSL_CTX_set_max_proto_version(good->context, TLS1_2_VERSION);
    UB_CHECK(call_it(origin) == UB_ERR_OK, "TLS 1.2 where it is allowed: %s", it.words);
    ub_origin_free(origin);

    ub_tls_server_free(other);
    ub_tls_server_free(asking);
    ub_tls_client_free(strange);
    ub_tls_client_free(good);
}

static void bad_files(void)
{
    char words[UB_TLS_WORDS];
    struct ub_tls_server_options o = {.cert = "/nonexistent/a.pem", .key = file("server.key")};
    UB_CHECK(ub_tls_server_new(&o, words) == NULL, "no such certificate");
    UB_CHECK_TEXT(words, "/nonexistent/a.pem: No such file or directory", "...it says so");
    o.cert = file("server.pem");
    o.key = file("other.key");
    UB_CHECK(ub_tls_server_new(&o, words) == NULL && strstr(words, "key values mismatch") != NULL,
             "a key of another certificate: %s", words);
    UB_CHECK(ub_tls_client_new(file("server.key"), true, words) == NULL, "a CA that is none: %s",
             words);
}

/* ---- an answer until close: only close_notify ends it cleanly ---- */

static struct ub_stream raw;
static struct ub_slice raw_answer;
static bool raw_closed, raw_shuts; /* shuts: after its answer */

static void raw_opened(struct ub_stream *stream)
{
    (void)stream;
}

static void raw_input(struct ub_stream *stream, struct ub_slice bytes)
{
    (void)bytes;
    ub_stream_write(stream, &raw_answer, 1);
    if (raw_shuts) {
        ub_stream_shutdown(stream);
    }
}

static void raw_closed_now(struct ub_stream *stream)
{
    (void)stream;
    raw_closed = true;
}

static void raw_finished(struct ub_stream *stream, bool clean)
{
    (void)clean;
    ub_stream_close(stream, false);
}

static void raw_broken(struct ub_stream *stream, enum ub_error error, const char *words)
{
    (void)error;
    (void)words;
    ub_stream_close(stream, false);
}

static const struct ub_stream_handler raw_handler = {raw_opened, raw_input,  raw_finished,
                                                     NULL,       raw_broken, raw_closed_now};

static void until_close(struct ub_tls_server *server, struct ub_tls_client *client, bool clean)
{
    uint16_t port = 0;
    int listener = ub_peer_listen(false, &port, 8);
    struct ub_origin *origin = new_origin(client, "127.0.0.1", port);
    start(origin, UB_LIT("x"), 0);
    raw_answer = UB_LIT("HTTP/1.0 200 OK\r\n\r\nabc");
    raw_shuts = false;
    struct ub_peer peer = ub_peer_accept(loop, listener);
    raw_closed = false;
    ub_stream_open(&raw, loop, &raw_handler, peer.fd, ub_tls_accept(server));
    UB_UNTIL(loop, it.got == 3);
    if (clean) {
        ub_stream_shutdown(&raw);
    } else {
        shutdown(raw.fd, SHUT_WR);
    }
    UB_UNTIL(loop, it.over);
    UB_CHECK(it.error == (clean ? UB_ERR_OK : UB_ERR_TRUNCATED), "a body until close that ends %s",
             clean ? "with close_notify is whole" : "without it is truncated");
    UB_UNTIL(loop, raw_closed);
    ub_origin_free(origin);
    close(listener);
}

/* One read brings the answer and close_notify, and the call pauses in the middle of it. */
static void paused_end(struct ub_tls_server *server, struct ub_tls_client *client)
{
    uint16_t port = 0;
    int listener = ub_peer_listen(false, &port, 8);
    struct ub_origin *origin = new_origin(client, "127.0.0.1", port);
    start(origin, UB_LIT("x"), 0);
    it.pause = true;
    raw_answer = UB_LIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
    raw_shuts = true;
    struct ub_peer peer = ub_peer_accept(loop, listener);
    raw_closed = false;
    ub_stream_open(&raw, loop, &raw_handler, peer.fd, ub_tls_accept(server));
    UB_UNTIL(loop, it.got == 3);
    for (int i = 0; i < 5; i++) {
        ub_loop_turn(loop, UB_MS);
    }
    UB_CHECK(!it.over, "close_notify behind what a paused call has not heard is not told yet");
    it.pause = false;
    if (!it.over) {
        ub_call_resume(&it.call);
    }
    UB_CHECK(UB_UNTIL(loop, it.over) && it.error == UB_ERR_OK && it.got == 6,
             "...and the answer is whole: %zu bytes (%s)", it.got, it.words);
    UB_UNTIL(loop, raw_closed);
    ub_origin_free(origin);
    close(listener);
}

/* A drain meets answers whose last record, or a part of it, waits for a client that reads slowly. */
static void drain_tail(struct ub_tls_server *server, struct ub_tls_client *client)
{
    int lost = 0;
    for (size_t size = 60000; size < 160000; size += 5000) {
        const char *why;
        struct ub_listener_options with = options(server);
        struct ub_listener *listener = ub_listener_open(loop, &with, &why);
        struct ub_origin *origin = new_origin(client, "127.0.0.1", ub_listener_port(listener));
        start(origin, UB_LIT("x"), size);
        it.pause = true;
        UB_UNTIL(loop, it.got > 0);
        for (int i = 0; i < 10; i++) {
            ub_loop_turn(loop, UB_MS);
        }
        ub_listener_drain(listener, NULL, NULL);
        ub_loop_turn(loop, UB_MS);
        it.pause = false;
        ub_call_resume(&it.call);
        UB_UNTIL(loop, it.over);
        lost += it.error != UB_ERR_OK || it.got != size;
        ub_origin_free(origin);
        ub_listener_free(listener);
        ub_loop_turn(loop, 0);
    }
    UB_CHECK(lost == 0, "a drain cuts no answer that waits for its reader (%d cut)", lost);
}

static void failing_memory(uint16_t port, struct ub_tls_client *client)
{
    int64_t count = 0;
    int failed = 0;
    for (int64_t nth = 1; count >= nth - 1 && nth < 200; nth++) {
        ub_alloc_fail_nth(nth);
        struct ub_origin *origin = new_origin(client, "127.0.0.1", port);
        if (origin != NULL) {
            failed += call_it(origin) != UB_ERR_OK;
            ub_origin_free(origin);
        }
        ub_loop_turn(loop, 0);
        count = ub_alloc_count();
        ub_alloc_fail_nth(0);
    }
    UB_CHECK(count > 10 && failed > 5, "each of %d allocations failed once, %d calls failed by it",
             (int)count, failed);
}

int main(void)
{
    if (mkdtemp(folder) == NULL || !make_cert("server", "DNS:localhost,IP:127.0.0.1") ||
        !make_cert("other", "DNS:other.example")) {
        ub_test_skip("no openssl command to make certificates with");
        return ub_test_done();
    }
    loop = ub_loop_new();
    char words[UB_TLS_WORDS] = "";
    const char *why;
    const struct ub_tls_server_options o = {.cert = file("server.pem"), .key = file("server.key")};
    struct ub_tls_server *server = ub_tls_server_new(&o, words);
    struct ub_tls_client *client = ub_tls_client_new(file("server.pem"), true, words);
    UB_CHECK(server != NULL && client != NULL, "contexts are made");
    struct ub_listener_options with = options(server);
    struct ub_listener *listener = ub_listener_open(loop, &with, &why);
    good_ones(listener, client);
    failing_memory(ub_listener_port(listener), client);
    until_close(server, client, true);
    until_close(server, client, false);
    paused_end(server, client);
    drain_tail(server, client);
    bad_ones(ub_listener_port(listener));
    other_certificates(listener, ub_listener_port(listener));
    bad_files();
    ub_listener_free(listener);
    ub_tls_client_free(client);
    ub_tls_server_free(server);
    ub_loop_free(loop);
    run("rm -f *.pem *.key");
    unlink(file("log"));
    rmdir(folder);
    return ub_test_done();
}

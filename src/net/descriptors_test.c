/* Out of file descriptors: a child serves with very few of them, we are its clients and its
 * upstream. Accepting pauses, nothing spins, what runs goes on and can still reach an upstream. */
#include "base/test.h"
#include "net/call.h"
#include "net/peer.h"
#include "net/server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT   40
#define CLIENTS 60

static struct ub_loop *loop;

/* ---- the child: "/now" is answered here, "/call" by the upstream once "/go" came ---- */

static struct ub_origin *origin;
static struct ub_exchange *waiting;
static struct ub_call call;

static void answer(struct ub_exchange *exchange, int status)
{
    ub_exchange_respond(exchange, status, NULL, 0, 0);
    ub_exchange_end(exchange);
}

static void call_head(struct ub_call *of, const struct ub_http_head *head)
{
    (void)of;
    (void)head;
}

static void call_body(struct ub_call *of, struct ub_slice chunk)
{
    (void)of;
    (void)chunk;
}

static void call_ended(struct ub_call *of, enum ub_error error, const char *words)
{
    (void)of;
    (void)words;
    answer(waiting, error == UB_ERR_OK ? 200 : 502);
}

static const struct ub_call_handler call_handler = {call_head, call_body, call_ended};

static void on_head(struct ub_exchange *exchange, const struct ub_http_head *head)
{
    if (ub_slice_is(head->target, "/call")) {
        waiting = exchange;
    } else if (ub_slice_is(head->target, "/go")) {
        const struct ub_call_request request = {
            .method = UB_LIT("GET"), .target = UB_LIT("/"), .connect_by_ns = 5 * UB_SECOND};
        call.handler = &call_handler;
        ub_call_start(&call, origin, &request);
        answer(exchange, 200);
    } else {
        answer(exchange, 200);
    }
}

static void on_body(struct ub_exchange *exchange, struct ub_slice chunk)
{
    (void)exchange;
    (void)chunk;
}

static void on_end(struct ub_exchange *exchange)
{
    (void)exchange;
}

static void on_gone(struct ub_exchange *exchange, enum ub_gone why)
{
    (void)exchange;
    (void)why;
}

static const struct ub_exchange_handler handler = {on_head, on_body, on_end, on_end, on_gone};

static void serve(int tell_port, uint16_t upstream)
{
    const struct rlimit few = {LIMIT, LIMIT};
    setrlimit(RLIMIT_NOFILE, &few);
    loop = ub_loop_new();
    const struct ub_origin_options to = {
        .host = UB_LIT("127.0.0.1"), .port = upstream, .idle_max = 1, .idle_ns = UB_SECOND};
    const struct ub_listener_options options = {
        .host = UB_LIT("127.0.0.1"),
        .handler = &handler,
        .limits = {.head_max = 8192, .target_max = 1000, .body_max = 1000},
        .head_ns = UB_MINUTE,
        .body_ns = UB_MINUTE,
        .write_ns = UB_MINUTE,
        .idle_ns = UB_MINUTE,
    };
    const char *words;
    origin = ub_origin_new(loop, &to);
    struct ub_listener *listener = ub_listener_open(loop, &options, &words);
    uint16_t port = ub_listener_port(listener);
    ssize_t told = write(tell_port, &port, sizeof port);
    (void)told;
    ub_loop_run(loop); /* until we are killed */
}

/* ---- we ---- */

static unsigned long cpu_ticks(pid_t pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    unsigned long user = 0, system = 0;
    const char *after = len > 0 ? strrchr(text, ')') : NULL;
    if (after != NULL) {
        sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    }
    return user + system;
}

static void pass_time(ub_ns duration_ns)
{
    ub_ns until = ub_clock_now() + duration_ns;
    UB_UNTIL(loop, ub_clock_now() >= until);
}

static void run_out(pid_t child, uint16_t port, int upstream_fd)
{
    static struct ub_peer peers[CLIENTS];
    struct ub_peer running = ub_peer_dial(loop, port, 0), helper = ub_peer_dial(loop, port, 0);
    ub_peer_say_text(&running, "GET /call HTTP/1.1\r\nHost: a\r\n\r\n");
    ub_peer_say_text(&helper, "GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
    UB_CHECK(ub_peer_hears(&helper, "200 OK"), "the child serves");
    int served = 0;
    for (int i = 0; i < CLIENTS; i++) {
        peers[i] = ub_peer_dial(loop, port, 0);
        ub_peer_say_text(&peers[i], "GET /now HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    pass_time(100 * UB_MS);
    for (int i = 0; i < CLIENTS; i++) {
        ub_peer_hear(&peers[i]);
        served += peers[i].heard.len > 0;
    }
    UB_CHECK(served > 10 && served < LIMIT, "with %d descriptors it serves %d of %d", LIMIT, served,
             CLIENTS);
    unsigned long before = cpu_ticks(child);
    pass_time(300 * UB_MS);
    UB_CHECK(cpu_ticks(child) - before <= 3, "while the others wait it does not spin (%lu ticks)",
             cpu_ticks(child) - before);

    ub_buf_clear(&helper.heard);
    ub_peer_say_text(&helper, "GET /go HTTP/1.1\r\nHost: a\r\n\r\n");
    UB_CHECK(ub_peer_hears(&helper, "200 OK"), "kept-alive connections go on");
    struct ub_peer upstream = ub_peer_accept(loop, upstream_fd);
    ub_peer_say_text(&upstream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    UB_CHECK(ub_peer_hears(&running, "200 OK"), "a running request still reaches its upstream");

    for (int i = 0; i < CLIENTS / 2; i++) {
        ub_peer_close(&peers[i], false);
    }
    int late = 0;
    for (int i = CLIENTS / 2; i < CLIENTS; i++) {
        late += ub_peer_hears(&peers[i], "200 OK");
        ub_peer_close(&peers[i], false);
    }
    UB_CHECK(late == CLIENTS / 2, "when some have left, all that waited are served");
    ub_peer_close(&upstream, false);
    ub_peer_close(&running, false);
    ub_peer_close(&helper, false);
}

int main(void)
{
    uint16_t upstream = 0, port = 0;
    int tell_port[2];
    int upstream_fd = ub_peer_listen(false, &upstream, 8);
    if (pipe2(tell_port, O_CLOEXEC) != 0) {
        return 1;
    }
    pid_t child = fork();
    if (child == 0) {
        close(upstream_fd);
        serve(tell_port[1], upstream);
        _exit(0);
    }
    loop = ub_loop_new();
    UB_CHECK(read(tell_port[0], &port, sizeof port) == sizeof port, "the child listens");
    run_out(child, port, upstream_fd);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(tell_port[0]);
    close(tell_port[1]);
    close(upstream_fd);
    ub_loop_free(loop);
    return ub_test_done();
}

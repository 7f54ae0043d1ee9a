/* sink.c - the client of the benchmarks. Checks everything that it gets, measures latencies, and
 * prints "begin" and "end" around the time that counts, then one line of JSON.
 *
 *     bench_sink w1   --port N [--connections 1000] ...   streams; latency from the origin's send
 *     bench_sink w2   --port N [--connections 64] ...     2 KB POST, 1 KB answer, closed loop
 *     bench_sink w2   ... --rate R                        the same at R requests a second, open loop
 *     bench_sink idle --port N [--connections 1000] ...   one request each, then kept open
 *
 *     common: [--seconds 8] [--warmup 1] [--key KEY]
 */
#include "base/histogram.h"
#include "base/time.h"
#include "http/http1.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_BODY 2048
#define EVENT_MAX    1024
#define OPEN_GAP_NS  (UB_MS / 2) /* between the openings of connections */

enum mode { W1, W2, IDLE };
enum phase { OPENING, WARMING, MEASURING, DONE };

struct connection {
    int fd;
    struct ub_http1 parser;
    ub_ns sent_at;
    bool got; /* its first event, or its first answer */
    uint64_t number;
    uint64_t body_len;
    size_t event_len; /* of a split event; see take_event_bytes */
    char *event;
    struct connection *next_free;
};

static const struct ub_http1_limits limits = {
    .head_max = 65536, .target_max = 8192, .body_max = UINT64_MAX};

static enum mode mode;
static enum phase phase;
static int epoll_fd;
static int port;
static int connection_count;
static struct connection *connections;
static struct connection *free_list; /* waiting for their turn in the open loop */
static double rate;
static ub_ns next_due;
static ub_ns measure_ns = 8 * UB_SECOND;
static ub_ns warmup_ns = UB_SECOND;
static char request[4096];
static size_t request_len;

static struct ub_histogram latency;
static uint64_t units;  /* events or answers in the measured time */
static uint64_t others; /* events that are not the origin's */
static int started;     /* connections with a first event or answer */

static void fail(const char *what)
{
    fprintf(stderr, "sink: %s (errno: %s)\n", what, strerror(errno));
    exit(1);
}

static void make_request(const char *key)
{
    char body[REQUEST_BODY + 1];
    const char *stream = mode == W1 ? "true" : "false";
    int len = snprintf(body, sizeof body,
                       "{\"model\":\"bench\",\"stream\":%s,\"max_tokens\":400,\"temperature\":0.7,"
                       "\"messages\":[{\"role\":\"system\",\"content\":\"You are helpful.\"},"
                       "{\"role\":\"user\",\"content\":\"",
                       stream);
    static const char end[] = "\"}]}";
    memset(body + len, 'a', sizeof body - (size_t)len);
    for (size_t i = (size_t)len + 5; i < REQUEST_BODY; i += 6) {
        body[i] = ' ';
    }
    memcpy(body + REQUEST_BODY - (sizeof end - 1), end, sizeof end - 1);
    int head_len = snprintf(request, sizeof request,
                            "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                            "Accept: application/json\r\nContent-Type: application/json\r\n"
                            "User-Agent: OpenAI/Python 2.8.1\r\nX-Stainless-Lang: python\r\n"
                            "X-Stainless-Package-Version: 2.8.1\r\nX-Stainless-Retry-Count: 0\r\n"
                            "Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n",
                            port, key, REQUEST_BODY);
    memcpy(request + head_len, body, REQUEST_BODY);
    request_len = (size_t)head_len + REQUEST_BODY;
}

static void send_request(struct connection *c, ub_ns at)
{
    c->sent_at = at;
    if (send(c->fd, request, request_len, MSG_NOSIGNAL) != (ssize_t)request_len) {
        fail("the request was not taken");
    }
}

static void open_connection(struct connection *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        fail("connect");
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    ub_http1_init(&c->parser, UB_HTTP1_RESPONSES, &limits);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0) {
        fail("epoll_ctl");
    }
    send_request(c, ub_clock_now());
}

/* The first word of an answer or stream on this connection. */
static void note_start(struct connection *c)
{
    started += !c->got;
    c->got = true;
}

/* One event, without its empty line: the origin's own must come complete and in order. */
static void take_event(struct connection *c, struct ub_slice event, ub_ns now)
{
    static const char mark[] = "\"content\":\"";
    const char *at = memmem(event.ptr, event.len, mark, sizeof mark - 1);
    if (at == NULL || event.ptr + event.len - at < 50) {
        others++;
        return;
    }
    at += sizeof mark - 1;
    if (strtoull(at, NULL, 10) != c->number || event.len != 178) {
        fail("an event is missing, doubled or damaged");
    }
    c->number++;
    note_start(c);
    if (phase == MEASURING) {
        units++;
        ub_histogram_add(&latency, now - strtoll(at + 11, NULL, 10));
    }
}

/* Cuts the body into events; a split one is kept in c->event. */
static void take_event_bytes(struct connection *c, struct ub_slice bytes, ub_ns now)
{
    while (bytes.len > 0) {
        const char *end = memmem(bytes.ptr, bytes.len, "\n\n", 2);
        if (c->event_len == 0 && end != NULL) {
            size_t len = (size_t)(end - bytes.ptr);
            take_event(c, (struct ub_slice){bytes.ptr, len}, now);
            bytes = (struct ub_slice){end + 2, bytes.len - len - 2};
            continue;
        }
        if (c->event == NULL && (c->event = malloc(EVENT_MAX)) == NULL) {
            fail("memory");
        }
        if (c->event_len == EVENT_MAX) {
            fail("an event is too long");
        }
        c->event[c->event_len++] = bytes.ptr[0];
        bytes = (struct ub_slice){bytes.ptr + 1, bytes.len - 1};
        if (c->event_len >= 2 && memcmp(c->event + c->event_len - 2, "\n\n", 2) == 0) {
            take_event(c, (struct ub_slice){c->event, c->event_len - 2}, now);
            c->event_len = 0;
        }
    }
}

static void take_answer(struct connection *c, ub_ns now)
{
    if (c->body_len != 1024) {
        fail("an answer of the wrong length");
    }
    c->body_len = 0;
    note_start(c);
    if (phase == MEASURING) {
        units++;
        ub_histogram_add(&latency, now - c->sent_at);
    }
    if (mode == IDLE) {
        return;
    }
    if (rate > 0) {
        c->next_free = free_list;
        free_list = c;
    } else {
        send_request(c, now);
    }
}

static void take(struct connection *c, struct ub_slice in, ub_ns now)
{
    enum ub_http1_found found;
    while ((found = ub_http1_next(&c->parser, &in)) != UB_HTTP1_MORE) {
        if (found == UB_HTTP1_HEAD && c->parser.head->status != 200) {
            fprintf(stderr, "sink: status %d\n", c->parser.head->status);
            exit(1);
        } else if (found == UB_HTTP1_BODY && mode == W1) {
            take_event_bytes(c, c->parser.body, now);
        } else if (found == UB_HTTP1_BODY) {
            c->body_len += c->parser.body.len;
        } else if (found == UB_HTTP1_END && mode == W1) {
            fail("a stream ended");
        } else if (found == UB_HTTP1_END) {
            take_answer(c, now);
        } else if (found == UB_HTTP1_BAD) {
            fail(c->parser.bad.words);
        }
    }
}

static void read_connection(struct connection *c)
{
    static char buffer[65536];
    ssize_t len = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (len > 0) {
        take(c, (struct ub_slice){buffer, (size_t)len}, ub_clock_now());
    } else if (len == 0 || errno != EAGAIN) {
        fail("a connection was closed");
    }
}

/* Requests that are due. One that finds no free connection goes out late, but its time counts from
 * when it was due. */
static void send_due(ub_ns now)
{
    while (next_due <= now && free_list != NULL) {
        struct connection *c = free_list;
        free_list = c->next_free;
        send_request(c, next_due);
        next_due += (ub_ns)((double)UB_SECOND / rate);
    }
}

static void say(const char *word)
{
    printf("%s\n", word);
    fflush(stdout);
}

/* Moves on in the course of things; returns when to look again. */
static ub_ns move_on(ub_ns now)
{
    static int opened;
    static ub_ns next_at;
    switch (phase) {
    case OPENING:
        if (opened < connection_count && now >= next_at) {
            open_connection(&connections[opened++]);
            next_at = now + OPEN_GAP_NS;
        }
        if (started < connection_count) {
            return opened < connection_count ? next_at : now + UB_SECOND;
        }
        phase = WARMING;
        next_due = now;
        next_at = now + warmup_ns;
        return next_at;
    case WARMING:
        if (now >= next_at) {
            say("begin");
            phase = MEASURING;
            next_at = ub_clock_now() + measure_ns;
        }
        return next_at;
    default:
        if (now >= next_at) {
            say("end");
            phase = DONE;
        }
        return next_at;
    }
}

static void report(void)
{
    printf("{\"units\": %llu, \"others\": %llu, \"seconds\": %.3f, \"mean_us\": %.1f, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f}\n",
           (unsigned long long)units, (unsigned long long)others, (double)measure_ns / 1e9,
           ub_histogram_mean(&latency) / 1e3, (double)ub_histogram_quantile(&latency, 0.5) / 1e3,
           (double)ub_histogram_quantile(&latency, 0.99) / 1e3,
           (double)ub_histogram_quantile(&latency, 0.999) / 1e3, (double)latency.max / 1e3);
}

static void run(void)
{
    while (phase != DONE) {
        ub_ns now = ub_clock_now();
        ub_ns at = move_on(now);
        if (rate > 0 && phase >= WARMING) {
            send_due(now);
            at = free_list != NULL ? ub_ns_min(at, next_due) : at;
        }
        ub_ns left = ub_ns_max(at - ub_clock_now(), 0);
        struct timespec timeout = {left / UB_SECOND, left % UB_SECOND};
        struct epoll_event events[256];
        int count = epoll_pwait2(epoll_fd, events, UB_COUNT(events), &timeout, NULL);
        for (int i = 0; i < count; i++) {
            read_connection(events[i].data.ptr);
        }
    }
}

int main(int argc, char **argv)
{
    const char *key = "none";
    const char *name = argc > 1 ? argv[1] : "";
    mode = strcmp(name, "w1") == 0 ? W1 : strcmp(name, "w2") == 0 ? W2 : IDLE;
    connection_count = mode == W2 ? 64 : 1000;
    if (mode == IDLE && strcmp(name, "idle") != 0) {
        fprintf(stderr, "sink: w1, w2 or idle?\n");
        return 2;
    }
    for (int i = 2; i + 1 < argc; i += 2) {
        double value = strtod(argv[i + 1], NULL);
        if (strcmp(argv[i], "--port") == 0) {
            port = (int)value;
        } else if (strcmp(argv[i], "--connections") == 0) {
            connection_count = (int)value;
        } else if (strcmp(argv[i], "--seconds") == 0) {
            measure_ns = (ub_ns)(value * (double)UB_SECOND);
        } else if (strcmp(argv[i], "--warmup") == 0) {
            warmup_ns = (ub_ns)(value * (double)UB_SECOND);
        } else if (strcmp(argv[i], "--rate") == 0) {
            rate = value;
        } else if (strcmp(argv[i], "--key") == 0) {
            key = argv[i + 1];
        } else {
            fprintf(stderr, "sink: unknown %s\n", argv[i]);
            return 2;
        }
    }
    prctl(PR_SET_TIMERSLACK, 1);
    make_request(key);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc((size_t)connection_count, sizeof *connections);
    if (epoll_fd < 0 || connections == NULL) {
        fail("start");
    }
    run();
    report();
    return 0;
}

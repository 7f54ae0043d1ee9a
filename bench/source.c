/* source.c - the origin of the benchmarks: as cheap as it can be, so that what is measured is what
 * stands in front of it. One thread, one epoll.
 *
 *     bench_source [--port N] [--interval-us N]      prints "listening PORT"
 *
 * A POST whose body has "stream":true gets an endless stream of OpenAI chunks, one server-sent
 * event of 180 bytes each 40 ms, each with its number and the time of its sending. Every other
 * request gets a chat completion of 1 KiB.
 */
#include "base/time.h"
#include "http/http1.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENT_LEN  180
#define ANSWER_LEN 1024
#define BODY_MAX   65536 /* kept of a request body, to look for "stream":true */

struct client {
    int fd;
    struct ub_http1 parser;
    struct ub_buf body;
    bool streaming;
    bool closed;
    uint64_t number; /* of the next event */
    ub_ns next_at;
    TAILQ_ENTRY(client) entry;
};

static const struct ub_http1_limits limits = {
    .head_max = 65536, .target_max = 8192, .body_max = UINT64_MAX};

/* All streams have the same interval, so the order of the next events never changes: who has just
 * been served goes to the end. */
static TAILQ_HEAD(, client) streams = TAILQ_HEAD_INITIALIZER(streams);
static ub_ns interval_ns = 40 * UB_MS;
static int epoll_fd;
static char answer[512 + ANSWER_LEN];
static size_t answer_len;

static const char stream_head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                  "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

static void fail(const char *what)
{
    fprintf(stderr, "source: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* A chat completion of exactly ANSWER_LEN bytes, with its head. */
static void make_answer(void)
{
    static const char start[] =
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,"
        "\"model\":\"bench\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":"
        "{\"role\":\"assistant\",\"content\":\"";
    static const char end[] = "\"}}],\"usage\":{\"prompt_tokens\":500,\"completion_tokens\":180,"
                              "\"total_tokens\":680}}";
    int head_len =
        snprintf(answer, sizeof answer,
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
                 ANSWER_LEN);
    char *body = answer + head_len;
    memset(body, 'x', ANSWER_LEN);
    memcpy(body, start, sizeof start - 1);
    memcpy(body + ANSWER_LEN - (sizeof end - 1), end, sizeof end - 1);
    answer_len = (size_t)head_len + ANSWER_LEN;
}

static void close_client(struct client *client)
{
    if (client->streaming) {
        TAILQ_REMOVE(&streams, client, entry);
    }
    close(client->fd);
    ub_http1_close(&client->parser);
    ub_buf_free(&client->body);
    free(client);
}

/* False: it does not take all of it at once, so it is closed. A reader that is this slow would make
 * the measurement worthless anyway; the sink sees the end and complains. */
static bool send_all(struct client *client, const char *bytes, size_t len)
{
    client->closed |= send(client->fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len;
    return !client->closed;
}

static bool send_event(struct client *client, ub_ns now)
{
    char text[512];
    size_t at = client->number == 0 ? sizeof stream_head - 1 : 0;
    memcpy(text, stream_head, at);
    at += ub_http1_chunk_head(text + at, EVENT_LEN);
    size_t start = at;
    int len = snprintf(text + at, sizeof text - at,
                       "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\","
                       "\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
                       "\"%010llu %020lld ",
                       (unsigned long long)client->number, (long long)now);
    static const char end[] = "\"}}]}\n\n";
    memset(text + at + len, 'x', EVENT_LEN);
    memcpy(text + start + EVENT_LEN - (sizeof end - 1), end, sizeof end - 1);
    memcpy(text + start + EVENT_LEN, "\r\n", 2);
    client->number++;
    return send_all(client, text, start + EVENT_LEN + 2);
}

static void answer_request(struct client *client)
{
    static const char wanted[] = "\"stream\":true";
    bool streams_it = client->body.len > 0 &&
                      memmem(client->body.ptr, client->body.len, wanted, sizeof wanted - 1) != NULL;
    ub_buf_clear(&client->body);
    if (!streams_it) {
        send_all(client, answer, answer_len);
        return;
    }
    ub_ns now = ub_clock_now();
    client->number = 0;
    client->next_at = now + interval_ns;
    client->streaming = true;
    TAILQ_INSERT_TAIL(&streams, client, entry);
    send_event(client, now);
}

static void take(struct client *client, struct ub_slice in)
{
    enum ub_http1_found found;
    while (!client->closed && (found = ub_http1_next(&client->parser, &in)) != UB_HTTP1_MORE) {
        switch (found) {
        case UB_HTTP1_BODY:
            if (client->body.len < BODY_MAX) {
                ub_buf_add_slice(&client->body, client->parser.body);
            }
            break;
        case UB_HTTP1_END:
            answer_request(client);
            break;
        case UB_HTTP1_BAD:
            fprintf(stderr, "source: bad request: %s\n", client->parser.bad.words);
            client->closed = true;
            break;
        default:
            break;
        }
    }
}

static void read_client(struct client *client)
{
    static char buffer[65536];
    ssize_t len = recv(client->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (len > 0) {
        take(client, (struct ub_slice){buffer, (size_t)len});
    }
    if (len == 0 || (len < 0 && errno != EAGAIN) || client->closed) {
        close_client(client);
    }
}

static void accept_clients(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        struct client *client = calloc(1, sizeof *client);
        if (client == NULL) {
            fail("memory");
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        client->fd = fd;
        ub_http1_init(&client->parser, UB_HTTP1_REQUESTS, &limits);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            fail("epoll_ctl");
        }
    }
}

static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        fail("listen");
    }
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

/* Sends what is due; returns when the next event is. */
static ub_ns send_due(void)
{
    struct client *client;
    while ((client = TAILQ_FIRST(&streams)) != NULL) {
        ub_ns now = ub_clock_now();
        if (client->next_at > now) {
            return client->next_at;
        }
        TAILQ_REMOVE(&streams, client, entry);
        TAILQ_INSERT_TAIL(&streams, client, entry);
        client->next_at += interval_ns;
        if (!send_event(client, now)) {
            fprintf(stderr, "source: a stream's reader is gone or too slow\n");
            close_client(client);
        }
    }
    return UB_NEVER;
}

static int wait_until(ub_ns at, struct epoll_event *events, int max)
{
    if (at == UB_NEVER) {
        return epoll_wait(epoll_fd, events, max, -1);
    }
    ub_ns left = ub_ns_max(at - ub_clock_now(), 0);
    struct timespec timeout = {left / UB_SECOND, left % UB_SECOND};
    return epoll_pwait2(epoll_fd, events, max, &timeout, NULL);
}

int main(int argc, char **argv)
{
    int port = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        long value = strtol(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--port") == 0) {
            port = (int)value;
        } else if (strcmp(argv[i], "--interval-us") == 0 && value > 0) {
            interval_ns = value * UB_US;
        } else {
            fprintf(stderr, "source: unknown %s\n", argv[i]);
            return 2;
        }
    }
    prctl(PR_SET_TIMERSLACK, 1); /* events are due to the microsecond */
    make_answer();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_on(port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) != 0) {
        fail("epoll");
    }
    for (;;) {
        struct epoll_event events[256];
        int count = wait_until(send_due(), events, UB_COUNT(events));
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL) {
                accept_clients(listener);
            } else {
                read_client(events[i].data.ptr);
            }
        }
    }
}

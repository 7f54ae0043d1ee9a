#include "gateway/stage.h"
#include "gateway/stage_inside.h"

#include "base/alloc.h"
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void ub_stage_actor(struct ub_stage *stage, const char *const *scripts)
{
    assert(stage->actor_count < UB_ACTORS_MAX);
    stage->actors[stage->actor_count++] = ub_actor_start(scripts);
}

struct ub_config *ub_stage_config(const struct ub_stage *stage, const char *yaml)
{
    struct ub_buf text = {0};
    struct ub_buf problems = {0};
    ub_buf_printf(&text, "listen: 127.0.0.1:0\nthreads: %u\nupstreams:\n",
                  stage->threads == 0 ? 1 : stage->threads);
    for (uint32_t i = 0; i < stage->actor_count; i++) {
        ub_buf_printf(&text, "  - {name: %c, url: \"http://127.0.0.1:%u/v1\", key: sk-up-%c%s}\n",
                      'a' + (int)i, ub_actor_port(stage->actors[i]), 'a' + (int)i,
                      stage->upstream == NULL ? "" : stage->upstream);
    }
    if (yaml[0] == '\0') {
        ub_buf_add_text(&text, "models:\n  - name: m\n    patience: 0s\n    tiers: [");
        for (uint32_t i = 0; i < stage->actor_count; i++) {
            ub_buf_printf(&text, "[%c],", 'a' + (int)i);
        }
        ub_buf_add_text(&text, "]\n");
    }
    ub_buf_add_text(&text, yaml);
    struct ub_config *config = ub_config_parse("stage", ub_buf_slice(&text), &problems);
    if (config == NULL) {
        fprintf(stderr, "%.*s%.*s", (int)text.len, text.ptr, (int)problems.len, problems.ptr);
        abort();
    }
    ub_buf_free(&text);
    ub_buf_free(&problems);
    return config;
}

void ub_stage_open(struct ub_stage *stage, const char *yaml)
{
    struct ub_buf words = {0};
    struct ub_config *config = ub_stage_config(stage, yaml);
    stage->gateway = ub_gateway_start(config, &words);
    if (stage->gateway == NULL) {
        fprintf(stderr, "%.*s\n", (int)words.len, words.ptr);
        abort();
    }
    ub_config_release(config);
    stage->port = ub_gateway_port(stage->gateway, 0);
}

void ub_stage_close(struct ub_stage *stage)
{
    ub_gateway_free(stage->gateway);
    for (uint32_t i = 0; i < stage->actor_count; i++) {
        ub_actor_stop(stage->actors[i]);
    }
    *stage = (struct ub_stage){0};
}

/* --- clients --------------------------------------------------------------------------------- */

int ub_guest_dial(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("a guest cannot connect");
        abort();
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

void ub_guest_say(int fd, const char *text)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t done = send(fd, text, len, MSG_NOSIGNAL);
        if (done <= 0) {
            return; /* what it has to say about this is heard afterwards */
        }
        text += done;
        len -= (size_t)done;
    }
}

/* More bytes; 0 at the end, -1 after ten seconds of silence. */
static ssize_t hear(int fd, struct ub_buf *in)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    if (poll(&poll_fd, 1, 10000) <= 0) {
        return -1;
    }
    char *room = ub_buf_reserve(in, 65536);
    ssize_t len = recv(fd, room, 65536, 0);
    in->len += len > 0 ? (size_t)len : 0;
    return len > 0 ? len : 0;
}

/* Takes whole chunks out of `in`; true when the last one was there. */
static bool take_chunks(struct ub_buf *in, struct ub_buf *body)
{
    for (;;) {
        const char *end = in->len == 0 ? NULL : memmem(in->ptr, in->len, "\r\n", 2);
        if (end == NULL) {
            return false;
        }
        size_t size = strtoul(in->ptr, NULL, 16);
        size_t head = (size_t)(end - in->ptr) + 2;
        if (in->len < head + size + 2) {
            return false;
        }
        ub_buf_add(body, in->ptr + head, size);
        ub_buf_drop(in, head + size + 2);
        if (size == 0) {
            return true;
        }
    }
}

struct ub_guest ub_guest_hear(int fd)
{
    struct ub_guest guest = {.fd = fd};
    struct ub_buf in = {0};
    ub_ns start = ub_clock_now();
    const char *end = NULL;
    while (end == NULL && hear(fd, &in) > 0) {
        end = memmem(in.ptr, in.len, "\r\n\r\n", 4);
    }
    if (end != NULL) {
        size_t len = (size_t)(end - in.ptr) + 4;
        guest.head = ub_strndup(in.ptr, len);
        guest.status = atoi(guest.head + strlen("HTTP/1.1 "));
        ub_buf_drop(&in, len);
        const char *length = strstr(guest.head, "Content-Length: ");
        bool chunked = strstr(guest.head, "Transfer-Encoding: chunked") != NULL;
        size_t need = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
        for (;;) {
            if (guest.first_ns == 0 && in.len > 0) {
                guest.first_ns = ub_clock_now() - start;
            }
            guest.whole = chunked ? take_chunks(&in, &guest.body) : in.len >= need;
            if (guest.whole || hear(fd, &in) <= 0) {
                break;
            }
        }
        if (!chunked) {
            ub_buf_add(&guest.body, in.ptr, in.len);
        }
    }
    guest.closed = !guest.whole;
    guest.total_ns = ub_clock_now() - start;
    ub_buf_add(&guest.body, "", 1);
    guest.body.len--;
    ub_buf_free(&in);
    return guest;
}

struct ub_guest ub_guest_ask(uint16_t port, const char *path, const char *more, const char *body)
{
    struct ub_buf request = {0};
    ub_buf_printf(&request,
                  "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  "Content-Length: %zu\r\n%s\r\n%s",
                  path, strlen(body), more, body);
    ub_buf_add(&request, "", 1);
    int fd = ub_guest_dial(port);
    ub_guest_say(fd, request.ptr);
    ub_buf_free(&request);
    return ub_guest_hear(fd);
}

void ub_guest_free(struct ub_guest *guest)
{
    close(guest->fd);
    ub_free(guest->head);
    ub_buf_free(&guest->body);
}

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

#define CONNECTIONS_MAX 256

struct ub_actor {
    const char *scripts[UB_SCRIPTS_MAX + 1]; /* NULL behind the last one */
    int listener;
    uint16_t port;
    atomic_bool stopping;
    atomic_uint requests;
    atomic_uint hanging;
    _Atomic int64_t hung_up_at;
    pthread_mutex_t lock;
    struct ub_buf heard; /* under the lock */
    pthread_t thread;
    pthread_t talks[CONNECTIONS_MAX];
    uint32_t talk_count;
};

struct talk {
    struct ub_actor *actor;
    int fd;
    struct ub_buf in;
    char fields[512];
};

static bool say(struct talk *talk, const void *bytes, size_t len)
{
    const char *p = bytes;
    while (len > 0) {
        ssize_t done = send(talk->fd, p, len, MSG_NOSIGNAL);
        if (done <= 0) {
            return false;
        }
        p += done;
        len -= (size_t)done;
    }
    return true;
}

static bool say_text(struct talk *talk, const char *text)
{
    return say(talk, text, strlen(text));
}

static bool say_chunk(struct talk *talk, const char *bytes, size_t len)
{
    char head[32];
    snprintf(head, sizeof head, "%zx\r\n", len);
    return say_text(talk, head) && say(talk, bytes, len) && say_text(talk, "\r\n");
}

/* More bytes into `in`; false at the end, or when the actor is to stop. */
static bool listen_on(struct talk *talk)
{
    struct pollfd poll_fd = {.fd = talk->fd, .events = POLLIN};
    while (!atomic_load(&talk->actor->stopping)) {
        if (poll(&poll_fd, 1, 20) > 0) {
            char bytes[65536];
            ssize_t len = recv(talk->fd, bytes, sizeof bytes, 0);
            if (len <= 0) {
                return false;
            }
            ub_buf_add(&talk->in, bytes, (size_t)len);
            return true;
        }
    }
    return false;
}

/* One request with a Content-Length, taken out of `in` and noted. */
static bool hear_request(struct talk *talk)
{
    size_t need = 0;
    for (;;) {
        const char *end =
            talk->in.len == 0 ? NULL : memmem(talk->in.ptr, talk->in.len, "\r\n\r\n", 4);
        if (end != NULL && need == 0) {
            size_t head = (size_t)(end - talk->in.ptr) + 4;
            const char *length = memmem(talk->in.ptr, head, "Content-Length: ", 16);
            need = head + (length == NULL ? 0 : strtoul(length + 16, NULL, 10));
        }
        if (need > 0 && talk->in.len >= need) {
            break;
        }
        if (!listen_on(talk)) {
            return false;
        }
    }
    pthread_mutex_lock(&talk->actor->lock);
    ub_buf_add(&talk->actor->heard, talk->in.ptr, need);
    pthread_mutex_unlock(&talk->actor->lock);
    ub_buf_drop(&talk->in, need);
    return true;
}

static void hang(struct talk *talk)
{
    atomic_fetch_add(&talk->actor->hanging, 1);
    while (listen_on(talk)) {
    }
    if (!atomic_load(&talk->actor->stopping)) {
        atomic_store(&talk->actor->hung_up_at, ub_clock_now());
    }
}

/* \n and \r as written in the script. */
static size_t unescape(char *text)
{
    char *out = text;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\\' && (p[1] == 'n' || p[1] == 'r')) {
            *out++ = *++p == 'n' ? '\n' : '\r';
        } else {
            *out++ = *p;
        }
    }
    return (size_t)(out - text);
}

static bool play_head(struct talk *talk, const char *status, const char *type, const char *framing)
{
    char head[1024];
    snprintf(head, sizeof head, "HTTP/1.1 %.3s X\r\nContent-Type: %s\r\n%s%s\r\n\r\n", status, type,
             talk->fields, framing);
    talk->fields[0] = '\0';
    return say_text(talk, head);
}

static bool play_plain(struct talk *talk, const char *argument)
{
    char framing[64];
    const char *json = argument + 4;
    snprintf(framing, sizeof framing, "Content-Length: %zu", strlen(json));
    return play_head(talk, argument, "application/json", framing) && say_text(talk, json);
}

static bool play_big(struct talk *talk, const char *argument)
{
    const char *begin = "{\"choices\":[{\"message\":{\"content\":\"";
    const char *end = "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,"
                      "\"completion_tokens\":11}}";
    size_t len = strtoul(argument, NULL, 10);
    char framing[64];
    snprintf(framing, sizeof framing, "Content-Length: %zu", strlen(begin) + len + strlen(end));
    bool ok = play_head(talk, "200", "application/json", framing) && say_text(talk, begin);
    char text[4096];
    memset(text, 'x', sizeof text);
    while (ok && len > 0) {
        size_t now = len < sizeof text ? len : sizeof text;
        ok = say(talk, text, now);
        len -= now;
    }
    return ok && say_text(talk, end);
}

static bool play_event(struct talk *talk, const char *json)
{
    struct ub_buf event = {0};
    ub_buf_printf(&event, "data: %s\n\n", json);
    bool ok = say_chunk(talk, event.ptr, event.len);
    ub_buf_free(&event);
    return ok;
}

static void reset(struct talk *talk)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(talk->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* One line; false: the connection is over. */
static bool play_line(struct talk *talk, char *line)
{
    char *argument = strchr(line, ' ');
    argument = argument == NULL ? line + strlen(line) : argument + 1;
#define IS(word) (strncmp(line, word, strlen(word)) == 0)
    if (IS("plain")) {
        return play_plain(talk, argument);
    }
    if (IS("stream")) {
        return play_head(talk, "200", "text/event-stream", "Transfer-Encoding: chunked");
    }
    if (IS("event")) {
        return play_event(talk, argument);
    }
    if (IS("raw")) {
        return say_chunk(talk, argument, unescape(argument));
    }
    if (IS("bytes")) {
        return say(talk, argument, unescape(argument));
    }
    if (IS("field")) {
        snprintf(talk->fields, sizeof talk->fields, "%s\r\n", argument);
        return true;
    }
    if (IS("done")) {
        return play_event(talk, "[DONE]") && say_text(talk, "0\r\n\r\n");
    }
    if (IS("end")) {
        return say_text(talk, "0\r\n\r\n");
    }
    if (IS("wait")) {
        long ms = strtol(argument, NULL, 10);
        poll(&(struct pollfd){.fd = talk->fd, .events = POLLRDHUP}, 1, (int)ms);
        return true;
    }
    if (IS("big")) {
        return play_big(talk, argument);
    }
    if (IS("hang")) {
        hang(talk);
    } else if (IS("reset")) {
        reset(talk);
    } else {
        assert(IS("cut"));
    }
#undef IS
    return false;
}

static bool play(struct talk *talk, const char *script)
{
    char *copy = ub_strndup(script, strlen(script));
    char *rest = copy;
    bool open = true;
    for (char *line; open && (line = strsep(&rest, "\n")) != NULL;) {
        open = *line == '\0' || play_line(talk, line);
    }
    ub_free(copy);
    return open;
}

static void *talk_along(void *user)
{
    struct talk *talk = user;
    struct ub_actor *actor = talk->actor;
    bool open = true;
    while (open && hear_request(talk)) {
        uint32_t n = atomic_fetch_add(&actor->requests, 1);
        const char *script = actor->scripts[0];
        for (uint32_t i = 0; i <= n && actor->scripts[i] != NULL; i++) {
            script = actor->scripts[i];
        }
        open = play(talk, script);
    }
    close(talk->fd);
    ub_buf_free(&talk->in);
    ub_free(talk);
    return NULL;
}

static void *accept_all(void *user)
{
    struct ub_actor *actor = user;
    for (;;) {
        int fd = accept(actor->listener, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        assert(actor->talk_count < CONNECTIONS_MAX);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        struct talk *talk = ub_calloc(1, sizeof *talk);
        talk->actor = actor;
        talk->fd = fd;
        pthread_create(&actor->talks[actor->talk_count++], NULL, talk_along, talk);
    }
}

struct ub_actor *ub_actor_start(const char *const *scripts)
{
    struct ub_actor *actor = ub_calloc(1, sizeof *actor);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    for (uint32_t i = 0; scripts[i] != NULL; i++) {
        assert(i < UB_SCRIPTS_MAX);
        actor->scripts[i] = scripts[i];
    }
    pthread_mutex_init(&actor->lock, NULL);
    actor->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(actor->listener, (struct sockaddr *)&address, len) != 0 ||
        listen(actor->listener, 128) != 0 ||
        getsockname(actor->listener, (struct sockaddr *)&address, &len) != 0) {
        perror("an actor cannot listen");
        abort();
    }
    actor->port = ntohs(address.sin_port);
    pthread_create(&actor->thread, NULL, accept_all, actor);
    return actor;
}

uint16_t ub_actor_port(const struct ub_actor *actor)
{
    return actor->port;
}

void ub_actor_stop(struct ub_actor *actor)
{
    atomic_store(&actor->stopping, true);
    shutdown(actor->listener, SHUT_RDWR);
    pthread_join(actor->thread, NULL);
    close(actor->listener);
    for (uint32_t i = 0; i < actor->talk_count; i++) {
        pthread_join(actor->talks[i], NULL);
    }
    ub_buf_free(&actor->heard);
    pthread_mutex_destroy(&actor->lock);
    ub_free(actor);
}

uint32_t ub_actor_requests(const struct ub_stage *stage, uint32_t actor)
{
    return atomic_load(&stage->actors[actor]->requests);
}

char *ub_actor_heard(const struct ub_stage *stage, uint32_t actor)
{
    struct ub_actor *from = stage->actors[actor];
    pthread_mutex_lock(&from->lock);
    char *copy = ub_strndup(from->heard.ptr == NULL ? "" : from->heard.ptr, from->heard.len);
    pthread_mutex_unlock(&from->lock);
    return copy;
}

uint32_t ub_actor_hanging(const struct ub_stage *stage, uint32_t actor)
{
    return atomic_load(&stage->actors[actor]->hanging);
}

ub_ns ub_actor_hung_up_at(const struct ub_stage *stage, uint32_t actor)
{
    return atomic_load(&stage->actors[actor]->hung_up_at);
}

#include "net/peer.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int nonblocking_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(fd >= 0);
    return fd;
}

struct ub_peer ub_peer_dial(struct ub_loop *loop, uint16_t port, int receive_buffer)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = nonblocking_socket(AF_INET), on = 1;
    if (receive_buffer > 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int rc = connect(fd, (struct sockaddr *)&to, sizeof to); /* the kernel's queue takes it */
    assert(rc == 0);
    (void)rc;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return (struct ub_peer){.loop = loop, .fd = fd};
}

int ub_peer_listen(bool v6, uint16_t *port, int backlog)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {.v4 = {.sin_family = AF_INET}};
    at.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.v4.sin_port = htons(*port);
    socklen_t len = sizeof at.v4;
    if (v6) {
        at.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(*port)};
        at.v6.sin6_addr = in6addr_loopback;
        len = sizeof at.v6;
    }
    int fd = nonblocking_socket(at.any.sa_family), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &at.any, len) != 0 || listen(fd, backlog) != 0) {
        close(fd);
        return -1;
    }
    getsockname(fd, &at.any, &len);
    *port = ntohs(v6 ? at.v6.sin6_port : at.v4.sin_port);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

struct ub_peer ub_peer_accept(struct ub_loop *loop, int listener)
{
    int fd = -1;
    UB_UNTIL(loop, (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
    return (struct ub_peer){.loop = loop, .fd = fd, .finished = fd < 0};
}

void ub_peer_say(struct ub_peer *peer, struct ub_slice bytes)
{
    ub_ns limit = ub_clock_now() + 10 * UB_SECOND;
    while (bytes.len > 0 && ub_clock_now() < limit) {
        ssize_t sent = send(peer->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent > 0) {
            bytes = (struct ub_slice){bytes.ptr + sent, bytes.len - (size_t)sent};
        } else if (errno != EAGAIN) {
            return; /* the other side has closed; the test sees that by listening */
        } else {
            ub_loop_turn(peer->loop, UB_MS);
        }
    }
}

void ub_peer_say_text(struct ub_peer *peer, const char *text)
{
    ub_peer_say(peer, ub_slice_of(text));
}

void ub_peer_hear(struct ub_peer *peer)
{
    char bytes[65536];
    while (!peer->finished) {
        ssize_t got = recv(peer->fd, bytes, sizeof bytes, 0);
        if (got > 0) {
            ub_buf_add(&peer->heard, bytes, (size_t)got);
        } else if (got == 0) {
            peer->finished = true;
        } else if (errno == EAGAIN) {
            return;
        } else {
            peer->finished = peer->reset = true;
        }
    }
}

const char *ub_peer_text(struct ub_peer *peer)
{
    ub_buf_add(&peer->heard, "", 1);
    peer->heard.len--;
    return peer->heard.ptr;
}

static bool has_heard(struct ub_peer *peer, const char *text)
{
    ub_peer_hear(peer);
    return peer->heard.len > 0 &&
           memmem(peer->heard.ptr, peer->heard.len, text, strlen(text)) != NULL;
}

bool ub_peer_hears(struct ub_peer *peer, const char *text)
{
    return UB_UNTIL(peer->loop, has_heard(peer, text) || peer->finished) && has_heard(peer, text);
}

static bool has_ended(struct ub_peer *peer)
{
    ub_peer_hear(peer);
    return peer->finished;
}

bool ub_peer_sees_end(struct ub_peer *peer)
{
    return UB_UNTIL(peer->loop, has_ended(peer));
}

void ub_peer_finish(struct ub_peer *peer)
{
    shutdown(peer->fd, SHUT_WR);
}

void ub_peer_close(struct ub_peer *peer, bool reset)
{
    if (reset) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    close(peer->fd);
    ub_buf_free(&peer->heard);
}

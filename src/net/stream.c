#include "net/stream.h"

#include "net/tls.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

/* The kernel doubles it; see the 256 KiB in stream.h. TCP_WINDOW_CLAMP would say it more exactly,
 * but since Linux 6.7 the window follows the buffer and forgets the clamp. */
#define RECEIVE_BUFFER (32 * 1024)

#define JOINED_MAX 4096

static void on_poll(uv_poll_t *poll, int status, int events);

static int events_wanted(const struct ub_stream *stream)
{
    if (stream->state == UB_STREAM_CONNECTING) {
        return UV_WRITABLE;
    }
    bool tls_waits = stream->tls != NULL && !ub_tls_is_flushed(stream->tls);
    int events = stream->want_write || tls_waits ? UV_WRITABLE : 0;
    if (stream->state == UB_STREAM_HANDSHAKE) {
        return UV_READABLE | (tls_waits ? UV_WRITABLE : 0);
    }
    if (!stream->input_over) {
        events |= stream->paused ? 0 : UV_READABLE;
        events |= stream->watch == UB_WATCH_FIN ? UV_DISCONNECT : 0;
    }
    /* epoll reports a reset whatever it is asked for, but libuv wants to be asked for something. */
    return events == 0 && stream->watch != UB_WATCH_NOTHING ? UV_PRIORITIZED : events;
}

static void arm(struct ub_stream *stream)
{
    int events = events_wanted(stream);
    if (events == stream->armed) {
        return;
    }
    stream->armed = (uint8_t)events;
    if (events == 0) {
        uv_poll_stop(&stream->poll);
    } else {
        uv_poll_start(&stream->poll, events, on_poll);
    }
}

static void break_stream(struct ub_stream *stream, enum ub_error error, const char *words)
{
    stream->handler->broken(stream, error, words);
}

static void break_reset(struct ub_stream *stream, int code)
{
    break_stream(stream, UB_ERR_RESET, code == 0 ? "connection lost" : strerror(code));
}

/* ---- reading ---- */

static void input_ended(struct ub_stream *stream, bool clean)
{
    stream->input_over = true;
    arm(stream);
    if (stream->state == UB_STREAM_HANDSHAKE) {
        break_stream(stream, UB_ERR_TLS_FAILED, "closed during the handshake");
    } else {
        stream->handler->finished(stream, clean);
    }
}

/* False: the handshake goes on, or it failed, or the handler closed. */
static bool handshake_done(struct ub_stream *stream)
{
    int done = ub_tls_handshake(stream);
    if (done < 0) {
        break_stream(stream, UB_ERR_TLS_FAILED, ub_tls_words(stream->tls));
        return false;
    }
    if (done == 0) {
        arm(stream);
        return false;
    }
    stream->state = UB_STREAM_OPEN;
    arm(stream);
    stream->handler->opened(stream);
    return stream->state != UB_STREAM_CLOSED;
}

static void tls_input(struct ub_stream *stream, struct ub_slice cipher)
{
    ub_tls_offer(stream->tls, cipher);
    if (stream->state == UB_STREAM_HANDSHAKE && !handshake_done(stream)) {
        return;
    }
    struct ub_slice plain;
    int found;
    while ((found = ub_tls_read(stream, &plain)) == 1) {
        stream->handler->input(stream, plain);
        if (stream->state == UB_STREAM_CLOSED) {
            return;
        }
    }
    if (found == -2) {
        input_ended(stream, true);
    } else if (found == -1) {
        break_stream(stream, UB_ERR_RESET, ub_tls_words(stream->tls));
    } else {
        arm(stream);
    }
}

void ub_stream_read(struct ub_stream *stream)
{
    char *buffer = stream->loop->read_buffer;
    ssize_t len = recv(stream->fd, buffer, stream->read_max, 0);
    if (len > 0 && stream->tls == NULL) {
        stream->handler->input(stream, (struct ub_slice){buffer, (size_t)len});
    } else if (len > 0) {
        tls_input(stream, (struct ub_slice){buffer, (size_t)len});
    } else if (len == 0) {
        input_ended(stream, stream->tls == NULL);
    } else if (errno != EAGAIN && errno != EINTR) {
        break_reset(stream, errno);
    }
}

static void on_input_event(struct ub_stream *stream, int events)
{
    if (!stream->paused && !stream->input_over) {
        ub_stream_read(stream);
    } else if (stream->paused && (events & UV_DISCONNECT) != 0) {
        input_ended(stream, stream->tls == NULL);
    } else {
        arm(stream); /* bytes for a paused one: this is where pausing takes effect */
    }
}

/* ---- events ---- */

static int take_error(struct ub_stream *stream)
{
    int code = 0;
    socklen_t len = sizeof code;
    getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &code, &len);
    return code;
}

static void on_connected(struct ub_stream *stream)
{
    int code = take_error(stream);
    if (code != 0) {
        break_stream(stream, code == ECONNREFUSED ? UB_ERR_CONNECT_REFUSED : UB_ERR_CONNECT_FAILED,
                     strerror(code));
        return;
    }
    stream->state = UB_STREAM_OPEN;
    arm(stream);
    stream->handler->opened(stream);
}

/* EPOLLERR; libuv has stopped watching. What had arrived before the error can still be read. */
static void on_error(struct ub_stream *stream)
{
    stream->armed = 0;
    if (stream->state == UB_STREAM_CONNECTING) {
        on_connected(stream);
    } else if (!stream->paused && !stream->input_over) {
        ub_stream_read(stream);
        if (stream->state != UB_STREAM_CLOSED) {
            arm(stream);
        }
    } else {
        break_reset(stream, take_error(stream));
    }
}

static void on_output_event(struct ub_stream *stream)
{
    bool free_way = stream->tls == NULL || ub_tls_flush(stream);
    if (free_way && stream->shut_wanted) {
        stream->shut_wanted = false;
        shutdown(stream->fd, SHUT_WR);
    }
    if (free_way && stream->want_write && stream->state == UB_STREAM_OPEN) {
        stream->handler->writable(stream);
    }
    if (stream->state != UB_STREAM_CLOSED) {
        arm(stream);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct ub_stream *stream = poll->data;
    if (status < 0) {
        on_error(stream);
        return;
    }
    if (stream->state == UB_STREAM_CONNECTING) {
        on_connected(stream);
        return;
    }
    if ((events & UV_WRITABLE) != 0) {
        on_output_event(stream);
    }
    if ((events & (UV_READABLE | UV_DISCONNECT)) != 0 && stream->state != UB_STREAM_CLOSED) {
        on_input_event(stream, events);
    }
}

/* ---- verbs ---- */

static int watch_fd(struct ub_stream *stream, struct ub_loop *loop,
                    const struct ub_stream_handler *handler, int fd)
{
    *stream = (struct ub_stream){.handler = handler, .loop = loop, .fd = fd};
    stream->read_max = (uint32_t)UB_READ_MAX;
    int rc = uv_poll_init(&loop->uv, &stream->poll, fd);
    stream->poll.data = stream;
    return rc;
}

int ub_stream_open(struct ub_stream *stream, struct ub_loop *loop,
                   const struct ub_stream_handler *handler, int fd, struct ub_tls *tls)
{
    int rc = watch_fd(stream, loop, handler, fd);
    if (rc != 0) {
        return rc;
    }
    stream->tls = tls;
    stream->state = tls == NULL ? UB_STREAM_OPEN : UB_STREAM_HANDSHAKE;
    arm(stream);
    return 0;
}

bool ub_stream_start_tls(struct ub_stream *stream, struct ub_tls *tls)
{
    assert(stream->tls == NULL && stream->state == UB_STREAM_OPEN);
    stream->tls = tls;
    stream->state = UB_STREAM_HANDSHAKE;
    bool begun = ub_tls_handshake(stream) >= 0;
    arm(stream);
    return begun;
}

/* A socket; when descriptors have run out, the reserve is spent on it. Accepting then pauses until
 * the reserve is there again (net/server). */
static int open_socket(struct ub_loop *loop, int family)
{
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int fd = socket(family, type, 0);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE) && loop->reserve_fd >= 0) {
        close(loop->reserve_fd);
        loop->reserve_fd = -1;
        fd = socket(family, type, 0);
    }
    return fd;
}

int ub_stream_connect(struct ub_stream *stream, struct ub_loop *loop,
                      const struct ub_stream_handler *handler, const struct ub_address_ip *address)
{
    int fd = open_socket(loop, address->any.sa_family);
    if (fd < 0) {
        return -errno;
    }
    int on = 1, receive_buffer = RECEIVE_BUFFER, segment = UB_SEGMENT_MAX;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    int rc = connect(fd, &address->any, address->len) == 0 || errno == EINPROGRESS ? 0 : -errno;
    if (rc == 0) {
        rc = watch_fd(stream, loop, handler, fd);
    }
    if (rc != 0) {
        close(fd);
        return rc;
    }
    stream->state = UB_STREAM_CONNECTING;
    arm(stream);
    return 0;
}

/* A head and a short body are joined: the kernel takes longer to look at a list than we to copy. */
static ssize_t send_parts(int fd, const struct ub_slice *parts, uint32_t count)
{
    char joined[JOINED_MAX];
    struct iovec iov[UB_STREAM_PARTS];
    struct msghdr message = {.msg_iov = iov};
    size_t total = 0;
    for (uint32_t i = 0; i < count && i < UB_STREAM_PARTS; i++) {
        iov[i] = (struct iovec){(void *)(uintptr_t)parts[i].ptr, parts[i].len};
        message.msg_iovlen++;
        total += parts[i].len;
    }
    if (total > sizeof joined) {
        return sendmsg(fd, &message, MSG_NOSIGNAL);
    }
    char *end = joined;
    for (size_t i = 0; i < message.msg_iovlen; i++) {
        end = mempcpy(end, iov[i].iov_base, iov[i].iov_len);
    }
    return send(fd, joined, total, MSG_NOSIGNAL);
}

bool ub_stream_is_full(int error)
{
    return error == EAGAIN || error == EINTR || error == ENOBUFS || error == ENOMEM;
}

ssize_t ub_stream_write(struct ub_stream *stream, const struct ub_slice *parts, uint32_t count)
{
    if (stream->tls != NULL) {
        ssize_t taken_tls = ub_tls_write(stream, parts, count);
        arm(stream);
        return taken_tls;
    }
    ssize_t taken;
    do {
        taken = count == 1 ? send(stream->fd, parts[0].ptr, parts[0].len, MSG_NOSIGNAL)
                           : send_parts(stream->fd, parts, count);
    } while (taken < 0 && errno == EINTR);
    if (taken >= 0) {
        return taken;
    }
    return ub_stream_is_full(errno) ? 0 : -1;
}

bool ub_stream_is_flushed(const struct ub_stream *stream)
{
    return stream->tls == NULL || ub_tls_is_flushed(stream->tls);
}

void ub_stream_want_write(struct ub_stream *stream, bool want)
{
    stream->want_write = want;
    if (stream->state == UB_STREAM_OPEN) {
        arm(stream);
    }
}

void ub_stream_pause(struct ub_stream *stream)
{
    stream->paused = true;
}

void ub_stream_resume(struct ub_stream *stream)
{
    stream->paused = false;
    if (stream->state == UB_STREAM_OPEN) {
        arm(stream);
    }
}

void ub_stream_watch(struct ub_stream *stream, enum ub_stream_watch what)
{
    stream->watch = (uint8_t)what;
    if (stream->state == UB_STREAM_OPEN) {
        arm(stream);
    }
}

void ub_stream_shutdown(struct ub_stream *stream)
{
    if (stream->tls != NULL) {
        ub_tls_shutdown(stream);
        stream->shut_wanted = !ub_tls_is_flushed(stream->tls);
        arm(stream);
    }
    if (!stream->shut_wanted) {
        shutdown(stream->fd, SHUT_WR);
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct ub_stream *stream = handle->data;
    stream->handler->closed(stream);
}

void ub_stream_close(struct ub_stream *stream, bool reset)
{
    assert(stream->state != UB_STREAM_CLOSED);
    if (stream->tls != NULL) {
        if (!reset) {
            ub_tls_shutdown(stream);
        }
        ub_tls_free(stream->tls);
        stream->tls = NULL;
    }
    stream->state = UB_STREAM_CLOSED;
    if (reset) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    uv_close((uv_handle_t *)&stream->poll, on_closed); /* stops watching before the fd goes */
    close(stream->fd);
}

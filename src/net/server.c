#include "net/server.h"

#include "base/alloc.h"
#include "base/embed.h"
#include "net/server_conn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64
#define PAUSE_NS         (100 * UB_MS) /* of accepting, when descriptors have run out */
#define LINGER_NS        (5 * UB_SECOND)
#define DRAIN_LINGER_NS  (200 * UB_MS) /* see arm_linger */
#define BACKLOG          4096          /* the kernel takes at most net.core.somaxconn */

/* The kernel doubles SO_SNDBUF; what is not yet sent stays near the low-water mark. See the 256 KiB
 * in stream.h. */
#define SEND_BUFFER  (24 * 1024)
#define NOTSENT_MARK (16 * 1024)

/* ---- accepting ---- */

static void on_acceptable(uv_poll_t *poll, int status, int events);

/* Starts or stops accepting as the state of the listener wants it. */
static void set_accepting(struct ub_listener *listener)
{
    uint32_t most = listener->options.connections_max;
    bool want =
        listener->poll != NULL && !listener->pause.armed && (most == 0 || listener->count < most);
    if (want == listener->accepting || listener->poll == NULL) {
        return;
    }
    listener->accepting = want;
    if (want) {
        uv_poll_start(listener->poll, UV_READABLE, on_acceptable);
    } else {
        uv_poll_stop(listener->poll);
    }
}

static void pause_accepting(struct ub_listener *listener)
{
    ub_timer_start(listener->loop, &listener->pause,
                   ub_ns_after(ub_loop_now(listener->loop), PAUSE_NS));
    set_accepting(listener);
}

static void on_pause_over(struct ub_timer *timer)
{
    struct ub_listener *listener = timer->user;
    struct ub_loop *loop = listener->loop;
    if (loop->reserve_fd < 0) {
        loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    if (loop->reserve_fd < 0) {
        pause_accepting(listener);
    } else {
        set_accepting(listener);
    }
}

/* False: nobody waits, or there is no room for more now. */
static bool accept_one(struct ub_listener *listener)
{
    struct ub_address_ip peer = {.len = sizeof peer.v6};
    int fd = accept4(listener->fd, &peer.any, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(listener);
        }
        return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
    }
    if (!ub_server_conn_new(listener, fd, &peer)) {
        close(fd);
        return true;
    }
    uint32_t most = listener->options.connections_max;
    return most == 0 || listener->count < most;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct ub_listener *listener = poll->data;
    (void)status;
    (void)events;
    if (listener->loop->reserve_fd < 0) {
        pause_accepting(listener); /* somebody's upstream connection took it */
        return;
    }
    for (int i = 0; i < ACCEPTS_PER_TURN && accept_one(listener); i++) {
    }
    set_accepting(listener);
}

/* ---- opening ---- */

static bool resolve_host(struct ub_slice host, uint16_t port, struct ub_address_ip *out)
{
    if (host.len == 0 || ub_slice_is(host, "*")) {
        bool v6 = access("/proc/net/if_inet6", R_OK) == 0;
        return ub_address_parse(ub_slice_of(v6 ? "::" : "0.0.0.0"), port, out);
    }
    if (ub_slice_is(host, "localhost")) {
        return ub_address_parse(UB_LIT("127.0.0.1"), port, out);
    }
    return ub_address_parse(host, port, out);
}

static int bound_socket(const struct ub_address_ip *address, bool share)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (share) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr)) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (bind(fd, &address->any, address->len) != 0) {
        int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

/* Accepted sockets inherit these from the one that listens: no system calls for each of them. */
static void set_inherited(int fd)
{
    int on = 1, send_buffer = SEND_BUFFER, notsent = NOTSENT_MARK, segment = UB_SEGMENT_MAX;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent, sizeof notsent);
    setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

/* The listening socket, or -1 with errno. */
static int listening_socket(const struct ub_address_ip *address, bool exclusive)
{
    if (exclusive && ub_address_port(address) != 0) {
        int probe = bound_socket(address, false); /* fails when anybody listens there */
        if (probe < 0) {
            return -1;
        }
        close(probe);
    }
    int fd = bound_socket(address, true);
    if (fd < 0) {
        return -1;
    }
    set_inherited(fd);
    if (listen(fd, BACKLOG) != 0) {
        int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

/* The classes of these options, the old ones given back. False without memory: nothing changed. */
static bool take_options(struct ub_listener *listener, const struct ub_listener_options *options)
{
    struct ub_timers *timers = &listener->loop->timers;
    struct ub_deadline_class *got[6];
    ub_ns durations[] = {options->head_ns, options->body_ns, options->write_ns,
                         options->idle_ns, LINGER_NS,        DRAIN_LINGER_NS};
    bool whole = true;
    for (size_t i = 0; i < UB_COUNT(got); i++) {
        got[i] = ub_deadline_class_hold(timers, durations[i]);
        whole = whole && got[i] != NULL;
    }
    struct ub_deadline_class **slots[] = {&listener->head_due,   &listener->body_due,
                                          &listener->write_due,  &listener->idle_due,
                                          &listener->linger_due, &listener->drain_linger_due};
    for (size_t i = 0; i < UB_COUNT(got); i++) {
        ub_deadline_class_release(whole ? *slots[i] : got[i]);
        if (whole) {
            *slots[i] = got[i];
        }
    }
    if (whole) {
        listener->options = *options;
        listener->options.host = (struct ub_slice){0};
    }
    return whole;
}

static void on_poll_closed(uv_handle_t *handle)
{
    ub_free(handle);
}

static void stop_listening(struct ub_listener *listener)
{
    if (listener->poll != NULL) {
        uv_close((uv_handle_t *)listener->poll, on_poll_closed);
        close(listener->fd);
        listener->poll = NULL;
        listener->accepting = false;
    }
    ub_timer_stop(listener->loop, &listener->pause);
}

static void on_drained(struct ub_task *task)
{
    struct ub_listener *listener = UB_OWNER(task, struct ub_listener, drained);
    listener->done(listener->done_user);
}

static bool watch_listener(struct ub_listener *listener, const struct ub_listener_options *options,
                           const char **words)
{
    struct ub_address_ip address;
    *words = "not an address";
    if (!resolve_host(options->host, options->port, &address)) {
        return false;
    }
    listener->fd = listening_socket(&address, options->exclusive);
    if (listener->fd < 0) {
        *words = strerror(errno);
        return false;
    }
    getsockname(listener->fd, &address.any, &address.len);
    listener->port = ub_address_port(&address);
    *words = "no memory";
    uv_poll_t *poll = ub_calloc(1, sizeof *poll);
    if (poll == NULL || uv_poll_init(&listener->loop->uv, poll, listener->fd) != 0) {
        ub_free(poll);
        close(listener->fd);
        return false;
    }
    poll->data = listener;
    listener->poll = poll;
    return true;
}

struct ub_listener *ub_listener_open(struct ub_loop *loop,
                                     const struct ub_listener_options *options, const char **words)
{
    assert(options->handler != NULL);
    *words = "no memory";
    struct ub_listener *listener = ub_calloc(1, sizeof *listener);
    if (listener == NULL) {
        return NULL;
    }
    listener->loop = loop;
    listener->conns.prev = listener->conns.next = &listener->conns;
    listener->pause = (struct ub_timer){.fire = on_pause_over, .user = listener};
    listener->drained.run = on_drained;
    if (!take_options(listener, options) || !watch_listener(listener, options, words)) {
        ub_listener_free(listener);
        return NULL;
    }
    set_accepting(listener);
    return listener;
}

uint16_t ub_listener_port(const struct ub_listener *listener)
{
    return listener->port;
}

bool ub_listener_update(struct ub_listener *listener, const struct ub_listener_options *options)
{
    return take_options(listener, options);
}

/* ---- ending ---- */

static void check_drained(struct ub_listener *listener)
{
    if (listener->draining && listener->count == 0 && listener->done != NULL) {
        ub_loop_post(listener->loop, &listener->drained);
    }
}

void ub_listener_drain(struct ub_listener *listener, void (*done)(void *user), void *user)
{
    listener->draining = true;
    listener->done = done;
    listener->done_user = user;
    while (listener->poll != NULL && !listener->pause.armed && accept_one(listener)) {
    }
    stop_listening(listener);
    struct ub_server_conn *conn = listener->conns.next;
    while (conn != &listener->conns) {
        struct ub_server_conn *next = conn->next;
        ub_server_conn_drain(conn);
        conn = next;
    }
    check_drained(listener);
}

void ub_listener_free(struct ub_listener *listener)
{
    listener->done = NULL;
    stop_listening(listener);
    while (listener->conns.next != &listener->conns) {
        ub_server_conn_end(listener->conns.next, UB_GONE_ABORTED);
    }
    ub_task_drop(&listener->drained);
    ub_deadline_class_release(listener->head_due);
    ub_deadline_class_release(listener->body_due);
    ub_deadline_class_release(listener->write_due);
    ub_deadline_class_release(listener->idle_due);
    ub_deadline_class_release(listener->linger_due);
    ub_deadline_class_release(listener->drain_linger_due);
    ub_free(listener);
}

void ub_listener_conn_gone(struct ub_listener *listener, struct ub_server_conn *conn)
{
    conn->prev->next = conn->next;
    conn->next->prev = conn->prev;
    listener->count--;
    set_accepting(listener);
    check_drained(listener);
}

uint32_t ub_listener_connections(const struct ub_listener *listener)
{
    return listener->count;
}

uint32_t ub_listener_running(const struct ub_listener *listener)
{
    return listener->running;
}

const char *ub_listener_date(struct ub_listener *listener)
{
    ub_ns second = ub_loop_now(listener->loop) / UB_SECOND;
    if (second != listener->date_at || listener->date[0] == '\0') {
        static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        time_t wall = (time_t)(ub_clock_wall() / UB_SECOND);
        struct tm t;
        gmtime_r(&wall, &t);
        /* IMF-fixdate (RFC 9110, 5.6.7); strftime would follow the locale. */
        snprintf(listener->date, sizeof listener->date, "%s, %02u %s %04u %02u:%02u:%02u GMT",
                 days[t.tm_wday % 7], (unsigned)t.tm_mday % 100, months[t.tm_mon % 12],
                 (unsigned)(t.tm_year + 1900) % 10000, (unsigned)t.tm_hour % 100,
                 (unsigned)t.tm_min % 100, (unsigned)t.tm_sec % 100);
        listener->date_at = second;
    }
    return listener->date;
}

/* stream.h - one TCP connection, with or without TLS, on a loop.
 *
 * uv_poll and our own reads and writes instead of uv_tcp, for two reasons. A client that leaves
 * must be noticed while we do not read from it (EPOLLRDHUP; libuv's own streams hear nothing while
 * reading is stopped). And a changed event mask costs system calls, so pausing is lazy: it only
 * sets a flag, and the mask changes when bytes really come. A request and its answer on a
 * kept-alive connection therefore cost one read, one write and no epoll_ctl.
 *
 * A readable socket is read once for each event, into the loop's buffer: busy connections take
 * turns. Nothing is queued here: what a write does not take stays the caller's.
 *
 * A client that does not read may take at most 256 KiB from its upstream, wherever they lie: 64 KiB
 * in the upstream connection's receive buffer, 64 KiB (the high-water mark) and one read of 16 KiB
 * in our own memory, 48 KiB and one segment of up to 64 KiB in the client connection's send buffer
 * (of these, some 16 KiB not yet sent). That is also what may be in flight to a client or from an
 * upstream: 450 KB/s over 100 ms, a hundred times what a stream of tokens needs.
 *
 * With TLS (`tls` set, see tls.h) the same calls carry plain text, and `opened` waits for the
 * handshake. Plain connections pay one comparison for it.
 *
 * Ownership: embed it. After ub_stream_close nothing is called but `closed`, when the memory may
 * go. The handler may close from inside any callback.
 */
#ifndef UB_NET_STREAM_H
#define UB_NET_STREAM_H

#include "base/error.h"
#include "base/slice.h"
#include "net/address.h"
#include "net/loop.h"

/* Loopback's segments of 64 KiB would be one buffer full: each waits for a delayed acknowledgement,
 * 40 ms. Segments of at most this size keep several in flight; real networks have smaller ones. */
#define UB_SEGMENT_MAX 8192

struct ub_stream;
struct ub_tls;

struct ub_stream_handler {
    /* Connected, and the TLS handshake is done. Not called for accepted plain connections. */
    void (*opened)(struct ub_stream *stream);
    void (*input)(struct ub_stream *stream, struct ub_slice bytes); /* valid for the call; all of it
                                                                       is taken */
    /* The peer sends nothing more. `clean`: TLS was closed as it should be (plain: always). Not
     * called while paused, unless FINs are watched: then unread bytes may still be there. */
    void (*finished)(struct ub_stream *stream, bool clean);
    void (*writable)(struct ub_stream *stream); /* after ub_stream_want_write */
    /* Not usable any more: close it. CONNECT_REFUSED, CONNECT_FAILED, TLS_FAILED or RESET. */
    void (*broken)(struct ub_stream *stream, enum ub_error error, const char *words);
    void (*closed)(struct ub_stream *stream);
};

enum ub_stream_state {
    UB_STREAM_CONNECTING,
    UB_STREAM_HANDSHAKE,
    UB_STREAM_OPEN,
    UB_STREAM_CLOSED,
};

/* What is noticed while paused. */
enum ub_stream_watch {
    UB_WATCH_NOTHING,
    UB_WATCH_RESET,
    UB_WATCH_FIN, /* and resets */
};

struct ub_stream {
    uv_poll_t poll;
    const struct ub_stream_handler *handler;
    struct ub_loop *loop;
    struct ub_tls *tls; /* NULL = plain; owned */
    int fd;
    uint32_t read_max; /* of one read; at most UB_READ_MAX */
    uint8_t state;
    uint8_t armed; /* the events that libuv watches for us now */
    uint8_t watch; /* enum ub_stream_watch */
    bool paused;
    bool want_write;
    bool input_over;  /* the peer's FIN was seen */
    bool shut_wanted; /* FIN, as soon as TLS has got rid of its last bytes */
};

/* Takes over `fd` (connected, non-blocking); with `tls` (taken over, may be NULL) the handshake
 * is awaited. Reading starts at once. 0, or -errno: then fd and tls stay the caller's. */
int ub_stream_open(struct ub_stream *stream, struct ub_loop *loop,
                   const struct ub_stream_handler *handler, int fd, struct ub_tls *tls);

/* A new connection. 0, or -errno: nothing was opened. Else `opened` or `broken` follows, never from
 * inside. */
int ub_stream_connect(struct ub_stream *stream, struct ub_loop *loop,
                      const struct ub_stream_handler *handler, const struct ub_address_ip *address);

/* Starts TLS on an open plain stream (taken over). `opened` follows once more. False: it cannot. */
bool ub_stream_start_tls(struct ub_stream *stream, struct ub_tls *tls);

/* Bytes taken, possibly 0; -1: the socket takes no more for ever (reading may still bring what the
 * peer said before). What stays is offered again when `writable` is called. */
#define UB_STREAM_PARTS 32 /* at most so many are looked at in one call */
ssize_t ub_stream_write(struct ub_stream *stream, const struct ub_slice *parts, uint32_t count);
void ub_stream_want_write(struct ub_stream *stream, bool want);
/* After a failed send: it may go on later. The kernel's memory is full now and then, too. */
bool ub_stream_is_full(int error);
/* False: TLS still keeps encrypted bytes of what was taken. Closing would lose them; `writable`
 * comes when they are gone. */
bool ub_stream_is_flushed(const struct ub_stream *stream);

/* One read now, without waiting for an event: `input` and the others may be called from inside. */
void ub_stream_read(struct ub_stream *stream);

void ub_stream_pause(struct ub_stream *stream);
void ub_stream_resume(struct ub_stream *stream);
void ub_stream_watch(struct ub_stream *stream, enum ub_stream_watch what);

/* We send nothing more: close_notify and FIN. */
void ub_stream_shutdown(struct ub_stream *stream);

/* Closes now. `reset`: with RST instead of FIN, so that the peer cannot take it for a clean end. */
void ub_stream_close(struct ub_stream *stream, bool reset);

#endif

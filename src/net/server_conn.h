/* server_conn.h - one HTTP/1.1 connection of a client. Private to net/server.
 *
 * Three files: server.c accepts and drains, server_conn.c reads (requests, time limits, refusals),
 * response.c writes (the ub_exchange_* verbs).
 *
 * A connection is in one phase. IDLE: between messages. HEAD: some bytes of a head are there.
 * EXCHANGE: from the head on until the handler's `gone` has returned. LINGER: our last word is
 * said, what the client still sends is thrown away, so that it can read that word before a reset.
 *
 * Nothing that a handler calls ends in another call of the handler: the verbs note what happened
 * and post `settle`, which runs when the turn's events are done.
 *
 * At most 1 KiB while idle: no read buffer, no write buffer, no head.
 */
#ifndef UB_NET_SERVER_CONN_H
#define UB_NET_SERVER_CONN_H

#include "base/buf.h"
#include "http/http1.h"
#include "net/exchange.h"
#include "net/server.h"
#include "net/stream.h"

#define UB_HIGH_MARK ((size_t)(64 * 1024)) /* of unsent response bytes: send says "full" */
#define UB_LOW_MARK  ((size_t)(32 * 1024)) /* `writable` is called below it */

enum ub_conn_phase {
    UB_PHASE_IDLE,
    UB_PHASE_HEAD,
    UB_PHASE_EXCHANGE,
    UB_PHASE_LINGER,
    UB_PHASE_CLOSED,
};

struct ub_server_conn {
    struct ub_exchange exchange; /* first: found by a cast */
    struct ub_stream stream;
    struct ub_listener *listener;
    struct ub_server_conn *prev, *next; /* all connections of the listener */
    struct ub_http1 parser;
    struct ub_deadline input_due;
    struct ub_deadline output_due; /* armed while bytes wait here, or encrypted in the stream */
    struct ub_task settle;
    struct ub_task resume; /* of a paused body */
    struct ub_buf held;    /* read but not parsed: the next request, or a body that is paused */
    struct ub_buf out;     /* response bytes that the socket has not taken */
    size_t out_sent;       /* of these, already taken */
    int64_t length_left;
    uint64_t body_mark; /* body bytes at which its time starts anew */
    uint8_t phase;
    uint8_t why; /* enum ub_gone, once settle is posted */
    bool http10;
    bool awaits_100; /* the client holds its body back until we say so */
    bool body_paused;
    bool has_body;      /* the request */
    bool request_whole; /* body_end was called */
    bool keep_alive;    /* the client and we want another request */
    bool head_request;  /* or a status without a body: body bytes are dropped */
    bool responded;     /* ub_exchange_respond was called */
    bool head_held;     /* the response head waits in `out` for company */
    bool close_said;    /* in that head, or it is too late for that */
    bool chunked;       /* the response's framing */
    bool until_close;   /* likewise */
    bool ended;         /* ub_exchange_end was called */
    bool full;          /* send said so; `writable` is owed */
    bool broken;        /* the socket takes nothing more */
    bool close_after;   /* linger once everything is written */
    char peer[UB_ADDRESS_TEXT];
};

_Static_assert(sizeof(struct ub_server_conn) <= 1008, "an idle connection takes at most 1 KiB");

struct ub_listener {
    struct ub_loop *loop;
    struct ub_listener_options options; /* host is not valid */
    uv_poll_t *poll;                    /* NULL once it does not listen any more */
    int fd;
    uint16_t port;
    bool accepting; /* the poll is started */
    bool draining;
    struct ub_timer pause;
    struct ub_task drained;
    void (*done)(void *user);
    void *done_user;
    struct ub_server_conn conns; /* sentinel: only prev and next */
    uint32_t count;
    uint32_t running;
    struct ub_deadline_class *head_due, *body_due, *write_due, *idle_due, *linger_due,
        *drain_linger_due;
    ub_ns date_at; /* the second that `date` stands for */
    char date[32];
};

/* server.c */
const char *ub_listener_date(struct ub_listener *listener); /* for the Date field */
void ub_listener_conn_gone(struct ub_listener *listener, struct ub_server_conn *conn);

/* server_conn.c */

/* Takes over fd. False: nothing was taken over. */
bool ub_server_conn_new(struct ub_listener *listener, int fd, const struct ub_address_ip *peer);
/* Closes now; a running exchange is `gone` for this reason. */
void ub_server_conn_end(struct ub_server_conn *conn, enum ub_gone why);
/* An idle connection goes, a busy one after its exchange, a lingering one soon. */
void ub_server_conn_drain(struct ub_server_conn *conn);
/* Everything was written: `ended` exchanges settle, refused ones linger. */
void ub_server_conn_flushed(struct ub_server_conn *conn);
void ub_server_conn_settle_soon(struct ub_server_conn *conn, enum ub_gone why);

/* response.c */

/* Sends parts behind what waits already; what the socket does not take is copied. False: broken. */
bool ub_server_conn_write(struct ub_server_conn *conn, const struct ub_slice *parts,
                          uint32_t count);
void ub_server_conn_writable(struct ub_server_conn *conn);
/* `output_due` runs, and ub_server_conn_flushed follows once the socket has taken everything. */
void ub_server_conn_await_write(struct ub_server_conn *conn);

#endif

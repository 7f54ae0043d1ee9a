/* client.h - connections to an upstream and how they come to be. Private to net/call.
 *
 * Four files: call.c sends requests and reads answers, sending.c is what is sent, dial.c makes a
 * connection (names, happy eyeballs, proxy, TLS), origin.c keeps the pool.
 *
 * A connection belongs to exactly one of: a dial (until it is ready), a call, the pool, or nobody
 * (closed, waiting for its memory to go).
 */
#ifndef UB_NET_CLIENT_H
#define UB_NET_CLIENT_H

#include "base/buf.h"
#include "http/http1.h"
#include "net/call.h"
#include "net/resolve.h"
#include "net/stream.h"
#include "net/tls.h"

#define UB_CALL_BODY_MAX      12
#define UB_DIAL_ADDRESSES_MAX 16
#define UB_ANSWER_READ_MAX    (16 * 1024) /* in one read; part of the 256 KiB, see stream.h */

/* What a call sends; kept until the call is over, so that a fresh connection can get it again. */
struct ub_sending {
    struct ub_sending *next; /* in origin->spare */
    struct ub_buf head;
    struct ub_slice part[1 + UB_CALL_BODY_MAX]; /* the head, then the body */
    uint32_t part_count;
    uint32_t part_now; /* the first that is not wholly sent... */
    size_t part_sent;  /* ...and how much of it is */
    ub_ns connect_by_ns;
    bool head_request;
};

struct ub_connection {
    struct ub_stream stream;
    struct ub_origin *origin;
    struct ub_dial *dial;
    struct ub_call *call;
    struct ub_connection *prev, *next; /* pool or dial */
    struct ub_http1 parser;
    struct ub_deadline idle_due;
    struct ub_task resume;
    struct ub_task send; /* of a request, when this turn's events are handled */
    struct ub_buf held;  /* read, but the call is paused */
    bool answered;       /* a byte of the answer came */
    bool head_seen;      /* its head was handed on */
    bool send_failed;    /* the socket takes nothing more; the answer may still come */
    bool end_waits;      /* nothing more comes, but the call has not heard all that came... */
    bool end_clean;
    const char *end_words; /* ...NULL: a FIN */
};

struct ub_origin {
    struct ub_loop *loop;
    struct ub_tls_client *tls_client;
    struct ub_tls_session session;
    char *host;      /* zero-terminated, without brackets */
    char *authority; /* for the Host field: brackets and port where they belong */
    char *proxy_host;
    char *proxy_credentials; /* value of Proxy-Authorization, NULL = none */
    uint16_t port, proxy_port;
    bool tls;
    uint32_t idle_max, idle_count;
    struct ub_deadline_class *idle_class;
    struct ub_connection idle; /* sentinel; next is the newest */
    struct ub_dial *dials;
    struct ub_sending *spare;
    uint32_t spare_count;
};

/* sending.c */
struct ub_sending *ub_sending_take(struct ub_origin *origin); /* NULL without memory */
void ub_sending_give(struct ub_origin *origin, struct ub_sending *sending); /* NULL is fine */
/* What is to be sent; the body stays the caller's. False without memory. */
bool ub_sending_write(struct ub_sending *sending, const struct ub_origin *origin,
                      const struct ub_call_request *request);
void ub_sending_took(struct ub_sending *sending, size_t len); /* the socket took so much more */
bool ub_sending_is_done(const struct ub_sending *sending);    /* NULL: yes */

/* origin.c */
struct ub_connection *ub_pool_take(struct ub_origin *origin); /* the newest, or NULL */
void ub_pool_give(struct ub_connection *connection);

/* call.c */
extern const struct ub_stream_handler ub_connection_handler;
struct ub_connection *ub_connection_new(struct ub_origin *origin, struct ub_dial *dial);
void ub_connection_close(struct ub_connection *connection); /* wherever it belongs */
void ub_call_connected(struct ub_call *call, struct ub_connection *connection);
void ub_call_failed(struct ub_call *call, enum ub_error error, const char *words);

/* dial.c */

/* For a call, or with call = NULL for `done`. False without memory. The outcome comes later, never
 * from inside: ub_call_connected or ub_call_failed; a probe's connection goes to the pool. */
bool ub_dial_start(struct ub_origin *origin, struct ub_call *call, ub_ns limit_ns,
                   void (*done)(void *user, enum ub_error error), void *user);
void ub_dial_cancel(struct ub_dial *dial); /* nobody is told */
void ub_dial_opened(struct ub_connection *connection);
void ub_dial_input(struct ub_connection *connection, struct ub_slice bytes);
void ub_dial_broken(struct ub_connection *connection, enum ub_error error, const char *words);

#endif

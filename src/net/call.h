/* call.h - one request to an upstream and its response, seen from the side that asks.
 *
 * An *origin* is a scheme, host and port with its pool of kept-alive connections; each loop has its
 * own. A *call* takes a connection from the pool or dials a new one, sends the head and the body,
 * and reports what comes. A kept-alive connection that died under us before any byte of the answer
 * came is replaced by a fresh one, unseen by the caller, once.
 *
 * Ownership: the caller owns the ub_call memory (embed it); it must stay until `ended` was called
 * or ub_call_cancel returned. `ended` is the last call and comes exactly once unless cancelled. All
 * on one loop. After a complete answer the connection goes back to the pool.
 */
#ifndef UB_NET_CALL_H
#define UB_NET_CALL_H

#include "base/error.h"
#include "base/slice.h"
#include "base/time.h"
#include "http/head.h"
#include "net/loop.h"
#include <stdbool.h>
#include <stdint.h>

struct ub_call;
struct ub_origin;
struct ub_connection;
struct ub_dial;
struct ub_sending;

struct ub_call_handler {
    /* The final status, no 1xx; `head` is valid for the call. */
    void (*head)(struct ub_call *call, const struct ub_http_head *head);
    /* Valid until `turn` returns. */
    void (*body)(struct ub_call *call, struct ub_slice chunk);
    /* OK: complete by its own framing (`clean`), or by close where the framing allows that. Else
     * CONNECT_REFUSED, CONNECT_FAILED, TLS_FAILED, RESET (no whole head came), BAD_ANSWER (broken
     * framing), TRUNCATED (cut inside the body), NO_MEMORY. `words` say more for the log; static
     * text. */
    void (*ended)(struct ub_call *call, enum ub_error error, const char *words);
    /* What one read brought has been handed out: who gathers chunks, so that one read becomes at most
     * one write, sends them now. Also before `ended`. NULL: not needed. */
    void (*turn)(struct ub_call *call);
};

/* The request body in pieces that stay valid until the call is over. The layer sends them in order,
 * without copying. */
struct ub_call_request {
    struct ub_slice method;
    struct ub_slice target;             /* path and query */
    struct ub_slice lines;              /* fields as written by ub_http1_write_field; copied */
    const struct ub_http_field *fields; /* copied; Host, Content-Length and Connection are added */
    uint32_t field_count;
    const struct ub_slice *body; /* the array is copied, the bytes are not */
    uint32_t body_count;         /* 0..12 */
    ub_ns connect_by_ns;         /* duration allowed for name, connect and TLS */
};

struct ub_call {
    const struct ub_call_handler *handler;
    void *user;
    struct ub_origin *origin;
    bool reused; /* the connection was a kept-alive one */
    bool paused; /* private from here on */
    uint8_t state;
    uint8_t error;
    struct ub_connection *connection;
    struct ub_dial *dial;
    struct ub_sending *sending;
    struct ub_task task;
    const char *words;
};

/* Starts the call. It never calls back from inside this function. */
void ub_call_start(struct ub_call *call, struct ub_origin *origin,
                   const struct ub_call_request *request);

/* Close it now; nothing is called any more. The connection is closed, so that the upstream stops.
 */
void ub_call_cancel(struct ub_call *call);

/* Back-pressure: stop and go on reading the answer. */
void ub_call_pause(struct ub_call *call);
void ub_call_resume(struct ub_call *call);

struct ub_tls_client; /* net/tls.h */

struct ub_origin_options {
    bool tls;
    struct ub_slice host;
    uint16_t port;
    struct ub_tls_client *tls_client; /* when tls; shared, outlives the origin */
    struct ub_slice
        proxy;         /* "http://host:port" to CONNECT through (or plain-forward); empty = none */
    uint32_t idle_max; /* kept-alive connections; more are closed */
    ub_ns idle_ns;     /* closed after this long */
};

/* NULL without memory. Texts are copied. */
struct ub_origin *ub_origin_new(struct ub_loop *loop, const struct ub_origin_options *options);
/* No call may be running. Idle connections are closed, probes are forgotten. */
void ub_origin_free(struct ub_origin *origin);

/* Name, connect and TLS, without a request; `done` is called once. False without memory. A good
 * connection goes into the pool. */
bool ub_origin_probe(struct ub_origin *origin, ub_ns limit_ns,
                     void (*done)(void *user, enum ub_error error), void *user);

#endif

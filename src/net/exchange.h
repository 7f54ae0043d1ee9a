/* exchange.h - one request and its response, seen from the side that answers.
 *
 * The protocol layer (net/server: HTTP/1.1 now, HTTP/2 later) owns sockets, framing, time limits
 * and pausing; what answers (the gateway, the admin pages, the mock) sees only this. HTTP/1.1
 * carries one exchange per connection at a time.
 *
 * Ownership: the protocol layer owns the exchange. It is valid from `head` until `gone` returns;
 * `gone` is the last call and comes exactly once, also after a normal end. Everything happens on
 * the loop of the connection; the handler may call any ub_exchange_* function from inside a
 * callback.
 *
 * Framing of the response is this layer's matter: a known length goes out as Content-Length, an
 * unknown one chunked (or until close for HTTP/1.0 clients). The head is held back until the first
 * body bytes or the end, so that both leave in one write.
 */
#ifndef UB_NET_EXCHANGE_H
#define UB_NET_EXCHANGE_H

#include "base/slice.h"
#include "http/head.h"
#include <stdbool.h>
#include <stdint.h>

struct ub_exchange;

enum ub_gone {
    UB_GONE_DONE,        /* response complete and written out */
    UB_GONE_CLIENT_LEFT, /* reset or FIN by the client before that */
    UB_GONE_CLIENT_BAD,  /* it broke the protocol midway through its body; already answered */
    UB_GONE_SLOW_BODY,   /* its body did not come in time; already answered with 408 */
    UB_GONE_SLOW_READER, /* it did not read for the write time limit */
    UB_GONE_ABORTED,     /* ub_exchange_abort */
};

/* What answers. `head` may set exchange->handler to pass the exchange on to another one. */
struct ub_exchange_handler {
    /* A request; `head` is valid until `body_end` returns. Expect: 100-continue is answered by the
     * layer as soon as `head` has returned without a response. */
    void (*head)(struct ub_exchange *exchange, const struct ub_http_head *head);
    void (*body)(struct ub_exchange *exchange, struct ub_slice chunk); /* valid for the call */
    void (*body_end)(struct ub_exchange *exchange);
    void (*writable)(struct ub_exchange *exchange); /* below the low mark again after a "full" */
    void (*gone)(struct ub_exchange *exchange, enum ub_gone why);
};

struct ub_exchange {
    const struct ub_exchange_handler *handler;
    void *user;           /* the handler's; NULL at first */
    void *listener_user;  /* what the listener was opened with */
    struct ub_slice peer; /* client address as text, without port */
    uint64_t peer_hash;   /* hash of the address alone */
    bool tls;
};

/* Start the response. `length` -1: not known, stream it. The fields are copied; Content-Length,
 * Transfer-Encoding, Connection, Date are added here. False without memory: the connection closes.
 */
bool ub_exchange_respond(struct ub_exchange *exchange, int status,
                         const struct ub_http_field *fields, uint32_t count, int64_t length);

/* Body bytes, gathered into one write; what the socket does not take is copied and kept. False:
 * above the high-water mark (stop until `writable`), or the exchange is broken (`gone` follows). */
bool ub_exchange_send(struct ub_exchange *exchange, const struct ub_slice *parts, uint32_t count);

/* Bytes as they are, without framing and without ub_exchange_respond: for the mock, which breaks
 * HTTP on purpose. Only ub_exchange_abort may follow. */
bool ub_exchange_raw(struct ub_exchange *exchange, struct ub_slice bytes);

/* The response is complete. With an unfinished request body the connection is closed afterwards. */
void ub_exchange_end(struct ub_exchange *exchange);

/* Close without a clean end, so that the client sees a cut answer as cut. */
void ub_exchange_abort(struct ub_exchange *exchange);

/* Stop and go on reading the request body (back-pressure). */
void ub_exchange_pause_body(struct ub_exchange *exchange);
void ub_exchange_resume_body(struct ub_exchange *exchange);

/* Bytes accepted but not yet taken by the kernel. */
size_t ub_exchange_backlog(const struct ub_exchange *exchange);

#endif

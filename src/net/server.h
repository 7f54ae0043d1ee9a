/* server.h - listeners: they accept connections and turn what comes in into exchanges.
 *
 * Each worker opens its own listener on its own loop; SO_REUSEPORT lets them share the address and
 * the kernel spreads new connections. What answers sees only exchange.h.
 *
 * A reload keeps the listeners whose address stays and gives them new options with
 * ub_listener_update (connections that are open go on, with the new options from their next request
 * on), opens the new ones, and drains those that are gone.
 *
 * Out of file descriptors: accepting pauses for 100 ms at a time; who waits in the kernel's queue
 * goes on waiting, and what runs is left alone.
 */
#ifndef UB_NET_SERVER_H
#define UB_NET_SERVER_H

#include "base/slice.h"
#include "base/time.h"
#include "http/http1.h"
#include "net/exchange.h"
#include "net/loop.h"
#include <stdbool.h>
#include <stdint.h>

struct ub_listener;
struct ub_tls_server; /* net/tls.h */

struct ub_listener_options {
    struct ub_slice host; /* a literal address, "localhost", or "" and "*" for all addresses */
    uint16_t port;        /* 0: a free one, see ub_listener_port */
    bool exclusive;       /* refuse an address that anybody listens on already: set it for the
                             first worker, so that a second program is not let in by accident */
    bool half_close;      /* a client's FIN is not its leaving */
    const struct ub_exchange_handler *handler;
    void *user;                    /* exchange->listener_user */
    struct ub_tls_server *tls;     /* NULL: plain. Held by the caller until the drain is done */
    struct ub_http1_limits limits; /* for requests */
    ub_ns head_ns;                 /* from the first byte of a head to its end; 408 */
    ub_ns body_ns;                 /* for each further 16 KiB of a body, or its end; 408 */
    ub_ns write_ns;                /* without a byte taken by the client; dropped */
    ub_ns idle_ns;                 /* without a request; closed */
    uint32_t connections_max;      /* 0: no bound but file descriptors; more wait unaccepted */
};

/* NULL: `words` (static text, or of strerror) says why. */
struct ub_listener *ub_listener_open(struct ub_loop *loop,
                                     const struct ub_listener_options *options, const char **words);
uint16_t ub_listener_port(const struct ub_listener *listener);

/* New options for the same address: all but host, port and exclusive are taken over. False without
 * memory, then nothing changed. */
bool ub_listener_update(struct ub_listener *listener, const struct ub_listener_options *options);

/* Stops listening (who was queued by then is still served), closes idle connections, lets running
 * exchanges finish with "Connection: close". `done` comes once, when none is left, not from inside
 * this call. Not to be called from inside an exchange's callback. */
void ub_listener_drain(struct ub_listener *listener, void (*done)(void *user), void *user);

/* Closes everything that is still open; running exchanges are `gone` as aborted before this
 * returns. `done` of a drain is not called any more. */
void ub_listener_free(struct ub_listener *listener);

/* Open connections, and those of them with a running exchange. */
uint32_t ub_listener_connections(const struct ub_listener *listener);
uint32_t ub_listener_running(const struct ub_listener *listener);

#endif

/* tls.h - TLS under a stream, by OpenSSL 3 without its own sockets.
 *
 * Bytes reach OpenSSL through two small BIO callbacks: what was read from the socket is offered in
 * place, what OpenSSL writes goes into a buffer of the loop and from there to the socket; only what
 * the socket does not take is copied and kept. Buffers for plain text belong to the loop as well.
 *
 * Nothing of OpenSSL runs before the first context is made, so a configuration without TLS does not
 * pay for it.
 *
 * Contexts are shared by all loops (OpenSSL's own counting is thread-safe). A reload makes a new
 * ub_tls_server and gives it to the listeners; connections keep the context they began with, so the
 * old one may be freed at once.
 */
#ifndef UB_NET_TLS_H
#define UB_NET_TLS_H

#include "base/buf.h"
#include "base/slice.h"
#include "net/stream.h"
#include <stdbool.h>

struct ub_tls_server;
struct ub_tls_client;
struct ub_tls;

#define UB_TLS_WORDS 256

struct ub_tls_server_options {
    const char *cert;      /* PEM file: the certificate, then its chain */
    const char *key;       /* PEM file */
    const char *client_ca; /* PEM file; NULL: clients need no certificate */
    bool allow_12;         /* else TLS 1.3 only */
};

/* NULL: `words` (UB_TLS_WORDS bytes) names the file and says why. */
struct ub_tls_server *ub_tls_server_new(const struct ub_tls_server_options *options, char *words);
void ub_tls_server_free(struct ub_tls_server *server); /* NULL is fine */

/* TLS 1.2 and 1.3. `ca`: trust what is in this PEM file; NULL: the system's store. */
struct ub_tls_client *ub_tls_client_new(const char *ca, bool verify, char *words);
void ub_tls_client_free(struct ub_tls_client *client); /* NULL is fine */

/* ---- for streams ---- */

/* The last session with an upstream, so that the next handshake is short. One for each origin. */
struct ub_tls_session {
    void *saved; /* SSL_SESSION */
};
void ub_tls_session_forget(struct ub_tls_session *session);

/* NULL without memory. */
struct ub_tls *ub_tls_accept(struct ub_tls_server *server);
struct ub_tls *ub_tls_connect(struct ub_tls_client *client, const char *host,
                              struct ub_tls_session *session);
void ub_tls_free(struct ub_tls *tls); /* NULL is fine */

/* Goes on with the handshake. 1: it is done, 0: it waits, -1: it failed, see ub_tls_words. */
int ub_tls_handshake(struct ub_stream *stream);

/* What was read from the socket; all of it is taken. */
void ub_tls_offer(struct ub_tls *tls, struct ub_slice cipher);

/* Plain text out of what was offered; valid until the next call on this loop. 1: some, 0: none yet,
 * -1: broken, -2: the peer said that it sends nothing more. */
int ub_tls_read(struct ub_stream *stream, struct ub_slice *plain);

/* As ub_stream_write. */
ssize_t ub_tls_write(struct ub_stream *stream, const struct ub_slice *parts, uint32_t count);

/* Sends what is kept. True: nothing is left. */
bool ub_tls_flush(struct ub_stream *stream);
bool ub_tls_is_flushed(const struct ub_tls *tls);

void ub_tls_shutdown(struct ub_stream *stream);     /* close_notify */
const char *ub_tls_words(const struct ub_tls *tls); /* why it failed; static text */
bool ub_tls_resumed(const struct ub_tls *tls);

void ub_tls_scratch_free(struct ub_loop *loop);

#endif

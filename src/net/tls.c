#include "net/tls.h"

#include "base/alloc.h"
#include "net/tls_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>

#define RECORD ((size_t)16384) /* plain text of one record, and of one write to the socket */
/* One read of the socket, and the part of a record that OpenSSL had kept before. */
#define PLAIN_MAX (UB_READ_MAX + 2 * RECORD)

struct ub_tls {
    SSL *ssl;
    struct ub_slice offered; /* read from the socket, not yet taken by OpenSSL */
    struct ub_buf *sink;     /* where OpenSSL's bytes go now */
    struct ub_buf kept;      /* bytes that the socket did not take */
    size_t kept_sent;
    const char *words;
};

/* One for each loop: nothing in it outlives a call, so all connections share it. */
struct ub_tls_scratch {
    char plain[PLAIN_MAX]; /* decrypted */
    char gather[RECORD];   /* pieces that leave as one record */
    struct ub_buf cipher;  /* encrypted, on its way to the socket */
};

/* ---- the two ends of OpenSSL ---- */

static int bio_write(BIO *bio, const char *bytes, int len)
{
    struct ub_tls *tls = BIO_get_data(bio);
    ub_buf_add(tls->sink, bytes, (size_t)len);
    return tls->sink->failed ? -1 : len;
}

static int bio_read(BIO *bio, char *out, int max)
{
    struct ub_tls *tls = BIO_get_data(bio);
    size_t len = tls->offered.len < (size_t)max ? tls->offered.len : (size_t)max;
    BIO_clear_retry_flags(bio);
    if (len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(out, tls->offered.ptr, len);
    tls->offered.ptr += len;
    tls->offered.len -= len;
    return (int)len;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "unbusy");
    if (bio_method != NULL) {
        BIO_meth_set_write(bio_method, bio_write);
        BIO_meth_set_read(bio_method, bio_read);
        BIO_meth_set_ctrl(bio_method, bio_control);
    }
}

static struct ub_tls *new_tls(SSL_CTX *context)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_bio_method);
    struct ub_tls *tls = ub_calloc(1, sizeof *tls);
    SSL *ssl = tls == NULL ? NULL : SSL_new(context);
    BIO *bio = ssl == NULL || bio_method == NULL ? NULL : BIO_new(bio_method);
    if (bio == NULL) {
        SSL_free(ssl);
        ub_free(tls);
        return NULL;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    tls->ssl = ssl;
    tls->sink = &tls->kept;
    return tls;
}

struct ub_tls *ub_tls_accept(struct ub_tls_server *server)
{
    struct ub_tls *tls = new_tls(server->context);
    if (tls != NULL) {
        SSL_set_accept_state(tls->ssl);
    }
    return tls;
}

static bool is_literal(const char *host)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

struct ub_tls *ub_tls_connect(struct ub_tls_client *client, const char *host,
                              struct ub_tls_session *session)
{
    struct ub_tls *tls = new_tls(client->context);
    if (tls == NULL) {
        return NULL;
    }
    SSL_set_connect_state(tls->ssl);
    SSL_set_app_data(tls->ssl, session);
    bool good;
    if (is_literal(host)) {
        good = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), host) == 1;
    } else {
        SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        good = SSL_set1_host(tls->ssl, host) == 1 && SSL_set_tlsext_host_name(tls->ssl, host) == 1;
    }
    if (!good) {
        ub_tls_free(tls);
        return NULL;
    }
    if (session->saved != NULL) {
        SSL_set_session(tls->ssl, session->saved);
    }
    return tls;
}

void ub_tls_free(struct ub_tls *tls)
{
    if (tls != NULL) {
        SSL_free(tls->ssl);
        ub_buf_free(&tls->kept);
        ub_free(tls);
    }
}

static struct ub_tls_scratch *get_scratch(struct ub_loop *loop)
{
    if (loop->tls_scratch == NULL) {
        loop->tls_scratch = ub_calloc(1, sizeof *loop->tls_scratch);
    }
    return loop->tls_scratch;
}

void ub_tls_scratch_free(struct ub_loop *loop)
{
    if (loop->tls_scratch != NULL) {
        ub_buf_free(&loop->tls_scratch->cipher);
        ub_free(loop->tls_scratch);
        loop->tls_scratch = NULL;
    }
}

/* ---- errors ---- */

static void note_why(struct ub_tls *tls)
{
    long verdict = SSL_get_verify_result(tls->ssl);
    unsigned long code = ERR_peek_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    if (verdict != X509_V_OK) {
        tls->words = X509_verify_cert_error_string(verdict);
    } else {
        tls->words = reason != NULL ? reason : "TLS broken";
    }
    ERR_clear_error();
}

const char *ub_tls_words(const struct ub_tls *tls)
{
    return tls->words != NULL ? tls->words : "TLS broken";
}

bool ub_tls_resumed(const struct ub_tls *tls)
{
    return SSL_session_reused(tls->ssl) == 1;
}

/* ---- to the socket ---- */

bool ub_tls_is_flushed(const struct ub_tls *tls)
{
    return tls->kept.len == tls->kept_sent;
}

bool ub_tls_flush(struct ub_stream *stream)
{
    struct ub_tls *tls = stream->tls;
    while (!ub_tls_is_flushed(tls)) {
        ssize_t taken = send(stream->fd, tls->kept.ptr + tls->kept_sent,
                             tls->kept.len - tls->kept_sent, MSG_NOSIGNAL);
        if (taken <= 0) {
            return false; /* full, or broken: reading will tell */
        }
        tls->kept_sent += (size_t)taken;
    }
    ub_buf_free(&tls->kept);
    tls->kept_sent = 0;
    return true;
}

int ub_tls_handshake(struct ub_stream *stream)
{
    struct ub_tls *tls = stream->tls;
    ERR_clear_error();
    int rc = SSL_do_handshake(tls->ssl);
    int error = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, rc);
    if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ) {
        note_why(tls);
    }
    ub_tls_flush(stream); /* also the alert that says why not */
    return error == SSL_ERROR_NONE ? 1 : error == SSL_ERROR_WANT_READ ? 0 : -1;
}

/* One piece of plain text, encrypted and sent. False: broken, or no memory. */
static bool write_record(struct ub_stream *stream, struct ub_tls_scratch *scratch,
                         struct ub_slice plain)
{
    struct ub_tls *tls = stream->tls;
    size_t done;
    ERR_clear_error();
    ub_buf_clear(&scratch->cipher);
    tls->sink = &scratch->cipher;
    int rc = SSL_write_ex(tls->ssl, plain.ptr, plain.len, &done);
    tls->sink = &tls->kept;
    if (rc != 1) {
        note_why(tls);
        return false;
    }
    ssize_t taken = send(stream->fd, scratch->cipher.ptr, scratch->cipher.len, MSG_NOSIGNAL);
    if (taken < 0 && !ub_stream_is_full(errno)) {
        return false;
    }
    size_t sent = taken < 0 ? 0 : (size_t)taken;
    ub_buf_add(&tls->kept, scratch->cipher.ptr + sent, scratch->cipher.len - sent);
    return !tls->kept.failed;
}

/* The next record's worth of parts from byte `from` on, in one piece. */
static struct ub_slice next_piece(struct ub_tls_scratch *scratch, const struct ub_slice *parts,
                                  uint32_t count, size_t from)
{
    uint32_t i = 0;
    while (i < count && from >= parts[i].len) {
        from -= parts[i++].len;
    }
    if (i == count) {
        return (struct ub_slice){NULL, 0};
    }
    struct ub_slice first = {parts[i].ptr + from, parts[i].len - from};
    if (first.len >= RECORD || i + 1 == count) {
        first.len = first.len < RECORD ? first.len : RECORD;
        return first;
    }
    size_t len = 0;
    for (; i < count && len < RECORD; i++, from = 0) {
        size_t room = RECORD - len, have = parts[i].len - from;
        size_t now = have < room ? have : room;
        memcpy(scratch->gather + len, parts[i].ptr + from, now);
        len += now;
    }
    return (struct ub_slice){scratch->gather, len};
}

ssize_t ub_tls_write(struct ub_stream *stream, const struct ub_slice *parts, uint32_t count)
{
    struct ub_tls_scratch *scratch = get_scratch(stream->loop);
    if (scratch == NULL) {
        return -1;
    }
    if (stream->state == UB_STREAM_HANDSHAKE || !ub_tls_flush(stream)) {
        return 0;
    }
    size_t taken = 0;
    struct ub_slice piece;
    while (ub_tls_is_flushed(stream->tls) &&
           (piece = next_piece(scratch, parts, count, taken)).len > 0) {
        if (!write_record(stream, scratch, piece)) {
            return -1;
        }
        taken += piece.len;
    }
    return (ssize_t)taken;
}

void ub_tls_shutdown(struct ub_stream *stream)
{
    if (stream->state == UB_STREAM_OPEN) {
        ERR_clear_error();
        SSL_shutdown(stream->tls->ssl);
        ub_tls_flush(stream);
    }
}

/* ---- from the socket ---- */

void ub_tls_offer(struct ub_tls *tls, struct ub_slice cipher)
{
    tls->offered = cipher;
}

int ub_tls_read(struct ub_stream *stream, struct ub_slice *plain)
{
    struct ub_tls *tls = stream->tls;
    struct ub_tls_scratch *scratch = get_scratch(stream->loop);
    size_t len = 0;
    if (scratch == NULL) {
        tls->words = "no memory";
        return -1;
    }
    for (;;) {
        size_t got;
        ERR_clear_error();
        int rc = SSL_read_ex(tls->ssl, scratch->plain + len, sizeof scratch->plain - len, &got);
        if (rc == 1) {
            len += got;
            continue;
        }
        *plain = (struct ub_slice){scratch->plain, len};
        int error = SSL_get_error(tls->ssl, rc);
        if (len > 0) {
            return 1;
        }
        if (error == SSL_ERROR_WANT_READ) {
            ub_tls_flush(stream); /* a key update is answered while reading */
            return 0;
        }
        if (error == SSL_ERROR_ZERO_RETURN) {
            return -2;
        }
        note_why(tls);
        return -1;
    }
}

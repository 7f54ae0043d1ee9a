/* tls_context.c - certificates, trust, and what both sides insist on. */
#include "net/tls_private.h"

#include "base/alloc.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static const unsigned char alpn_http1[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

/* Behind the name of what it is about: the system's word when the file could not be read, else
 * OpenSSL's last. Always false. */
static bool say_why(char *words, const char *what)
{
    unsigned long first = ERR_peek_error(), last = ERR_peek_last_error();
    const char *reason = last == 0 ? NULL : ERR_reason_error_string(last);
    if (ERR_SYSTEM_ERROR(first)) {
        reason = strerror(ERR_GET_REASON(first));
    }
    snprintf(words, UB_TLS_WORDS, "%s: %s", what, reason != NULL ? reason : "not usable");
    ERR_clear_error();
    return false;
}

static SSL_CTX *new_context(const SSL_METHOD *method, int min_version)
{
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL || !SSL_CTX_set_min_proto_version(context, min_version)) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    return context;
}

/* ---- server ---- */

/* HTTP/1.1 or nothing: who offers only other protocols is refused (RFC 7301, 3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *user)
{
    unsigned char *chosen;
    (void)ssl;
    (void)user;
    int rc = SSL_select_next_proto(&chosen, out_len, alpn_http1, sizeof alpn_http1, in, in_len);
    *out = chosen;
    return rc == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool set_identity(SSL_CTX *context, const struct ub_tls_server_options *options, char *words)
{
    if (SSL_CTX_use_certificate_chain_file(context, options->cert) != 1) {
        return say_why(words, options->cert);
    }
    if (SSL_CTX_use_PrivateKey_file(context, options->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        return say_why(words, options->key);
    }
    if (options->client_ca == NULL) {
        return true;
    }
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(options->client_ca);
    if (names == NULL || SSL_CTX_load_verify_file(context, options->client_ca) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return say_why(words, options->client_ca);
    }
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return true;
}

struct ub_tls_server *ub_tls_server_new(const struct ub_tls_server_options *options, char *words)
{
    static const unsigned char session_context[] = "unbusy";
    snprintf(words, UB_TLS_WORDS, "no memory");
    SSL_CTX *context =
        new_context(TLS_server_method(), options->allow_12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    if (context == NULL) {
        return NULL;
    }
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_session_id_context(context, session_context, sizeof session_context - 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets need no memory */
    struct ub_tls_server *server = ub_calloc(1, sizeof *server);
    if (server == NULL || !set_identity(context, options, words)) {
        ub_free(server);
        SSL_CTX_free(context);
        return NULL;
    }
    server->context = context;
    return server;
}

void ub_tls_server_free(struct ub_tls_server *server)
{
    if (server != NULL) {
        SSL_CTX_free(server->context);
        ub_free(server);
    }
}

/* ---- client ---- */

static int save_session(SSL *ssl, SSL_SESSION *session)
{
    struct ub_tls_session *slot = SSL_get_app_data(ssl);
    if (slot == NULL) {
        return 0;
    }
    SSL_SESSION_free(slot->saved);
    slot->saved = session;
    return 1; /* it is ours now */
}

void ub_tls_session_forget(struct ub_tls_session *session)
{
    if (session->saved != NULL) {
        SSL_SESSION_free(session->saved);
        session->saved = NULL;
    }
}

/* The directory of hashed names is read as it is needed; the one big file would cost megabytes. */
static bool set_trust(SSL_CTX *context, const char *ca, char *words)
{
    if (ca != NULL) {
        return SSL_CTX_load_verify_file(context, ca) == 1 || say_why(words, ca);
    }
    return SSL_CTX_set_default_verify_paths(context) == 1 ||
           say_why(words, "the system's certificates");
}

struct ub_tls_client *ub_tls_client_new(const char *ca, bool verify, char *words)
{
    snprintf(words, UB_TLS_WORDS, "no memory");
    SSL_CTX *context = new_context(TLS_client_method(), TLS1_2_VERSION);
    if (context == NULL) {
        return NULL;
    }
    SSL_CTX_set_verify(context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, save_session);
    struct ub_tls_client *client = ub_calloc(1, sizeof *client);
    if (client == NULL || SSL_CTX_set_alpn_protos(context, alpn_http1, sizeof alpn_http1) != 0 ||
        !set_trust(context, ca, words)) {
        ub_free(client);
        SSL_CTX_free(context);
        return NULL;
    }
    client->context = context;
    client->verify = verify;
    return client;
}

void ub_tls_client_free(struct ub_tls_client *client)
{
    if (client != NULL) {
        SSL_CTX_free(client->context);
        ub_free(client);
    }
}

/* tls_private.h - shared by tls.c and tls_context.c. */
#ifndef UB_NET_TLS_PRIVATE_H
#define UB_NET_TLS_PRIVATE_H

#include "net/tls.h"
#include <openssl/ssl.h>

struct ub_tls_server {
    SSL_CTX *context;
};

struct ub_tls_client {
    SSL_CTX *context;
    bool verify;
};

#endif

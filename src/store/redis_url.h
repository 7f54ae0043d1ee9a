/* redis_url.h - redis://user:password@host:port/database, and rediss:// for TLS. */
#ifndef UB_STORE_REDIS_URL_H
#define UB_STORE_REDIS_URL_H

#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

#define UB_REDIS_TEXT_MAX 256 /* of host, user and password, the final zero included */

struct ub_redis_url {
    bool tls;
    uint16_t port;
    uint32_t database;
    char host[UB_REDIS_TEXT_MAX]; /* without brackets */
    char user[UB_REDIS_TEXT_MAX]; /* empty: the default user */
    char password[UB_REDIS_TEXT_MAX];
};

/* NULL when it was one, else words about what is wrong with it (without any secret). User and
 * password are percent-encoded in the URL (RFC 3986, 2.1) and plain afterwards. */
const char *ub_redis_url_parse(struct ub_slice text, struct ub_redis_url *out);

#endif

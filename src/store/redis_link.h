/* redis_link.h - one connection to Redis: name, TCP, TLS, and replies as they come. Private to
 * store/redis; what is sent over it and what a reply answers is known there. */
#ifndef UB_STORE_REDIS_LINK_H
#define UB_STORE_REDIS_LINK_H

#include "net/tls.h"
#include "store/redis.h"

struct ub_redis_link;

struct ub_redis_link_handler {
    void (*opened)(void *user);
    /* The reply is the handler's from now on. */
    void (*replied)(void *user, struct ub_redis_reply *reply);
    /* It cannot be used any more, and says nothing more: close it. `words` are static text. */
    void (*broken)(void *user, enum ub_redis_error error, const char *words);
};

struct ub_redis_link_options {
    const struct ub_redis_url *url; /* outlives the link, as the rest */
    struct ub_tls_client *tls_client;
    struct ub_tls_session *session;
    uint32_t first; /* of the addresses of its name: which to try first, modulo their number */
    size_t output_max, reply_max;
};

/* NULL without memory. The outcome comes later, never from inside. */
struct ub_redis_link *ub_redis_link_open(struct ub_loop *loop,
                                         const struct ub_redis_link_options *options,
                                         const struct ub_redis_link_handler *handler, void *user);
/* Nothing is called any more. NULL is fine. */
void ub_redis_link_close(struct ub_redis_link *link);

/* Bytes that leave when this turn's events are handled. FULL or NO_MEMORY: none of them will. */
enum ub_redis_error ub_redis_link_write(struct ub_redis_link *link, struct ub_slice bytes);

#endif

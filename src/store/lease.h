/* lease.h - parts of a limit, leased from Redis: the side that talks.
 *
 * One script decides, so that the sum is right whoever asks when. For each limit it keeps what every
 * gateway may hold at most: the largest of what it was granted, what it said it had, and what it had
 * in use. A grant is never more than what the others do not hold; it is lowered by its own gateway's
 * next question only, and what was given up is free after the one behind it, which says that it was
 * heard. Gateways that are not heard of for UB_SHARE_LEASE_NS, by the clock of Redis, hold nothing.
 *
 * How much each should have: everybody is given what it wants, the smallest wants first, nobody more
 * than an equal part of what is left; what nobody wants is divided equally. One slot each comes
 * first, so that an idle gateway's first request does not wait for an answer of Redis.
 *
 * When nobody has been heard of before (a new Redis, or one that was away), gateways keep what they
 * say they have, and get no more for a moment: until all of them have said it.
 */
#ifndef UB_STORE_LEASE_H
#define UB_STORE_LEASE_H

#include "store/redis.h"

struct ub_lease_terms {
    struct ub_slice key;  /* the same at all gateways, for this limit alone; with a hash tag */
    struct ub_slice node; /* this gateway, and no other */
    uint32_t limit;
    uint32_t wanted;
    uint32_t used; /* now */
    uint32_t have; /* what may be used now */
};

struct ub_lease_grant {
    uint32_t part;
    uint32_t others; /* what they hold */
    uint32_t nodes;  /* gateways, this one included */
};

struct ub_lease {
    /* OK with a grant; else what went wrong. */
    void (*done)(struct ub_lease *lease, enum ub_redis_error error,
                 const struct ub_lease_grant *grant, const char *words);
    void *user;
    struct ub_redis_call call; /* private from here on */
    struct ub_redis *redis;
    bool whole;     /* the script itself was sent, not its name */
    char text[512]; /* the arguments, in case that they have to be sent again */
    uint16_t end[6];
};

/* Set done and user, zero the rest. OK: `done` will be called, and not from inside. */
enum ub_redis_error ub_lease_ask(struct ub_lease *lease, struct ub_redis *redis,
                                 const struct ub_lease_terms *terms);
void ub_lease_cancel(struct ub_lease *lease);
bool ub_lease_is_asked(const struct ub_lease *lease);

#endif

/* redis.h - a client of one Redis server, on a loop.
 *
 * Commands are pipelined over one connection and answered in order. Nothing waits and nothing is
 * kept for later: while there is no connection, a command is refused at once (DOWN), so that who
 * asks can go on without Redis. The client dials by itself, again and again with growing pauses.
 *
 * Every command ends exactly once: with its reply, or with one of the errors below. An error reply
 * is an error of the call. A command without an answer in time ends with TIMEOUT; its place in the
 * order is kept, so that a late answer hurts nobody. When the silence lasts, the connection is
 * given up.
 *
 * The protocol is read and written by hiredis, bytes are moved by net/stream. RESP2 (AUTH with user
 * and password: Redis 6 and later). One server: a cluster's MOVED is an error like any other.
 *
 * Ownership: the caller owns each ub_redis_call (embed it), which must stay until `done` was called
 * or ub_redis_cancel returned. Everything on the loop's thread; `done` never comes from inside
 * ub_redis_send. From `done` everything may be called but ub_redis_free.
 */
#ifndef UB_STORE_REDIS_H
#define UB_STORE_REDIS_H

#include "base/slice.h"
#include "base/time.h"
#include "net/loop.h"
#include "store/redis_error.h"
#include "store/redis_url.h"
#include <stdbool.h>
#include <stdint.h>

const char *ub_redis_error_label(enum ub_redis_error error);
const char *ub_redis_error_words(enum ub_redis_error error);

enum ub_redis_type {
    UB_REDIS_NIL,
    UB_REDIS_INTEGER,
    UB_REDIS_TEXT,   /* a bulk string */
    UB_REDIS_STATUS, /* "OK" */
    UB_REDIS_FAULT,  /* an error, inside an array */
    UB_REDIS_ARRAY,
};

struct ub_redis_reply {
    enum ub_redis_type type;
    int64_t integer;
    struct ub_slice text; /* TEXT, STATUS, FAULT */
    uint32_t count;       /* ARRAY */
    struct ub_redis_reply **element;
};

struct ub_redis;

struct ub_redis_call {
    /* `reply` is there when `error` is OK, and valid for the call. `words` (for the log, valid for
     * the call): what Redis said itself, else those of the error. */
    void (*done)(struct ub_redis_call *call, enum ub_redis_error error,
                 const struct ub_redis_reply *reply, const char *words);
    void *user;
    uint64_t number; /* private from here on; 0: does not run */
};

struct ub_tls_client; /* net/tls.h */

struct ub_redis_options {
    struct ub_redis_url url;          /* texts are copied */
    struct ub_tls_client *tls_client; /* when url.tls; shared, outlives the client */
    ub_ns timeout_ns;                 /* of each command, and of making a connection */
    ub_ns pause_max_ns;               /* between two tries to connect; 0: 3 s */
    uint32_t commands_max;            /* in flight at the same time */
    size_t output_max;                /* bytes of commands that the socket has not taken yet */
    size_t reply_max;                 /* bytes of one reply */
    uint64_t seed;                    /* of the pauses between connections */
};

enum ub_redis_state {
    UB_REDIS_PAUSES, /* until the next try */
    UB_REDIS_DIALS,  /* name, connect, TLS, AUTH, SELECT */
    UB_REDIS_READY,
};

struct ub_redis_counts {
    enum ub_redis_state state;
    uint32_t waiting; /* commands in flight */
    uint64_t connections;
    uint64_t commands;
    uint64_t errors[UB_REDIS_ERROR_COUNT]; /* of commands and of tries to connect */
    uint64_t answers;                      /* in time */
    ub_ns answer_ns;                       /* all of their latencies together */
    ub_ns last_ns;                         /* the last one's */
};

/* NULL without memory. It dials at once. */
struct ub_redis *ub_redis_new(struct ub_loop *loop, const struct ub_redis_options *options);
/* Calls that run are forgotten. NULL is fine. */
void ub_redis_free(struct ub_redis *redis);

/* Sends a command; its arguments are copied. OK: `done` will be called. Else (DOWN, FULL,
 * NO_MEMORY) it will not. Set done and user, zero the rest. */
enum ub_redis_error ub_redis_send(struct ub_redis *redis, struct ub_redis_call *call,
                                  const struct ub_slice *arguments, uint32_t count);
/* `done` is not called any more; Redis may carry the command out all the same. */
void ub_redis_cancel(struct ub_redis *redis, struct ub_redis_call *call);

/* The reply was not what the command answers: counts it and says so. */
enum ub_redis_error ub_redis_unexpected(struct ub_redis *redis);

/* Called when a connection is ready, and when it is no more (`words`: why; static text). */
void ub_redis_on_state(struct ub_redis *redis,
                       void (*changed)(void *user, bool ready, const char *words), void *user);

struct ub_redis_counts ub_redis_counts(const struct ub_redis *redis);

#endif

/* redis_error.h - what can go wrong with Redis: for the client, and for who counts it. */
#ifndef UB_STORE_REDIS_ERROR_H
#define UB_STORE_REDIS_ERROR_H

/* One row gives the enum, the label of the counter, and the words. */
#define UB_REDIS_ERRORS(X)                                                   \
    X(OK, "ok", "ok")                                                        \
    X(DOWN, "down", "no connection to Redis")                                \
    X(FULL, "full", "too many commands wait for Redis")                      \
    X(TIMEOUT, "timeout", "Redis does not answer in time")                   \
    X(LOST, "lost", "the connection to Redis broke")                         \
    X(NONSENSE, "nonsense", "Redis does not speak its protocol")             \
    X(TOO_LARGE, "too_large", "an answer of Redis is too large")             \
    X(NO_MEMORY, "no_memory", "no memory")                                   \
    X(LOADING, "loading", "Redis is loading its data")                       \
    X(READONLY, "readonly", "this Redis is a replica and cannot be written") \
    X(MOVED, "moved", "the key is kept by another Redis of the cluster")     \
    X(NOSCRIPT, "noscript", "Redis does not know the script")                \
    X(WRONGTYPE, "wrongtype", "the key holds something else")                \
    X(DENIED, "denied", "Redis does not admit this user or password")        \
    X(BUSY, "busy", "Redis is busy with a script")                           \
    X(OOM, "oom", "Redis has no memory left")                                \
    X(REFUSED, "refused", "Redis refused the command")                       \
    X(UNEXPECTED, "unexpected", "Redis gave another type of answer")

enum ub_redis_error {
#define X(name, label, words) UB_REDIS_##name,
    UB_REDIS_ERRORS(X)
#undef X
        UB_REDIS_ERROR_COUNT
};

#endif

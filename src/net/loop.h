/* loop.h - one event loop for each worker thread, and what everything on it shares.
 *
 * Around libuv's loop: one read buffer for all connections, timers and deadlines behind a single
 * uv_timer, a mailbox wake, and tasks.
 *
 * A *task* is a call that must not happen here and now: ub_exchange_* and ub_call_* never call
 * their caller back from inside, they post. Tasks run when the events of this turn are handled,
 * before the loop sleeps, in the order they were posted.
 *
 * Everything is used on the loop's own thread, but for ub_loop_wake and ub_loop_stop.
 */
#ifndef UB_NET_LOOP_H
#define UB_NET_LOOP_H

#include "base/time.h"
#include "net/timer.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define UB_READ_MAX ((size_t)(64 * 1024)) /* bytes of one read */

struct ub_task {
    void (*run)(struct ub_task *task);
    struct ub_task *prev, *next; /* private; next is NULL while not posted */
};

struct ub_resolver;    /* resolve.h */
struct ub_tls_scratch; /* tls.c */

/* Connections of this loop, for metrics. */
struct ub_loop_counts {
    uint64_t accepted; /* so far */
    uint64_t dialled;
    uint32_t clients; /* open now */
    uint32_t upstreams;
};

struct ub_loop {
    uv_loop_t uv;
    char *read_buffer; /* UB_READ_MAX bytes; belongs to whoever is reading, for one callback */
    struct ub_timers timers;
    struct ub_task tasks; /* sentinel */
    uv_timer_t timer;
    ub_ns timer_at;
    uv_prepare_t prepare;
    uv_async_t async;
    void (*woken)(void *user);
    void *woken_user;
    atomic_bool stopping;
    int reserve_fd; /* given up so that a running request can still open a connection; -1 = gone */
    struct ub_resolver *resolver;       /* made with the first name that is looked up */
    struct ub_tls_scratch *tls_scratch; /* made with the first encrypted byte */
    struct ub_loop_counts counts;
};

/* NULL without memory or file descriptors. */
struct ub_loop *ub_loop_new(void);

/* Everything that was opened on it has been closed by its owner; closing is finished here. */
void ub_loop_free(struct ub_loop *loop);

/* Until ub_loop_stop. Can be run again afterwards. */
void ub_loop_run(struct ub_loop *loop);

/* One turn: waits for at most `wait_ns` (rounded up to milliseconds) for something to happen. */
void ub_loop_turn(struct ub_loop *loop, ub_ns wait_ns);

void ub_loop_stop(struct ub_loop *loop); /* from any thread */
void ub_loop_wake(struct ub_loop *loop); /* from any thread; several wakes may become one call */

/* What a wake calls, on the loop's thread. Set it before other threads know the loop. */
void ub_loop_on_wake(struct ub_loop *loop, void (*woken)(void *user), void *user);

/* Start of this turn, whole milliseconds of ub_clock_now: costs nothing. */
static inline ub_ns ub_loop_now(const struct ub_loop *loop)
{
    return (ub_ns)uv_now(&loop->uv) * UB_MS;
}

/* One-shot; embed it, set `fire` (and `user`), zero the rest. Not before `at`; starting a started
 * one moves it. Stop it before its memory goes. */
static inline void ub_timer_start(struct ub_loop *loop, struct ub_timer *timer, ub_ns at)
{
    ub_timers_start(&loop->timers, timer, at);
}

static inline void ub_timer_stop(struct ub_loop *loop, struct ub_timer *timer)
{
    ub_timers_stop(&loop->timers, timer);
}

/* Posting a posted task changes nothing. Drop it before its memory goes. */
void ub_loop_post(struct ub_loop *loop, struct ub_task *task);
void ub_task_drop(struct ub_task *task);

static inline bool ub_task_is_posted(const struct ub_task *task)
{
    return task->next != NULL;
}

#endif

#include "net/loop.h"

#include "base/alloc.h"
#include "net/resolve.h"
#include "net/tls.h"

#include <assert.h>
#include <fcntl.h>
#include <unistd.h>

void ub_loop_post(struct ub_loop *loop, struct ub_task *task)
{
    if (ub_task_is_posted(task)) {
        return;
    }
    task->prev = loop->tasks.prev;
    task->next = &loop->tasks;
    loop->tasks.prev->next = task;
    loop->tasks.prev = task;
}

void ub_task_drop(struct ub_task *task)
{
    if (!ub_task_is_posted(task)) {
        return;
    }
    task->prev->next = task->next;
    task->next->prev = task->prev;
    task->prev = task->next = NULL;
}

static void run_tasks(struct ub_loop *loop)
{
    while (loop->tasks.next != &loop->tasks) {
        struct ub_task *task = loop->tasks.next;
        ub_task_drop(task);
        task->run(task);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct ub_loop *loop = timer->data;
    loop->timer_at = UB_NEVER;
}

/* libuv counts in milliseconds; rounding up keeps "not before". */
static uint64_t ms_until(const struct ub_loop *loop, ub_ns at)
{
    ub_ns left_ns = at - ub_loop_now(loop);
    return left_ns <= 0 ? 0 : (uint64_t)((left_ns + UB_MS - 1) / UB_MS);
}

/* Last thing before the loop sleeps: tasks of this turn, then what is due, then the alarm. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct ub_loop *loop = prepare->data;
    run_tasks(loop);
    ub_timers_run(&loop->timers, ub_loop_now(loop));
    run_tasks(loop);

    ub_ns wake_at = ub_timers_wake_at(&loop->timers);
    if (wake_at == loop->timer_at) {
        return;
    }
    loop->timer_at = wake_at;
    if (wake_at == UB_NEVER) {
        uv_timer_stop(&loop->timer);
    } else {
        uv_timer_start(&loop->timer, on_timer, ms_until(loop, wake_at), 0);
    }
}

static void on_async(uv_async_t *async)
{
    struct ub_loop *loop = async->data;
    if (loop->woken != NULL) {
        loop->woken(loop->woken_user);
    }
    if (atomic_exchange(&loop->stopping, false)) {
        uv_stop(&loop->uv);
    }
}

struct ub_loop *ub_loop_new(void)
{
    struct ub_loop *loop = ub_calloc(1, sizeof *loop);
    if (loop == NULL) {
        return NULL;
    }
    loop->read_buffer = ub_malloc(UB_READ_MAX);
    if (loop->read_buffer == NULL || uv_loop_init(&loop->uv) != 0) {
        ub_free(loop->read_buffer);
        ub_free(loop);
        return NULL;
    }
    ub_timers_init(&loop->timers);
    loop->tasks.prev = loop->tasks.next = &loop->tasks;
    loop->timer_at = UB_NEVER;
    loop->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    uv_timer_init(&loop->uv, &loop->timer);
    uv_prepare_init(&loop->uv, &loop->prepare);
    loop->timer.data = loop->prepare.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    if (loop->reserve_fd < 0 || uv_async_init(&loop->uv, &loop->async, on_async) != 0) {
        ub_loop_free(loop);
        return NULL;
    }
    loop->async.data = loop;
    return loop;
}

void ub_loop_free(struct ub_loop *loop)
{
    run_tasks(loop);
    ub_resolver_free(loop->resolver);
    uv_close((uv_handle_t *)&loop->timer, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    if (loop->async.data != NULL) {
        uv_close((uv_handle_t *)&loop->async, NULL);
    }
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    int open_handles = uv_loop_close(&loop->uv);
    assert(open_handles == 0);
    (void)open_handles;
    ub_timers_close(&loop->timers);
    ub_tls_scratch_free(loop);
    if (loop->reserve_fd >= 0) {
        close(loop->reserve_fd);
    }
    ub_free(loop->read_buffer);
    ub_free(loop);
}

void ub_loop_run(struct ub_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

static void end_wait(struct ub_timer *timer)
{
    uv_stop(timer->user); /* the poll that follows does not block */
}

void ub_loop_turn(struct ub_loop *loop, ub_ns wait_ns)
{
    struct ub_timer alarm = {.fire = end_wait, .user = &loop->uv};
    uv_update_time(&loop->uv);
    ub_timer_start(loop, &alarm, ub_ns_after(ub_loop_now(loop), wait_ns));
    uv_run(&loop->uv, UV_RUN_ONCE);
    ub_timer_stop(loop, &alarm);
}

void ub_loop_stop(struct ub_loop *loop)
{
    atomic_store(&loop->stopping, true);
    uv_async_send(&loop->async);
}

void ub_loop_wake(struct ub_loop *loop)
{
    uv_async_send(&loop->async);
}

void ub_loop_on_wake(struct ub_loop *loop, void (*woken)(void *user), void *user)
{
    loop->woken = woken;
    loop->woken_user = user;
}

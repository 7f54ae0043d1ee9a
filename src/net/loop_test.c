/* The loop: timers on a real clock, tasks, waking and stopping from another thread. */
#include "base/test.h"
#include "net/loop.h"

#include <pthread.h>

static struct ub_loop *loop;
static int fires, wakes, tasks;
static ub_ns fired_at;

static void fire(struct ub_timer *timer)
{
    (void)timer;
    fires++;
    fired_at = ub_clock_now();
}

static void count_wake(void *user)
{
    (void)user;
    wakes++;
    ub_loop_stop(loop);
}

static void *wake_it(void *user)
{
    (void)user;
    ub_loop_wake(loop);
    return NULL;
}

static void run_task(struct ub_task *task)
{
    (void)task;
    tasks++;
}

static void post_another(struct ub_task *task);
static struct ub_task first = {.run = post_another}, second = {.run = run_task};

static void post_another(struct ub_task *task)
{
    (void)task;
    tasks++;
    ub_loop_post(loop, &second);
}

int main(void)
{
    loop = ub_loop_new();
    UB_CHECK(loop != NULL, "a loop is made");

    struct ub_timer timer = {.fire = fire};
    ub_ns at = ub_clock_now() + 3 * UB_MS + 300 * UB_US;
    ub_timer_start(loop, &timer, at);
    for (int i = 0; i < 1000 && fires == 0; i++) {
        ub_loop_turn(loop, 5 * UB_MS);
    }
    UB_CHECK(fires == 1 && fired_at >= at, "a timer fires, not before its time");

    ub_ns before = ub_clock_now();
    ub_loop_turn(loop, 2 * UB_MS);
    ub_loop_turn(loop, 0);
    UB_CHECK(ub_clock_now() - before < UB_SECOND, "a turn without events ends after its wait");

    ub_loop_post(loop, &first);
    ub_loop_post(loop, &first);
    ub_loop_turn(loop, 0);
    UB_CHECK(tasks == 2, "a task posted twice runs once, one posted by a task in the same turn");
    ub_loop_post(loop, &second);
    ub_task_drop(&second);
    ub_loop_turn(loop, 0);
    UB_CHECK(tasks == 2, "a dropped task does not run");

    pthread_t thread;
    ub_loop_on_wake(loop, count_wake, NULL);
    pthread_create(&thread, NULL, wake_it, NULL);
    ub_loop_run(loop);
    pthread_join(thread, NULL);
    UB_CHECK(wakes >= 1, "another thread wakes the loop, which stops");
    ub_loop_free(loop);
    return ub_test_done();
}

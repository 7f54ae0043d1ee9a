/* Timers and deadlines, with time as an argument. */
#include "base/alloc.h"
#include "base/random.h"
#include "base/test.h"
#include "net/timer.h"

#include <stdio.h>
#include <string.h>

static char fired[512];

static void note(struct ub_timer *timer)
{
    strncat(fired, timer->user, sizeof fired - strlen(fired) - 1);
}

static void note_deadline(struct ub_deadline *deadline)
{
    (void)deadline;
    strncat(fired, "D", sizeof fired - strlen(fired) - 1);
}

static struct ub_timers timers;
static struct ub_timer again;

static void start_again(struct ub_timer *timer)
{
    note(timer);
    ub_timers_start(&timers, timer, timer->at);
}

static void timers_fire_in_order(void)
{
    struct ub_timer a = {.fire = note, .user = "a"}, b = {.fire = note, .user = "b"};
    struct ub_timer c = {.fire = note, .user = "c"}, d = {.fire = note, .user = "d"};
    ub_timers_init(&timers);
    UB_CHECK(ub_timers_wake_at(&timers) == UB_NEVER, "with nothing started nobody is woken");
    ub_timers_start(&timers, &c, 30);
    ub_timers_start(&timers, &a, 10);
    ub_timers_start(&timers, &b, 10);
    ub_timers_start(&timers, &d, 5);
    ub_timers_stop(&timers, &d);
    ub_timers_stop(&timers, &d);
    fired[0] = '\0';
    ub_timers_run(&timers, 9);
    UB_CHECK_TEXT(fired, "", "nothing fires before its time");
    UB_CHECK(ub_timers_wake_at(&timers) == 10, "the next wake is the soonest timer's");
    ub_timers_run(&timers, 30);
    UB_CHECK_TEXT(fired, "abc", "by instant, then in the order they were started");

    again = (struct ub_timer){.fire = start_again, .user = "x"};
    ub_timers_start(&timers, &again, 40);
    fired[0] = '\0';
    ub_timers_run(&timers, 40);
    UB_CHECK_TEXT(fired, "x", "a timer that restarts itself waits for the next run");
    UB_CHECK(ub_timers_wake_at(&timers) == 40, "...which is asked for");
    ub_timers_stop(&timers, &again);
}

#define MANY 500
static ub_ns last_at;
static int in_order;

static void check_order(struct ub_timer *timer)
{
    in_order += timer->at >= last_at;
    last_at = timer->at;
}

static void a_heap_under_random_use(void)
{
    static struct ub_timer many[MANY];
    struct ub_random random = {7};
    ub_timers_init(&timers);
    for (int i = 0; i < MANY; i++) {
        many[i] = (struct ub_timer){.fire = check_order};
        ub_timers_start(&timers, &many[i], 1 + ub_random_below(&random, 100));
    }
    for (int i = 0; i < MANY; i++) {
        struct ub_timer *timer = &many[ub_random_below(&random, MANY)];
        if (ub_random_below(&random, 2) == 0) {
            ub_timers_stop(&timers, timer);
        }
        ub_timers_start(&timers, timer, 1 + ub_random_below(&random, 100));
    }
    int count = 0;
    for (ub_ns now = 0; now <= 100; now++) {
        count += ub_timers_run(&timers, now);
    }
    UB_CHECK(count == MANY && in_order == MANY, "500 timers, moved at random, all fire in order");
}

static void deadlines(void)
{
    ub_timers_init(&timers);
    struct ub_deadline_class *slow = ub_deadline_class_hold(&timers, 100);
    struct ub_deadline_class *fast = ub_deadline_class_hold(&timers, 10);
    struct ub_deadline_class *same = ub_deadline_class_hold(&timers, 10);
    UB_CHECK(same == fast, "one class for one duration");
    ub_deadline_class_release(same);

    struct ub_deadline a = {.expired = note_deadline}, b = {.expired = note_deadline};
    ub_deadline_arm(slow, &a, 1);
    ub_deadline_arm(slow, &b, 2);
    ub_deadline_arm(slow, &a, 50);
    fired[0] = '\0';
    ub_timers_run(&timers, 101);
    UB_CHECK_TEXT(fired, "", "an armed deadline was moved, the other is not due yet");
    ub_timers_run(&timers, 102);
    UB_CHECK(!ub_deadline_is_armed(&b) && ub_deadline_is_armed(&a), "the one not moved is due");
    UB_CHECK(ub_timers_wake_at(&timers) == 150, "the next wake is the moved one's");
    ub_deadline_arm(fast, &a, 110);
    ub_timers_run(&timers, 120);
    UB_CHECK_TEXT(fired, "DD", "a deadline changes its class");
    ub_deadline_arm(fast, &a, 200);
    ub_deadline_arm(fast, &b, 195);
    fired[0] = '\0';
    ub_timers_run(&timers, 205);
    UB_CHECK(!ub_deadline_is_armed(&b) && ub_deadline_is_armed(&a),
             "a clock that stepped back does not mix up the order");
    ub_deadline_class_release(slow);
    ub_deadline_class_release(fast);
    fired[0] = '\0';
    ub_timers_run(&timers, 210);
    UB_CHECK_TEXT(fired, "D", "what is armed in a class that was given back still comes");
    ub_timers_close(&timers);
    UB_CHECK(timers.classes == NULL, "classes that nobody holds are freed");

    ub_alloc_fail_nth(1);
    UB_CHECK(ub_deadline_class_hold(&timers, 10) == NULL, "without memory there is no class");
    ub_alloc_fail_nth(0);
}

int main(void)
{
    timers_fire_in_order();
    a_heap_under_random_use();
    deadlines();
    return ub_test_done();
}

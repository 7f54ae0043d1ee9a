/* timer.h - when something is due: single timers, and deadlines that are moved all the time.
 *
 * No clock and no loop in here: the owner (net/loop) brings the time and asks when to come back.
 *
 * A *timer* may be due at any instant; they stand in a pairing heap, so starting one is O(1) and
 * nothing is allocated. Timers due at the same instant fire in the order they were started.
 *
 * A *deadline* is moved by every read of a connection, so it has to cost next to nothing. All
 * deadlines of one duration form a class: whoever is armed last is due last, so a class is a plain
 * list and arming is a move to its tail. (A class keeps its order even if the clock stood still or
 * stepped back: the place is looked for from the tail.)
 */
#ifndef UB_NET_TIMER_H
#define UB_NET_TIMER_H

#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ub_timer {
    void (*fire)(struct ub_timer *timer); /* it is stopped by then; may be started again */
    void *user;
    ub_ns at; /* private from here on */
    uint64_t order;
    struct ub_timer *child, *next, *prev; /* prev of a first child is its parent */
    bool armed;
};

struct ub_deadline {
    void (*expired)(struct ub_deadline *deadline); /* it is disarmed by then */
    ub_ns at;                                      /* private from here on */
    struct ub_deadline *prev, *next;               /* next is NULL while disarmed */
};

struct ub_deadline_class {
    ub_ns duration_ns;
    struct ub_timers *timers;
    struct ub_deadline ring; /* sentinel: next is due first */
    struct ub_deadline_class *next;
    uint32_t holders;
};

struct ub_timers {
    struct ub_timer *root;
    uint64_t started;
    struct ub_deadline_class *classes;
    ub_ns soonest; /* nothing is due before this; UB_NEVER when there is nothing */
};

void ub_timers_init(struct ub_timers *timers);
void ub_timers_close(struct ub_timers *timers); /* nothing is started or armed any more */

/* Fires what is due; returns how many. */
int ub_timers_run(struct ub_timers *timers, ub_ns now);

/* The owner comes back at this instant (it may find nothing due, but never comes too late). */
static inline ub_ns ub_timers_wake_at(const struct ub_timers *timers)
{
    return timers->soonest;
}

/* Starting a started timer moves it. */
void ub_timers_start(struct ub_timers *timers, struct ub_timer *timer, ub_ns at);
void ub_timers_stop(struct ub_timers *timers, struct ub_timer *timer);

/* The class of this duration; NULL without memory. Give it back with release; deadlines that are
 * still armed in it stay so, and it goes some time after the last of them. */
struct ub_deadline_class *ub_deadline_class_hold(struct ub_timers *timers, ub_ns duration_ns);
void ub_deadline_class_release(struct ub_deadline_class *held); /* NULL is fine */

/* Due one duration from now, wherever it stood before. */
void ub_deadline_arm(struct ub_deadline_class *in, struct ub_deadline *deadline, ub_ns now);
void ub_deadline_disarm(struct ub_deadline *deadline);

static inline bool ub_deadline_is_armed(const struct ub_deadline *deadline)
{
    return deadline->next != NULL;
}

#endif

#include "net/timer.h"

#include "base/alloc.h"

#include <assert.h>
#include <stddef.h>

/* ---- the pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) ---- */

static bool before(const struct ub_timer *a, const struct ub_timer *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

/* Joins two heaps that have no siblings; either may be NULL. */
static struct ub_timer *meld(struct ub_timer *a, struct ub_timer *b)
{
    if (a == NULL || b == NULL) {
        return a == NULL ? b : a;
    }
    if (before(b, a)) {
        struct ub_timer *swap = a;
        a = b;
        b = swap;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child != NULL) {
        a->child->prev = b;
    }
    a->child = b;
    return a;
}

/* One heap out of a row of siblings: in pairs from the left, then from the right into one. */
static struct ub_timer *meld_siblings(struct ub_timer *first)
{
    struct ub_timer *pairs = NULL; /* linked by next, the last pair first */
    while (first != NULL) {
        struct ub_timer *a = first;
        struct ub_timer *b = a->next;
        first = b == NULL ? NULL : b->next;
        a->next = a->prev = NULL;
        if (b != NULL) {
            b->next = b->prev = NULL;
        }
        struct ub_timer *pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    struct ub_timer *heap = NULL;
    while (pairs != NULL) {
        struct ub_timer *next = pairs->next;
        pairs->next = NULL;
        heap = meld(heap, pairs);
        pairs = next;
    }
    return heap;
}

static void take_out(struct ub_timers *timers, struct ub_timer *timer)
{
    struct ub_timer *children = meld_siblings(timer->child);
    timer->child = NULL;
    if (timer == timers->root) {
        timers->root = children;
    } else {
        if (timer->prev->child == timer) {
            timer->prev->child = timer->next;
        } else {
            timer->prev->next = timer->next;
        }
        if (timer->next != NULL) {
            timer->next->prev = timer->prev;
        }
        timers->root = meld(timers->root, children);
    }
    timer->next = timer->prev = NULL;
    timer->armed = false;
}

void ub_timers_start(struct ub_timers *timers, struct ub_timer *timer, ub_ns at)
{
    if (timer->armed) {
        take_out(timers, timer);
    }
    timer->at = at;
    timer->order = timers->started++;
    timer->child = timer->next = timer->prev = NULL;
    timer->armed = true;
    timers->root = meld(timers->root, timer);
    timers->soonest = ub_ns_min(timers->soonest, at);
}

void ub_timers_stop(struct ub_timers *timers, struct ub_timer *timer)
{
    if (timer->armed) {
        take_out(timers, timer);
    }
}

/* ---- deadlines ---- */

/* Classes that nobody holds and nothing is armed in. */
static void free_unused(struct ub_timers *timers)
{
    struct ub_deadline_class **link = &timers->classes;
    while (*link != NULL) {
        struct ub_deadline_class *c = *link;
        if (c->holders == 0 && c->ring.next == &c->ring) {
            *link = c->next;
            ub_free(c);
        } else {
            link = &c->next;
        }
    }
}

struct ub_deadline_class *ub_deadline_class_hold(struct ub_timers *timers, ub_ns duration_ns)
{
    free_unused(timers);
    struct ub_deadline_class *found = timers->classes;
    while (found != NULL && found->duration_ns != duration_ns) {
        found = found->next;
    }
    if (found == NULL) {
        found = ub_calloc(1, sizeof *found);
        if (found == NULL) {
            return NULL;
        }
        found->duration_ns = duration_ns;
        found->timers = timers;
        found->ring.prev = found->ring.next = &found->ring;
        found->next = timers->classes;
        timers->classes = found;
    }
    found->holders++;
    return found;
}

void ub_deadline_class_release(struct ub_deadline_class *held)
{
    if (held != NULL && --held->holders == 0) {
        free_unused(held->timers);
    }
}

void ub_deadline_arm(struct ub_deadline_class *in, struct ub_deadline *deadline, ub_ns now)
{
    ub_deadline_disarm(deadline);
    deadline->at = ub_ns_after(now, in->duration_ns);
    struct ub_deadline *after = in->ring.prev;
    while (after != &in->ring && after->at > deadline->at) {
        after = after->prev;
    }
    deadline->prev = after;
    deadline->next = after->next;
    after->next->prev = deadline;
    after->next = deadline;
    in->timers->soonest = ub_ns_min(in->timers->soonest, deadline->at);
}

void ub_deadline_disarm(struct ub_deadline *deadline)
{
    if (deadline->next == NULL) {
        return;
    }
    deadline->prev->next = deadline->next;
    deadline->next->prev = deadline->prev;
    deadline->prev = deadline->next = NULL;
}

/* ---- both ---- */

void ub_timers_init(struct ub_timers *timers)
{
    *timers = (struct ub_timers){.soonest = UB_NEVER};
}

void ub_timers_close(struct ub_timers *timers)
{
    free_unused(timers);
    assert(timers->classes == NULL && timers->root == NULL);
}

static struct ub_deadline *due_in(struct ub_deadline_class *in, ub_ns now)
{
    struct ub_deadline *first = in->ring.next;
    return first != &in->ring && first->at <= now ? first : NULL;
}

/* What is due may release classes, so the list is entered anew for each. */
static struct ub_deadline *any_due(struct ub_timers *timers, ub_ns now)
{
    for (struct ub_deadline_class *c = timers->classes; c != NULL; c = c->next) {
        struct ub_deadline *due = due_in(c, now);
        if (due != NULL) {
            return due;
        }
    }
    return NULL;
}

static ub_ns find_soonest(const struct ub_timers *timers)
{
    ub_ns soonest = timers->root == NULL ? UB_NEVER : timers->root->at;
    for (const struct ub_deadline_class *c = timers->classes; c != NULL; c = c->next) {
        if (c->ring.next != &c->ring) {
            soonest = ub_ns_min(soonest, c->ring.next->at);
        }
    }
    return soonest;
}

int ub_timers_run(struct ub_timers *timers, ub_ns now)
{
    if (now < timers->soonest) {
        return 0;
    }
    int fired = 0;
    struct ub_deadline *deadline;
    while ((deadline = any_due(timers, now)) != NULL) {
        ub_deadline_disarm(deadline);
        deadline->expired(deadline);
        fired++;
    }
    /* A timer that is started again for `now` waits for the next run. */
    uint64_t started = timers->started;
    while (timers->root != NULL && timers->root->at <= now && timers->root->order < started) {
        struct ub_timer *timer = timers->root;
        take_out(timers, timer);
        timer->fire(timer);
        fired++;
    }
    timers->soonest = find_soonest(timers);
    return fired;
}

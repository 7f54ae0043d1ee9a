/* checker_line.c - the checker's account of the line: its bounds, and that no class starves in it. */
#include "sim/checker_inside.h"

#define STARVES_NS UB_SECOND
#define STREAK_MAX 4 /* slots in a row that may go past a class that starves */

void ub_checker_queue(struct ub_checker *c, const struct ub_routes *routes)
{
    struct queue_kept *q = &c->queue;
    bool bounded = q->bytes_max != 0 && routes->queue_bytes != 0;
    q->size_next = routes->queue_size;
    q->bytes_next = routes->queue_bytes;
    q->size_max = q->size_next > q->size_max ? q->size_next : q->size_max;
    q->bytes_max = !bounded ? 0 : q->bytes_next > q->bytes_max ? q->bytes_next : q->bytes_max;
}

/* A smaller bound drives nobody away who waits already. */
void ub_checker_waiting(struct ub_checker *c, uint32_t waiting, uint64_t bytes)
{
    struct queue_kept *q = &c->queue;
    if (waiting > q->waiting && waiting > q->size_max) {
        ub_checker_fail(c, "%u wait in a queue of %u", waiting, q->size_max);
    }
    if (bytes > q->bytes && q->bytes_max != 0 && bytes > q->bytes_max) {
        ub_checker_fail(c, "%llu bytes wait where %llu may", (unsigned long long)bytes,
                        (unsigned long long)q->bytes_max);
    }
    q->waiting = waiting;
    q->bytes = bytes;
    q->size_max = q->size_next;
    q->bytes_max = q->bytes_next;
}

/* Everybody of a class waits too long already, those included who came last: whoever is next there
 * starves, however the tenants of the class take turns. */
static bool passes_starving(const struct ub_checker *c, const struct request_kept *served,
                            ub_ns now)
{
    ub_ns youngest[UB_TRAFFIC_CLASSES];
    for (uint8_t class = 0; class < UB_TRAFFIC_CLASSES; class ++) {
        youngest[class] = -1;
    }
    for (uint32_t i = 0; i < c->high; i++) {
        const struct request_kept *r = &c->request[i];
        if (r->alive && r->attempts == 0 && r != served) {
            youngest[r->class] = ub_ns_max(youngest[r->class], r->arrived);
        }
    }
    bool starves = false;
    for (uint8_t class = 0; class < UB_TRAFFIC_CLASSES; class ++) {
        if (class < served->class && youngest[class] >= 0) {
            return false; /* it is the guard's turn itself */
        }
        starves |= class > served->class && youngest[class] >= 0 &&
                   now - youngest[class] > ub_ns_after(STARVES_NS, c->slack_ns);
    }
    return starves;
}

/* Where only slots are in the way, and everybody could use each of them. */
void ub_checker_slot(struct ub_checker *c, const struct request_kept *served, uint16_t upstream,
                     ub_ns now)
{
    if (!c->no_idle_slots || served->attempts > 0) {
        return;
    }
    uint32_t *streak = &c->streak[upstream];
    *streak = passes_starving(c, served, now) ? *streak + 1 : 0;
    if (*streak > STREAK_MAX) {
        ub_checker_fail(c, "%u slots of upstream %u in a row went past a class that starves",
                        *streak, upstream);
    }
}

/* gradient.h - how many requests at a time an upstream takes well, where nobody has told us.
 *
 * The gradient compares the waiting before the first payload (without the prompt's own time: a long
 * prompt is no congestion) with what is usual for this upstream. As in Netflix's Gradient2 and
 * Envoy's adaptive concurrency
 *
 *     limit' = g x limit + sqrt(limit),   g = clamp(0.5, 1, 1.5 x usual / now)
 *
 * smoothed by 0.2 and never below 4. Refusals for lack of capacity (429, 503) take a tenth off at
 * once, at most once for a round trip. Where we differ, it is because answers of models are few and
 * long, and because a limit that is too low hurts more than one that is too high:
 *
 *   - Nothing is limited before the first sign of congestion. Who never waited needs no limit.
 *   - A window is ten first payloads of attempts that began after the last change: it tells about
 *     this limit and not about an earlier one. It is less where less can begin (a quarter of the
 *     limit; as many as the change has let in), and after a second; and others count as well when
 *     these take longer than two. Windows in a row that say the same double the smoothing, up to 1.
 *   - While less than half of the limit is used, a window says nothing about it, but that it is too
 *     high when ten or more are congested.
 *   - After half a minute without a sign of congestion the limit is outdated: it grows by doubling.
 *   - What is usual is learned only from windows without congestion, else a queue that stays would
 *     become usual (Gradient2 drifts so); and where a queue cannot be ours: at the minimum, or with
 *     little in flight.
 *   - A quarter of a second is added to both times: less is not worth avoiding.
 *   - One refusal or two among good calls are noise. After a cut the share of refusals is measured
 *     anew: when it has not halved, it has nothing to do with how many are there (a limit on tokens
 *     per minute, one replica of many that is sick). Then the cut is taken back, and so many
 *     refusals cut nothing any more. When most are refused, or some again with as many there, it is
 *     a limit of theirs: for ten seconds ours does not grow beyond what fitted.
 */
#ifndef UB_POLICY_GRADIENT_H
#define UB_POLICY_GRADIENT_H

#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

#define UB_GRADIENT_MIN   4.0
#define UB_GRADIENT_FIRST 10.0   /* the least that a first sign of congestion begins with */
#define UB_GRADIENT_MAX   1000.0 /* whoever takes so many needs no limit */

struct ub_gradient {
    double limit;         /* 0: none */
    double usual_ns;      /* the waiting, over about 600 samples */
    double samples;       /* that made it, up to 600 */
    double refused_share; /* of the latest calls, a tenth of it the last one */
    double refused_long;  /* of about the last fifty: what it is like, and not its peaks */
    bool by_refusal;      /* the limit, and no waiting has confirmed it */
    ub_ns changed_at;     /* the limit */
    ub_ns felt_at;        /* the latest sign of congestion */
    ub_ns back_at;        /* from an outage */
    ub_ns cut_at;         /* by a refusal... */
    uint32_t fitted;      /* ...of one more than these... */
    ub_ns held_until;     /* ...and it does not grow beyond them until then */
    double noise;         /* share of calls that is refused however many are there */
    struct {
        ub_ns until;        /* attempts that begin before it are counted; 0: no check is on */
        uint32_t good, bad; /* of these */
        double limit;       /* before the cut, as the following */
        double refused_share;
        ub_ns felt_at;
    } check;
    uint32_t well_at; /* most in flight in a window without congestion */
    int32_t streak;   /* windows in a row: > 0 that let it grow, < 0 that made it shrink */

    /* The window. */
    ub_ns since;
    uint32_t need; /* samples that end it */
    double sum_ns;
    uint32_t count;
    uint32_t stale; /* of these, from before the last change */
    uint32_t refused;
    uint32_t peak; /* in flight */
};

/* An attempt begins. Refusals come at once and first payloads later: shares are of those that began. */
void ub_gradient_started(struct ub_gradient *gradient);

/* A first payload came after `wait_ns` without the prompt's own time, in an attempt that began at
 * `started_at`; `inflight` requests are there, this one included. */
void ub_gradient_first(struct ub_gradient *gradient, ub_ns wait_ns, ub_ns started_at,
                       uint32_t inflight, ub_ns now);

/* It has not come in that time, and nobody waits for it any more. */
void ub_gradient_late(struct ub_gradient *gradient, ub_ns wait_ns, ub_ns started_at,
                      uint32_t inflight, ub_ns now);

/* Refused for lack of capacity. */
void ub_gradient_refused(struct ub_gradient *gradient, ub_ns started_at, uint32_t inflight,
                         ub_ns now);

/* Refused while it is ejected: it does not let the limit grow, but lowers it no further. */
void ub_gradient_out(struct ub_gradient *gradient, ub_ns now);

/* It is back after an outage, in which refusals and silence said nothing about how many it takes:
 * the limit grows by doubling, from ten at least, to what it took well before. */
void ub_gradient_back(struct ub_gradient *gradient, ub_ns now);

/* May another one go there? */
static inline bool ub_gradient_has_room(const struct ub_gradient *gradient, uint32_t inflight)
{
    return gradient->limit == 0 || (double)inflight < gradient->limit;
}

/* The same for one that need not keep to the limit: twice as many, or as many as like when the limit
 * is outdated. */
bool ub_gradient_has_room_beyond(const struct ub_gradient *gradient, uint32_t inflight, ub_ns now);

/* Do we know of free places: below its limit, or below what it took well before? */
bool ub_gradient_knows_room(const struct ub_gradient *gradient, uint32_t inflight);

#endif

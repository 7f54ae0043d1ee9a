/* breaker.h - is this upstream worth trying for this model?
 *
 * CLOSED lets everything through. It opens after five failures in a row, after half of at least
 * twenty calls within ten seconds, after two connection failures, or at once when the key or the
 * balance is refused. OPEN lets nothing through until `open_until`; then one call at a time is a
 * *trial*: its success closes the breaker, its failure opens it again for longer (2 s doubling to 8
 * s, equal jitter: the cap is what lets an upstream that comes back be used again within ten
 * seconds). A failure while open extends the time and never shortens it. A good probe ends the
 * waiting early.
 */
#ifndef UB_POLICY_BREAKER_H
#define UB_POLICY_BREAKER_H

#include "base/error.h"
#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

#define UB_BREAKER_BUCKETS 10 /* of one second */

struct ub_breaker {
    ub_ns open_until; /* 0: closed */
    ub_ns closed_at;  /* end of the last outage; 0 = there was none */
    int64_t second;   /* the newest bucket */
    uint16_t good[UB_BREAKER_BUCKETS];
    uint16_t bad[UB_BREAKER_BUCKETS];
    uint16_t in_a_row;
    uint8_t opened; /* how often, without a quiet minute between: the exponent */
    bool on_trial;
    uint8_t why; /* enum ub_error that opened it */
};

enum ub_breaker_says { UB_BREAKER_GO, UB_BREAKER_TRY, UB_BREAKER_STOP };

/* GO: closed. TRY: one trial may start. STOP: open, or a trial is running. */
enum ub_breaker_says ub_breaker_says(const struct ub_breaker *breaker, ub_ns now);

void ub_breaker_trial(struct ub_breaker *breaker);      /* the trial starts */
void ub_breaker_trial_void(struct ub_breaker *breaker); /* it ended without a verdict */

/* How a call ended; `trial`: it was the trial. Calls from before the outage may still end during
 * it: their success closes nothing. `draw` in [0, 1); the error must be one that blames the
 * upstream. */
void ub_breaker_good(struct ub_breaker *breaker, bool trial, ub_ns now);
void ub_breaker_bad(struct ub_breaker *breaker, enum ub_error error, bool trial, ub_ns now,
                    double draw);

/* It answers again: the next call may be the trial. */
void ub_breaker_probe_good(struct ub_breaker *breaker, ub_ns now);

/* Was it opened because no connection came about? Then probing costs nothing and tells much. */
bool ub_breaker_wants_probe(const struct ub_breaker *breaker);

#endif

/* pulse.h - how the stream of an attempt moves, for the brain's watchdogs (policy/stall.c): it is told of
 * progress often enough, whether the client was the brake, and at the end of the longest pause.
 */
#ifndef UB_GATEWAY_PULSE_H
#define UB_GATEWAY_PULSE_H

#include "base/time.h"
#include <stdbool.h>

struct ub_attempt;
struct ub_action;

struct ub_pulse {
    ub_ns stall_ns;   /* silence for this long counts as a stall */
    ub_ns told_at;    /* the brain was told of payload */
    ub_ns payload_at; /* the latest */
    ub_ns longest_ns; /* pause for which the client was not the cause */
    bool held;        /* the client read too slowly since told_at */
    bool held_pause;  /* ...since payload_at */
};

/* The first payload; FORWARD; payload was passed on; the client reads too slowly. */
void ub_pulse_begin(struct ub_attempt *attempt);
void ub_pulse_forward(struct ub_attempt *attempt, const struct ub_action *action);
void ub_pulse_payload(struct ub_attempt *attempt);
void ub_pulse_held(struct ub_attempt *attempt);

/* Tells the brain of progress when it is time for that. */
void ub_pulse_tell(struct ub_attempt *attempt);

#endif

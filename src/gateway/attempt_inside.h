/* attempt_inside.h - what the files of an attempt share. */
#ifndef UB_GATEWAY_ATTEMPT_INSIDE_H
#define UB_GATEWAY_ATTEMPT_INSIDE_H

#include "gateway/attempt.h"

ub_ns ub_attempt_now(const struct ub_attempt *attempt);
void ub_attempt_tell(struct ub_attempt *attempt, struct ub_event *event);

/* It is over; the brain decides what follows. */
void ub_attempt_end(struct ub_attempt *attempt, enum ub_error error);

/* Bytes for the client; it is paused when the client reads too slowly. */
void ub_attempt_pass(struct ub_attempt *attempt, const struct ub_slice *parts, uint32_t count);

void ub_attempt_note_queued(struct ub_attempt *attempt);
void ub_attempt_note_payload(struct ub_attempt *attempt);
void ub_attempt_first_payload(struct ub_attempt *attempt);

/* attempt_plain.c */
void ub_attempt_on_plain(struct ub_attempt *attempt, struct ub_slice chunk);
void ub_attempt_plain_over(struct ub_attempt *attempt);

#endif

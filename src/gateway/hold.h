/* hold.h - bytes of an upstream that nobody was sent yet: held by their attempt, or kept by the
 * request to be passed on when nobody does better. All of them count against the budget for bodies
 * for as long as they live.
 */
#ifndef UB_GATEWAY_HOLD_H
#define UB_GATEWAY_HOLD_H

#include "gateway/attempt.h"

/* After whatever was added to attempt->held, or to what it keeps of a stream. */
void ub_hold_charge(struct ub_attempt *attempt);

/* After a change of request->delivered. */
void ub_hold_charge_request(struct ub_request *request);

void ub_hold_let_go(struct ub_attempt *attempt);

/* What is held moves to `kept`, in place of what was there. */
void ub_hold_keep(struct ub_kept *kept, struct ub_attempt *attempt, bool stream);

/* The bytes of both kept answers; what is known about them stays. */
void ub_hold_drop(struct ub_request *request);

#endif

/* intake.h - from a head and a body to a request that the brain knows: who asks, for what, and may
 * they. What is wrong with a request is found here; nothing of it has reached an upstream then.
 */
#ifndef UB_GATEWAY_INTAKE_H
#define UB_GATEWAY_INTAKE_H

#include "gateway/request.h"

/* The head is there. True: go on reading the body. False: it has been answered. */
bool ub_intake_head(struct ub_request *request);

/* A piece of the body. */
void ub_intake_body(struct ub_request *request, struct ub_slice chunk);

/* The body is complete: the request goes to the brain, or is refused. */
void ub_intake_arrive(struct ub_request *request);

/* While its body waits for memory. */
void ub_intake_tick(struct ub_request *request);

#endif

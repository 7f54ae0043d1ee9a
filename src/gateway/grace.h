/* grace.h - an answer that is complete but for its end: telling the brain, which gives the end a
 * moment.
 *
 * Complete is a chat answer of which every choice has its finish reason and none said more after
 * it. (How many choices a completion has depends on its prompts, which are not counted: there only
 * [DONE] is an end.) Whatever is said nevertheless takes that back. While the client does not read,
 * we do not listen to the upstream either: then the moment begins anew.
 */
#ifndef UB_GATEWAY_GRACE_H
#define UB_GATEWAY_GRACE_H

#include "gateway/attempt.h"

/* After what was read is passed on, and whenever something is told to go on. */
void ub_grace_look(struct ub_attempt *attempt);

/* The client does not read. False: not complete. */
bool ub_grace_hold(struct ub_attempt *attempt);

#endif

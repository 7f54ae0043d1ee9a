/* settle.h - the last word about a request: metrics and the line in the access log, exactly once.
 */
#ifndef UB_GATEWAY_SETTLE_H
#define UB_GATEWAY_SETTLE_H

#include "gateway/request.h"

void ub_settle(const struct ub_request *request);

struct ub_attempt;
/* An attempt that another one has outrun: what it may have cost its upstream's account, as an
 * estimate. */
void ub_settle_loser(const struct ub_attempt *attempt);

#endif

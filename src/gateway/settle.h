/* settle.h - the last word about a request: metrics and the line in the access log, exactly once.
 */
#ifndef UB_GATEWAY_SETTLE_H
#define UB_GATEWAY_SETTLE_H

#include "gateway/request.h"

void ub_settle(const struct ub_request *request);

#endif

/* reply.h - how a request is answered: heads of responses, error objects, error events, heartbeats.
 *
 * Every head carries x-request-id, x-unbusy-attempts, x-unbusy-cache and, when an upstream answers,
 * x-unbusy-upstream, or x-unbusy-degraded when it is less than was asked for. The status is ours to choose until the head is out; afterwards an error can
 * only be an event, and the stream ends without [DONE], so that nobody takes it for complete.
 *
 * Without memory for a head the exchange closes the connection, which is all that can be said then.
 */
#ifndef UB_GATEWAY_REPLY_H
#define UB_GATEWAY_REPLY_H

#include "gateway/request.h"

/* The head of a stream, unless it is out already. */
void ub_reply_stream(struct ub_request *request);

/* The head of an upstream's plain answer; `length` -1: not known. */
void ub_reply_plain(struct ub_request *request, int status, const char *type, int64_t length);

/* A whole body of ours, and the end. */
void ub_reply_json(struct ub_request *request, int status, struct ub_slice body);

/* A whole stream of ours, and the end. */
void ub_reply_events(struct ub_request *request, struct ub_slice events);

/* An error in the form that is still possible, and the end. Does nothing when the client is gone. */
void ub_reply_refuse(struct ub_request *request, const struct ub_refusal *refusal);

/* The end of an answer of which a part is out. */
void ub_reply_cut(struct ub_request *request, const struct ub_refusal *refusal);

/* What an upstream said, passed on, and the end. False: it is not fit for that. */
bool ub_reply_kept(struct ub_request *request, const struct ub_kept *kept,
                   const struct ub_refusal *refusal);

/* A comment line: that it waits, at which place, and for how long yet, as far as that is known. */
void ub_reply_heartbeat(struct ub_request *request, const struct ub_action *action);

#endif

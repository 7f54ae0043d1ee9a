/* resume.h - streams that go on at another upstream after they broke: what of it is the gateway's
 * affair. How it is done with bytes is in http/resume.h, when it is done is the brain's.
 *
 *   arrival   ub_resume_at_arrival is it worth keeping what the client gets?
 *   START     ub_resume_keep       an attempt from the beginning keeps it...
 *             ub_resume_ask        ...and a continuation is asked for the rest
 *   read      ub_resume_charge     for the memory that this takes
 *   ENDED     ub_resume_bar        can what the client has be continued? "sealed" if not
 *   mute      ub_resume_hand_over  what the client has is the request's from now on
 *
 * What is kept counts against the budget for bodies. When that is used up it is given up: better a
 * stream that cannot be resumed than a request that is refused.
 */
#ifndef UB_GATEWAY_RESUME_H
#define UB_GATEWAY_RESUME_H

#include "gateway/ask.h"
#include "gateway/attempt.h"

enum ub_resume_bar ub_resume_at_arrival(const struct ub_request *request);

void ub_resume_keep(struct ub_attempt *attempt);
/* What was asked is forgotten at the commit point, and read again from the body when it is needed;
 * but not where that would take long. False: no memory. */
bool ub_resume_keeps_question(const struct ub_request *request);
bool ub_resume_recall_question(struct ub_request *request);

/* False: it cannot be, or there is no memory. */
bool ub_resume_ask(struct ub_attempt *attempt, struct ub_ask *ask);

void ub_resume_charge(struct ub_attempt *attempt);
enum ub_resume_bar ub_resume_bar(const struct ub_attempt *attempt);
void ub_resume_hand_over(struct ub_attempt *attempt);

/* Nothing is continued any more: the request's part, the attempt's. */
void ub_resume_drop(struct ub_request *request);
void ub_resume_free(struct ub_attempt *attempt);

#endif

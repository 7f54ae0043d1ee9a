/* degrade.h - what the steps of a model's ladder come to: whom an upstream is asked for, how long the
 * answer may be, the message, and how all of that is labelled.
 *
 * The brain decides on the steps (policy/degrade.c); `request->degraded` is where it stands.
 */
#ifndef UB_GATEWAY_DEGRADE_H
#define UB_GATEWAY_DEGRADE_H

#include "gateway/request.h"

#define UB_DEGRADE_LABEL (UB_MODEL_NAME_MAX + 48)

/* The model that upstreams are asked for, as an index in the configuration. */
uint32_t ub_degrade_model(const struct ub_request *request);
/* Tokens that the answer may have; 0 = as many as were asked for. */
uint32_t ub_degrade_tokens(const struct ub_request *request);

/* "model=NAME, max_tokens=N", as in x-unbusy-degraded; empty when all is as it was asked for. */
struct ub_slice ub_degrade_label(const struct ub_request *request, char out[UB_DEGRADE_LABEL]);
/* One for each step that the answer stands on. */
void ub_degrade_count(const struct ub_request *request);

/* Can its client read a plain message for an answer? */
bool ub_degrade_takes_message(const struct ub_request *request);

/* LOOK: the cache is asked, and LOOKED told. There is no cache yet, so it never has anything. */
void ub_degrade_look(struct ub_request *request);
/* STAND_IN: the message is the answer. */
void ub_degrade_stand_in(struct ub_request *request, const struct ub_action *action);

#endif

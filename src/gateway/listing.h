/* listing.h - GET /v1/models where only upstreams know their models: one of them is asked, and what
 * it says is passed on.
 *
 * It is no attempt: the brain is not told. A page of a few kilobytes says nothing about how quick an
 * upstream answers questions, and one that does not have the page must not be taken for one that
 * does not have the model. So the upstreams of the route "*" are asked one after the other, in the
 * order of the configuration, and the first good list is the answer.
 */
#ifndef UB_GATEWAY_LISTING_H
#define UB_GATEWAY_LISTING_H

#include "gateway/request.h"

struct ub_listing;

/* Begins to ask the upstreams of `model`; the request is ended with the answer. */
void ub_listing_start(struct ub_request *request, uint32_t model);

/* The request is over: whoever is being asked is let go. NULL is fine. */
void ub_listing_stop(struct ub_listing *listing);

/* The request is buried. NULL is fine. */
void ub_listing_free(struct ub_listing *listing);

#endif

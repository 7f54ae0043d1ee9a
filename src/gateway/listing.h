/* listing.h - GET /v1/models where only upstreams know their models: one of them is asked, and what
 * it says is passed on.
 *
 * It is no attempt: the brain is not told. A page of a few kilobytes says nothing about how quick an
 * upstream answers questions, and one that does not have the page must not be taken for one that
 * does not have the model. So the upstreams of the route "*" are asked one after the other, in the
 * order of the configuration, and the first good list is the answer.
 *
 * Clients must not make us ask as often as they ask us: a worker asks for one list at a time, for
 * all who want it meanwhile, and has its answer for a few seconds.
 */
#ifndef UB_GATEWAY_LISTING_H
#define UB_GATEWAY_LISTING_H

#include "gateway/request.h"

/* For one upstream, all together: 5 s. Only tests are less patient; set it before anything runs. */
extern ub_ns ub_listing_each_ns;

/* The request is ended with the list of `model`, now or later. */
void ub_listing_start(struct ub_request *request, uint32_t model);

/* The request is over. When nobody else wants the list, whoever is being asked is let go. */
void ub_listing_stop(struct ub_request *request);

/* With its worker. NULL is fine. */
void ub_lister_free(struct ub_lister *lister);

#endif

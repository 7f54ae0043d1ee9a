/* models.h - GET /v1/models: the public names that this client may ask for. */
#ifndef UB_GATEWAY_MODELS_H
#define UB_GATEWAY_MODELS_H

#include "gateway/request.h"

/* The list, or the one called `name` when that is not empty. Ends the request, at once or when an
 * upstream has said what it has. */
void ub_models_answer(struct ub_request *request, struct ub_slice name);

#endif

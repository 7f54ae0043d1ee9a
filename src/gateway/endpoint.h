/* endpoint.h - which of our pages a request target names.
 *
 * Each is there with and without "/v1": some official base URLs have it and some do not.
 */
#ifndef UB_GATEWAY_ENDPOINT_H
#define UB_GATEWAY_ENDPOINT_H

#include "base/slice.h"

enum ub_endpoint {
    UB_ENDPOINT_UNKNOWN,
    UB_ENDPOINT_CHAT,
    UB_ENDPOINT_COMPLETIONS,
    UB_ENDPOINT_EMBEDDINGS,
    UB_ENDPOINT_MODELS, /* the list, or one when `name` is not empty */
    UB_ENDPOINT_COUNT,
};

/* `name`: what follows "/models/". The query is ignored. */
enum ub_endpoint ub_endpoint_find(struct ub_slice target, struct ub_slice *name);

/* "/chat/completions": what an upstream's base path is followed by. */
const char *ub_endpoint_path(enum ub_endpoint endpoint);

/* "chat": for labels and logs. */
const char *ub_endpoint_word(enum ub_endpoint endpoint);

#endif

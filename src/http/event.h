/* event.h - where the members of a chunk stand that have to change when it joins another stream.
 *
 * For the few events of which that has to be known: the first of a stream, and those of a
 * continuation. What an event means is in openai.h.
 */
#ifndef UB_HTTP_EVENT_H
#define UB_HTTP_EVENT_H

#include "http/edits.h"
#include <stdbool.h>

struct ub_event_places { /* of values; both 0: not there */
    struct ub_span id;
    struct ub_span created;
    struct ub_span model;
    struct ub_span usage;         /* an object, with its braces... */
    struct ub_span prompt_tokens; /* ...and numbers in it */
    struct ub_span completion_tokens;
    struct ub_span total_tokens;
    struct ub_span content; /* of the first choice's delta; any value */
    struct ub_span reasoning[2];
    uint32_t choices;
};

/* False: not a whole JSON object. */
bool ub_event_read(struct ub_slice data, struct ub_event_places *places);

#endif

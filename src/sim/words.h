/* words.h - events and actions as the words of a trace: "r1 ended 1 throttled", "start 2 on far".
 *
 * Who is called what is the caller's business: the world has names, a replay only numbers.
 */
#ifndef UB_SIM_WORDS_H
#define UB_SIM_WORDS_H

#include "base/buf.h"
#include "policy/brain.h"

struct ub_names {
    void (*request)(void *user, struct ub_buf *out, struct ub_request_id id);
    void (*upstream)(void *user, struct ub_buf *out, uint16_t slot);
    void *user;
    ub_ns origin; /* instants are printed as milliseconds since */
};

void ub_words_at(struct ub_buf *out, const struct ub_names *names, ub_ns at);
void ub_words_event(struct ub_buf *out, const struct ub_names *names, const struct ub_event *event);

/* `about`: the request that the line is about already; it is not named again. */
void ub_words_action(struct ub_buf *out, const struct ub_names *names,
                     const struct ub_action *action, struct ub_request_id about);

#endif

/* load_answer.h - is this a whole answer? Reads what a service answers to `unbusy load`.
 *
 * Pure, and deliberately suspicious: a stream is whole when it had payload, a finish_reason that is
 * an end (not "insufficient_system_resource"), and [DONE]; a plain answer when its JSON is complete
 * and has the same. Everything else gets a name.
 */
#ifndef UB_TOOLS_LOAD_ANSWER_H
#define UB_TOOLS_LOAD_ANSWER_H

#include "base/buf.h"
#include "http/sse.h"
#include "tools/load_prompt.h"
#include <stdbool.h>
#include <stdint.h>

struct ub_load_answer {
    enum ub_load_endpoint endpoint;
    bool stream;
    struct ub_sse sse;
    struct ub_buf body; /* a plain answer */
    bool done;          /* [DONE] came */
    bool malformed;
    bool has_error; /* an error event or object */
    char finish[40];
    uint32_t events; /* with payload */
    uint64_t prompt_tokens;
    uint64_t answer_tokens; /* as the usage says; 0 = it says nothing */
};

void ub_load_answer_init(struct ub_load_answer *answer, enum ub_load_endpoint endpoint,
                         bool stream);
void ub_load_answer_close(struct ub_load_answer *answer);

/* Bytes of the body; returns how many events with payload they completed. */
uint32_t ub_load_answer_feed(struct ub_load_answer *answer, struct ub_slice bytes);

/* The body ended in good order. NULL: the answer is whole; else what is wrong with it. `*silent`: it
 * is not complete, and says nothing about that, so that clients take it for an answer. */
const char *ub_load_answer_judge(struct ub_load_answer *answer, bool *silent);

#endif

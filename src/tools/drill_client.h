/* drill_client.h - one request of a drill, and the wait for what comes of it.
 */
#ifndef UB_TOOLS_DRILL_CLIENT_H
#define UB_TOOLS_DRILL_CLIENT_H

#include "net/call.h"
#include "tools/drill_answer.h"
#include <stdatomic.h>

struct ub_drill_question {
    struct ub_slice target;
    struct ub_slice body;  /* JSON; empty: a page is asked for */
    struct ub_slice fault; /* for a mock that is asked directly: its x-mock-fault; empty: none */
    bool stream;
    bool leaves;             /* after the first text */
    ub_ns time_ns;           /* gives up then... */
    const atomic_bool *stop; /* ...or when this is set; NULL: never */
};

struct ub_drill_reply {
    struct ub_drill_answer answer; /* closed by the caller */
    enum ub_error end;
    bool timed_out;
    bool left;
    bool stopped;
    ub_ns first_ns; /* until the first text; 0: none came, or not streamed */
    ub_ns total_ns;
};

/* Returns when it is over; runs the loop meanwhile. */
void ub_drill_ask(struct ub_loop *loop, struct ub_origin *origin,
                  const struct ub_drill_question *question, struct ub_drill_reply *reply);

/* The body of a question to `model`; `name` makes it one of its own. `max_tokens` 0: no bound. */
void ub_drill_question_write(struct ub_buf *out, const char *model, const char *name, bool stream,
                             uint32_t max_tokens);

#endif

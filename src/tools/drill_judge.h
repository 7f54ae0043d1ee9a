/* drill_judge.h - what became of a request in a drill: rescued, safe or failed, and why.
 *
 *   rescued  the client has the whole right answer, in the right form
 *   safe     it has not, and was told so: by a status with advice that is right, or by an error
 *            event. What it got before is the true beginning of the answer
 *   failed   everything else: no end in time, a cut that looks whole, a cut in silence, other words
 *            or the same twice, broken form, wrong advice, more questions upstream than are allowed
 *
 * Pure.
 */
#ifndef UB_TOOLS_DRILL_JUDGE_H
#define UB_TOOLS_DRILL_JUDGE_H

#include "base/error.h"
#include "base/time.h"
#include "tools/drill_answer.h"

/* In this order: the worse counts when several are summed up. */
enum ub_drill_verdict { UB_DRILL_RESCUED, UB_DRILL_SAFE, UB_DRILL_FAILED };

const char *ub_drill_verdict_name(enum ub_drill_verdict verdict);

enum ub_drill_usage {
    UB_DRILL_USAGE_EXACT, /* as the answering upstream said it */
    UB_DRILL_USAGE_ABOUT, /* parts of it are estimated: an answer put together from two */
    UB_DRILL_USAGE_ANY,
};

/* What would be right. */
struct ub_drill_want {
    struct ub_slice text; /* of the whole answer */
    const char *finish;   /* its finish_reason */
    enum ub_drill_usage usage;
    uint64_t prompt_tokens;
    uint64_t answer_tokens;
    bool hopeless;      /* coming back would change nothing */
    uint32_t calls_max; /* at the upstreams; 0: nobody counts them */
    ub_ns time_max_ns;
    ub_ns first_max_ns; /* of a stream; 0: any time is fine */
};

/* What came. */
struct ub_drill_seen {
    const struct ub_drill_answer *answer; /* after ub_drill_answer_end */
    enum ub_error end;                    /* of the connection; OK: by its own framing */
    bool timed_out;                       /* we gave up */
    uint32_t calls;
    ub_ns total_ns;
    ub_ns first_ns; /* until the first text; 0: none came, or it is no stream */
};

/* `why` gets a few words, whatever the verdict. */
enum ub_drill_verdict ub_drill_judge(const struct ub_drill_want *want,
                                     const struct ub_drill_seen *seen, struct ub_buf *why);

#endif

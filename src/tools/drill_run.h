/* drill_run.h - plays the drills: each case with a gateway of its own, several at the same time.
 *
 * A gateway of its own for each case: what one learns about its upstreams must tell it nothing in
 * another. A case runs on one thread, from the gateway's start to its end.
 */
#ifndef UB_TOOLS_DRILL_RUN_H
#define UB_TOOLS_DRILL_RUN_H

#include "net/call.h"
#include "tools/drill_house.h"
#include "tools/drill_live.h"
#include <stdatomic.h>

struct ub_drill_case {
    const struct ub_drill *drill;
    bool all; /* at all upstreams */
    bool stream;
    enum ub_drill_verdict best;
    /* What came of it. */
    bool played;
    enum ub_drill_verdict verdict;
    struct ub_buf why;
    uint32_t requests;
    uint32_t rescued; /* of these */
    bool counted;     /* the calls are known */
    bool missed;      /* the sick one was not asked: not played */
    uint32_t calls;
    ub_ns first_ns; /* the slowest of its requests; 0: no text, or not streamed */
    ub_ns total_ns; /* likewise */
};

struct ub_drill_run {
    struct ub_drill_house *house; /* NULL: `live` */
    const struct ub_drill_live *live;
    const char *model; /* public name */
    uint32_t count;
    struct ub_drill_case *cases;
    struct ub_drill_scripts scripts; /* one for each case */
    ub_ns time_max_ns;               /* of a request */
    uint32_t calls_max;              /* at the upstreams, for a request... */
    uint32_t refusals_max;           /* ...and while they only refuse */
    uint32_t jobs;
    atomic_uint next;
    atomic_uint finished;
    atomic_bool stop;
    ub_ns took_ns;
};

#define UB_DRILL_MODEL_ANY "drill" /* asked for where the model is "*" */

/* Makes the cases of these drills (`only`: NULL ends the list; NULL: all) that make sense here. False
 * without memory. */
bool ub_drill_run_plan(struct ub_drill_run *run, const char *const *only);
/* False: `words` says why. `wait` is called all the time while it runs; true stops it. */
bool ub_drill_run_play(struct ub_drill_run *run, bool (*wait)(void *user), void *user,
                       struct ub_buf *words);
void ub_drill_run_close(struct ub_drill_run *run);

/* drill_case.c */
void ub_drill_case_play(struct ub_drill_run *run, struct ub_drill_case *one,
                        struct ub_drill_script *script);
/* The body of its n-th question, which has a name of its own... */
void ub_drill_case_question(const struct ub_drill_run *run, const struct ub_drill_case *one,
                            uint32_t number, struct ub_buf *out);
/* ...and the number by which the mocks know it; 0 without memory. */
uint64_t ub_drill_case_number(struct ub_slice body, uint32_t *prompt_tokens);

#endif

/* drill_script.h - what the upstreams of a drill do, and what they were asked.
 *
 * All cases share the mocks, at the same time; a case is known by its questions. The sick upstream of
 * a case is whichever is asked first, so that no balancing can go around the fault.
 */
#ifndef UB_TOOLS_DRILL_SCRIPT_H
#define UB_TOOLS_DRILL_SCRIPT_H

#include "tools/drill_catalogue.h"
#include "tools/mock.h"
#include <pthread.h>

#define UB_DRILL_QUESTIONS_MAX 12

/* One case. */
struct ub_drill_script {
    const struct ub_drill *drill;
    bool all; /* at all upstreams */
    uint32_t questions;
    uint64_t question[UB_DRILL_QUESTIONS_MAX];
    pthread_mutex_t lock;       /* guards the rest */
    int sick;                   /* upstream; -1: none was asked yet */
    struct ub_prank_rule *rule; /* by upstream: what it does when it is sick */
    struct ub_prank_rule others;
    ub_ns began_at;
    uint32_t calls;
    uint32_t running;
};

struct ub_drill_scripts {
    uint32_t count;
    struct ub_drill_script *list; /* no more come while mocks run */
};

/* False without memory. `upstreams`: how many there are. */
bool ub_drill_script_init(struct ub_drill_script *script, const struct ub_drill *drill, bool all,
                          uint32_t upstreams);
void ub_drill_script_close(struct ub_drill_script *script);

void ub_drill_script_begin(struct ub_drill_script *script); /* flapping counts from now */
uint32_t ub_drill_script_calls(struct ub_drill_script *script);
uint32_t ub_drill_script_running(struct ub_drill_script *script);

/* One mock's view of them. */
struct ub_drill_upstream {
    struct ub_drill_scripts *scripts;
    uint32_t number;
    struct ub_mock_script script; /* for its options */
};
void ub_drill_upstream_init(struct ub_drill_upstream *upstream, struct ub_drill_scripts *scripts,
                            uint32_t number);

#endif

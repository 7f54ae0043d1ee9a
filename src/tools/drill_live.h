/* drill_live.h - a running service as the target of drills, instead of a gateway of our own.
 *
 * The faults come from `unbusy mock` behind it: either the service passes the header x-mock-fault
 * on (or is a mock itself), or the mocks are told by their control page, for whatever gateway stands
 * in front of them. All mocks need the same seed, so that each would give the same answer.
 */
#ifndef UB_TOOLS_DRILL_LIVE_H
#define UB_TOOLS_DRILL_LIVE_H

#include "base/buf.h"
#include "net/call.h"
#include "tools/drill_catalogue.h"

#define UB_DRILL_MOCKS_MAX 16

struct ub_drill_live {
    struct ub_origin_options service;
    struct ub_buf target;
    uint32_t mocks; /* 0: by the header */
    struct ub_origin_options mock[UB_DRILL_MOCKS_MAX];
};

/* http://HOST[:PORT][/BASE]; `base` has no slash at its end. Slices point into `url`. */
bool ub_drill_url(const char *url, struct ub_origin_options *out, struct ub_slice *base);

/* From now on the mocks do what the drill says: the first one (`all`: each) is sick. NULL: nothing is
 * wrong. False: one of them does not answer. */
bool ub_drill_live_set(const struct ub_drill_live *live, struct ub_loop *loop,
                       const struct ub_drill *drill, bool all);

/* What they have done so far. */
struct ub_drill_counts {
    uint64_t requests;
    uint64_t faults; /* of the drill's own kind */
};
bool ub_drill_live_count(const struct ub_drill_live *live, struct ub_loop *loop,
                         const struct ub_drill *drill, struct ub_drill_counts *counts);

#endif

/* edits.h - a JSON text with a few places changed, as pieces: what stays is not copied.
 *
 * Places must not overlap. They may be named in any order; of two insertions at the same place the
 * first named comes first.
 */
#ifndef UB_HTTP_EDITS_H
#define UB_HTTP_EDITS_H

#include "base/slice.h"
#include <stdint.h>

/* Where a value stands in a text: [begin, end). Both 0: not there. */
struct ub_span {
    uint64_t begin;
    uint64_t end;
};

static inline struct ub_slice ub_span_of(struct ub_slice text, struct ub_span span)
{
    return (struct ub_slice){text.ptr + span.begin, (size_t)(span.end - span.begin)};
}

#define UB_EDITS_MAX   12
#define UB_EDITS_PARTS (2 * UB_EDITS_MAX + 1)

struct ub_edit { /* [begin, end) becomes `text` */
    struct ub_span span;
    struct ub_slice text;
};

struct ub_edits { /* in the order of their places */
    uint32_t count;
    struct ub_edit list[UB_EDITS_MAX];
};

void ub_edits_add(struct ub_edits *edits, struct ub_span span, struct ub_slice text);
void ub_edits_insert(struct ub_edits *edits, uint64_t at, struct ub_slice text);

/* The pieces of the edited text, none empty; returns how many: at most two for each edit, and one. */
uint32_t ub_edits_parts(const struct ub_edits *edits, struct ub_slice whole,
                        struct ub_slice *parts);

#endif

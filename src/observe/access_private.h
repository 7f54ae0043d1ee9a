/* access_private.h - what access.c (rings, thread, file) wants from access_line.c. */
#ifndef UB_OBSERVE_ACCESS_PRIVATE_H
#define UB_OBSERVE_ACCESS_PRIVATE_H

#include "base/buf.h"
#include "observe/access.h"

#define UB_ACCESS_LINE ((size_t)8 * 1024) /* no line is longer: its texts are bounded */

/* The text of the current second, so that not every line asks the calendar. */
struct ub_access_clock {
    ub_ns second;
    char text[24]; /* 2026-11-24T15:57:01 */
};

/* Appends the record as one line of JSON. */
void ub_access_add_line(struct ub_buf *out, const struct ub_access_record *record,
                        struct ub_access_clock *clock);

#endif

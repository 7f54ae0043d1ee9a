/* splice.h - a client's body as an upstream shall see it: in pieces, with nothing rewritten but the
 * model's name and the wish for a usage chunk.
 */
#ifndef UB_HTTP_SPLICE_H
#define UB_HTTP_SPLICE_H

#include "http/scan.h"

#define UB_SPLICE_PARTS 8

/* The pieces of `body`, whose fields are `asked`, into `parts`; returns how many. The model is
 * called `model` (free of quotes, backslashes and control characters, as the configuration makes
 * sure); a stream is asked for its usage. The pieces point into `body`, `model` and static text. */
uint32_t ub_splice(struct ub_slice body, const struct ub_scan_fields *asked, struct ub_slice model,
                   bool stream, struct ub_slice parts[UB_SPLICE_PARTS]);

/* The same as edits, for who has more of them: at most two. */
void ub_splice_edits(struct ub_edits *edits, const struct ub_scan_fields *asked,
                     struct ub_slice model, bool stream);

#endif

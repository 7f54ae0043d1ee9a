/* splice.h - a client's body as an upstream shall see it: in pieces, with nothing rewritten but the
 * model's name, the wish for a usage chunk, and a bound on its length where it has to be shorter.
 */
#ifndef UB_HTTP_SPLICE_H
#define UB_HTTP_SPLICE_H

#include "http/scan.h"

#define UB_SPLICE_PARTS 12

/* An answer of at most so many tokens. */
struct ub_shorter {
    uint32_t tokens; /* 0: as long as the client asked for */
    bool new_name;   /* where there is no bound yet, it is called max_completion_tokens */
    char text[48];   /* filled in */
};

/* The pieces of `body`, whose fields are `asked`, into `parts`; returns how many. The model is
 * called `model` (free of quotes, backslashes and control characters, as the configuration makes
 * sure); a stream is asked for its usage. The pieces point into `body`, `model` and static text. */
uint32_t ub_splice(struct ub_slice body, const struct ub_scan_fields *asked, struct ub_slice model,
                   bool stream, struct ub_slice parts[UB_SPLICE_PARTS]);

/* The same, and shorter; the pieces point into `shorter`, too. */
uint32_t ub_splice_shorter(struct ub_slice body, const struct ub_scan_fields *asked,
                           struct ub_slice model, bool stream, struct ub_shorter *shorter,
                           struct ub_slice parts[UB_SPLICE_PARTS]);

/* The same as edits, for who has more of them: at most two. */
void ub_splice_edits(struct ub_edits *edits, const struct ub_scan_fields *asked,
                     struct ub_slice model, bool stream);

/* And those for the length: at most three. */
void ub_splice_shorten(struct ub_edits *edits, struct ub_slice body,
                       const struct ub_scan_fields *asked, struct ub_shorter *shorter);

#endif

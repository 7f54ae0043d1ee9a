/* rejoin.h - the events of a new attempt, as the client is to get them: as if the old stream had
 * gone on.
 *
 *     id, created, model      those of the first event that the client got
 *     the role alone          left out: the client knows it
 *     delta.content           what seam.h lets through
 *     reasoning               left out: the client has some, and the answer had begun
 *     finish_reason, tools    as they come, behind what was held back
 *     usage                   one sum: what was delivered counts as said, not as asked
 *
 * The usage of a continuation counts the delivered text as prompt. The broken attempt never said
 * its own, so its tokens are estimated, moved from prompt to completion (those of its reasoning are
 * added), and marked: "unbusy":{"resumed":true,"estimated_tokens":N}. A restart said all of it again:
 * after a prefill, what was delivered only leaves the prompt; else nothing is to be done.
 *
 * What goes out is added to `delivered`, so a stream can be resumed more than once.
 */
#ifndef UB_HTTP_REJOIN_H
#define UB_HTTP_REJOIN_H

#include "http/delivered.h"
#include "http/seam.h"

enum ub_rejoin_found {
    UB_REJOIN_NOTHING, /* not for the client, or held back */
    UB_REJOIN_EVENT,   /* one or two whole events were added to `out` */
    UB_REJOIN_DIVERGED,
    UB_REJOIN_NO_MEMORY,
};

struct ub_rejoin {
    struct ub_delivered *delivered; /* lent */
    struct ub_seam seam;
    struct ub_unescape half;
    uint32_t before;  /* tokens that were delivered before this attempt, estimated... */
    uint32_t content; /* ...and those of them that are in its prompt */
    struct ub_buf fresh;
    struct ub_buf text;   /* of one event, unescaped; then escaped */
    struct ub_buf joined; /* one event's data */
};

/* `way`: how the new attempt was asked; `dialect`: whom. */
void ub_rejoin_init(struct ub_rejoin *rejoin, struct ub_delivered *delivered,
                    enum ub_resume_way way, enum ub_dialect dialect);
void ub_rejoin_close(struct ub_rejoin *rejoin);

/* One event of the new attempt: its data, and what they mean (no error). `strip_usage`: the client
 * did not ask for usage. */
enum ub_rejoin_found ub_rejoin_event(struct ub_rejoin *rejoin, struct ub_slice data,
                                     const struct ub_openai_chunk *chunk, bool strip_usage,
                                     struct ub_buf *out);

/* [DONE]: what is still held back. */
enum ub_rejoin_found ub_rejoin_end(struct ub_rejoin *rejoin, struct ub_buf *out);

static inline enum ub_seam_verdict ub_rejoin_verdict(const struct ub_rejoin *rejoin)
{
    return rejoin->seam.verdict;
}

#endif

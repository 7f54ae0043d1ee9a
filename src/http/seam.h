/* seam.h - where the text of a new attempt joins what the client already has.
 *
 * The new attempt says either the *remainder* (it goes on from the end), or it has begun again from
 * the top (a *restart*: what the client has is swallowed), or something else (*divergence*: only an
 * honest error is left). Text comes in pieces of any size; how it is cut changes nothing.
 *
 * White space first, since templates strip it, tokenizers glue it to the next word, and servers trim
 * it. So a model is asked to go on from the delivered text without the white space at its end, and
 * what it says in front of its first word is fitted to what the client has there:
 *
 *     the client has   the model says    the client gets
 *     "the "           " end"            "end"           the model's own begins with it: swallowed
 *     "the "           "end"             "end"           a server trimmed it
 *     "if x:\n   "     "\n    return"    " return"
 *     "one.\n\n"       " Two"            "Two"           a line break stands already
 *     "one. "          "\n\nTwo"         "\n\nTwo"       a line break is never lost
 *     "if x:\n   "     "\n  return"      "\n  return"    nor is an indentation: an empty line more
 *
 * Where a *restart* is expected (the same request once more) the text must equal what was delivered,
 * byte for byte but for white space at both ends; the first other byte is a divergence.
 *
 * Where a *remainder* is expected (a prefill) nearly any text can be one, so it is the answer unless
 * there is proof against it. The text is held back as long as it repeats the beginning of what was
 * delivered: this costs nothing, since in a restart it is swallowed anyway and a remainder soon says
 * something else. Then:
 *
 *     all that was delivered is repeated    restart, from 8 bytes on
 *     `proof` bytes are, then not all       divergence: a restart in other words
 *     fewer are                             remainder
 *
 * A repetition proves nothing when the delivered text repeats its own beginning: "ha ha ha " goes on
 * with "ha ha" and a song with its refrain. So the half of what was repeated must not stand anywhere
 * else in it.
 *
 * Why 32 bytes of proof: servers that are asked for a prefill ignore it in perhaps one case in a
 * hundred, since one asks only those whose dialect has it. That a remainder repeats the beginning of
 * the answer for 8 unlike tokens right at the cut is rarer by far; for 2 tokens it is not ("- ",
 * "0, "). Take less for upstreams that were seen to ignore it. What remains is that a restart in
 * other words from its first few words on passes for a remainder: so ask for a prefill only where it
 * is honoured. And a verse of which exactly all was delivered, and which the model would repeat, is
 * taken for a restart: the client misses a repetition.
 */
#ifndef UB_HTTP_SEAM_H
#define UB_HTTP_SEAM_H

#include "base/buf.h"
#include "http/dialect.h"

#define UB_SEAM_WHOLE 8   /* bytes: all of what was delivered, from here on, is proof */
#define UB_SEAM_BLANK 256 /* white space in front of the first word that is looked at */

enum ub_seam_verdict {
    UB_SEAM_UNDECIDED, /* what came is held back */
    UB_SEAM_REMAINDER,
    UB_SEAM_RESTART,
    UB_SEAM_DIVERGENCE, /* final */
};

struct ub_seam {
    enum ub_seam_verdict verdict;
    /* Private from here on. */
    uint8_t state;
    bool expects_restart;
    uint32_t proof;
    size_t begin;   /* of the delivered text, without white space at its beginning... */
    size_t end;     /* ...and its end */
    size_t len;     /* all of it */
    size_t matched; /* bytes from `begin` on that were said again */
    uint32_t blank_len;
    char blank[UB_SEAM_BLANK]; /* white space that is held back */
};

/* Length without white space (space, tab, CR, LF) at the end. */
size_t ub_seam_trimmed(struct ub_slice text);

/* How many bytes of repetition prove a restart where this dialect was asked for a prefill. */
uint32_t ub_seam_proof(enum ub_dialect dialect);

void ub_seam_init(struct ub_seam *seam, struct ub_slice delivered, bool expects_restart,
                  uint32_t proof);

/* More of the new text; what the client is to get is added to `out`. `delivered` is the text of
 * ub_seam_init, which may have moved and grown since. */
enum ub_seam_verdict ub_seam_add(struct ub_seam *seam, struct ub_slice delivered,
                                 struct ub_slice text, struct ub_buf *out);

/* No more text comes: no UNDECIDED after this. */
enum ub_seam_verdict ub_seam_end(struct ub_seam *seam, struct ub_slice delivered,
                                 struct ub_buf *out);

#endif

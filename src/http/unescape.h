/* unescape.h - the text of a JSON string that was found good by walk.h, in pieces of any size as
 * long as no escape sequence is cut.
 *
 * Some engines send the halves of an emoji as two surrogates in two events: the first half waits
 * for the second. What stays alone stands for no character and becomes U+FFFD.
 */
#ifndef UB_HTTP_UNESCAPE_H
#define UB_HTTP_UNESCAPE_H

#include "base/buf.h"

struct ub_unescape { /* all zero: at the beginning */
    uint16_t high;   /* surrogate that waits for its other half */
};

void ub_unescape_add(struct ub_unescape *unescape, struct ub_slice escaped, struct ub_buf *out);

/* Nothing follows. */
void ub_unescape_end(struct ub_unescape *unescape, struct ub_buf *out);

#endif

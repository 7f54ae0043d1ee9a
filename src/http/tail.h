/* tail.h - the last bytes of an answer that passes by without being held, because what it used stands
 * there.
 */
#ifndef UB_HTTP_TAIL_H
#define UB_HTTP_TAIL_H

#include "base/buf.h"
#include "http/openai.h"

/* Usage takes some 200 bytes; behind it engines put timings, fingerprints and their like. */
#define UB_TAIL_MAX ((size_t)4 * 1024)

struct ub_tail { /* zeroed: empty */
    struct ub_buf bytes;
};

/* Without memory the tail is lost, and with it the usage: nothing that an answer should fail for. */
void ub_tail_add(struct ub_tail *tail, struct ub_slice chunk);

/* False: there is no usage in it. */
bool ub_tail_usage(const struct ub_tail *tail, enum ub_dialect dialect,
                   struct ub_openai_usage *usage);

void ub_tail_close(struct ub_tail *tail);

#endif

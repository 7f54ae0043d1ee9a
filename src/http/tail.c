#include "http/tail.h"

void ub_tail_add(struct ub_tail *tail, struct ub_slice chunk)
{
    struct ub_buf *bytes = &tail->bytes;
    if (chunk.len >= UB_TAIL_MAX) {
        ub_buf_clear(bytes);
        chunk.ptr += chunk.len - UB_TAIL_MAX;
        chunk.len = UB_TAIL_MAX;
    }
    ub_buf_add_slice(bytes, chunk);
    if (bytes->len > 4 * UB_TAIL_MAX) { /* now and then, not with each chunk */
        ub_buf_drop(bytes, bytes->len - UB_TAIL_MAX);
    }
}

bool ub_tail_usage(const struct ub_tail *tail, enum ub_dialect dialect,
                   struct ub_openai_usage *usage)
{
    return !tail->bytes.failed &&
           ub_openai_usage_at_end(ub_buf_slice(&tail->bytes), dialect, usage);
}

void ub_tail_close(struct ub_tail *tail)
{
    ub_buf_free(&tail->bytes);
}

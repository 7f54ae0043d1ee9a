/* trace.h - recorded traffic: when requests came and how long they were.
 *
 * Two forms are read, gzipped or not:
 *   CSV with a head line that names t_ms, in_tok and out_tok (Azure's public LLM traces), and
 *   JSON lines with timestamp (ms), input_length, output_length and hash_ids (Mooncake). Equal
 *   hash_ids stand for equal blocks of 512 prompt tokens.
 */
#ifndef UB_TOOLS_TRACE_H
#define UB_TOOLS_TRACE_H

#include "base/buf.h"
#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

#define UB_TRACE_ROWS_MAX     10000000u
#define UB_TRACE_BLOCK_TOKENS 512

struct ub_trace_row {
    ub_ns at; /* since the first row */
    uint32_t prompt;
    uint32_t answer;
    uint32_t first_block; /* into ub_trace.block */
    uint32_t blocks;
};

struct ub_trace {
    struct ub_trace_row *row; /* in order of time */
    uint32_t count;
    uint32_t *block;
    uint32_t block_count;
};

/* False: `words` say what is wrong and where ("FILE:LINE: ..."). Free it in either case. */
bool ub_trace_read(struct ub_trace *trace, const char *path, struct ub_buf *words);
void ub_trace_free(struct ub_trace *trace);

#endif

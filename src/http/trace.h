/* trace.h - for tests: what the HTTP/1.1 parser makes of some bytes, as text.
 *
 * Body bytes are gathered, so the trace must be the same however the input was split.
 */
#ifndef UB_HTTP_TRACE_H
#define UB_HTTP_TRACE_H

#include "http/http1.h"

struct ub_http1_trace {
    struct ub_http1 parser;
    struct ub_buf text; /* "POST /x 1.1 keep len=5\n  Host: a\nbody hello\nend\n" */
    bool in_body;
    bool bad;
};

void ub_http1_trace_init(struct ub_http1_trace *trace, enum ub_http1_side side,
                         const struct ub_http1_limits *limits);
void ub_http1_trace_close(struct ub_http1_trace *trace);

/* The bytes are copied to a place of exactly their size first, so that the address sanitizer sees
 * every read beyond them. */
void ub_http1_trace_feed(struct ub_http1_trace *trace, struct ub_slice bytes);
void ub_http1_trace_eof(struct ub_http1_trace *trace);

/* The trace of `input`, fed in two pieces cut at `cut`, or byte by byte (SIZE_MAX); responses end
 * with the end of the connection. The caller frees the text. */
char *ub_http1_trace_of(enum ub_http1_side side, const struct ub_http1_limits *limits,
                        struct ub_slice input, size_t cut, bool head_request);

#endif

/* sse.h - server-sent events from bytes, however they are split (WHATWG HTML, 9.2.6).
 *
 * Lines end with LF, CRLF or CR. An event is one or more `data:` lines (joined by LF) closed by an
 * empty line. Comments are reported on their own, wherever they stand. An event that lies whole
 * inside the bytes offered is handed out without a copy; only one that is split is gathered, up to
 * `max`.
 *
 * Pull style, as http1.h:   while ((found = ub_sse_next(&sse, &in)) != UB_SSE_MORE) { ... }
 */
#ifndef UB_HTTP_SSE_H
#define UB_HTTP_SSE_H

#include "base/buf.h"

#define UB_SSE_EVENT_MAX (1024 * 1024)

enum ub_sse_found {
    UB_SSE_MORE,    /* all of `in` is used up */
    UB_SSE_EVENT,   /* sse.event, sse.data, sse.raw */
    UB_SSE_COMMENT, /* a line that starts with a colon; sse.data is its text */
    UB_SSE_TOO_BIG, /* an event above max; final */
    UB_SSE_NO_MEMORY,
};

struct ub_sse {
    struct ub_buf gathered; /* a split event */
    size_t max;
    struct ub_slice event; /* value of `event:`, usually empty */
    struct ub_slice data;
    struct ub_slice raw; /* the event's bytes as they came, closing empty line included; empty when
                            a split or a comment inside made them non-contiguous */
    bool has_id;         /* the event had an `id:` line: never pass `raw` on */
    uint8_t state;       /* private */
};

void ub_sse_init(struct ub_sse *sse, size_t max);
void ub_sse_close(struct ub_sse *sse);
/* Slices are valid until the next call. */
enum ub_sse_found ub_sse_next(struct ub_sse *sse, struct ub_slice *in);
/* At the end of the stream: were there bytes of an unfinished event? */
bool ub_sse_is_clean(const struct ub_sse *sse);

#endif

/* sse.h - server-sent events from bytes, however they are split (WHATWG HTML, 9.2.6).
 *
 * Lines end with LF, CRLF or CR. An event is one or more `data:` lines (joined by LF) closed by an
 * empty line; what closes without data is skipped, as the standard wants. Comments are reported on
 * their own, wherever they stand. An event that lies whole inside the bytes offered is handed out
 * without a copy; only one that is split is gathered, up to `max`.
 *
 * Pull style, as http1.h:   while ((found = ub_sse_next(&sse, &in)) != UB_SSE_MORE) { ... }
 *
 * What comes out does not depend on how the bytes were split, `raw` excepted.
 */
#ifndef UB_HTTP_SSE_H
#define UB_HTTP_SSE_H

#include "base/buf.h"

#define UB_SSE_EVENT_MAX (1024 * 1024)

enum ub_sse_found {
    UB_SSE_MORE,      /* all of `in` is used up */
    UB_SSE_EVENT,     /* sse.event, sse.data, sse.raw */
    UB_SSE_COMMENT,   /* a line that starts with a colon; sse.data is its text after the colon */
    UB_SSE_TOO_BIG,   /* an event above max; final */
    UB_SSE_NO_MEMORY, /* final */
};

struct ub_sse {
    struct ub_slice event; /* value of `event:`, usually empty */
    struct ub_slice data;
    struct ub_slice raw; /* the event's bytes as they came, closing empty line included, when they
                            may be passed on as they are: in one piece, line ends all alike (LF or
                            CRLF), no comment inside. Else empty: write the event anew */
    bool has_id;         /* the event had an `id:` line: never pass `raw` on */
    /* Private from here on. */
    struct ub_buf gathered; /* data lines so far, then the beginning of a line that is cut */
    struct ub_buf name;     /* of a split event */
    size_t max;
    size_t kept;       /* how much of `gathered` is data */
    size_t event_size; /* bytes of the event's lines so far */
    const char *begin; /* of the event inside the bytes offered; NULL when it began before */
    uint8_t line_ends; /* bits of the kinds seen in the event */
    bool has_data;
    bool data_kept; /* the data are in `gathered`, not in the bytes offered */
    bool name_kept;
    bool handed_out; /* an event went out: forget it at the next call */
    bool after_cr;   /* a LF that comes now belongs to the line before */
    bool begun;      /* the first line of the stream is over */
    enum ub_sse_found failed;
};

/* Is a Content-Type that of an event stream, whatever its parameters? */
bool ub_sse_is_type(struct ub_slice content_type);

void ub_sse_init(struct ub_sse *sse, size_t max);
void ub_sse_close(struct ub_sse *sse);
/* Slices are valid until the next call, as long as the bytes offered are. */
enum ub_sse_found ub_sse_next(struct ub_sse *sse, struct ub_slice *in);
/* At the end of the stream: true when no event is unfinished. */
bool ub_sse_is_clean(const struct ub_sse *sse);

/* Writers append whole events or comments to `out`: between two of these is always a place where
 * the other kind may stand. A comment is one line with a single newline: an empty line after it
 * would be an event for clients that once saw an `id:`. */
void ub_sse_write_event(struct ub_buf *out, struct ub_slice data);
void ub_sse_write_comment(struct ub_buf *out, struct ub_slice text);
#define UB_SSE_DONE UB_LIT("data: [DONE]\n\n")

#endif

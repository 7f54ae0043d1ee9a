#include "http/sse.h"

#include "http/text.h"
#include <assert.h>

#define KEEP_CAP 4096 /* memory that stays with a stream between two split events */

enum line_end { NO_END = 0, END_LF = 1, END_CRLF = 2, END_CR = 4 }; /* bits */

bool ub_sse_is_type(struct ub_slice content_type)
{
    struct ub_slice want = UB_LIT("text/event-stream");
    return content_type.len >= want.len &&
           ub_slice_eq_nocase((struct ub_slice){content_type.ptr, want.len}, want);
}

void ub_sse_init(struct ub_sse *sse, size_t max)
{
    *sse = (struct ub_sse){.max = max};
}

void ub_sse_close(struct ub_sse *sse)
{
    ub_buf_free(&sse->gathered);
    ub_buf_free(&sse->name);
    *sse = (struct ub_sse){.max = sse->max};
}

bool ub_sse_is_clean(const struct ub_sse *sse)
{
    return sse->failed == UB_SSE_MORE && (sse->handed_out || sse->event_size == 0) &&
           sse->gathered.len == sse->kept;
}

static enum ub_sse_found fail(struct ub_sse *sse, enum ub_sse_found why)
{
    sse->failed = why;
    return why;
}

static void forget_event(struct ub_sse *sse)
{
    if (sse->gathered.cap > KEEP_CAP) {
        ub_buf_free(&sse->gathered);
    }
    sse->gathered.len = 0;
    sse->name.len = 0;
    sse->kept = 0;
    sse->event_size = 0;
    sse->event = sse->data = sse->raw = (struct ub_slice){0};
    sse->begin = NULL;
    sse->line_ends = NO_END;
    sse->has_data = sse->has_id = sse->handed_out = false;
    sse->data_kept = sse->name_kept = false;
}

/* The event goes on in bytes that are not here yet: take what points into these along. */
static bool keep_event(struct ub_sse *sse)
{
    sse->begin = NULL;
    if (sse->has_data && !sse->data_kept) {
        assert(sse->gathered.len == 0);
        ub_buf_add_slice(&sse->gathered, sse->data);
        sse->kept = sse->gathered.len;
        sse->data_kept = true;
    }
    if (sse->event.len > 0 && !sse->name_kept) {
        ub_buf_add_slice(&sse->name, sse->event);
        sse->event = ub_buf_slice(&sse->name);
        sse->name_kept = true;
    }
    return !sse->gathered.failed && !sse->name.failed;
}

/* A `data:` line. The first one stays where it is; a second one has to be joined to it. `value` may
 * lie in `gathered`, behind the kept data. */
static bool take_data(struct ub_sse *sse, struct ub_slice value, bool in_gathered)
{
    if (!sse->has_data && !in_gathered) {
        sse->has_data = true;
        sse->data = value;
        return true;
    }
    if (!in_gathered) {
        const char *begin = sse->begin; /* `raw` does not mind the copy */
        if (!keep_event(sse)) {
            return false;
        }
        sse->begin = begin;
        ub_buf_add(&sse->gathered, "\n", 1);
        ub_buf_add_slice(&sse->gathered, value);
    } else {
        char *at = sse->gathered.ptr + sse->kept;
        if (sse->has_data) {
            *at++ = '\n'; /* there is room: the line's own "data:" stood here */
        }
        memmove(at, value.ptr, value.len);
        sse->gathered.len = (size_t)(at - sse->gathered.ptr) + value.len;
    }
    sse->has_data = sse->data_kept = true;
    sse->kept = sse->gathered.len;
    return !sse->gathered.failed;
}

static bool take_name(struct ub_sse *sse, struct ub_slice value, bool in_gathered)
{
    ub_buf_clear(&sse->name);
    sse->name_kept = false;
    sse->event = value;
    return !in_gathered || keep_event(sse);
}

static bool take_field(struct ub_sse *sse, struct ub_slice line, bool in_gathered)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    struct ub_slice name = {line.ptr, colon == NULL ? line.len : (size_t)(colon - line.ptr)};
    struct ub_slice value = {line.ptr + line.len, 0};
    if (colon != NULL) {
        value = (struct ub_slice){colon + 1, (size_t)(line.ptr + line.len - colon - 1)};
        if (value.len > 0 && value.ptr[0] == ' ') {
            value.ptr++;
            value.len--;
        }
    }
    if (ub_slice_is(name, "data")) {
        return take_data(sse, value, in_gathered);
    }
    if (ub_slice_is(name, "event")) {
        return take_name(sse, value, in_gathered);
    }
    sse->has_id = sse->has_id || ub_slice_is(name, "id");
    return true; /* `retry:` and unknown fields change nothing */
}

/* The empty line. `end` is behind it. */
static enum ub_sse_found close_event(struct ub_sse *sse, const char *end)
{
    if (!sse->has_data) {
        forget_event(sse);
        return UB_SSE_MORE;
    }
    if (sse->data_kept) {
        sse->data = (struct ub_slice){sse->gathered.ptr, sse->kept};
    }
    if (sse->begin != NULL && (sse->line_ends == END_LF || sse->line_ends == END_CRLF)) {
        sse->raw = (struct ub_slice){sse->begin, (size_t)(end - sse->begin)};
    }
    sse->handed_out = true;
    return UB_SSE_EVENT;
}

/* Comments stand between the lines of an event without being part of it. */
static enum ub_sse_found take_comment(struct ub_sse *sse, struct ub_slice line, bool in_gathered)
{
    /* The caller may offer other bytes at the next call. */
    if (!in_gathered && !keep_event(sse)) {
        return fail(sse, UB_SSE_NO_MEMORY);
    }
    sse->begin = NULL;
    sse->gathered.len = sse->kept; /* the bytes behind stay as they are until the next call */
    sse->data = (struct ub_slice){line.ptr + 1, line.len - 1};
    return UB_SSE_COMMENT;
}

/* Where the first line of `in` ends, and how. NULL: not in these bytes. */
static const char *find_line_end(struct ub_sse *sse, struct ub_slice in, const char **next,
                                 enum line_end *kind)
{
    const char *end = in.ptr + in.len;
    const char *stop = ub_text_line_end(in.ptr, end);
    if (stop == end) {
        return NULL;
    }
    *next = stop + 1;
    *kind = END_LF;
    if (*stop == '\r') {
        *kind = END_CR;
        sse->after_cr = *next == end;
        if (*next < end && **next == '\n') {
            ++*next;
            *kind = END_CRLF;
        }
    }
    return stop;
}

/* A byte order mark is none of the first line's data. Elsewhere it is an odd field name, but could
 * become the start of what a client gets: then the event has to be written anew. */
static struct ub_slice without_bom(struct ub_sse *sse, struct ub_slice line)
{
    bool bom = ub_slice_starts(line, UB_LIT("\xef\xbb\xbf"));
    sse->begin = bom ? NULL : sse->begin;
    if (bom && !sse->begun) {
        line.ptr += 3;
        line.len -= 3;
    }
    sse->begun = true;
    return line;
}

/* One whole line, wherever it lies. `next` is behind it in the bytes offered. */
static enum ub_sse_found take_line(struct ub_sse *sse, struct ub_slice line, bool in_gathered,
                                   enum line_end kind, const char *next)
{
    size_t size = line.len + 1; /* a line end counts one, so that a split CRLF is no different */
    if (sse->event_size + size > sse->max) {
        return fail(sse, UB_SSE_TOO_BIG);
    }
    if (sse->event_size == 0) {
        sse->begin = in_gathered ? NULL : line.ptr;
    }
    line = without_bom(sse, line);
    if (line.len > 0 && line.ptr[0] == ':') {
        return take_comment(sse, line, in_gathered);
    }
    sse->event_size += size;
    sse->line_ends |= (uint8_t)kind;
    if (line.len == 0) {
        return close_event(sse, next);
    }
    if (!take_field(sse, line, in_gathered)) {
        return fail(sse, UB_SSE_NO_MEMORY);
    }
    sse->gathered.len = sse->kept;
    return UB_SSE_MORE;
}

/* The first line of `in`, or its beginning, which is gathered. */
static enum ub_sse_found next_line(struct ub_sse *sse, struct ub_slice *in)
{
    const char *next = in->ptr + in->len;
    enum line_end kind = NO_END;
    const char *stop = find_line_end(sse, *in, &next, &kind);
    struct ub_slice line = {in->ptr, (size_t)((stop == NULL ? next : stop) - in->ptr)};
    in->len -= (size_t)(next - in->ptr);
    in->ptr = next;

    bool in_gathered = stop == NULL || sse->gathered.len > sse->kept;
    if (!in_gathered) {
        return take_line(sse, line, false, kind, next);
    }
    if (sse->event_size + (sse->gathered.len - sse->kept) + line.len > sse->max) {
        return fail(sse, UB_SSE_TOO_BIG);
    }
    if (!keep_event(sse)) {
        return fail(sse, UB_SSE_NO_MEMORY);
    }
    ub_buf_add_slice(&sse->gathered, line);
    if (sse->gathered.failed) {
        return fail(sse, UB_SSE_NO_MEMORY);
    }
    if (stop == NULL) {
        return UB_SSE_MORE;
    }
    line = (struct ub_slice){sse->gathered.ptr + sse->kept, sse->gathered.len - sse->kept};
    return take_line(sse, line, true, kind, next);
}

enum ub_sse_found ub_sse_next(struct ub_sse *sse, struct ub_slice *in)
{
    if (sse->failed != UB_SSE_MORE) {
        return sse->failed;
    }
    if (sse->handed_out) {
        forget_event(sse);
    }
    if (sse->after_cr && in->len > 0) {
        sse->after_cr = false;
        if (*in->ptr == '\n') {
            in->ptr++;
            in->len--;
        }
    }
    while (in->len > 0) {
        enum ub_sse_found found = next_line(sse, in);
        if (found != UB_SSE_MORE) {
            return found;
        }
    }
    return keep_event(sse) ? UB_SSE_MORE : fail(sse, UB_SSE_NO_MEMORY);
}

void ub_sse_write_event(struct ub_buf *out, struct ub_slice data)
{
    const char *p = data.ptr;
    const char *end = data.ptr + data.len;
    do {
        const char *stop = ub_text_line_end(p, end);
        ub_buf_add(out, "data: ", 6);
        ub_buf_add(out, p, (size_t)(stop - p));
        ub_buf_add(out, "\n", 1);
        bool crlf = end - stop >= 2 && stop[0] == '\r' && stop[1] == '\n';
        p = stop < end ? stop + 1 + crlf : NULL;
    } while (p != NULL);
    ub_buf_add(out, "\n", 1);
}

void ub_sse_write_comment(struct ub_buf *out, struct ub_slice text)
{
    ub_buf_add(out, ": ", 2);
    ub_buf_add(out, text.ptr, (size_t)(ub_text_line_end(text.ptr, text.ptr + text.len) - text.ptr));
    ub_buf_add(out, "\n", 1);
}

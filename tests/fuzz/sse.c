/* The reader of event streams against a slow one that has all bytes at once, and against itself
 * with the stream cut into pieces. */
#include "http/sse.h"
#include "fuzz.h"

#include <string.h>

static void print_event(struct ub_buf *out, struct ub_slice name, struct ub_slice data, bool has_id)
{
    ub_buf_add_text(out, has_id ? "event with id " : "event ");
    ub_buf_add_json(out, name);
    ub_buf_add_text(out, " ");
    ub_buf_add_json(out, data);
    ub_buf_add_text(out, "\n");
}

static void print_comment(struct ub_buf *out, struct ub_slice text)
{
    ub_buf_add_text(out, "comment ");
    ub_buf_add_json(out, text);
    ub_buf_add_text(out, "\n");
}

/* The bytes that may be passed on as they are must mean the same event. */
static void check_raw(const struct ub_sse *sse, size_t max)
{
    if (sse->raw.len == 0 || sse->has_id) {
        return;
    }
    struct ub_sse again;
    struct ub_slice in = sse->raw;
    ub_sse_init(&again, max);
    UB_FUZZ_CHECK(ub_sse_next(&again, &in) == UB_SSE_EVENT, "raw is no event");
    UB_FUZZ_CHECK(ub_slice_eq(again.data, sse->data) && ub_slice_eq(again.event, sse->event),
                  "raw is another event");
    UB_FUZZ_CHECK(in.len == 0, "raw is more than an event");
    ub_sse_close(&again);
}

static bool take_all(struct ub_sse *sse, struct ub_slice in, struct ub_buf *out)
{
    for (;;) {
        switch (ub_sse_next(sse, &in)) {
        case UB_SSE_MORE:
            return true;
        case UB_SSE_EVENT:
            print_event(out, sse->event, sse->data, sse->has_id);
            check_raw(sse, sse->max);
            break;
        case UB_SSE_COMMENT:
            print_comment(out, sse->data);
            break;
        case UB_SSE_TOO_BIG:
        case UB_SSE_NO_MEMORY:
            ub_buf_add_text(out, "too big\n");
            return false;
        }
    }
}

static void read_pieces(struct ub_slice text, size_t max, struct ub_random *random,
                        struct ub_buf *out)
{
    struct ub_sse sse;
    ub_sse_init(&sse, max);
    bool going = true;
    while (text.len > 0 && going) {
        size_t len = random == NULL ? text.len : 1 + ub_random_below(random, 7);
        len = len < text.len ? len : text.len;
        char *copy = malloc(len); /* exact and short-lived, so that a sanitizer sees stale slices */
        memcpy(copy, text.ptr, len);
        going = take_all(&sse, (struct ub_slice){copy, len}, out);
        free(copy);
        text.ptr += len;
        text.len -= len;
    }
    ub_buf_add_text(out, ub_sse_is_clean(&sse) ? "clean\n" : "");
    ub_sse_close(&sse);
}

/* The slow reader, straight from the standard's text. */
struct slow {
    struct ub_buf data;
    struct ub_buf name;
    bool has_id;
    size_t size;
};

static struct ub_slice field_value(struct ub_slice line, size_t colon)
{
    if (colon == line.len) {
        return (struct ub_slice){"", 0};
    }
    size_t skip = colon + 1 < line.len && line.ptr[colon + 1] == ' ' ? colon + 2 : colon + 1;
    return (struct ub_slice){line.ptr + skip, line.len - skip};
}

static void slow_line(struct slow *slow, struct ub_slice line, struct ub_buf *out)
{
    if (line.len == 0) {
        if (slow->data.len > 0) {
            struct ub_slice data = {slow->data.ptr, slow->data.len - 1};
            print_event(out, ub_buf_slice(&slow->name), data, slow->has_id);
        }
        ub_buf_clear(&slow->data);
        ub_buf_clear(&slow->name);
        slow->has_id = false;
        slow->size = 0;
        return;
    }
    size_t colon = 0;
    while (colon < line.len && line.ptr[colon] != ':') {
        colon++;
    }
    struct ub_slice field = {line.ptr, colon};
    struct ub_slice value = field_value(line, colon);
    if (ub_slice_is(field, "data")) {
        ub_buf_add_slice(&slow->data, value);
        ub_buf_add(&slow->data, "\n", 1);
    } else if (ub_slice_is(field, "event")) {
        ub_buf_clear(&slow->name);
        ub_buf_add_slice(&slow->name, value);
    } else if (ub_slice_is(field, "id")) {
        slow->has_id = true;
    }
}

static void read_slowly(struct ub_slice text, size_t max, struct ub_buf *out)
{
    struct slow slow = {0};
    size_t at = 0;
    bool fits = true;
    bool first = true;
    bool line_open = false;
    while (at < text.len && fits) {
        size_t stop = at;
        while (stop < text.len && text.ptr[stop] != '\n' && text.ptr[stop] != '\r') {
            stop++;
        }
        struct ub_slice line = {text.ptr + at, stop - at};
        line_open = stop == text.len;
        fits = slow.size + line.len + !line_open <= max;
        if (!fits || line_open) {
            break;
        }
        at = stop + 1 +
             (text.ptr[stop] == '\r' && stop + 1 < text.len && text.ptr[stop + 1] == '\n');
        size_t size = line.len + 1;
        if (first && ub_slice_starts(line, UB_LIT("\xef\xbb\xbf"))) {
            line.ptr += 3;
            line.len -= 3;
        }
        first = false;
        if (line.len > 0 && line.ptr[0] == ':') {
            print_comment(out, (struct ub_slice){line.ptr + 1, line.len - 1});
            continue;
        }
        slow.size += size;
        slow_line(&slow, line, out);
    }
    bool clean = fits && !line_open && slow.size == 0;
    ub_buf_add_text(out, !fits ? "too big\n" : clean ? "clean\n" : "");
    ub_buf_free(&slow.data);
    ub_buf_free(&slow.name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ub_slice text = {(const char *)data, size};
    struct ub_random random = ub_fuzz_random(data, size);
    size_t max = ub_random_below(&random, 2) == 0 ? 1000000 : 4 + ub_random_below(&random, 60);
    struct ub_buf slow = {0};
    struct ub_buf whole = {0};
    struct ub_buf pieces = {0};
    read_slowly(text, max, &slow);
    read_pieces(text, max, NULL, &whole);
    read_pieces(text, max, &random, &pieces);
    UB_FUZZ_CHECK(ub_slice_eq(ub_buf_slice(&whole), ub_buf_slice(&slow)),
                  "max %zu, whole:\n%.*sslowly:\n%.*s", max, UB_SLICE_ARG(whole),
                  UB_SLICE_ARG(slow));
    UB_FUZZ_CHECK(ub_slice_eq(ub_buf_slice(&whole), ub_buf_slice(&pieces)),
                  "max %zu, whole:\n%.*sin pieces:\n%.*s", max, UB_SLICE_ARG(whole),
                  UB_SLICE_ARG(pieces));
    ub_buf_free(&slow);
    ub_buf_free(&whole);
    ub_buf_free(&pieces);
    return 0;
}

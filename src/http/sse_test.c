#include "http/sse.h"

#include "base/alloc.h"
#include "base/test.h"
#include <stdio.h>

/* Everything that comes out of `text`, cut into pieces of `piece` bytes, as one line each. */
static const char *run(struct ub_slice text, size_t piece, size_t max, struct ub_buf *out)
{
    struct ub_sse sse;
    ub_sse_init(&sse, max);
    ub_buf_clear(out);
    enum ub_sse_found found = UB_SSE_MORE;
    for (size_t at = 0; at < text.len && found == UB_SSE_MORE; at += piece) {
        size_t len = text.len - at < piece ? text.len - at : piece;
        char *copy = ub_strndup(text.ptr + at, len); /* so that a sanitizer sees stale slices */
        struct ub_slice in = {copy, len};
        while ((found = ub_sse_next(&sse, &in)) != UB_SSE_MORE) {
            if (found == UB_SSE_EVENT) {
                ub_buf_printf(out, "[%.*s]%s", UB_SLICE_ARG(sse.event), sse.has_id ? "#" : "");
                ub_buf_add_json(out, sse.data);
                ub_buf_add_text(out, "\n");
            } else if (found == UB_SSE_COMMENT) {
                ub_buf_printf(out, ":%.*s\n", UB_SLICE_ARG(sse.data));
            } else {
                ub_buf_add_text(out, found == UB_SSE_TOO_BIG ? "too big\n" : "no memory\n");
                break;
            }
        }
        ub_free(copy);
    }
    ub_buf_add_text(out, ub_sse_is_clean(&sse) ? "" : "unclean\n");
    ub_buf_add(out, "", 1);
    ub_sse_close(&sse);
    return out->ptr;
}

static const struct {
    const char *name;
    const char *text;
    const char *want;
} rows[] = {
    {"an event is a data line and an empty line", "data: a\n\n", "[]\"a\"\n"},
    {"one space after the colon is not data, a second one is", "data:a\n\ndata:  b\n\n",
     "[]\"a\"\n[]\" b\"\n"},
    {"CRLF ends lines", "data: a\r\n\r\ndata: b\r\n\r\n", "[]\"a\"\n[]\"b\"\n"},
    {"CR ends lines", "data: a\r\rdata: b\r\r", "[]\"a\"\n[]\"b\"\n"},
    {"mixed ends of lines", "data: a\r\n\ndata: b\r\r\ndata: c\n\r\n",
     "[]\"a\"\n[]\"b\"\n[]\"c\"\n"},
    {"data lines are joined by LF", "data: a\ndata: b\ndata\ndata: c\n\n", "[]\"a\\nb\\n\\nc\"\n"},
    {"an event has a name", "event: error\ndata: a\n\ndata: b\n\n", "[error]\"a\"\n[]\"b\"\n"},
    {"the name may follow the data", "data: a\nevent: x\n\n", "[x]\"a\"\n"},
    {"the last name counts", "event: a\nevent:\ndata: 1\n\nevent: a\nevent: b\ndata: 2\n\n",
     "[]\"1\"\n[b]\"2\"\n"},
    {"a name without data is forgotten", "event: x\n\ndata: a\n\n", "[]\"a\"\n"},
    {"an id is seen, retry is not", "id: 7\nretry: 10\ndata: a\n\nretry: 1\ndata: b\n\n",
     "[]#\"a\"\n[]\"b\"\n"},
    {"empty data are data", "data\n\ndata:\n\ndata: \n\n", "[]\"\"\n[]\"\"\n[]\"\"\n"},
    {"empty lines alone are nothing", "\n\r\n\r\n\n\ndata: a\n\n\n\n", "[]\"a\"\n"},
    {"a comment stands alone", ": keep-alive\n\ndata: a\n\n:\n", ": keep-alive\n[]\"a\"\n:\n"},
    {"a comment inside an event does not end it",
     "event: x\n:one\ndata: a\n: two\r\ndata: b\n:3\n\n", ":one\n: two\n:3\n[x]\"a\\nb\"\n"},
    {"unknown fields are ignored", "foo: bar\nbaz\ndata: a\ndatax: b\n data: c\n\n", "[]\"a\"\n"},
    {"a byte order mark is skipped at the start only",
     "\xef\xbb\xbf"
     "data: a\n\n\xef\xbb\xbf"
     "data: b\n\ndata: c\n\n",
     "[]\"a\"\n[]\"c\"\n"},
    {"a byte order mark before a comment", "\xef\xbb\xbf: c\ndata: a\n\n", ": c\n[]\"a\"\n"},
    {"two thirds of a byte order mark are none",
     "\xef\xbb"
     "data: a\ndata: b\n\n",
     "[]\"b\"\n"},
    {"an event that is cut is not handed out", "data: a\n\ndata: b\n", "[]\"a\"\nunclean\n"},
    {"a line that is cut is unclean", "data: a\n\nda", "[]\"a\"\nunclean\n"},
    {"a colon in the data is data", "data: a: b:c\n\n", "[]\"a: b:c\"\n"},
};

static void test_rows_at_every_split(void)
{
    struct ub_buf out = {0};
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_slice text = ub_slice_of(rows[i].text);
        UB_CHECK_TEXT(run(text, text.len, 1000, &out), rows[i].want, "%s", rows[i].name);
        bool same = true;
        for (size_t piece = 1; piece < text.len; piece++) {
            same = same && strcmp(run(text, piece, 1000, &out), rows[i].want) == 0;
        }
        UB_CHECK(same, "%s, in pieces of any size", rows[i].name);
    }
    ub_buf_free(&out);
}

static void test_bounds(void)
{
    static const struct {
        const char *name;
        const char *text;
        size_t max;
        const char *want;
    } bounds[] = {
        {"an event of exactly max is handed out", "data: abc\n\n", 11, "[]\"abc\"\n"},
        {"one byte more is too big", "data: abcd\n\n", 11, "too big\nunclean\n"},
        {"a CRLF counts as one byte", "data: abc\r\n\r\n", 11, "[]\"abc\"\n"},
        {"all lines of an event count", "data: a\ndata: b\n\n", 16, "too big\nunclean\n"},
        {"earlier events do not count", "data: a\n\ndata: b\n\n", 10, "[]\"a\"\n[]\"b\"\n"},
        {"an endless comment is too big", ":aaaaaaaaaaaaaaaaaaaa\n", 10, "too big\nunclean\n"},
    };
    struct ub_buf out = {0};
    for (size_t i = 0; i < UB_COUNT(bounds); i++) {
        struct ub_slice text = ub_slice_of(bounds[i].text);
        for (size_t piece = 1; piece <= text.len; piece += 4) {
            UB_CHECK_TEXT(run(text, piece, bounds[i].max, &out), bounds[i].want, "%s (by %zu)",
                          bounds[i].name, piece);
        }
    }
    ub_buf_free(&out);
}

static void test_big_event(void)
{
    struct ub_buf text = {0};
    struct ub_buf out = {0};
    ub_buf_add_text(&text, "data: ");
    for (int i = 0; i < 100000; i++) {
        ub_buf_add_text(&text, "0123456789");
    }
    ub_buf_add_text(&text, "\n\ndata: x\n\n");
    run(ub_buf_slice(&text), 1 << 14, UB_SSE_EVENT_MAX, &out);
    UB_CHECK(out.len == 1000000 + 5 + 6 + 1, "an event of 1 MB in pieces of 16 KiB");
    ub_buf_free(&text);
    ub_buf_free(&out);
}

static void test_raw(void)
{
    static const struct {
        const char *name;
        const char *text;
        const char *raw; /* of the first event */
    } raws[] = {
        {"raw is the event with its empty line", "data: a\n\ndata: b\n\n", "data: a\n\n"},
        {"raw with CRLF", "event: x\r\ndata: a\r\n\r\ndata: b\n\n", "event: x\r\ndata: a\r\n\r\n"},
        {"raw with several data lines", "data: a\ndata: b\n\n", "data: a\ndata: b\n\n"},
        {"raw does not begin with a comment before it", ": c\n\ndata: a\n\n", "data: a\n\n"},
        {"no raw with mixed line ends, which some clients do not read at once", "data: a\r\n\n",
         ""},
        {"no raw with CR line ends", "data: a\r\r", ""},
        {"no raw with a comment inside", "data: a\n: c\n\n", ""},
        {"no raw with a byte order mark",
         "\xef\xbb\xbf"
         "data: a\n\n",
         ""},
    };
    for (size_t i = 0; i < UB_COUNT(raws); i++) {
        struct ub_sse sse;
        ub_sse_init(&sse, 1000);
        struct ub_slice in = ub_slice_of(raws[i].text);
        enum ub_sse_found found = ub_sse_next(&sse, &in);
        while (found == UB_SSE_COMMENT) {
            found = ub_sse_next(&sse, &in);
        }
        UB_CHECK(found == UB_SSE_EVENT && ub_slice_is(sse.raw, raws[i].raw), "%s", raws[i].name);
        ub_sse_close(&sse);
    }
}

/* The usual case costs no copy, and so no allocation. */
static void test_no_copy(void)
{
    static const char text[] = "data: {\"a\":1}\n\nevent: x\ndata: {}\n\n";
    struct ub_sse sse;
    ub_sse_init(&sse, 1000);
    struct ub_slice in = {text, sizeof text - 1};
    bool in_place = ub_sse_next(&sse, &in) == UB_SSE_EVENT && sse.data.ptr == text + 6;
    in_place = in_place && ub_sse_next(&sse, &in) == UB_SSE_EVENT && sse.event.ptr == text + 22;
    UB_CHECK(in_place && ub_sse_next(&sse, &in) == UB_SSE_MORE, "whole events stay where they are");
    UB_CHECK(sse.gathered.ptr == NULL && sse.name.ptr == NULL, "and nothing is allocated");
    ub_sse_close(&sse);
}

static void test_no_memory(void)
{
    struct ub_sse sse;
    ub_sse_init(&sse, 1000);
    ub_alloc_fail_nth(1);
    struct ub_slice in = UB_LIT("data: a");
    UB_CHECK(ub_sse_next(&sse, &in) == UB_SSE_NO_MEMORY, "no memory for a split event is said");
    ub_alloc_fail_nth(0);
    in = UB_LIT("\n\n");
    UB_CHECK(ub_sse_next(&sse, &in) == UB_SSE_NO_MEMORY, "and stays said");
    UB_CHECK(!ub_sse_is_clean(&sse), "and the stream is not clean");
    ub_sse_close(&sse);
}

/* Whichever allocation fails: it is said, and nothing comes out that is not true. */
static void test_every_allocation(void)
{
    static const char text[] = "event: a\ndata: 1\n: c\ndata: 2\n\nevent: b\ndata: 3\n\n";
    struct ub_buf whole = {0};
    struct ub_buf got = {0};
    ub_buf_reserve(&got, 1000); /* so that only the reader allocates */
    run(UB_LIT(text), 1000, 1000, &whole);
    bool failed = true;
    bool honest = true;
    for (int nth = 1; failed; nth++) {
        struct ub_sse sse;
        ub_sse_init(&sse, 1000);
        ub_buf_clear(&got);
        ub_alloc_fail_nth(nth);
        failed = false;
        for (size_t at = 0; at < sizeof text - 1 && !failed; at++) {
            struct ub_slice in = {text + at, 1};
            enum ub_sse_found found = ub_sse_next(&sse, &in);
            failed = found == UB_SSE_NO_MEMORY;
            if (found == UB_SSE_EVENT) {
                ub_buf_printf(&got, "[%.*s]", UB_SLICE_ARG(sse.event));
                ub_buf_add_json(&got, sse.data);
                ub_buf_add_text(&got, "\n");
            } else if (found == UB_SSE_COMMENT) {
                ub_buf_printf(&got, ":%.*s\n", UB_SLICE_ARG(sse.data));
            }
        }
        honest = honest && got.len <= whole.len - 1 && memcmp(got.ptr, whole.ptr, got.len) == 0 &&
                 failed == (got.len < whole.len - 1);
        ub_sse_close(&sse);
    }
    ub_alloc_fail_nth(0);
    UB_CHECK(honest, "any allocation may fail");
    ub_buf_free(&whole);
    ub_buf_free(&got);
}

static void test_writers(void)
{
    struct ub_buf out = {0};
    ub_sse_write_comment(&out, UB_LIT("queued 3\nx"));
    ub_sse_write_event(&out, UB_LIT("{\"a\":1}"));
    ub_sse_write_event(&out, UB_LIT("a\nb\r\nc\rd"));
    ub_sse_write_event(&out, UB_LIT(""));
    ub_buf_add_slice(&out, UB_SSE_DONE);
    ub_buf_add(&out, "", 1);
    UB_CHECK_TEXT(out.ptr,
                  ": queued 3\ndata: {\"a\":1}\n\ndata: a\ndata: b\ndata: c\ndata: d\n\ndata: \n\n"
                  "data: [DONE]\n\n",
                  "a comment is one line, an event ends with an empty line");
    ub_buf_free(&out);
}

int main(void)
{
    test_rows_at_every_split();
    test_bounds();
    test_big_event();
    test_raw();
    test_no_copy();
    test_no_memory();
    test_every_allocation();
    test_writers();
    return ub_test_done();
}

/* The bounds of a message, memory and its failures, the life of a parser, the writers. */
#include "http/http1_vectors.h"
#include "http/trace.h"

#include "base/alloc.h"
#include "base/test.h"

#include <stdlib.h>

/* `head`, then `unit` so often, then `tail`. */
static void check_repeat(enum ub_http1_side side, const char *head, const char *unit, int times,
                         const char *tail, const char *want_end, const char *name)
{
    struct ub_buf input = {0};
    ub_buf_add_text(&input, head);
    for (int i = 0; i < times; i++) {
        ub_buf_add_text(&input, unit);
    }
    ub_buf_add_text(&input, tail);
    char *whole = ub_http1_trace_of(side, &limits, ub_buf_slice(&input), input.len, false);
    char *bytes = ub_http1_trace_of(side, &limits, ub_buf_slice(&input), SIZE_MAX, false);
    size_t len = strlen(whole);
    size_t end_len = strlen(want_end);
    UB_CHECK_TEXT(whole + (len > end_len ? len - end_len : 0), want_end, "%s", name);
    UB_CHECK_TEXT(bytes, whole, "%s, byte by byte", name);
    free(whole);
    free(bytes);
    ub_buf_free(&input);
}

static void check_bounds(void)
{
    const enum ub_http1_side req = UB_HTTP1_REQUESTS;
    const enum ub_http1_side res = UB_HTTP1_RESPONSES;
    const char *too_long = "bad 431 head too long\n";
    const char *get = "GET / HTTP/1.1\r\nHost: a\r\nA: "; /* 28 bytes */
    check_repeat(req, get, "x", 512 - 28 - 4, "\r\n\r\n", "end\n", "a head of exactly the limit");
    check_repeat(req, get, "x", 512 - 28 - 3, "\r\n\r\n", too_long, "a head one byte too long");
    check_repeat(req, get, "x", 5000, "", too_long, "an endless value");
    check_repeat(req, GET, "A: b\r\n", 5000, "", too_long, "endless fields");
    check_repeat(req, "GET /", "x", 63, " HTTP/1.0\r\n\r\n", "end\n",
                 "a target of exactly the limit");
    check_repeat(req, "GET /", "x", 64, " HTTP/1.0\r\n\r\n", "bad 414 target too long\n",
                 "a target one byte too long");
    check_repeat(req, "GET /", "x", 5000, "", "bad 414 target too long\n", "an endless target");
    check_repeat(req, "GET / HTTP/1.0\r\n", "A:\r\n", 100, "\r\n", "end\n", "100 fields");
    check_repeat(req, "GET / HTTP/1.0\r\n", "A:\r\n", 101, "\r\n", "bad 431 too many fields\n",
                 "101 fields");
    check_repeat(req, POST CH "\r\n1;", "x", 256, "\r\na\r\n0\r\n\r\n",
                 "bad 400 chunk extensions too long\n", "a chunk extension one byte too long");
    check_repeat(req, POST CH "\r\n1;", "x", 255, "\r\na\r\n0\r\n\r\n", "body a\nend\n",
                 "a chunk extension of exactly the limit");
    check_repeat(
        req, POST CH "\r\n",
        "1;abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
        "lmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij\r\na\r\n",
        60, "0\r\n\r\n", "aaaa\nbad 400 chunk extensions too long\n",
        "chunk extensions too long in sum");
    check_repeat(req, POST CH "\r\n0\r\n", "A: b\r\n", 5000, "", too_long, "endless trailers");
    check_repeat(res, OK, "A: b\r\n", 5000, "", "bad 502 head too long\n",
                 "endless fields in an answer");
    check_repeat(res, "", "x", 5000, "", "bad 502 head too long\n", "an endless status line");
    check_repeat(res, "", "HTTP/1.1 100 Continue\r\n\r\n", 16, "HTTP/1.1 204 \r\n\r\n", "end\n",
                 "16 interim answers");
    check_repeat(res, "", "HTTP/1.1 100 Continue\r\n\r\n", 17, "HTTP/1.1 204 \r\n\r\n",
                 "bad 502 too many 1xx responses\n", "17 interim answers");
}

static const char full[] = POST CH "\r\n2;a=b\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n" GET "\r\n";

/* True when the outcome was the whole trace or a clean refusal. */
static bool copes_without(int64_t nth, size_t piece, bool *failed)
{
    struct ub_http1 parser;
    ub_http1_init(&parser, UB_HTTP1_REQUESTS, &limits);
    enum ub_http1_found found = UB_HTTP1_MORE;
    int ends = 0;
    ub_alloc_fail_nth(nth);
    for (size_t at = 0; at < sizeof full - 1 && found != UB_HTTP1_BAD; at += piece) {
        size_t left = sizeof full - 1 - at;
        struct ub_slice in = {full + at, left < piece ? left : piece};
        while ((found = ub_http1_next(&parser, &in)) != UB_HTTP1_MORE && found != UB_HTTP1_BAD) {
            ends += found == UB_HTTP1_END;
        }
    }
    *failed = ub_alloc_count() >= nth;
    ub_alloc_fail_nth(0);
    bool refused = found == UB_HTTP1_BAD && parser.bad.status == 503;
    ub_http1_close(&parser);
    return *failed ? refused : ends == 2;
}

static void check_allocations(void)
{
    static const size_t pieces[] = {1, 7, 60, sizeof full};
    for (size_t i = 0; i < UB_COUNT(pieces); i++) {
        int64_t nth = 0;
        bool failed = true;
        bool copes = true;
        while (failed && copes && nth < 1000) {
            copes = copes_without(++nth, pieces[i], &failed);
        }
        UB_CHECK(copes && nth > 2, "each of %d allocations may fail, in pieces of %d bytes",
                 (int)nth - 1, (int)pieces[i]);
    }
}

static void check_life(void)
{
    struct ub_http1 parser;
    ub_http1_init(&parser, UB_HTTP1_REQUESTS, &limits);
    struct ub_slice in = UB_LIT(POST "Content-Length: 2\r\n\r\nhi");
    UB_CHECK(ub_http1_is_idle(&parser), "idle before the first byte");
    ub_alloc_fail_nth(INT64_MAX);
    UB_CHECK(ub_http1_next(&parser, &in) == UB_HTTP1_HEAD, "a head comes first");
    UB_CHECK(ub_alloc_count() == 1, "a head that comes at once is one allocation");
    UB_CHECK(ub_slice_is(ub_http_value(parser.head, "content-LENGTH"), "2"),
             "a field is found whatever its case");
    UB_CHECK(ub_http_value(parser.head, "Host2").len == 0, "a missing field is empty");
    UB_CHECK(!ub_http1_is_idle(&parser), "not idle inside a message");
    UB_CHECK(ub_http1_next(&parser, &in) == UB_HTTP1_BODY, "then the body");
    UB_CHECK(ub_http1_next(&parser, &in) == UB_HTTP1_END && in.len == 0, "then the end");
    UB_CHECK(parser.head != NULL && ub_slice_is(parser.head->method, "POST"),
             "the head outlives the end");
    UB_CHECK(ub_http1_is_idle(&parser) && parser.keep_alive, "idle after the message");
    UB_CHECK(ub_http1_next(&parser, &in) == UB_HTTP1_MORE && parser.head == NULL &&
                 parser.raw.ptr == NULL,
             "no memory is held between messages");
    UB_CHECK(ub_alloc_count() == 1, "a body allocates nothing");
    ub_alloc_fail_nth(0);

    in = UB_LIT("GET / HTTP/1.1\n");
    UB_CHECK(ub_http1_next(&parser, &in) == UB_HTTP1_BAD, "a bare LF is bad");
    in = UB_LIT(GET "\r\n");
    UB_CHECK(ub_http1_next(&parser, &in) == UB_HTTP1_BAD, "and bad is final");
    UB_CHECK(ub_http1_eof(&parser) == UB_HTTP1_BAD, "also at the end");
    ub_http1_close(&parser);
}

static void check_eof(void)
{
    static const struct {
        const char *name;
        const char *input;
        enum ub_http1_found want;
    } rows_eof[] = {
        {"the end before a request is none", "", UB_HTTP1_MORE},
        {"the end between requests is none", GET "\r\n", UB_HTTP1_MORE},
        {"the end inside a head is bad", "G", UB_HTTP1_BAD},
        {"the end inside a body is bad", POST "Content-Length: 2\r\n\r\nh", UB_HTTP1_BAD},
        {"the end inside trailers is bad", POST CH "\r\n0\r\n", UB_HTTP1_BAD},
        {"the end after a closing request is none", "GET / HTTP/1.0\r\n\r\n", UB_HTTP1_MORE},
    };
    for (size_t i = 0; i < UB_COUNT(rows_eof); i++) {
        struct ub_http1 parser;
        ub_http1_init(&parser, UB_HTTP1_REQUESTS, &limits);
        struct ub_slice in = ub_slice_of(rows_eof[i].input);
        while (ub_http1_next(&parser, &in) != UB_HTTP1_MORE) {
        }
        UB_CHECK(ub_http1_eof(&parser) == rows_eof[i].want, "%s", rows_eof[i].name);
        ub_http1_close(&parser);
    }
}

static void check_writers(void)
{
    struct ub_buf out = {0};
    ub_http1_write_request(&out, UB_LIT("POST"), UB_LIT("/v1"));
    ub_http1_write_field(&out, UB_LIT("Host"), UB_LIT("a:80"));
    ub_http1_write_field(&out, UB_LIT("Empty"), UB_LIT(""));
    ub_http1_write_end(&out);
    ub_http1_write_status(&out, 529);
    ub_http1_write_status(&out, 299);
    ub_buf_add(&out, "", 1);
    UB_CHECK_TEXT(out.ptr,
                  "POST /v1 HTTP/1.1\r\nHost: a:80\r\nEmpty: \r\n\r\n"
                  "HTTP/1.1 529 Site is overloaded\r\nHTTP/1.1 299 \r\n",
                  "heads are written");
    ub_buf_free(&out);

    static const struct {
        size_t len;
        const char *want;
    } sizes[] = {{0, "0\r\n"},
                 {1, "1\r\n"},
                 {15, "f\r\n"},
                 {16, "10\r\n"},
                 {0x1a2b, "1a2b\r\n"},
                 {0x100000, "100000\r\n"},
                 {SIZE_MAX, "ffffffffffffffff\r\n"}};
    for (size_t i = 0; i < UB_COUNT(sizes); i++) {
        char line[20] = {0};
        size_t len = ub_http1_chunk_head(line, sizes[i].len);
        UB_CHECK(strcmp(line, sizes[i].want) == 0 && len == strlen(line), "the chunk head of %zu",
                 sizes[i].len);
    }
}

int main(void)
{
    check_bounds();
    check_allocations();
    check_life();
    check_eof();
    check_writers();
    return ub_test_done();
}

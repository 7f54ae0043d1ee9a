#include "http1_common.h"

#include "http/trace.h"

static const struct ub_http1_limits limits = {
    .head_max = 1024, .target_max = 128, .body_max = 2048};

/* ---- splits ---- */

static char *in_random_pieces(enum ub_http1_side side, struct ub_slice input, bool head_request)
{
    struct ub_random random = ub_fuzz_random((const uint8_t *)input.ptr, input.len);
    struct ub_http1_trace trace;
    ub_http1_trace_init(&trace, side, &limits);
    trace.parser.head_request = head_request;
    for (size_t at = 0; at < input.len;) {
        size_t len = 1 + ub_random_below(&random, ub_random_below(&random, 4) == 0 ? 200 : 12);
        len = len < input.len - at ? len : input.len - at;
        ub_http1_trace_feed(&trace, (struct ub_slice){input.ptr + at, len});
        at += len;
    }
    if (side == UB_HTTP1_RESPONSES) {
        ub_http1_trace_eof(&trace);
    }
    char *text = strndup(trace.text.len > 0 ? trace.text.ptr : "", trace.text.len);
    ub_http1_trace_close(&trace);
    return text;
}

void ub_fuzz_http1_splits(enum ub_http1_side side, struct ub_slice input, bool head_request)
{
    char *whole = ub_http1_trace_of(side, &limits, input, input.len, head_request);
    char *bytes = ub_http1_trace_of(side, &limits, input, SIZE_MAX, head_request);
    char *pieces = in_random_pieces(side, input, head_request);
    UB_FUZZ_CHECK(strcmp(whole, bytes) == 0, "byte by byte:\n%s\nwhole:\n%s", bytes, whole);
    UB_FUZZ_CHECK(strcmp(whole, pieces) == 0, "in pieces:\n%s\nwhole:\n%s", pieces, whole);
    free(whole);
    free(bytes);
    free(pieces);
}

/* ---- messages ---- */

static int count_fields(const struct ub_http_head *head, const char *name)
{
    int count = 0;
    for (uint32_t i = 0; i < head->field_count; i++) {
        count += ub_slice_eq_nocase(head->field[i].name, ub_slice_of(name));
    }
    return count;
}

/* The last head in what was consumed: its bytes must be lines ended by CRLF, and nothing else that
 * anybody could take for a line end. */
static void look_at_bytes(struct ub_slice bytes)
{
    UB_FUZZ_CHECK(bytes.len >= 4 && memcmp(bytes.ptr + bytes.len - 4, "\r\n\r\n", 4) == 0,
                  "a head without its end");
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        bool pair = c == '\r' ? bytes.ptr[i + 1] == '\n' : c == '\n' && bytes.ptr[i - 1] == '\r';
        UB_FUZZ_CHECK((c >= 0x20 && c != 0x7f) || c == '\t' || pair, "byte %d at %zu", c, i);
        bool folded =
            i + 1 < bytes.len && c == '\n' && (bytes.ptr[i + 1] == ' ' || bytes.ptr[i + 1] == '\t');
        UB_FUZZ_CHECK(!folded, "a folded line at %zu", i);
    }
}

static void look_at_framing(enum ub_http1_side side, const struct ub_http_head *head)
{
    int lengths = count_fields(head, "content-length");
    int codings = count_fields(head, "transfer-encoding");
    UB_FUZZ_CHECK(lengths + codings <= 1, "%d lengths and %d codings", lengths, codings);
    UB_FUZZ_CHECK((lengths == 1) == (head->content_length >= 0), "length %lld",
                  (long long)head->content_length);
    UB_FUZZ_CHECK((codings == 1) == head->chunked, "%d codings", codings);
    UB_FUZZ_CHECK(!head->chunked || head->minor == 1, "chunked in HTTP/1.0");
    UB_FUZZ_CHECK(!head->until_close || (side == UB_HTTP1_RESPONSES && !head->keep_alive),
                  "a body until close on a connection that stays");
    if (side == UB_HTTP1_REQUESTS) {
        int hosts = count_fields(head, "host");
        UB_FUZZ_CHECK(hosts == 1 || (hosts == 0 && head->minor == 0), "%d Hosts", hosts);
        UB_FUZZ_CHECK(head->target.ptr[0] == '/' || ub_slice_is(head->target, "*"), "target %.*s",
                      UB_SLICE_ARG(head->target));
    } else {
        UB_FUZZ_CHECK(head->status >= 200 && head->status <= 599, "status %d", head->status);
    }
}

static void compare(const struct ub_http_head *a, const struct ub_http_head *b)
{
    UB_FUZZ_CHECK(ub_slice_eq(a->method, b->method), "method %.*s", UB_SLICE_ARG(b->method));
    UB_FUZZ_CHECK(ub_slice_eq(a->target, b->target), "target %.*s", UB_SLICE_ARG(b->target));
    UB_FUZZ_CHECK(a->status == b->status && a->minor == b->minor &&
                      a->content_length == b->content_length && a->chunked == b->chunked &&
                      a->has_body == b->has_body && a->until_close == b->until_close &&
                      a->keep_alive == b->keep_alive && a->field_count == b->field_count,
                  "status %d, %u fields, length %lld", b->status, b->field_count,
                  (long long)b->content_length);
    for (uint32_t i = 0; i < a->field_count; i++) {
        UB_FUZZ_CHECK(ub_slice_eq(a->field[i].name, b->field[i].name) &&
                          ub_slice_eq(a->field[i].value, b->field[i].value),
                      "field %u: %.*s", i, UB_SLICE_ARG(b->field[i].name));
    }
}

/* Our writers' form of an accepted head is read as the same head. */
static void write_and_read(enum ub_http1_side side, const struct ub_http_head *head,
                           bool head_request)
{
    /* Written heads may be a little longer: ": " for ":", and a reason. */
    static const struct ub_http1_limits wider = {
        .head_max = 2048, .target_max = 128, .body_max = 2048};
    struct ub_buf out = {0};
    if (side == UB_HTTP1_REQUESTS) {
        ub_http1_write_request(&out, head->method, head->target);
    } else {
        ub_http1_write_status(&out, head->status);
    }
    for (uint32_t i = 0; i < head->field_count; i++) {
        ub_http1_write_field(&out, head->field[i].name, head->field[i].value);
    }
    ub_http1_write_end(&out);
    struct ub_http1 parser;
    ub_http1_init(&parser, side, &wider);
    parser.head_request = head_request;
    struct ub_slice in = ub_buf_slice(&out);
    UB_FUZZ_CHECK(ub_http1_next(&parser, &in) == UB_HTTP1_HEAD, "refused: %s", parser.bad.words);
    UB_FUZZ_CHECK(in.len == 0, "%zu bytes left", in.len);
    compare(head, parser.head);
    ub_http1_close(&parser);
    ub_buf_free(&out);
}

static void check_head(struct ub_http1 *parser, struct ub_slice bytes)
{
    const struct ub_http_head *head = parser->head;
    /* Interim answers may stand before the head that is handed out. */
    look_at_bytes(bytes);
    look_at_framing(parser->side, head);
    if (head->minor == 1) { /* the only version that we write */
        write_and_read(parser->side, head, parser->head_request);
    }
}

static void check_end(const struct ub_http1 *parser, const struct ub_http_head *head, uint64_t len)
{
    UB_FUZZ_CHECK(len == parser->body_len && len <= limits.body_max, "%llu bytes of body",
                  (unsigned long long)len);
    UB_FUZZ_CHECK(!head->has_body || head->content_length < 0 ||
                      len == (uint64_t)head->content_length,
                  "%llu bytes of %lld", (unsigned long long)len, (long long)head->content_length);
    UB_FUZZ_CHECK(head->has_body || len == 0, "a body where none is");
}

void ub_fuzz_http1_messages(enum ub_http1_side side, struct ub_slice input, bool head_request)
{
    struct ub_http1 parser;
    ub_http1_init(&parser, side, &limits);
    parser.head_request = head_request;
    struct ub_slice in = input;
    const char *start = in.ptr;
    uint64_t body_len = 0;
    enum ub_http1_found found;
    while ((found = ub_http1_next(&parser, &in)) != UB_HTTP1_MORE && found != UB_HTTP1_BAD) {
        if (found == UB_HTTP1_HEAD) {
            check_head(&parser, (struct ub_slice){start, (size_t)(in.ptr - start)});
            body_len = 0;
        } else if (found == UB_HTTP1_BODY) {
            UB_FUZZ_CHECK(parser.body.len > 0 && parser.body.ptr >= input.ptr &&
                              parser.body.ptr + parser.body.len <= in.ptr,
                          "%zu bytes of body that were not consumed", parser.body.len);
            body_len += parser.body.len;
        } else {
            check_end(&parser, parser.head, body_len);
            start = in.ptr;
        }
    }
    UB_FUZZ_CHECK(found != UB_HTTP1_BAD || strstr(parser.bad.words, "disagree") == NULL,
                  "llhttp takes it otherwise than our own readers");
    if (found == UB_HTTP1_MORE && ub_http1_eof(&parser) == UB_HTTP1_END) {
        check_end(&parser, parser.head, body_len);
    }
    ub_http1_close(&parser);
}

#include "http/http1.h"

#include "base/alloc.h"

#include <assert.h>

#define TRAILERS_MAX ((size_t)8 * 1024)

enum {
    START, /* between messages; `head` may still be the last one's */
    IN_HEAD,
    BODY_LENGTH,
    BODY_CHUNKED,
    TRAILERS,
    BODY_UNTIL_CLOSE,
    COMPLETE, /* END is due */
    CLOSED,   /* the last message ended the connection */
    BAD,
};

/* ---- what llhttp tells us ---- */

/* Built while llhttp reads a head; the fields lie behind the struct, the bytes behind the fields.
 */
struct reading {
    struct ub_http1 *parser;
    struct ub_http_field *field;
    uint32_t field_count;
    struct ub_slice name;
    struct ub_slice value;
};

static void extend(struct ub_slice *span, const char *at, size_t len)
{
    if (span->len == 0) {
        span->ptr = at;
    }
    span->len += len;
}

static int on_method(llhttp_t *llhttp, const char *at, size_t len)
{
    struct reading *reading = llhttp->data;
    extend(&reading->parser->head->method, at, len);
    return 0;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t len)
{
    struct reading *reading = llhttp->data;
    extend(&reading->parser->head->target, at, len);
    return 0;
}

static int on_field(llhttp_t *llhttp, const char *at, size_t len)
{
    struct reading *reading = llhttp->data;
    if (!reading->parser->head_done) { /* else a trailer, which is dropped */
        extend(&reading->name, at, len);
    }
    return 0;
}

static int on_value(llhttp_t *llhttp, const char *at, size_t len)
{
    struct reading *reading = llhttp->data;
    if (!reading->parser->head_done) {
        extend(&reading->value, at, len);
    }
    return 0;
}

static int on_value_complete(llhttp_t *llhttp)
{
    struct reading *reading = llhttp->data;
    struct ub_http1 *parser = reading->parser;
    if (parser->head_done) {
        return 0;
    }
    if (reading->field_count == parser->rawhead.fields) {
        return -1;
    }
    reading->field[reading->field_count++] =
        (struct ub_http_field){reading->name, ub_slice_trim(reading->value)};
    reading->name.len = reading->value.len = 0;
    return 0;
}

/* Both readers have seen the whole head: do they agree on what frames the message? */
static int on_head(llhttp_t *llhttp)
{
    struct reading *reading = llhttp->data;
    struct ub_http1 *parser = reading->parser;
    const struct ub_rawhead *raw = &parser->rawhead;
    bool has_length = (llhttp->flags & F_CONTENT_LENGTH) != 0;
    if (llhttp->http_major != 1 || llhttp->http_minor != raw->minor ||
        reading->field_count != raw->fields || ((llhttp->flags & F_CHUNKED) != 0) != raw->chunked ||
        ((llhttp->flags & F_TRANSFER_ENCODING) != 0) != raw->chunked ||
        has_length != (raw->content_length >= 0) ||
        (has_length && llhttp->content_length != (uint64_t)raw->content_length) ||
        (parser->side == UB_HTTP1_RESPONSES && llhttp->status_code != raw->status)) {
        return -1;
    }
    parser->head_done = true;
    llhttp->upgrade = 0; /* we never switch protocols; the message is an ordinary one */
    return parser->head->has_body ? 0 : 1;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t len)
{
    struct reading *reading = llhttp->data;
    extend(&reading->parser->body, at, len);
    return 0;
}

static int on_message(llhttp_t *llhttp)
{
    struct reading *reading = llhttp->data;
    reading->parser->message_done = true;
    return 0;
}

static const llhttp_settings_t settings = {
    .on_method = on_method,
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_message,
};

static bool feed(struct ub_http1 *parser, struct reading *reading, struct ub_slice bytes)
{
    reading->parser = parser;
    parser->llhttp.data = reading;
    parser->body = (struct ub_slice){NULL, 0};
    enum llhttp_errno result = llhttp_execute(&parser->llhttp, bytes.ptr, bytes.len);
    parser->llhttp.data = NULL;
    return result == HPE_OK;
}

/* ---- ours ---- */

static enum ub_http1_found bad(struct ub_http1 *parser, int status, const char *words)
{
    if (parser->side == UB_HTTP1_RESPONSES && status != 503) {
        status =
            502; /* whatever a peer does wrong in answering us, our client sees a bad gateway */
    }
    parser->bad = (struct ub_http1_bad){status, words};
    parser->state = BAD;
    ub_buf_free(&parser->raw);
    return UB_HTTP1_BAD;
}

static enum ub_http1_found no_memory(struct ub_http1 *parser)
{
    return bad(parser, 503, "out of memory");
}

static enum ub_http1_found disagree(struct ub_http1 *parser)
{
    return bad(parser, 400, "the two readers of the message disagree");
}

static void skip(struct ub_slice *in, size_t len)
{
    *in = (struct ub_slice){in->ptr + len, in->len - len};
}

void ub_http1_init(struct ub_http1 *parser, enum ub_http1_side side,
                   const struct ub_http1_limits *limits)
{
    assert(limits->head_max > 0 && limits->head_max <= (size_t)1024 * 1024);
    *parser = (struct ub_http1){.side = side, .limits = limits, .state = START};
}

void ub_http1_close(struct ub_http1 *parser)
{
    ub_http1_forget_head(parser);
    ub_buf_free(&parser->raw);
    parser->state = CLOSED;
}

void ub_http1_forget_head(struct ub_http1 *parser)
{
    ub_free(parser->head);
    parser->head = NULL;
}

bool ub_http1_is_idle(const struct ub_http1 *parser)
{
    return parser->state == START;
}

static void begin_section(struct ub_http1 *parser, enum ub_rawhead_kind kind, size_t max)
{
    ub_rawhead_init(&parser->rawhead, kind, max, parser->limits->target_max);
}

static void begin_head(struct ub_http1 *parser)
{
    bool requests = parser->side == UB_HTTP1_REQUESTS;
    begin_section(parser, requests ? UB_RAWHEAD_REQUEST : UB_RAWHEAD_RESPONSE,
                  parser->limits->head_max);
    parser->state = IN_HEAD;
}

/* Reads on in a head or a trailer section. With DONE, `section` is the whole of it in one piece:
 * inside `in` when it came at once, else gathered in parser->raw. */
static enum ub_rawhead_found read_section(struct ub_http1 *parser, struct ub_slice *in,
                                          struct ub_slice *section)
{
    struct ub_rawhead *raw = &parser->rawhead;
    size_t before = parser->raw.len;
    struct ub_slice bytes = *in;
    if (before > 0) {
        size_t room = raw->head_max - before;
        ub_buf_add(&parser->raw, in->ptr, in->len < room ? in->len : room);
        bytes = ub_buf_slice(&parser->raw);
    }
    enum ub_rawhead_found found = parser->raw.failed ? UB_RAWHEAD_BAD : ub_rawhead_scan(raw, bytes);
    if (found == UB_RAWHEAD_MORE) {
        if (before == 0) {
            ub_buf_add(&parser->raw, in->ptr, in->len);
        }
        skip(in, in->len);
        found = parser->raw.failed ? UB_RAWHEAD_BAD : UB_RAWHEAD_MORE;
    } else if (found == UB_RAWHEAD_DONE) {
        *section = (struct ub_slice){bytes.ptr, raw->scanned};
        skip(in, raw->scanned - before);
    }
    if (parser->raw.failed) {
        raw->bad = (struct ub_http1_bad){503, "out of memory"};
    }
    return found;
}

/* RFC 9112, 6.3: how long is the body? */
static void frame(struct ub_http1 *parser, struct ub_http_head *head)
{
    const struct ub_rawhead *raw = &parser->rawhead;
    bool response = parser->side == UB_HTTP1_RESPONSES;
    bool bodiless = response && (parser->head_request || raw->status == 204 || raw->status == 304);
    head->status = raw->status;
    head->minor = raw->minor;
    head->chunked = raw->chunked;
    head->content_length = raw->content_length;
    head->until_close = response && !bodiless && !raw->chunked && raw->content_length < 0;
    head->has_body = !bodiless && (raw->chunked || raw->content_length > 0 || head->until_close);
    head->keep_alive = !head->until_close && !raw->close && (raw->minor == 1 || raw->keep_alive);
    head->expect_continue = raw->expect_continue && head->has_body;
}

/* The head, its fields and its bytes in one allocation, read by llhttp. */
static bool read_fields(struct ub_http1 *parser, struct ub_slice section)
{
    size_t fields_size = parser->rawhead.fields * sizeof(struct ub_http_field);
    struct ub_http_head *head = ub_malloc(sizeof *head + fields_size + section.len);
    if (head == NULL) {
        no_memory(parser);
        return false;
    }
    struct ub_http_field *field = (struct ub_http_field *)(head + 1);
    char *bytes = (char *)field + fields_size;
    memcpy(bytes, section.ptr, section.len);
    *head = (struct ub_http_head){.field = field, .field_count = parser->rawhead.fields};
    frame(parser, head);

    parser->head = head;
    parser->head_done = parser->message_done = false;
    llhttp_init(&parser->llhttp, parser->side == UB_HTTP1_REQUESTS ? HTTP_REQUEST : HTTP_RESPONSE,
                &settings);
    struct reading reading = {.field = field};
    if (!feed(parser, &reading, (struct ub_slice){bytes, section.len}) || !parser->head_done ||
        parser->message_done == head->has_body) {
        disagree(parser);
        return false;
    }
    return true;
}

static enum ub_http1_found begin_body(struct ub_http1 *parser)
{
    const struct ub_http_head *head = parser->head;
    parser->body_len = 0;
    parser->interims = 0;
    parser->keep_alive = head->keep_alive;
    if (!head->has_body) {
        parser->state = COMPLETE;
    } else if (head->chunked) {
        ub_chunk_init(&parser->chunk, parser->limits->body_max);
        parser->state = BODY_CHUNKED;
    } else if (head->until_close) {
        parser->state = BODY_UNTIL_CLOSE;
    } else if ((uint64_t)head->content_length > parser->limits->body_max) {
        return bad(parser, 413, "body too large");
    } else {
        parser->left = (uint64_t)head->content_length;
        parser->state = BODY_LENGTH;
    }
    return UB_HTTP1_HEAD;
}

/* A 1xx announces the final response. 101 would switch to a protocol that we did not ask for. */
static enum ub_http1_found skip_interim(struct ub_http1 *parser)
{
    if (parser->rawhead.status == 101) {
        return bad(parser, 502, "101 Switching Protocols unasked");
    }
    if (++parser->interims > UB_HTTP1_INTERIMS_MAX) {
        return bad(parser, 502, "too many 1xx responses");
    }
    ub_buf_free(&parser->raw);
    begin_head(parser);
    return UB_HTTP1_MORE;
}

static enum ub_http1_found read_head(struct ub_http1 *parser, struct ub_slice *in)
{
    while (in->len > 0) {
        struct ub_slice section;
        enum ub_rawhead_found found = read_section(parser, in, &section);
        if (found != UB_RAWHEAD_DONE) {
            return found == UB_RAWHEAD_MORE
                       ? UB_HTTP1_MORE
                       : bad(parser, parser->rawhead.bad.status, parser->rawhead.bad.words);
        }
        if (parser->side == UB_HTTP1_RESPONSES && parser->rawhead.status < 200) {
            if (skip_interim(parser) == UB_HTTP1_BAD) {
                return UB_HTTP1_BAD;
            }
            continue;
        }
        if (!read_fields(parser, section)) {
            return UB_HTTP1_BAD;
        }
        ub_buf_free(&parser->raw);
        return begin_body(parser);
    }
    return UB_HTTP1_MORE;
}

/* `framing` bytes, then `data` bytes of body, to llhttp; it must see exactly that. */
static enum ub_http1_found take_data(struct ub_http1 *parser, const char *start, size_t framing,
                                     size_t data, bool last)
{
    struct reading reading = {0};
    if (!feed(parser, &reading, (struct ub_slice){start, framing + data}) ||
        parser->message_done != last || parser->body.len != data ||
        (data > 0 && parser->body.ptr != start + framing)) {
        return disagree(parser);
    }
    parser->body_len += data;
    return data > 0 ? UB_HTTP1_BODY : UB_HTTP1_MORE;
}

static enum ub_http1_found read_length(struct ub_http1 *parser, struct ub_slice *in)
{
    size_t len = in->len < parser->left ? in->len : (size_t)parser->left;
    const char *start = in->ptr;
    skip(in, len);
    parser->left -= len;
    if (parser->left == 0) {
        parser->state = COMPLETE;
    }
    return take_data(parser, start, 0, len, parser->left == 0);
}

static enum ub_http1_found read_until_close(struct ub_http1 *parser, struct ub_slice *in)
{
    uint64_t left = parser->limits->body_max - parser->body_len;
    size_t len = in->len < left ? in->len : (size_t)left;
    if (len == 0) {
        return bad(parser, 413, "body too large");
    }
    const char *start = in->ptr;
    skip(in, len);
    return take_data(parser, start, 0, len, false);
}

static enum ub_http1_found read_trailers(struct ub_http1 *parser, struct ub_slice *in)
{
    struct ub_slice section;
    enum ub_rawhead_found found = read_section(parser, in, &section);
    if (found != UB_RAWHEAD_DONE) {
        return found == UB_RAWHEAD_MORE
                   ? UB_HTTP1_MORE
                   : bad(parser, parser->rawhead.bad.status, parser->rawhead.bad.words);
    }
    if (take_data(parser, section.ptr, section.len, 0, true) == UB_HTTP1_BAD) {
        return UB_HTTP1_BAD;
    }
    ub_buf_free(&parser->raw);
    parser->state = COMPLETE;
    return UB_HTTP1_MORE;
}

static enum ub_http1_found read_chunked(struct ub_http1 *parser, struct ub_slice *in)
{
    const char *start = in->ptr;
    enum ub_chunk_found found = ub_chunk_next(&parser->chunk, in);
    size_t framing = (size_t)(in->ptr - start);
    if (found == UB_CHUNK_BAD) {
        return bad(parser, parser->chunk.bad.status, parser->chunk.bad.words);
    }
    if (found == UB_CHUNK_DATA && in->len > 0) {
        size_t len = in->len < parser->chunk.left ? in->len : (size_t)parser->chunk.left;
        skip(in, len);
        ub_chunk_took(&parser->chunk, len);
        return take_data(parser, start, framing, len, false);
    }
    if (found == UB_CHUNK_LAST) {
        size_t max = parser->limits->head_max;
        begin_section(parser, UB_RAWHEAD_TRAILER, max < TRAILERS_MAX ? max : TRAILERS_MAX);
        parser->state = TRAILERS;
    }
    return take_data(parser, start, framing, 0, false);
}

/* One step; MORE with bytes left means "go on". */
static enum ub_http1_found step(struct ub_http1 *parser, struct ub_slice *in)
{
    switch (parser->state) {
    case IN_HEAD:
        return read_head(parser, in);
    case BODY_LENGTH:
        return read_length(parser, in);
    case BODY_CHUNKED:
        return read_chunked(parser, in);
    case TRAILERS:
        return read_trailers(parser, in);
    default:
        assert(parser->state == BODY_UNTIL_CLOSE);
        return read_until_close(parser, in);
    }
}

enum ub_http1_found ub_http1_next(struct ub_http1 *parser, struct ub_slice *in)
{
    if (parser->state == START || parser->state == CLOSED) {
        ub_http1_forget_head(parser);
        if (parser->state == CLOSED && in->len > 0) {
            skip(in, in->len);
        }
        if (in->len == 0) {
            return UB_HTTP1_MORE;
        }
        begin_head(parser);
    }
    for (;;) {
        if (parser->state == COMPLETE) {
            parser->state = parser->keep_alive ? START : CLOSED;
            return UB_HTTP1_END;
        }
        if (parser->state == BAD) {
            return UB_HTTP1_BAD;
        }
        if (in->len == 0) {
            return UB_HTTP1_MORE;
        }
        enum ub_http1_found found = step(parser, in);
        if (found != UB_HTTP1_MORE) {
            return found;
        }
    }
}

enum ub_http1_found ub_http1_eof(struct ub_http1 *parser)
{
    switch (parser->state) {
    case START:
    case CLOSED:
        return UB_HTTP1_MORE;
    case BODY_UNTIL_CLOSE:
        parser->state = CLOSED;
        return UB_HTTP1_END;
    case COMPLETE:
        parser->state = CLOSED;
        return UB_HTTP1_END;
    case BAD:
        return UB_HTTP1_BAD;
    default:
        return bad(parser, 400, "connection closed inside a message");
    }
}

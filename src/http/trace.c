#include "http/trace.h"

#include <assert.h>
#include <stdlib.h>

void ub_http1_trace_init(struct ub_http1_trace *trace, enum ub_http1_side side,
                         const struct ub_http1_limits *limits)
{
    *trace = (struct ub_http1_trace){0};
    ub_http1_init(&trace->parser, side, limits);
}

void ub_http1_trace_close(struct ub_http1_trace *trace)
{
    ub_http1_close(&trace->parser);
    ub_buf_free(&trace->text);
}

static void add_head(struct ub_http1_trace *trace)
{
    const struct ub_http_head *head = trace->parser.head;
    struct ub_buf *text = &trace->text;
    if (trace->parser.side == UB_HTTP1_REQUESTS) {
        ub_buf_add_slice(text, head->method);
        ub_buf_add(text, " ", 1);
        ub_buf_add_slice(text, head->target);
    } else {
        ub_buf_printf(text, "%d", head->status);
    }
    ub_buf_printf(text, " 1.%d %s", head->minor, head->keep_alive ? "keep" : "close");
    if (head->content_length >= 0) {
        ub_buf_printf(text, " len=%lld", (long long)head->content_length);
    }
    ub_buf_add_text(text, head->chunked ? " chunked" : "");
    ub_buf_add_text(text, head->until_close ? " until-close" : "");
    ub_buf_add_text(text, head->expect_continue ? " expect" : "");
    ub_buf_add_text(text, head->has_body ? "\n" : " no-body\n");
    for (uint32_t i = 0; i < head->field_count; i++) {
        ub_buf_add(text, "  ", 2);
        ub_buf_add_slice(text, head->field[i].name);
        ub_buf_add(text, ": ", 2);
        ub_buf_add_slice(text, head->field[i].value);
        ub_buf_add(text, "\n", 1);
    }
}

static void add_found(struct ub_http1_trace *trace, enum ub_http1_found found)
{
    struct ub_buf *text = &trace->text;
    if (found == UB_HTTP1_BODY) {
        ub_buf_add_text(text, trace->in_body ? "" : "body ");
        ub_buf_add_slice(text, trace->parser.body);
        trace->in_body = true;
        return;
    }
    ub_buf_add_text(text, trace->in_body ? "\n" : "");
    trace->in_body = false;
    if (found == UB_HTTP1_HEAD) {
        add_head(trace);
    } else if (found == UB_HTTP1_END) {
        ub_buf_add_text(text, "end\n");
    } else {
        ub_buf_printf(text, "bad %d %s\n", trace->parser.bad.status, trace->parser.bad.words);
        trace->bad = true;
    }
}

void ub_http1_trace_feed(struct ub_http1_trace *trace, struct ub_slice bytes)
{
    if (trace->bad) {
        return;
    }
    char *copy = malloc(bytes.len);
    if (bytes.len > 0 && copy == NULL) {
        abort();
    }
    memcpy(copy, bytes.ptr, bytes.len);
    struct ub_slice in = {copy, bytes.len};
    enum ub_http1_found found;
    while (!trace->bad && (found = ub_http1_next(&trace->parser, &in)) != UB_HTTP1_MORE) {
        add_found(trace, found);
    }
    assert(trace->bad || in.len == 0);
    free(copy);
}

void ub_http1_trace_eof(struct ub_http1_trace *trace)
{
    if (trace->bad) {
        return;
    }
    enum ub_http1_found found = ub_http1_eof(&trace->parser);
    if (found != UB_HTTP1_MORE) {
        add_found(trace, found);
    }
}

char *ub_http1_trace_of(enum ub_http1_side side, const struct ub_http1_limits *limits,
                        struct ub_slice input, size_t cut, bool head_request)
{
    struct ub_http1_trace trace;
    ub_http1_trace_init(&trace, side, limits);
    trace.parser.head_request = head_request;
    if (cut == SIZE_MAX) {
        for (size_t i = 0; i < input.len; i++) {
            ub_http1_trace_feed(&trace, (struct ub_slice){input.ptr + i, 1});
        }
    } else {
        ub_http1_trace_feed(&trace, (struct ub_slice){input.ptr, cut});
        ub_http1_trace_feed(&trace, (struct ub_slice){input.ptr + cut, input.len - cut});
    }
    if (side == UB_HTTP1_RESPONSES) {
        ub_http1_trace_eof(&trace);
    }
    char *text = strndup(trace.text.len > 0 ? trace.text.ptr : "", trace.text.len);
    ub_http1_trace_close(&trace);
    return text;
}

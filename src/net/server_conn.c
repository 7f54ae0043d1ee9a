#include "net/server_conn.h"

#include "base/alloc.h"
#include "base/embed.h"
#include "net/tls.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* A body has to bring so much, or its end, in each body_ns: a dribble does not count. */
#define BODY_STEP (16 * 1024)

static const struct ub_stream_handler stream_handler;

static struct ub_server_conn *of_stream(struct ub_stream *stream)
{
    return UB_OWNER(stream, struct ub_server_conn, stream);
}

/* ---- deadlines ---- */

static void arm_input(struct ub_server_conn *conn, struct ub_deadline_class *in)
{
    ub_deadline_arm(in, &conn->input_due, ub_loop_now(conn->listener->loop));
}

/* ---- ending ---- */

static void leave_exchange(struct ub_server_conn *conn, enum ub_gone why)
{
    if (conn->phase == UB_PHASE_EXCHANGE) {
        conn->exchange.handler->gone(&conn->exchange, why);
        conn->phase = UB_PHASE_IDLE;
        conn->listener->running--;
        ub_task_drop(&conn->settle);
        ub_task_drop(&conn->resume);
    }
}

static void close_now(struct ub_server_conn *conn, bool reset)
{
    if (conn->phase == UB_PHASE_CLOSED) {
        return;
    }
    conn->phase = UB_PHASE_CLOSED;
    ub_deadline_disarm(&conn->input_due);
    ub_deadline_disarm(&conn->output_due);
    ub_http1_close(&conn->parser);
    ub_buf_free(&conn->held);
    ub_buf_free(&conn->out);
    ub_listener_conn_gone(conn->listener, conn);
    ub_stream_close(&conn->stream, reset);
}

void ub_server_conn_end(struct ub_server_conn *conn, enum ub_gone why)
{
    /* A body that ends with the connection looks whole after a FIN. */
    bool reset = conn->phase == UB_PHASE_EXCHANGE && conn->until_close && why != UB_GONE_DONE;
    leave_exchange(conn, why);
    close_now(conn, reset);
}

/* Clients that pool their connections leave one open until they need it again, so a drain does not
 * wait for their FIN: without unread bytes the kernel delivers our last word also after a close.
 * With TLS close_notify is a part of it, and has to reach the kernel first. */
static void arm_linger(struct ub_server_conn *conn)
{
    const struct ub_listener *listener = conn->listener;
    if (!ub_stream_is_flushed(&conn->stream)) {
        ub_deadline_disarm(&conn->input_due);
        ub_server_conn_await_write(conn);
    } else if (conn->stream.input_over) {
        close_now(conn, false);
    } else {
        arm_input(conn, listener->draining ? listener->drain_linger_due : listener->linger_due);
    }
}

/* Our last word is written: FIN, and a while to read it. Closing at once would send a reset when
 * unread bytes are there, and that may overtake the word (RFC 9112, 9.6). */
static void linger(struct ub_server_conn *conn)
{
    conn->phase = UB_PHASE_LINGER;
    ub_buf_free(&conn->held);
    ub_buf_free(&conn->out);
    ub_http1_close(&conn->parser);
    ub_deadline_disarm(&conn->output_due);
    ub_stream_shutdown(&conn->stream);
    ub_stream_resume(&conn->stream);
    arm_linger(conn);
}

void ub_server_conn_settle_soon(struct ub_server_conn *conn, enum ub_gone why)
{
    if (!ub_task_is_posted(&conn->settle)) {
        conn->why = (uint8_t)why;
        ub_loop_post(conn->listener->loop, &conn->settle);
    }
}

void ub_server_conn_drain(struct ub_server_conn *conn)
{
    conn->keep_alive = false;
    if (conn->phase == UB_PHASE_LINGER && !conn->close_after) {
        arm_linger(conn);
    }
    if (conn->phase == UB_PHASE_IDLE && !conn->stream.input_over) {
        ub_stream_read(&conn->stream); /* a request may have come this very moment */
    }
    if (conn->phase == UB_PHASE_IDLE) {
        close_now(conn, false);
    }
}

/* ---- refusing ---- */

static void write_refusal(struct ub_buf *out, int status, const char *words, const char *date)
{
    struct ub_buf body = {0};
    ub_buf_add_text(&body, "{\"error\":{\"message\":");
    ub_buf_add_json(&body, ub_slice_of(words));
    ub_buf_add_text(&body, ",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}");
    ub_http1_write_status(out, status);
    ub_buf_printf(out,
                  "Content-Type: application/json\r\nContent-Length: %zu\r\n"
                  "Date: %s\r\nConnection: close\r\n\r\n",
                  body.len, date);
    ub_buf_add_slice(out, ub_buf_slice(&body));
    out->failed = out->failed || body.failed;
    ub_buf_free(&body);
}

/* Answers with a refusal, as far as an answer has not begun, and closes. */
static void refuse(struct ub_server_conn *conn, int status, const char *words, enum ub_gone why)
{
    ub_stream_pause(&conn->stream);
    ub_deadline_disarm(&conn->input_due);
    if (conn->phase == UB_PHASE_EXCHANGE && conn->ended) {
        conn->keep_alive = false; /* the answer is complete: let it go out */
        return;
    }
    bool begun = ub_deadline_is_armed(&conn->output_due) ||
                 (conn->phase == UB_PHASE_EXCHANGE && conn->responded && !conn->head_held);
    leave_exchange(conn, why);
    if (begun) {
        close_now(conn, true); /* not to be taken for its clean end */
        return;
    }
    struct ub_buf out = {0};
    ub_buf_clear(&conn->out);
    conn->out_sent = 0;
    conn->head_held = false;
    conn->close_after = true;
    conn->phase = UB_PHASE_LINGER;
    write_refusal(&out, status, words, ub_listener_date(conn->listener));
    struct ub_slice part = ub_buf_slice(&out);
    if (out.failed || !ub_server_conn_write(conn, &part, 1)) {
        close_now(conn, false);
    } else if (!ub_deadline_is_armed(&conn->output_due)) {
        ub_server_conn_flushed(conn);
    }
    ub_buf_free(&out);
}

static void on_input_late(struct ub_deadline *deadline)
{
    struct ub_server_conn *conn = UB_OWNER(deadline, struct ub_server_conn, input_due);
    switch ((enum ub_conn_phase)conn->phase) {
    case UB_PHASE_HEAD:
        refuse(conn, 408, "The request head did not arrive in time.", UB_GONE_SLOW_BODY);
        break;
    case UB_PHASE_EXCHANGE:
        refuse(conn, 408, "The request body did not arrive in time.", UB_GONE_SLOW_BODY);
        break;
    case UB_PHASE_IDLE:
    case UB_PHASE_LINGER:
        close_now(conn, false);
        break;
    case UB_PHASE_CLOSED:
        break;
    }
}

static void on_output_late(struct ub_deadline *deadline)
{
    struct ub_server_conn *conn = UB_OWNER(deadline, struct ub_server_conn, output_due);
    leave_exchange(conn, UB_GONE_SLOW_READER);
    close_now(conn, true);
}

/* ---- requests ---- */

static void begin_exchange(struct ub_server_conn *conn)
{
    const struct ub_http_head *head = conn->parser.head;
    conn->phase = UB_PHASE_EXCHANGE;
    conn->listener->running++;
    conn->keep_alive = head->keep_alive && !conn->listener->draining;
    conn->head_request = ub_slice_is(head->method, "HEAD");
    conn->http10 = head->minor == 0;
    conn->chunked = !conn->http10;
    conn->length_left = -1;
    conn->body_mark = BODY_STEP;
    conn->has_body = head->has_body;
    conn->body_paused = conn->request_whole = conn->responded = conn->head_held = false;
    conn->until_close = conn->ended = conn->full = false;
    conn->exchange.handler = conn->listener->options.handler;
    conn->exchange.user = NULL;
    conn->exchange.listener_user = conn->listener->options.user;
    if (head->has_body) {
        arm_input(conn, conn->listener->body_due);
    } else {
        ub_deadline_disarm(&conn->input_due);
    }
    conn->awaits_100 = head->expect_continue && head->has_body;
    conn->exchange.handler->head(&conn->exchange, head);
    if (conn->awaits_100 && !conn->responded && !conn->broken) {
        conn->awaits_100 = false;
        struct ub_slice go_on = UB_LIT("HTTP/1.1 100 Continue\r\n\r\n");
        if (!ub_server_conn_write(conn, &go_on, 1)) {
            ub_server_conn_settle_soon(conn, UB_GONE_CLIENT_LEFT);
        }
    }
}

static void take_body(struct ub_server_conn *conn)
{
    if (conn->parser.body_len >= conn->body_mark) {
        conn->body_mark = conn->parser.body_len + BODY_STEP;
        arm_input(conn, conn->listener->body_due);
    }
    if (!conn->ended) { /* after the response nobody wants the rest of the request */
        conn->exchange.handler->body(&conn->exchange, conn->parser.body);
    }
}

static void end_body(struct ub_server_conn *conn)
{
    conn->request_whole = true;
    ub_deadline_disarm(&conn->input_due);
    if (!conn->ended) {
        conn->exchange.handler->body_end(&conn->exchange);
    }
    ub_http1_forget_head(&conn->parser); /* the answer may be a long stream */
}

/* May the next message or more of this body be looked at? */
static bool wants_input(const struct ub_server_conn *conn)
{
    switch ((enum ub_conn_phase)conn->phase) {
    case UB_PHASE_IDLE:
    case UB_PHASE_HEAD:
        return true;
    case UB_PHASE_EXCHANGE:
        /* Behind a complete answer the rest of the request, if it is here already, still makes the
         * difference between another request and a close. */
        return !conn->request_whole && !conn->body_paused && !conn->broken &&
               (!ub_task_is_posted(&conn->settle) || conn->why == UB_GONE_DONE);
    case UB_PHASE_LINGER:
    case UB_PHASE_CLOSED:
        break;
    }
    return false;
}

static void parse(struct ub_server_conn *conn, struct ub_slice *in)
{
    while (wants_input(conn)) {
        if (in->len > 0 && conn->phase == UB_PHASE_IDLE) {
            conn->phase = UB_PHASE_HEAD;
            arm_input(conn, conn->listener->head_due);
        }
        switch (ub_http1_next(&conn->parser, in)) {
        case UB_HTTP1_MORE:
            return;
        case UB_HTTP1_HEAD:
            begin_exchange(conn);
            break;
        case UB_HTTP1_BODY:
            take_body(conn);
            break;
        case UB_HTTP1_END:
            end_body(conn);
            break;
        case UB_HTTP1_BAD:
            refuse(conn, conn->parser.bad.status, conn->parser.bad.words, UB_GONE_CLIENT_BAD);
            return;
        }
    }
}

static void set_reading(struct ub_server_conn *conn)
{
    if (wants_input(conn)) {
        ub_stream_resume(&conn->stream);
    } else if (conn->phase == UB_PHASE_EXCHANGE) {
        ub_stream_pause(&conn->stream);
    }
}

static void on_input(struct ub_stream *stream, struct ub_slice bytes)
{
    struct ub_server_conn *conn = of_stream(stream);
    if (conn->phase == UB_PHASE_LINGER) {
        return;
    }
    assert(conn->held.len == 0);
    parse(conn, &bytes);
    if (bytes.len > 0 && conn->phase == UB_PHASE_EXCHANGE) {
        ub_buf_add_slice(&conn->held, bytes);
        if (conn->held.failed) {
            conn->keep_alive = false;
            ub_server_conn_settle_soon(conn, UB_GONE_ABORTED);
        }
    }
    set_reading(conn);
}

/* Goes on with what was read before, then with reading. Also with nothing held: a body that was
 * paused at its last byte is owed its end. */
static void read_on(struct ub_server_conn *conn)
{
    struct ub_slice in = ub_buf_slice(&conn->held);
    parse(conn, &in);
    if (conn->held.len > 0) {
        ub_buf_drop(&conn->held, conn->held.len - in.len);
    }
    if (conn->held.len == 0) {
        ub_buf_free(&conn->held);
    }
    set_reading(conn);
}

static void next_request(struct ub_server_conn *conn)
{
    ub_buf_free(&conn->out);
    conn->out_sent = 0;
    conn->phase = UB_PHASE_IDLE;
    arm_input(conn, conn->listener->idle_due);
    if (conn->stream.input_over && conn->held.len == 0) {
        close_now(conn, false);
        return;
    }
    read_on(conn);
}

/* ---- settling ---- */

static void settle(struct ub_task *task)
{
    struct ub_server_conn *conn = UB_OWNER(task, struct ub_server_conn, settle);
    if (conn->phase != UB_PHASE_EXCHANGE) {
        return;
    }
    enum ub_gone why = (enum ub_gone)conn->why;
    if (why != UB_GONE_DONE) {
        ub_server_conn_end(conn, why);
        return;
    }
    if (conn->head_held && !ub_server_conn_write(conn, NULL, 0)) {
        return; /* broken: it settles anew */
    }
    if (ub_deadline_is_armed(&conn->output_due)) {
        return; /* the socket is full: flushed, it settles anew */
    }
    bool again = conn->keep_alive && conn->request_whole && !conn->until_close && !conn->broken;
    leave_exchange(conn, UB_GONE_DONE);
    if (conn->phase == UB_PHASE_CLOSED) {
        return;
    }
    if (again) {
        next_request(conn);
    } else {
        linger(conn);
    }
}

static void on_resume(struct ub_task *task)
{
    struct ub_server_conn *conn = UB_OWNER(task, struct ub_server_conn, resume);
    if (conn->phase != UB_PHASE_EXCHANGE || conn->body_paused || conn->request_whole) {
        return;
    }
    arm_input(conn, conn->listener->body_due);
    read_on(conn);
}

void ub_server_conn_flushed(struct ub_server_conn *conn)
{
    if (conn->phase == UB_PHASE_EXCHANGE && conn->ended) {
        ub_server_conn_settle_soon(conn, UB_GONE_DONE);
    } else if (conn->phase == UB_PHASE_LINGER && conn->close_after) {
        conn->close_after = false;
        linger(conn);
    } else if (conn->phase == UB_PHASE_LINGER) {
        arm_linger(conn);
    }
}

/* ---- the stream's words ---- */

static void on_finished(struct ub_stream *stream, bool clean)
{
    struct ub_server_conn *conn = of_stream(stream);
    (void)clean;
    bool waiting = (conn->phase == UB_PHASE_EXCHANGE && conn->request_whole) ||
                   (conn->phase == UB_PHASE_LINGER && ub_deadline_is_armed(&conn->output_due));
    if (waiting && conn->listener->options.half_close) {
        return;
    }
    if (conn->phase == UB_PHASE_EXCHANGE && ub_task_is_posted(&conn->settle)) {
        conn->keep_alive = false; /* it took its answer and left */
        return;
    }
    ub_server_conn_end(conn, UB_GONE_CLIENT_LEFT);
}

static void on_broken(struct ub_stream *stream, enum ub_error error, const char *words)
{
    (void)error;
    (void)words;
    ub_server_conn_end(of_stream(stream), UB_GONE_CLIENT_LEFT);
}

static void on_writable(struct ub_stream *stream)
{
    ub_server_conn_writable(of_stream(stream));
}

static void on_opened(struct ub_stream *stream)
{
    arm_input(of_stream(stream), of_stream(stream)->listener->idle_due);
}

static void on_closed(struct ub_stream *stream)
{
    stream->loop->counts.clients--;
    ub_free(of_stream(stream));
}

static const struct ub_stream_handler stream_handler = {
    .opened = on_opened,
    .input = on_input,
    .finished = on_finished,
    .writable = on_writable,
    .broken = on_broken,
    .closed = on_closed,
};

bool ub_server_conn_new(struct ub_listener *listener, int fd, const struct ub_address_ip *peer)
{
    struct ub_server_conn *conn = ub_calloc(1, sizeof *conn);
    if (conn == NULL) {
        return false;
    }
    struct ub_tls_server *with = listener->options.tls;
    struct ub_tls *tls = with == NULL ? NULL : ub_tls_accept(with);
    if ((with != NULL && tls == NULL) ||
        ub_stream_open(&conn->stream, listener->loop, &stream_handler, fd, tls) != 0) {
        ub_tls_free(tls);
        ub_free(conn);
        return false;
    }
    conn->exchange.tls = tls != NULL;
    ub_stream_watch(&conn->stream, listener->options.half_close ? UB_WATCH_RESET : UB_WATCH_FIN);
    conn->listener = listener;
    conn->input_due.expired = on_input_late;
    conn->output_due.expired = on_output_late;
    conn->settle.run = settle;
    conn->resume.run = on_resume;
    conn->exchange.peer = (struct ub_slice){conn->peer, ub_address_text(peer, conn->peer)};
    conn->exchange.peer_hash = ub_address_hash(peer);
    ub_http1_init(&conn->parser, UB_HTTP1_REQUESTS, &listener->options.limits);
    conn->prev = listener->conns.prev;
    conn->next = &listener->conns;
    conn->prev->next = conn;
    listener->conns.prev = conn;
    listener->count++;
    listener->loop->counts.accepted++;
    listener->loop->counts.clients++;
    arm_input(conn, tls != NULL ? listener->head_due : listener->idle_due); /* the handshake */
    return true;
}

/* response.c - the ub_exchange_* verbs of an HTTP/1.1 connection: framing and writing. */
#include "base/digits.h"
#include "net/server_conn.h"

#include <assert.h>
#include <string.h>

#define SHORT_MAX  4096 /* bytes of a body that is copied behind its head */
#define HEAD_GUESS 384

static struct ub_server_conn *of_exchange(const struct ub_exchange *exchange)
{
    return (struct ub_server_conn *)(uintptr_t)exchange;
}

static size_t backlog(const struct ub_server_conn *conn)
{
    return conn->out.len - conn->out_sent;
}

static void arm_output(struct ub_server_conn *conn)
{
    ub_deadline_arm(conn->listener->write_due, &conn->output_due,
                    ub_loop_now(conn->listener->loop));
}

void ub_server_conn_await_write(struct ub_server_conn *conn)
{
    arm_output(conn);
    ub_stream_want_write(&conn->stream, true);
}

/* ---- the queue ---- */

static size_t total_of(const struct ub_slice *parts, uint32_t count)
{
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        total += parts[i].len;
    }
    return total;
}

static bool break_off(struct ub_server_conn *conn, enum ub_gone why)
{
    conn->broken = true;
    if (conn->phase == UB_PHASE_EXCHANGE) {
        ub_server_conn_settle_soon(conn, why);
    }
    return false;
}

/* Copies parts into the queue, without their first `skip` bytes. */
static bool queue(struct ub_server_conn *conn, const struct ub_slice *parts, uint32_t count,
                  size_t skip)
{
    for (uint32_t i = 0; i < count; i++) {
        size_t off = skip < parts[i].len ? skip : parts[i].len;
        skip -= off;
        ub_buf_add(&conn->out, parts[i].ptr + off, parts[i].len - off);
    }
    return conn->out.failed ? break_off(conn, UB_GONE_ABORTED) : true;
}

/* One write of the queue and as many parts as fit; counts what the socket took of the parts. */
static ssize_t write_once(struct ub_server_conn *conn, const struct ub_slice *parts, uint32_t count)
{
    struct ub_slice all[UB_STREAM_PARTS];
    uint32_t used = 0;
    size_t queued = backlog(conn);
    if (queued > 0) {
        all[used++] = (struct ub_slice){conn->out.ptr + conn->out_sent, queued};
    }
    for (uint32_t i = 0; i < count && used < UB_STREAM_PARTS; i++) {
        all[used++] = parts[i];
    }
    ssize_t taken = ub_stream_write(&conn->stream, all, used);
    if (taken < 0 || (size_t)taken < queued) {
        conn->out_sent += taken < 0 ? 0 : (size_t)taken;
        return taken < 0 ? -1 : 0;
    }
    ub_buf_clear(&conn->out);
    conn->out_sent = 0;
    return taken - (ssize_t)queued;
}

static bool owes_body(const struct ub_server_conn *conn)
{
    return conn->has_body && !conn->request_whole;
}

/* The held head leaves now. A connection that will not be used again says so in it (RFC 9112, 9.6),
 * also when that was not known yet as it was written: of a body that is not here nobody knows if it
 * comes. */
static bool say_close(struct ub_server_conn *conn)
{
    const struct ub_slice field = UB_LIT("Connection: close\r\n");
    struct ub_buf *out = &conn->out;
    char *end = memmem(out->ptr, out->len, "\r\n\r\n", 4);
    assert(end != NULL);
    size_t at = (size_t)(end - out->ptr) + 2, behind = out->len - at;
    conn->keep_alive = false;
    conn->close_said = true;
    ub_buf_add_slice(out, field);
    if (out->failed) {
        return break_off(conn, UB_GONE_ABORTED);
    }
    memmove(out->ptr + at + field.len, out->ptr + at, behind);
    memcpy(out->ptr + at, field.ptr, field.len);
    return true;
}

bool ub_server_conn_write(struct ub_server_conn *conn, const struct ub_slice *parts, uint32_t count)
{
    if (conn->broken) {
        return false;
    }
    if (ub_deadline_is_armed(&conn->output_due)) { /* the socket is full already */
        return queue(conn, parts, count, 0);
    }
    if (conn->head_held && !conn->close_said && (!conn->keep_alive || owes_body(conn)) &&
        !say_close(conn)) {
        return false;
    }
    size_t total = total_of(parts, count);
    if (total + backlog(conn) == 0 && ub_stream_is_flushed(&conn->stream)) {
        return true;
    }
    ssize_t taken = write_once(conn, parts, count);
    if (taken < 0) {
        return break_off(conn, UB_GONE_CLIENT_LEFT);
    }
    conn->head_held = false;
    if ((size_t)taken < total || backlog(conn) > 0 || !ub_stream_is_flushed(&conn->stream)) {
        if (!queue(conn, parts, count, (size_t)taken)) {
            return false;
        }
        ub_server_conn_await_write(conn);
    }
    return true;
}

static void drained(struct ub_server_conn *conn)
{
    ub_deadline_disarm(&conn->output_due);
    ub_stream_want_write(&conn->stream, false);
    ub_buf_free(&conn->out);
    conn->out_sent = 0;
    ub_server_conn_flushed(conn);
}

void ub_server_conn_writable(struct ub_server_conn *conn)
{
    size_t before = backlog(conn);
    if (write_once(conn, NULL, 0) < 0) {
        conn->broken = true;
        ub_server_conn_end(conn, UB_GONE_CLIENT_LEFT);
        return;
    }
    if (backlog(conn) < before) {
        arm_output(conn);
    }
    /* The queue's head is cut off now and then, not at each write. */
    if (conn->out_sent >= UB_HIGH_MARK) {
        ub_buf_drop(&conn->out, conn->out_sent);
        conn->out_sent = 0;
    }
    if (backlog(conn) == 0 && ub_stream_is_flushed(&conn->stream)) {
        drained(conn);
    }
    if (conn->full && backlog(conn) < UB_LOW_MARK) {
        conn->full = false;
        if (conn->phase == UB_PHASE_EXCHANGE && !conn->ended) {
            conn->exchange.handler->writable(&conn->exchange);
        }
    }
}

/* ---- verbs ---- */

static bool has_no_body(int status)
{
    return status == 204 || status == 304 || status < 200;
}

static void write_framing(struct ub_server_conn *conn, int status, int64_t length)
{
    struct ub_buf *out = &conn->out;
    if (length >= 0 && !has_no_body(status)) {
        char room[UB_DIGITS_MAX];
        ub_http1_write_field(out, UB_LIT("Content-Length"), ub_digits((uint64_t)length, room));
        conn->chunked = false;
    } else if (has_no_body(status)) {
        conn->chunked = false;
        conn->head_request = true;
    } else if (conn->chunked) {
        ub_buf_add_slice(out, UB_LIT("Transfer-Encoding: chunked\r\n"));
    } else {
        conn->until_close = true;
        conn->keep_alive = false;
    }
    ub_http1_write_field(out, UB_LIT("Date"), ub_slice_of(ub_listener_date(conn->listener)));
    if (!conn->keep_alive) {
        ub_buf_add_slice(out, UB_LIT("Connection: close\r\n"));
    } else if (conn->http10) {
        ub_buf_add_slice(out, UB_LIT("Connection: keep-alive\r\n"));
    }
}

bool ub_exchange_respond(struct ub_exchange *exchange, int status,
                         const struct ub_http_field *fields, uint32_t count, int64_t length)
{
    struct ub_server_conn *conn = of_exchange(exchange);
    if (conn->broken) {
        return false;
    }
    assert(!conn->responded);
    /* Behind bytes that still wait, or with a promise to HTTP/1.0 in it, the head stays as it is. */
    bool final = conn->http10 || ub_deadline_is_armed(&conn->output_due);
    if (conn->listener->draining || conn->awaits_100 || (final && owes_body(conn))) {
        conn->keep_alive = false;
    }
    conn->responded = conn->head_held = true;
    conn->length_left = length;
    ub_buf_reserve(&conn->out,
                   HEAD_GUESS + (length > 0 && length <= SHORT_MAX ? (size_t)length : 0));
    ub_http1_write_status(&conn->out, status);
    for (uint32_t i = 0; i < count; i++) {
        ub_http1_write_field(&conn->out, fields[i].name, fields[i].value);
    }
    write_framing(conn, status, length);
    conn->close_said = final || !conn->keep_alive;
    ub_http1_write_end(&conn->out);
    return conn->out.failed ? break_off(conn, UB_GONE_ABORTED) : true;
}

static bool send_chunk(struct ub_server_conn *conn, const struct ub_slice *parts, uint32_t count,
                       size_t total)
{
    char size_line[24];
    struct ub_slice framed[UB_STREAM_PARTS];
    framed[0] = (struct ub_slice){size_line, ub_http1_chunk_head(size_line, total)};
    memcpy(framed + 1, parts, count * sizeof *parts);
    framed[count + 1] = UB_LIT("\r\n");
    return ub_server_conn_write(conn, framed, count + 2);
}

/* A short answer that is all there waits in `out` for the end of this turn: see on_send in call.c. */
static bool is_short_and_whole(const struct ub_server_conn *conn, size_t total)
{
    return conn->head_held && conn->length_left == 0 && total <= SHORT_MAX &&
           !ub_deadline_is_armed(&conn->output_due);
}

static bool send_some(struct ub_server_conn *conn, const struct ub_slice *parts, uint32_t count)
{
    size_t total = total_of(parts, count);
    if (total == 0 || conn->head_request) {
        return true;
    }
    if (conn->chunked) {
        return send_chunk(conn, parts, count, total);
    }
    if (conn->length_left >= 0) {
        if ((uint64_t)total > (uint64_t)conn->length_left) {
            return break_off(conn, UB_GONE_ABORTED); /* it would become the next response */
        }
        conn->length_left -= (int64_t)total;
    }
    if (is_short_and_whole(conn, total)) {
        return queue(conn, parts, count, 0);
    }
    return ub_server_conn_write(conn, parts, count);
}

bool ub_exchange_send(struct ub_exchange *exchange, const struct ub_slice *parts, uint32_t count)
{
    struct ub_server_conn *conn = of_exchange(exchange);
    assert(conn->broken || (conn->responded && !conn->ended));
    const uint32_t most = UB_STREAM_PARTS - 4; /* room for what is queued and the chunk's frame */
    while (count > 0 && !conn->broken) {
        uint32_t now = count < most ? count : most;
        send_some(conn, parts, now);
        parts += now;
        count -= now;
    }
    if (!conn->broken && backlog(conn) >= UB_HIGH_MARK) {
        conn->full = true;
    }
    return !conn->broken && !conn->full;
}

bool ub_exchange_raw(struct ub_exchange *exchange, struct ub_slice bytes)
{
    struct ub_server_conn *conn = of_exchange(exchange);
    assert(!conn->responded);
    return ub_server_conn_write(conn, &bytes, 1);
}

void ub_exchange_end(struct ub_exchange *exchange)
{
    struct ub_server_conn *conn = of_exchange(exchange);
    if (conn->broken) {
        return;
    }
    assert(conn->responded && !conn->ended);
    if (conn->length_left > 0 && !conn->head_request) {
        ub_exchange_abort(exchange); /* shorter than announced: not a clean end */
        return;
    }
    conn->ended = true;
    if (conn->head_held && !conn->chunked) {
        ub_server_conn_settle_soon(conn, UB_GONE_DONE);
        return;
    }
    struct ub_slice last = UB_LIT("0\r\n\r\n");
    if (!ub_server_conn_write(conn, &last, conn->chunked && !conn->head_request ? 1 : 0)) {
        return;
    }
    if (!ub_deadline_is_armed(&conn->output_due)) {
        ub_server_conn_flushed(conn);
    }
}

void ub_exchange_abort(struct ub_exchange *exchange)
{
    struct ub_server_conn *conn = of_exchange(exchange);
    if (conn->ended && conn->head_held) {
        conn->keep_alive = false; /* the answer is whole, and goes out with this turn */
    } else {
        break_off(conn, UB_GONE_ABORTED);
    }
}

void ub_exchange_pause_body(struct ub_exchange *exchange)
{
    struct ub_server_conn *conn = of_exchange(exchange);
    conn->body_paused = true;
    ub_stream_pause(&conn->stream);
    if (!conn->request_whole) {
        ub_deadline_disarm(&conn->input_due);
    }
}

void ub_exchange_resume_body(struct ub_exchange *exchange)
{
    struct ub_server_conn *conn = of_exchange(exchange);
    conn->body_paused = false;
    ub_loop_post(conn->listener->loop, &conn->resume);
}

size_t ub_exchange_backlog(const struct ub_exchange *exchange)
{
    return backlog(of_exchange(exchange));
}

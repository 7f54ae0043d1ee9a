#include "net/client.h"

#include "base/alloc.h"
#include "base/embed.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

enum call_state {
    OVER,
    FAILED, /* `ended` is posted */
    DIALING,
    RUNNING,
};

static const struct ub_http1_limits response_limits = {
    .head_max = 64 * 1024,
    .target_max = 1,
    .body_max = UINT64_MAX,
};

static struct ub_connection *of_stream(struct ub_stream *stream)
{
    return UB_OWNER(stream, struct ub_connection, stream);
}

/* ---- connections ---- */

static void on_idle_over(struct ub_deadline *deadline)
{
    struct ub_connection *connection = UB_OWNER(deadline, struct ub_connection, idle_due);
    ub_connection_close(connection);
}

static void on_resume(struct ub_task *task);
static void on_send(struct ub_task *task);

struct ub_connection *ub_connection_new(struct ub_origin *origin, struct ub_dial *dial)
{
    struct ub_connection *connection = ub_calloc(1, sizeof *connection);
    if (connection == NULL) {
        return NULL;
    }
    connection->origin = origin;
    connection->dial = dial;
    connection->idle_due.expired = on_idle_over;
    connection->resume.run = on_resume;
    connection->send.run = on_send;
    ub_http1_init(&connection->parser, UB_HTTP1_RESPONSES, &response_limits);
    return connection;
}

void ub_connection_close(struct ub_connection *connection)
{
    if (connection->prev != NULL) { /* in the pool, or one of a dial's tries */
        connection->prev->next = connection->next;
        connection->next->prev = connection->prev;
        connection->prev = connection->next = NULL;
        connection->origin->idle_count -= connection->dial == NULL;
    }
    connection->dial = NULL;
    connection->call = NULL;
    ub_deadline_disarm(&connection->idle_due);
    ub_task_drop(&connection->resume);
    ub_task_drop(&connection->send);
    ub_http1_close(&connection->parser);
    ub_buf_free(&connection->held);
    ub_stream_close(&connection->stream, false);
}

/* ---- the end of a call ---- */

/* The call is over for us; its connection is no longer its own. */
static struct ub_connection *let_go(struct ub_call *call)
{
    struct ub_connection *connection = call->connection;
    call->connection = NULL;
    call->state = OVER;
    ub_sending_give(call->origin, call->sending);
    call->sending = NULL;
    if (connection != NULL) {
        connection->call = NULL;
    }
    return connection;
}

static void fail(struct ub_call *call, enum ub_error error, const char *words)
{
    struct ub_connection *connection = let_go(call);
    if (connection != NULL) {
        ub_connection_close(connection);
    }
    call->handler->ended(call, error, words);
}

static void run_failed(struct ub_task *task)
{
    struct ub_call *call = UB_OWNER(task, struct ub_call, task);
    fail(call, (enum ub_error)call->error, call->words);
}

static void fail_soon(struct ub_call *call, enum ub_error error, const char *words)
{
    call->state = FAILED;
    call->error = (uint8_t)error;
    call->words = words;
    ub_loop_post(call->origin->loop, &call->task);
}

void ub_call_failed(struct ub_call *call, enum ub_error error, const char *words)
{
    fail(call, error, words);
}

/* Once the answer has begun, what is wholly sent is never sent again. */
static void forget_request(struct ub_connection *connection)
{
    struct ub_call *call = connection->call;
    if (call != NULL && ub_sending_is_done(call->sending)) {
        ub_sending_give(connection->origin, call->sending);
        call->sending = NULL;
    }
}

/* A whole answer. `rest`: bytes that follow it. */
static void complete(struct ub_connection *connection, size_t rest)
{
    struct ub_call *call = connection->call;
    bool reusable = connection->parser.keep_alive && ub_sending_is_done(call->sending) &&
                    rest == 0 && !connection->send_failed && !connection->stream.input_over &&
                    !connection->end_waits;
    let_go(call);
    if (reusable) {
        ub_buf_free(&connection->held);
        ub_pool_give(connection);
    } else {
        ub_connection_close(connection);
    }
    call->handler->ended(call, UB_ERR_OK, "complete");
}

/* ---- sending ---- */

/* Sends what the socket takes. False: it takes nothing more. */
static bool send_on(struct ub_connection *connection)
{
    struct ub_sending *sending = connection->call->sending;
    if (connection->send_failed || ub_sending_is_done(sending)) {
        return !connection->send_failed;
    }
    struct ub_slice parts[1 + UB_CALL_BODY_MAX];
    uint32_t count = sending->part_count - sending->part_now;
    memcpy(parts, sending->part + sending->part_now, count * sizeof *parts);
    parts[0].ptr += sending->part_sent;
    parts[0].len -= sending->part_sent;
    ssize_t taken = ub_stream_write(&connection->stream, parts, count);
    if (taken < 0) {
        connection->send_failed = true;
        ub_stream_want_write(&connection->stream, false);
        return false;
    }
    ub_sending_took(sending, (size_t)taken);
    ub_stream_want_write(&connection->stream, !ub_sending_is_done(sending));
    return true;
}

static void join(struct ub_call *call, struct ub_connection *connection)
{
    call->state = RUNNING;
    call->connection = connection;
    call->sending->part_now = 0;
    call->sending->part_sent = 0;
    connection->call = call;
    connection->answered = connection->head_seen = connection->send_failed = false;
    connection->end_waits = false;
    connection->parser.head_request = call->sending->head_request;
    if (call->paused) {
        ub_stream_pause(&connection->stream);
    }
}

void ub_call_connected(struct ub_call *call, struct ub_connection *connection)
{
    join(call, connection);
    send_on(connection); /* if it fails, reading will tell */
}

static void dial(struct ub_call *call)
{
    call->state = DIALING;
    call->reused = false;
    if (!ub_dial_start(call->origin, call, call->sending->connect_by_ns, NULL, NULL)) {
        fail_soon(call, UB_ERR_NO_MEMORY, "no memory");
    }
}

/* The kept-alive connection was dead before anything of an answer came: take a fresh one. */
static bool retry_stale(struct ub_connection *connection)
{
    struct ub_call *call = connection->call;
    if (!call->reused || connection->answered) {
        return false;
    }
    call->connection = NULL;
    ub_connection_close(connection);
    dial(call);
    return true;
}

/* The requests of a turn go out one after the other: each write wakes the peer, and a peer that is
 * woken for each single one costs us a switch of the processor as well. */
static void on_send(struct ub_task *task)
{
    struct ub_connection *connection = UB_OWNER(task, struct ub_connection, send);
    if (!send_on(connection)) {
        retry_stale(connection);
    }
}

/* ---- reading ---- */

static void bad_answer(struct ub_connection *connection)
{
    bool memory = connection->parser.bad.status == 503;
    fail(connection->call, memory ? UB_ERR_NO_MEMORY : UB_ERR_BAD_ANSWER,
         connection->parser.bad.words);
}

/* False: the call is over by this. */
static bool turn_over(struct ub_connection *connection)
{
    struct ub_call *call = connection->call;
    if (call != NULL && call->handler->turn != NULL) {
        call->handler->turn(call);
    }
    return call != NULL && connection->call == call;
}

/* Hands on what is in `in` until it is used up, the call pauses, or it is over. */
static void parse(struct ub_connection *connection, struct ub_slice *in)
{
    struct ub_call *call = connection->call;
    while (connection->call == call && !call->paused) {
        switch (ub_http1_next(&connection->parser, in)) {
        case UB_HTTP1_MORE:
            turn_over(connection);
            return;
        case UB_HTTP1_HEAD:
            connection->head_seen = true;
            call->handler->head(call, connection->parser.head);
            ub_http1_forget_head(&connection->parser); /* the rest may be a long stream */
            forget_request(connection);
            break;
        case UB_HTTP1_BODY:
            call->handler->body(call, connection->parser.body);
            break;
        case UB_HTTP1_END:
            if (turn_over(connection)) {
                complete(connection, in->len);
            }
            return;
        case UB_HTTP1_BAD:
            if (turn_over(connection)) {
                bad_answer(connection);
            }
            return;
        }
    }
    if (connection->call == call) { /* paused */
        turn_over(connection);
    }
}

static void on_input(struct ub_stream *stream, struct ub_slice bytes)
{
    struct ub_connection *connection = of_stream(stream);
    if (connection->dial != NULL) {
        ub_dial_input(connection, bytes);
        return;
    }
    struct ub_call *call = connection->call;
    if (call == NULL) { /* nobody asked it anything */
        ub_connection_close(connection);
        return;
    }
    if (ub_task_is_posted(&connection->send)) { /* not asked yet, so these bytes are no answer */
        retry_stale(connection);
        return;
    }
    connection->answered = true;
    parse(connection, &bytes);
    if (connection->call == call && bytes.len > 0) {
        ub_buf_add_slice(&connection->held, bytes);
        if (connection->held.failed) {
            fail(call, UB_ERR_NO_MEMORY, "no memory");
        }
    }
}

/* The peer says nothing more. What that means for the answer is judged when all that came before
 * was handed on, which a paused call prevents. */
static void end_answer(struct ub_connection *connection, bool clean, const char *words)
{
    struct ub_call *call = connection->call;
    if (connection->answered && (call->paused || ub_task_is_posted(&connection->resume))) {
        connection->end_waits = true;
        connection->end_clean = clean;
        connection->end_words = words;
    } else if (clean && ub_http1_eof(&connection->parser) == UB_HTTP1_END) {
        complete(connection, 0);
    } else if (connection->head_seen) {
        fail(call, UB_ERR_TRUNCATED, words != NULL ? words : "closed inside the body");
    } else {
        const char *fin =
            connection->answered ? "closed inside the head" : "closed without an answer";
        fail(call, UB_ERR_RESET, words != NULL ? words : fin);
    }
}

static void on_resume(struct ub_task *task)
{
    struct ub_connection *connection = UB_OWNER(task, struct ub_connection, resume);
    struct ub_call *call = connection->call;
    if (call == NULL) {
        return; /* it ended before it could go on */
    }
    struct ub_buf held = connection->held;
    connection->held = (struct ub_buf){0};
    struct ub_slice in = ub_buf_slice(&held);
    parse(connection, &in);
    if (connection->call != call || in.len == 0) {
        ub_buf_free(&held);
    } else { /* paused again: keep the rest in its old place */
        ub_buf_drop(&held, held.len - in.len);
        connection->held = held;
    }
    if (connection->call != call || call->paused) {
        return;
    }
    if (connection->end_waits) {
        end_answer(connection, connection->end_clean, connection->end_words);
    } else {
        ub_stream_resume(&connection->stream);
    }
}

static void on_finished(struct ub_stream *stream, bool clean)
{
    struct ub_connection *connection = of_stream(stream);
    if (connection->dial != NULL) {
        ub_dial_broken(connection, UB_ERR_CONNECT_FAILED, "closed while connecting");
        return;
    }
    if (connection->call == NULL) {
        ub_connection_close(connection);
        return;
    }
    if (!retry_stale(connection)) {
        end_answer(connection, clean, NULL);
    }
}

static void on_broken(struct ub_stream *stream, enum ub_error error, const char *words)
{
    struct ub_connection *connection = of_stream(stream);
    if (connection->dial != NULL) {
        ub_dial_broken(connection, error, words);
    } else if (connection->call == NULL) {
        ub_connection_close(connection);
    } else if (!retry_stale(connection)) {
        end_answer(connection, false, words);
    }
}

static void on_opened(struct ub_stream *stream)
{
    ub_dial_opened(of_stream(stream));
}

static void on_writable(struct ub_stream *stream)
{
    struct ub_connection *connection = of_stream(stream);
    if (connection->call != NULL) {
        send_on(connection);
    }
}

static void on_closed(struct ub_stream *stream)
{
    stream->loop->counts.upstreams--;
    ub_free(of_stream(stream));
}

const struct ub_stream_handler ub_connection_handler = {
    .opened = on_opened,
    .input = on_input,
    .finished = on_finished,
    .writable = on_writable,
    .broken = on_broken,
    .closed = on_closed,
};

/* ---- verbs ---- */

void ub_call_start(struct ub_call *call, struct ub_origin *origin,
                   const struct ub_call_request *request)
{
    call->origin = origin;
    call->connection = NULL;
    call->dial = NULL;
    call->paused = call->reused = false;
    call->task = (struct ub_task){.run = run_failed};
    call->sending = ub_sending_take(origin);
    if (call->sending == NULL || !ub_sending_write(call->sending, origin, request)) {
        fail_soon(call, UB_ERR_NO_MEMORY, "no memory");
        return;
    }
    struct ub_connection *kept = ub_pool_take(origin);
    if (kept == NULL) {
        dial(call);
        return;
    }
    call->reused = true;
    join(call, kept);
    ub_loop_post(origin->loop, &kept->send);
}

void ub_call_cancel(struct ub_call *call)
{
    ub_task_drop(&call->task);
    if (call->dial != NULL) {
        ub_dial_cancel(call->dial);
    }
    if (call->state != OVER) {
        struct ub_connection *connection = let_go(call);
        if (connection != NULL) {
            ub_connection_close(connection);
        }
    }
}

void ub_call_pause(struct ub_call *call)
{
    call->paused = true;
    if (call->connection != NULL) {
        ub_stream_pause(&call->connection->stream);
        ub_task_drop(&call->connection->resume);
    }
}

void ub_call_resume(struct ub_call *call)
{
    call->paused = false;
    if (call->connection == NULL) {
        return;
    }
    if (call->connection->answered) { /* also with nothing held: the end may be all that is owed */
        ub_loop_post(call->origin->loop, &call->connection->resume);
    } else {
        ub_stream_resume(&call->connection->stream);
    }
}

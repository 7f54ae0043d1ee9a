/* mock_prank.c - carrying the pranks out (the table with their words is in prank.h). */
#include "tools/mock_inside.h"

#define FLOOD_EVERY_NS (10 * UB_MS)
#define FLOOD_BYTES    ((size_t)32 * 1024)
#define SPLIT_EVERY_NS (2 * UB_MS)
#define SPLIT_BYTES    ((size_t)7)
#define HUGE_BYTES     ((size_t)2 * 1024 * 1024)

/* Nothing more happens until the client leaves. Midway the place is kept, as by a server that
 * hangs. */
static void fall_silent(struct ub_mock_job *job)
{
    job->state = UB_JOB_SILENT;
    job->outcome = UB_MOCK_ENDED_PRANK;
}

static void send_raw(struct ub_mock_job *job, struct ub_slice bytes)
{
    ub_exchange_raw(job->exchange, bytes);
}

static void html_502(struct ub_mock_job *job)
{
    job->outcome = UB_MOCK_ENDED_PRANK;
    ub_mock_answer(job, 502, "text/html",
                   UB_LIT("<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
                          "<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"));
}

/* Streams carry the error as an event, plain answers as their body. */
static void busy_inside_200(struct ub_mock_job *job)
{
    struct ub_mock_trouble trouble =
        ub_mock_trouble_of(UB_PRANK_BUSY_200, job->worker->mock->options.dialect);
    ub_mock_job_respond(job, -1);
    ub_buf_clear(&job->out);
    ub_mock_trouble_write(&trouble, UB_MOCK_OPENAI, &job->out);
    if (job->stream) {
        ub_say_event(job, ub_buf_slice(&job->out));
    } else {
        struct ub_slice body = ub_buf_slice(&job->out);
        ub_exchange_send(job->exchange, &body, 1);
    }
    ub_mock_job_end(job, UB_MOCK_ENDED_PRANK);
}

static void empty_body(struct ub_mock_job *job)
{
    ub_mock_job_respond(job, job->stream ? -1 : 0);
    ub_mock_job_end(job, UB_MOCK_ENDED_PRANK);
}

static bool play_error(struct ub_mock_job *job)
{
    struct ub_mock_trouble trouble;
    switch (job->prank.prank) {
    case UB_PRANK_ERROR_502:
        html_502(job);
        return true;
    case UB_PRANK_BUSY_200:
        busy_inside_200(job);
        return true;
    case UB_PRANK_EMPTY_BODY:
        empty_body(job);
        return true;
    case UB_PRANK_NO_PREFILL:
        if (!job->has_begun) {
            return false;
        }
        break;
    default:
        break;
    }
    trouble = ub_mock_trouble_of(job->prank.prank, job->worker->mock->options.dialect);
    job->outcome = UB_MOCK_ENDED_PRANK;
    ub_mock_refuse_with(job, &trouble, job->prank.retry_ns);
    return true;
}

static bool play_wire(struct ub_mock_job *job)
{
    switch (job->prank.prank) {
    case UB_PRANK_RESET:
        ub_mock_job_abort(job, UB_MOCK_ENDED_PRANK);
        return true;
    case UB_PRANK_SILENCE:
    case UB_PRANK_HALF_OPEN:
        fall_silent(job);
        return true;
    case UB_PRANK_BAD_HEAD:
        send_raw(job, UB_LIT("HTTP/1.1 fine\r\ncontent type: none\r\n\r\nhello"));
        ub_mock_job_abort(job, UB_MOCK_ENDED_PRANK);
        return true;
    case UB_PRANK_BAD_LENGTH:
        send_raw(job, UB_LIT("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                             "Content-Length: 2\r\nContent-Length: 11\r\n\r\n{}         "));
        ub_mock_job_abort(job, UB_MOCK_ENDED_PRANK);
        return true;
    case UB_PRANK_BAD_CHUNK:
        send_raw(job, UB_LIT("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n"
                             "e\r\n: keep-alive\n\n\r\nzz\r\ndata: {}\n\n\r\n0\r\n\r\n"));
        ub_mock_job_abort(job, UB_MOCK_ENDED_PRANK);
        return true;
    case UB_PRANK_ENDLESS_HEAD:
        send_raw(job, UB_LIT("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"));
        fall_silent(job);
        ub_mock_job_wake(job, ub_clock_now() + FLOOD_EVERY_NS);
        return true;
    case UB_PRANK_FLOOD_1XX:
        fall_silent(job);
        ub_mock_job_wake(job, ub_clock_now() + FLOOD_EVERY_NS);
        return true;
    default:
        return false;
    }
}

bool ub_mock_prank_instead(struct ub_mock_job *job)
{
    switch (ub_prank_facts(job->prank.prank)->place) {
    case UB_PRANK_INSTEAD:
        return play_error(job);
    case UB_PRANK_WIRE:
        return play_wire(job);
    case UB_PRANK_LISTENER:
        ub_mock_refuse(job->worker->mock, job->prank.delay_ns);
        ub_mock_job_abort(job, UB_MOCK_ENDED_PRANK);
        return true;
    default:
        return false;
    }
}

/* ---- midway ---- */

/* The beginning of an event, cut inside its JSON. */
static void half_event(struct ub_mock_job *job)
{
    struct ub_slice parts[] = {UB_LIT("data: "), ub_buf_slice(&job->open)};
    parts[1].len -= parts[1].len / 3;
    ub_exchange_send(job->exchange, parts, 2);
}

static void error_event(struct ub_mock_job *job)
{
    ub_say_event(job, UB_LIT("{\"error\":{\"message\":\"The server had an error while processing "
                             "your request\",\"type\":\"server_error\",\"param\":null,"
                             "\"code\":null}}"));
}

static void huge_event(struct ub_mock_job *job)
{
    ub_buf_clear(&job->out);
    ub_buf_add_slice(&job->out, ub_buf_slice(&job->open));
    ub_buf_add_text(&job->out, "{\"index\":0,\"delta\":{\"content\":\"");
    char *filler = ub_buf_reserve(&job->out, HUGE_BYTES);
    if (filler != NULL) {
        memset(filler, 'x', HUGE_BYTES);
        job->out.len += HUGE_BYTES;
    }
    ub_buf_add_text(&job->out, "\"},\"finish_reason\":null}]}");
    if (!job->out.failed) {
        ub_say_event(job, ub_buf_slice(&job->out));
    }
    ub_buf_free(&job->out);
}

static bool play_midway(struct ub_mock_job *job)
{
    switch (job->prank.prank) {
    case UB_PRANK_CUT:
        ub_mock_job_abort(job, UB_MOCK_ENDED_PRANK);
        return true;
    case UB_PRANK_TRUNCATED:
    case UB_PRANK_CUT_EVENT:
        half_event(job);
        ub_mock_job_abort(job, UB_MOCK_ENDED_PRANK);
        return true;
    case UB_PRANK_CUT_CLEAN:
        ub_mock_job_end(job, UB_MOCK_ENDED_PRANK);
        return true;
    case UB_PRANK_STALL:
        fall_silent(job);
        return true;
    case UB_PRANK_STALL_ALIVE:
        fall_silent(job);
        ub_mock_job_wake(job, ub_clock_now() + job->prank.every_ns);
        return true;
    case UB_PRANK_MALFORMED:
        ub_say_event(job,
                     UB_LIT("{\"id\":\"chatcmpl-1\",\"choices\":[{\"index\":0,\"delta\":{\"c"));
        ub_mock_job_end(job, UB_MOCK_ENDED_PRANK);
        return true;
    case UB_PRANK_ERROR_EVENT:
        error_event(job);
        ub_mock_job_end(job, UB_MOCK_ENDED_PRANK);
        return true;
    case UB_PRANK_NO_RESOURCE:
        ub_say_finish(job, "insufficient_system_resource");
        ub_say_event(job, UB_LIT("[DONE]"));
        ub_mock_job_end(job, UB_MOCK_ENDED_PRANK);
        return true;
    case UB_PRANK_HUGE:
        huge_event(job);
        return false;
    default:
        return false;
    }
}

bool ub_mock_prank_before_token(struct ub_mock_job *job, ub_ns now)
{
    if (job->prank.prank == UB_PRANK_NONE || job->sent < job->prank.after) {
        return false;
    }
    if (job->prank.prank == UB_PRANK_DRIP) {
        if (now < job->drip_at) {
            ub_mock_job_wake(job, job->drip_at);
            return true;
        }
        job->drip_at = now + job->prank.every_ns;
        return false;
    }
    return job->sent == job->prank.after && play_midway(job);
}

/* ---- answers that are not streamed ---- */

static void send_half(struct ub_mock_job *job)
{
    struct ub_slice half = ub_buf_slice(&job->out);
    ub_mock_job_respond(job, (int64_t)half.len);
    half.len /= 2;
    ub_exchange_send(job->exchange, &half, 1);
}

static void send_all(struct ub_mock_job *job, struct ub_slice body, int64_t length)
{
    ub_mock_job_respond(job, length);
    ub_exchange_send(job->exchange, &body, 1);
}

bool ub_mock_prank_plain(struct ub_mock_job *job)
{
    struct ub_slice body = ub_buf_slice(&job->out);
    switch (job->prank.prank) {
    case UB_PRANK_TRUNCATED:
    case UB_PRANK_CUT:
    case UB_PRANK_CUT_EVENT:
        send_half(job);
        ub_mock_job_abort(job, UB_MOCK_ENDED_PRANK);
        return true;
    case UB_PRANK_CUT_CLEAN:
    case UB_PRANK_MALFORMED:
        body.len /= 2;
        send_all(job, body, (int64_t)body.len);
        ub_mock_job_end(job, UB_MOCK_ENDED_PRANK);
        return true;
    case UB_PRANK_STALL:
        send_half(job);
        fall_silent(job);
        return true;
    case UB_PRANK_STALL_ALIVE:
    case UB_PRANK_LATE_DONE:
        /* White space after (or instead of the rest of) the body, for ever. */
        body.len /= job->prank.prank == UB_PRANK_STALL_ALIVE ? 2 : 1;
        send_all(job, body, -1);
        fall_silent(job);
        ub_mock_job_wake(job, ub_clock_now() + job->prank.every_ns);
        return true;
    case UB_PRANK_ERROR_EVENT:
        body = UB_LIT("{\"error\":{\"message\":\"The server had an error while processing your "
                      "request\",\"type\":\"server_error\",\"param\":null,\"code\":null}}");
        send_all(job, body, (int64_t)body.len);
        ub_mock_job_end(job, UB_MOCK_ENDED_PRANK);
        return true;
    case UB_PRANK_NO_RESOURCE: {
        struct ub_buf short_one = {0};
        uint32_t tokens = job->sent < job->prank.after ? job->sent : job->prank.after;
        ub_say_whole(job, &short_one, tokens, "insufficient_system_resource");
        send_all(job, ub_buf_slice(&short_one), (int64_t)short_one.len);
        ub_buf_free(&short_one);
        ub_mock_job_end(job, UB_MOCK_ENDED_PRANK);
        return true;
    }
    default:
        return false;
    }
}

/* ---- the end, and time ---- */

bool ub_mock_prank_end(struct ub_mock_job *job)
{
    switch (job->prank.prank) {
    case UB_PRANK_NO_DONE:
        ub_mock_job_end(job, UB_MOCK_ENDED_PRANK);
        return true;
    case UB_PRANK_LATE_DONE:
        fall_silent(job);
        ub_mock_job_wake(job, ub_clock_now() + job->prank.every_ns);
        return true;
    default:
        return false;
    }
}

/* 32 KiB at a time, and no more than the client takes. */
static void flood(struct ub_mock_job *job, struct ub_slice line)
{
    char bytes[4096];
    size_t len = 0;
    while (len + line.len <= sizeof bytes) {
        memcpy(bytes + len, line.ptr, line.len);
        len += line.len;
    }
    size_t backlog = ub_exchange_backlog(job->exchange);
    for (size_t sent = backlog; sent < FLOOD_BYTES; sent += len) {
        send_raw(job, (struct ub_slice){bytes, len});
    }
}

static void send_bit(struct ub_mock_job *job)
{
    struct ub_slice bit = ub_buf_slice(&job->queue);
    bit.len = bit.len < SPLIT_BYTES ? bit.len : SPLIT_BYTES;
    if (bit.len > 0) {
        ub_exchange_send(job->exchange, &bit, 1);
        ub_buf_drop(&job->queue, bit.len);
    } else if (job->closing) {
        job->state = UB_JOB_ENDED;
        ub_exchange_end(job->exchange);
        return;
    }
    ub_mock_job_wake(job, ub_clock_now() + SPLIT_EVERY_NS);
}

bool ub_mock_prank_timer(struct ub_mock_job *job, ub_ns now)
{
    bool silent = job->state == UB_JOB_SILENT;
    switch (job->prank.prank) {
    case UB_PRANK_ENDLESS_HEAD:
        flood(job, UB_LIT("x-filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"));
        ub_mock_job_wake(job, now + FLOOD_EVERY_NS);
        return true;
    case UB_PRANK_FLOOD_1XX:
        flood(job, UB_LIT("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"));
        ub_mock_job_wake(job, now + FLOOD_EVERY_NS);
        return true;
    case UB_PRANK_STALL_ALIVE:
    case UB_PRANK_LATE_DONE:
        if (silent && job->stream) {
            ub_say_comment(job, "keep-alive");
        } else if (silent) {
            struct ub_slice line = UB_LIT("\n");
            ub_exchange_send(job->exchange, &line, 1);
        }
        if (silent) {
            ub_mock_job_wake(job, now + job->prank.every_ns);
        }
        return silent;
    case UB_PRANK_SPLIT:
        if (job->state == UB_JOB_TALKING) {
            send_bit(job);
            return true;
        }
        return false;
    default:
        return false;
    }
}

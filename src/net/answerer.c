#include "net/answerer.h"

#include "base/test.h"

#include <stdlib.h>
#include <string.h>

struct ub_answerer ub_answerer;

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ub_buf_vprintf(&ub_answerer.told, format, args);
    va_end(args);
}

const char *ub_answerer_told(void)
{
    ub_buf_add(&ub_answerer.told, "", 1);
    ub_answerer.told.len--;
    return ub_answerer.told.ptr;
}

bool ub_answerer_was_told(const char *text)
{
    return strstr(ub_answerer_told(), text) != NULL;
}

static bool target_is(struct ub_exchange *exchange, const char *target)
{
    return strcmp(exchange->user, target) == 0;
}

void ub_answerer_send(struct ub_exchange *exchange, const char *text)
{
    struct ub_slice part = ub_slice_of(text);
    ub_exchange_send(exchange, &part, 1);
}

void ub_answerer_respond(struct ub_exchange *exchange, int64_t length)
{
    const struct ub_http_field type = {UB_LIT("Content-Type"), UB_LIT("text/plain")};
    ub_exchange_respond(exchange, 200, &type, 1, length);
}

static void send_big(struct ub_exchange *exchange)
{
    static char block[8192];
    memset(block, 'x', sizeof block);
    struct ub_slice part = {block, sizeof block};
    while (ub_answerer.sent < ub_answerer.wanted) {
        ub_answerer.sent += sizeof block;
        if (!ub_exchange_send(exchange, &part, 1)) {
            return;
        }
    }
    ub_exchange_end(exchange);
}

static void on_head(struct ub_exchange *exchange, const struct ub_http_head *head)
{
    exchange->user = strndup(head->target.ptr, head->target.len);
    ub_answerer.running = exchange;
    note("head %s, ", (const char *)exchange->user);
    if (target_is(exchange, "/pause")) {
        ub_exchange_pause_body(exchange);
    } else if (target_is(exchange, "/early")) {
        ub_answerer_respond(exchange, 5);
        ub_answerer_send(exchange, "early");
        ub_exchange_end(exchange);
    }
}

static void on_body(struct ub_exchange *exchange, struct ub_slice chunk)
{
    note("body %zu, ", chunk.len);
    if (target_is(exchange, "/cut-in-body")) {
        ub_exchange_abort(exchange);
    } else if (target_is(exchange, "/pause-in-body")) {
        ub_exchange_pause_body(exchange);
    }
}

static void on_body_end(struct ub_exchange *exchange)
{
    note("end, ");
    if (target_is(exchange, "/hello")) {
        ub_answerer_respond(exchange, 5);
        ub_answerer_send(exchange, "hello");
        ub_exchange_end(exchange);
    } else if (target_is(exchange, "/late-abort")) {
        ub_answerer_respond(exchange, 5);
        ub_answerer_send(exchange, "whole");
        ub_exchange_end(exchange);
        ub_exchange_abort(exchange);
    } else if (target_is(exchange, "/stream")) {
        ub_answerer_respond(exchange, -1);
        ub_answerer_send(exchange, "one");
        ub_answerer_send(exchange, "");
        ub_answerer_send(exchange, "two");
        ub_exchange_end(exchange);
    } else if (target_is(exchange, "/none")) {
        ub_exchange_respond(exchange, 204, NULL, 0, -1);
        ub_exchange_end(exchange);
    } else if (target_is(exchange, "/empty")) {
        ub_answerer_respond(exchange, 0);
        ub_exchange_end(exchange);
    } else if (target_is(exchange, "/cut")) {
        ub_answerer_respond(exchange, -1);
        ub_answerer_send(exchange, "half");
        ub_exchange_abort(exchange);
    } else if (target_is(exchange, "/short")) {
        ub_answerer_respond(exchange, 10);
        ub_answerer_send(exchange, "short");
        ub_exchange_end(exchange);
    } else if (target_is(exchange, "/long")) {
        ub_answerer_respond(exchange, 3);
        ub_answerer_send(exchange, "long");
    } else if (target_is(exchange, "/big")) {
        ub_answerer_respond(exchange, (int64_t)ub_answerer.wanted);
        send_big(exchange);
    } else if (target_is(exchange, "/begin")) {
        ub_answerer_respond(exchange, -1);
        ub_answerer_send(exchange, "begun");
    }
}

static void on_writable(struct ub_exchange *exchange)
{
    send_big(exchange);
}

static void on_gone(struct ub_exchange *exchange, enum ub_gone why)
{
    static const char *const words[] = {"done",      "left",        "bad",
                                        "slow body", "slow reader", "aborted"};
    note("gone %s; ", words[why]);
    free(exchange->user);
    ub_answerer.running = NULL;
}

static const struct ub_exchange_handler handler = {on_head, on_body, on_body_end, on_writable,
                                                   on_gone};

struct ub_listener_options ub_answerer_options(void)
{
    return (struct ub_listener_options){
        .host = UB_LIT("127.0.0.1"),
        .handler = &handler,
        .limits = {.head_max = 8192, .target_max = 1000, .body_max = 100000},
        .head_ns = 5 * UB_SECOND,
        .body_ns = 5 * UB_SECOND,
        .write_ns = 5 * UB_SECOND,
        .idle_ns = 5 * UB_SECOND,
    };
}

void ub_answerer_open(struct ub_listener_options o)
{
    const char *words = "";
    ub_answerer.listener = ub_listener_open(ub_answerer.loop, &o, &words);
    UB_CHECK(ub_answerer.listener != NULL, "a listener is opened %s", words);
    ub_buf_clear(&ub_answerer.told);
}

void ub_answerer_close(void)
{
    ub_listener_free(ub_answerer.listener);
    ub_loop_turn(ub_answerer.loop, 0);
    ub_loop_turn(ub_answerer.loop, 0);
}

struct ub_peer ub_answerer_dial(void)
{
    return ub_peer_dial(ub_answerer.loop, ub_listener_port(ub_answerer.listener), 0);
}

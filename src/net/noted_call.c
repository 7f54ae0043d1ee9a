#include "net/noted_call.h"

static void on_head(struct ub_call *call, const struct ub_http_head *head)
{
    struct ub_noted_call *noted = call->user;
    ub_buf_printf(&noted->told, "head %d, ", head->status);
    if (noted->pause_at_head) {
        ub_call_pause(call);
    }
    if (noted->cancel_at_head) {
        ub_call_cancel(call);
    }
}

static void on_body(struct ub_call *call, struct ub_slice chunk)
{
    struct ub_noted_call *noted = call->user;
    noted->body_len += chunk.len;
    if (chunk.len < 100) {
        ub_buf_printf(&noted->told, "body %.*s, ", UB_SLICE_ARG(chunk));
    }
    if (noted->pause_at_body) {
        ub_call_pause(call);
    }
    if (noted->cancel_at_body) {
        ub_call_cancel(call);
    }
}

static void on_ended(struct ub_call *call, enum ub_error error, const char *words)
{
    struct ub_noted_call *noted = call->user;
    ub_buf_printf(&noted->told, "ended %s", ub_error_slug(error));
    noted->over = true;
    noted->error = error;
    (void)words;
}

const struct ub_call_handler ub_noted_handler = {on_head, on_body, on_ended};

const char *ub_noted_told(struct ub_noted_call *noted)
{
    ub_buf_add(&noted->told, "", 1);
    noted->told.len--;
    return noted->told.ptr;
}

struct ub_call_request ub_noted_request(const struct ub_slice *body, uint32_t count)
{
    static const struct ub_http_field fields[] = {{UB_LIT("X-Test"), UB_LIT("yes")}};
    return (struct ub_call_request){.method = count > 0 ? UB_LIT("POST") : UB_LIT("GET"),
                                    .target = UB_LIT("/v1/x?y"),
                                    .fields = fields,
                                    .field_count = 1,
                                    .body = body,
                                    .body_count = count,
                                    .connect_by_ns = 2 * UB_SECOND};
}

void ub_noted_start(struct ub_noted_call *noted, struct ub_loop *loop, struct ub_origin *to)
{
    *noted = (struct ub_noted_call){.loop = loop, .call = {.handler = &ub_noted_handler}};
    noted->call.user = noted;
    struct ub_call_request request = ub_noted_request(NULL, 0);
    ub_call_start(&noted->call, to, &request);
}

bool ub_noted_ends(struct ub_noted_call *noted)
{
    return UB_UNTIL(noted->loop, noted->over);
}

struct ub_origin *ub_noted_origin(struct ub_loop *loop, uint16_t to, const char *host,
                                  const char *proxy)
{
    const struct ub_origin_options options = {.host = ub_slice_of(host),
                                              .port = to,
                                              .proxy = ub_slice_of(proxy),
                                              .idle_max = 2,
                                              .idle_ns = 5 * UB_SECOND};
    return ub_origin_new(loop, &options);
}

void ub_noted_good_answer(struct ub_noted_call *noted, struct ub_peer *peer)
{
    ub_peer_hears(peer, "\r\n\r\n");
    ub_buf_clear(&peer->heard);
    ub_peer_say_text(peer, UB_NOTED_GOOD);
    ub_noted_ends(noted);
    ub_buf_free(&noted->told);
}

#include "tools/drill_client.h"

#define CONNECT_NS (5 * UB_SECOND)
#define TURN_NS    (50 * UB_MS)

struct shot {
    struct ub_call call;
    struct ub_drill_reply *reply;
    ub_ns began_at;
    bool over;
};

static void on_head(struct ub_call *call, const struct ub_http_head *head)
{
    struct shot *shot = call->user;
    ub_drill_answer_head(&shot->reply->answer, head);
}

static void on_body(struct ub_call *call, struct ub_slice chunk)
{
    struct shot *shot = call->user;
    ub_drill_answer_feed(&shot->reply->answer, chunk);
    if (shot->reply->first_ns == 0 && shot->reply->answer.payloads > 0) {
        shot->reply->first_ns = ub_clock_now() - shot->began_at;
    }
}

static void on_ended(struct ub_call *call, enum ub_error error, const char *words)
{
    struct shot *shot = call->user;
    shot->reply->end = error;
    shot->over = true;
}

static const struct ub_call_handler handler = {.head = on_head, .body = on_body, .ended = on_ended};

static void start(struct shot *shot, struct ub_origin *origin,
                  const struct ub_drill_question *question)
{
    const struct ub_http_field fields[] = {
        {UB_LIT("Content-Type"), UB_LIT("application/json")},
        {UB_LIT("X-Mock-Fault"), question->fault},
    };
    ub_call_start(&shot->call, origin,
                  &(struct ub_call_request){
                      .method = question->body.len > 0 ? UB_LIT("POST") : UB_LIT("GET"),
                      .target = question->target,
                      .fields = fields,
                      .field_count = question->fault.len > 0 ? 2 : 1,
                      .body = &question->body,
                      .body_count = 1,
                      .connect_by_ns = CONNECT_NS,
                  });
}

void ub_drill_ask(struct ub_loop *loop, struct ub_origin *origin,
                  const struct ub_drill_question *question, struct ub_drill_reply *reply)
{
    struct shot shot = {.reply = reply, .began_at = ub_clock_now()};
    *reply = (struct ub_drill_reply){0};
    ub_drill_answer_init(&reply->answer, question->stream);
    shot.call.handler = &handler;
    shot.call.user = &shot;
    start(&shot, origin, question);
    while (!shot.over && !reply->timed_out && !reply->left && !reply->stopped) {
        ub_loop_turn(loop, TURN_NS);
        reply->total_ns = ub_clock_now() - shot.began_at;
        reply->timed_out = !shot.over && reply->total_ns > question->time_ns;
        reply->stopped = !shot.over && question->stop != NULL && atomic_load(question->stop);
        reply->left = !shot.over && question->leaves && reply->answer.payloads > 0;
    }
    if (!shot.over) {
        ub_call_cancel(&shot.call);
    }
    ub_drill_answer_end(&reply->answer);
}

/* Without a temperature the mock's answer is always the same; without thinking it is only text. */
void ub_drill_question_write(struct ub_buf *out, const char *model, const char *name, bool stream,
                             uint32_t max_tokens)
{
    ub_buf_add_text(out, "{\"model\":");
    ub_buf_add_json(out, ub_slice_of(model));
    ub_buf_add_text(out, stream ? ",\"stream\":true,\"stream_options\":{\"include_usage\":true}"
                                : ",\"stream\":false");
    if (max_tokens > 0) {
        ub_buf_printf(out, ",\"max_tokens\":%u", max_tokens);
    }
    ub_buf_add_text(out, ",\"thinking\":{\"type\":\"disabled\"},\"messages\":[{\"role\":\"user\","
                         "\"content\":");
    ub_buf_add_json(out, ub_slice_of(name));
    ub_buf_add_text(out, "}]}");
}

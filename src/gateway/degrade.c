#include "gateway/degrade.h"

#include "gateway/reply.h"
#include "http/sse.h"
#include <assert.h>
#include <stdio.h>

static const struct ub_config *config_of(const struct ub_request *request)
{
    return request->view->setup->config;
}

/* The step of this kind on which it stands, the last one if there are more; NULL. */
static const struct ub_step *step_of(const struct ub_request *request, enum ub_step_kind kind)
{
    const struct ub_step *found = NULL;
    if (request->degraded == 0) {
        return NULL;
    }
    const struct ub_model_spec *spec = &config_of(request)->routes.models[request->model];
    for (uint32_t i = 0; i < spec->steps; i++) {
        if ((request->degraded >> i & 1) != 0 && spec->step[i].kind == kind) {
            found = &spec->step[i];
        }
    }
    return found;
}

uint32_t ub_degrade_model(const struct ub_request *request)
{
    const struct ub_step *step = step_of(request, UB_STEP_MODEL);
    return step != NULL ? step->value : (uint32_t)request->model;
}

/* Steps of this kind become smaller, so the last one is the least. */
uint32_t ub_degrade_tokens(const struct ub_request *request)
{
    const struct ub_step *step = step_of(request, UB_STEP_MAX_TOKENS);
    return step != NULL ? step->value : 0;
}

/* What stands in for an answer has no model and no length. */
static bool is_message(const struct ub_request *request)
{
    return step_of(request, UB_STEP_MESSAGE) != NULL;
}

struct ub_slice ub_degrade_label(const struct ub_request *request, char out[UB_DEGRADE_LABEL])
{
    int len = 0;
    out[0] = '\0';
    if (is_message(request)) {
        return UB_LIT("message");
    }
    if (step_of(request, UB_STEP_MODEL) != NULL) {
        len = snprintf(out, UB_DEGRADE_LABEL, "model=%s",
                       config_of(request)->models[ub_degrade_model(request)].name);
    }
    if (ub_degrade_tokens(request) != 0) {
        len += snprintf(out + len, (size_t)(UB_DEGRADE_LABEL - len), "%smax_tokens=%u",
                        len > 0 ? ", " : "", ub_degrade_tokens(request));
    }
    return (struct ub_slice){out, (size_t)len};
}

void ub_degrade_count(const struct ub_request *request)
{
    if (request->degraded == 0 || request->payload_at == 0) {
        return;
    }
    uint32_t model = request->view->setup->model_slots[request->model];
    for (uint32_t kind = 0; kind < UB_STEP_KINDS; kind++) {
        bool counts = kind == UB_STEP_MESSAGE || !is_message(request);
        if (counts && step_of(request, (enum ub_step_kind)kind) != NULL) {
            ub_metrics_add(request->worker->shard, UB_METRIC_DEGRADED, model, kind, 1);
        }
    }
}

bool ub_degrade_takes_message(const struct ub_request *request)
{
    const struct ub_scan_fields *asked = ub_scan_fields(request->scan);
    return request->endpoint != UB_ENDPOINT_EMBEDDINGS && !asked->has_grammar &&
           !asked->has_logprobs && asked->n <= 1;
}

void ub_degrade_look(struct ub_request *request)
{
    ub_worker_tell(request->worker, &(struct ub_event){.type = UB_EV_LOOKED,
                                                       .request = request->id,
                                                       .worker = request->worker->number,
                                                       .found = false});
}

/* --- the message ----------------------------------------------------------------------------- */

enum piece { WHOLE, TEXT, STOP, USAGE };

static const char usage[] = ",\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0,"
                            "\"total_tokens\":0}";

static void write_choice(struct ub_buf *out, const struct ub_request *request, enum piece piece,
                         struct ub_slice text)
{
    bool chat = request->endpoint == UB_ENDPOINT_CHAT;
    if (!chat) {
        ub_buf_add_text(out, "\"text\":");
        ub_buf_add_json(out, text);
    } else if (piece == STOP) {
        ub_buf_add_text(out, "\"delta\":{}");
    } else {
        ub_buf_printf(out, "\"%s\":{\"role\":\"assistant\",\"content\":",
                      piece == WHOLE ? "message" : "delta");
        ub_buf_add_json(out, text);
        ub_buf_add_text(out, "}");
    }
    ub_buf_printf(out, ",\"logprobs\":null,\"finish_reason\":%s",
                  piece == TEXT ? "null" : "\"stop\"");
}

/* One object, as OpenAI's are. */
static void write_piece(struct ub_buf *out, const struct ub_request *request, enum piece piece)
{
    bool chat = request->endpoint == UB_ENDPOINT_CHAT;
    const char *message = config_of(request)->models[request->model].message;
    const char *object = !chat            ? "text_completion"
                         : piece == WHOLE ? "chat.completion"
                                          : "chat.completion.chunk";
    ub_buf_printf(out, "{\"id\":\"%s-%s\",\"object\":\"%s\",\"created\":%lld,\"model\":",
                  chat ? "chatcmpl" : "cmpl", request->name, object,
                  (long long)(request->wall_at / UB_SECOND));
    ub_buf_add_json(out, ub_slice_of(ub_scan_fields(request->scan)->model_name));
    ub_buf_add_text(out, ",\"choices\":[");
    if (piece != USAGE) {
        ub_buf_add_text(out, "{\"index\":0,");
        write_choice(out, request, piece, piece == STOP ? UB_LIT("") : ub_slice_of(message));
        ub_buf_add_text(out, "}");
    }
    ub_buf_add_text(out, "]");
    if (piece == WHOLE || piece == USAGE) {
        ub_buf_add_text(out, usage);
    }
    ub_buf_add_text(out, "}");
}

static void write_event(struct ub_buf *out, const struct ub_request *request, enum piece piece)
{
    struct ub_buf object = {0};
    write_piece(&object, request, piece);
    if (object.failed) {
        out->failed = true;
    } else {
        ub_sse_write_event(out, ub_buf_slice(&object));
    }
    ub_buf_free(&object);
}

static void write_message(struct ub_buf *out, const struct ub_request *request)
{
    if (!request->stream) {
        write_piece(out, request, WHOLE);
        return;
    }
    write_event(out, request, TEXT);
    write_event(out, request, STOP);
    if (request->wants_usage) {
        write_event(out, request, USAGE);
    }
}

void ub_degrade_stand_in(struct ub_request *request, const struct ub_action *action)
{
    struct ub_buf out = {0};
    request->degraded = action->degraded;
    assert(is_message(request)); /* the other one is a stale answer, which nobody has found */
    write_message(&out, request);
    enum ub_error outcome = out.failed ? UB_ERR_NO_MEMORY : UB_ERR_OK;
    if (out.failed) {
        struct ub_refusal refusal = ub_refusal_of(outcome);
        request->degraded = 0;
        ub_reply_refuse(request, &refusal);
    } else if (request->stream) {
        ub_reply_events(request, ub_buf_slice(&out));
    } else {
        ub_reply_json(request, 200, ub_buf_slice(&out));
    }
    ub_buf_free(&out);
    if (outcome == UB_ERR_OK) {
        request->payload_at = ub_loop_now(request->worker->loop);
    }
    ub_request_end(request, outcome, action->reason);
}

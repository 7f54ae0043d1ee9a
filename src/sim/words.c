#include "sim/words.h"

void ub_words_at(struct ub_buf *out, const struct ub_names *names, ub_ns at)
{
    ub_buf_printf(out, "[%6lld ms] ", (long long)((at - names->origin) / UB_MS));
}

static void add_ended(struct ub_buf *out, const struct ub_names *names,
                      const struct ub_event *event)
{
    ub_buf_printf(out, " ended %u %s", event->attempt, ub_error_slug(event->ended.error));
    if (event->ended.not_before != 0) {
        ub_buf_printf(out, ", not before %lld ms",
                      (long long)((event->ended.not_before - names->origin) / UB_MS));
    }
}

void ub_words_event(struct ub_buf *out, const struct ub_names *names, const struct ub_event *event)
{
    switch (event->type) {
    case UB_EV_ROUTES:
        ub_buf_add_text(out, "routes");
        return;
    case UB_EV_DRAIN:
        ub_buf_add_text(out, "drain");
        return;
    case UB_EV_WOKEN:
        ub_buf_add_text(out, "woken");
        return;
    case UB_EV_PROBED:
        ub_buf_add_text(out, "probed ");
        names->upstream(names->user, out, event->probed.upstream);
        ub_buf_add_text(out, event->probed.ok ? " good" : " bad");
        return;
    case UB_EV_LOAD:
        names->upstream(names->user, out, event->load.upstream);
        ub_buf_printf(out, " runs %u, %u wait, %.0f %% full", event->load.running,
                      event->load.waiting, 100 * event->load.kv);
        return;
    case UB_EV_PART:
        names->upstream(names->user, out, event->part.upstream);
        ub_buf_printf(out, " part %u", event->part.concurrency);
        return;
    case UB_EV_TENANT_PART:
        ub_buf_printf(out, "tenant %u part %u", event->tenant_part.tenant, event->tenant_part.part);
        return;
    default:
        break;
    }
    names->request(names->user, out, event->request);
    switch (event->type) {
    case UB_EV_ARRIVED:
        ub_buf_add_text(out, " arrived");
        break;
    case UB_EV_FIRST_PAYLOAD:
        ub_buf_printf(out, " first token %u", event->attempt);
        break;
    case UB_EV_PROGRESS:
        ub_buf_printf(out, " progress %u", event->attempt);
        break;
    case UB_EV_ANSWERED:
        ub_buf_printf(out, " answered %u", event->attempt);
        break;
    case UB_EV_LOOKED:
        ub_buf_printf(out, " looked: %s", event->found ? "found" : "nothing");
        break;
    case UB_EV_QUEUED:
        ub_buf_printf(out, " queued %u", event->attempt);
        break;
    case UB_EV_ENDED:
        add_ended(out, names, event);
        break;
    case UB_EV_CLIENT_LEFT:
        ub_buf_printf(out, " client left %s", ub_error_slug(event->left));
        break;
    default:
        ub_buf_add_text(out, " ?");
        break;
    }
}

static void add_answer(struct ub_buf *out, const struct ub_action *action)
{
    if (action->pass_on) {
        ub_buf_printf(out, "pass on %u, %s", action->attempt, ub_error_slug(action->error));
    } else {
        ub_buf_printf(out, "answer %d %s", ub_error_status(action->error),
                      ub_error_slug(action->error));
    }
    if (action->retry_after_ns != 0) {
        ub_buf_printf(out, ", come back in %lld ms", (long long)(action->retry_after_ns / UB_MS));
    }
    if (!action->should_retry) {
        ub_buf_add_text(out, ", do not come back");
    }
}

/* Counted from 1, as in the list. */
static void add_steps(struct ub_buf *out, const char *before, uint8_t steps)
{
    for (uint32_t i = 0; i < UB_STEPS_MAX; i++) {
        if ((steps >> i & 1) != 0) {
            ub_buf_printf(out, "%s step %u", before, i + 1);
            before = ",";
        }
    }
}

static void add_verb(struct ub_buf *out, const struct ub_names *names,
                     const struct ub_action *action)
{
    switch (action->type) {
    case UB_ACT_START:
        ub_buf_printf(out, "%s %u on ", action->resume ? "resume" : "start", action->attempt);
        names->upstream(names->user, out, action->upstream);
        add_steps(out, ", on", action->degraded);
        break;
    case UB_ACT_LOOK:
        add_steps(out, "look,", action->degraded);
        break;
    case UB_ACT_STAND_IN:
        add_steps(out, "stand in,", action->degraded);
        break;
    case UB_ACT_PROBE:
        ub_buf_add_text(out, "probe ");
        names->upstream(names->user, out, action->upstream);
        break;
    case UB_ACT_FORWARD:
        ub_buf_printf(out, "forward %u", action->attempt);
        break;
    case UB_ACT_CANCEL:
        ub_buf_printf(out, "cancel %u", action->attempt);
        break;
    case UB_ACT_HEARTBEAT:
        ub_buf_add_text(out, "heartbeat");
        if (action->position != 0) {
            ub_buf_printf(out, ", place %u", action->position);
        }
        if (action->wait_ns != 0) {
            ub_buf_printf(out, ", about %lld ms", (long long)(action->wait_ns / UB_MS));
        }
        break;
    case UB_ACT_FINISH:
        ub_buf_add_text(out, "finish");
        break;
    case UB_ACT_ANSWER:
        add_answer(out, action);
        break;
    case UB_ACT_CUT:
        ub_buf_printf(out, "cut %s", ub_error_slug(action->error));
        break;
    case UB_ACT_DROP:
        ub_buf_printf(out, "drop %s", ub_error_slug(action->error));
        break;
    case UB_ACT_TYPES:
        break;
    }
}

void ub_words_action(struct ub_buf *out, const struct ub_names *names,
                     const struct ub_action *action, struct ub_request_id about)
{
    bool same =
        action->request.slot == about.slot && action->request.generation == about.generation;
    if (action->type != UB_ACT_PROBE && !same) {
        names->request(names->user, out, action->request);
        ub_buf_add_text(out, " ");
    }
    add_verb(out, names, action);
    if (action->reason != UB_WHY_NONE) {
        ub_buf_printf(out, " (%s)", ub_reason_words(action->reason));
    }
}

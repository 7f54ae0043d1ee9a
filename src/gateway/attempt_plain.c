/* attempt_plain.c - answers in one piece: held until they are whole, or too long to be held. */
#include "gateway/attempt_inside.h"
#include "gateway/hold.h"

static bool is_blank(struct ub_slice text)
{
    size_t at = 0;
    while (at < text.len && memchr(" \t\r\n", text.ptr[at], 4) != NULL) {
        at++;
    }
    return at == text.len;
}

void ub_attempt_on_plain(struct ub_attempt *attempt, struct ub_slice chunk)
{
    attempt->relay.text_bytes += chunk.len; /* of one that is too long to be read as a whole */
    if (attempt->forwarded) {
        ub_tail_add(&attempt->tail, chunk);
        ub_attempt_pass(attempt, &chunk, 1);
        ub_pulse_payload(attempt);
        return;
    }
    ub_buf_add_slice(&attempt->held, chunk);
    ub_hold_charge(attempt);
    bool room = ub_budget_has_room(&attempt->request->worker->gateway->budget);
    if (attempt->held.failed) {
        ub_attempt_end(attempt, UB_ERR_NO_MEMORY);
    } else if (attempt->held.len > (room ? UB_HELD_MAX : UB_HELD_MIN) &&
               attempt->relay.rejoin != NULL) {
        ub_attempt_end(attempt, UB_ERR_BAD_ANSWER); /* nothing that a stream can go on with */
    } else if (attempt->held.len > (room ? UB_HELD_MAX : UB_HELD_MIN)) {
        ub_openai_usage_at_begin(ub_buf_slice(&attempt->held), attempt->relay.dialect,
                                 &attempt->relay.usage);
        ub_attempt_first_payload(attempt);
    } else if (attempt->queued_at == 0 && is_blank(ub_buf_slice(&attempt->held))) {
        ub_attempt_note_queued(attempt);
    }
}

void ub_attempt_plain_over(struct ub_attempt *attempt)
{
    if (attempt->forwarded) {
        ub_tail_usage(&attempt->tail, attempt->relay.dialect, &attempt->relay.usage);
        ub_attempt_end(attempt, UB_ERR_OK);
        return;
    }
    attempt->complete = true;
    struct ub_openai_chunk chunk;
    enum ub_error error =
        ub_openai_answer(ub_buf_slice(&attempt->held), attempt->relay.dialect, &chunk);
    attempt->relay.usage = chunk.usage;
    attempt->relay.text_bytes = chunk.text_bytes;
    if (error == UB_ERR_OK && attempt->request->stream) {
        error = UB_ERR_BAD_ANSWER;
        attempt->relay.words = "a plain answer where a stream was asked for";
    }
    if (error == UB_ERR_EMPTY_ANSWER) {
        ub_hold_keep(&attempt->request->empty, attempt, false);
    }
    if (error == UB_ERR_OK) {
        /* It came with its end, and the brain need not hear of it apart. */
        ub_attempt_note_payload(attempt);
    }
    ub_attempt_end(attempt, error);
}

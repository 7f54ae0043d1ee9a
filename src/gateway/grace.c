#include "gateway/grace.h"

#include "gateway/attempt_inside.h"

#define AGAIN_NS (250 * UB_MS) /* well below the brain's grace */

static bool is_complete(const struct ub_attempt *attempt)
{
    uint32_t choices = attempt->request->choices;
    const struct ub_relay *relay = &attempt->relay;
    if (attempt->mute || !attempt->forwarded || attempt->kind != UB_ATTEMPT_STREAM ||
        choices == 0 || choices > UB_CHOICES_MAX) {
        return false;
    }
    uint64_t all = (1ull << choices) - 1;
    return (relay->finished & all) == all && relay->open == 0;
}

static void tell(struct ub_attempt *attempt, ub_ns now)
{
    attempt->answered_at = now;
    ub_attempt_tell(attempt, &(struct ub_event){.type = UB_EV_ANSWERED});
}

void ub_grace_look(struct ub_attempt *attempt)
{
    if (is_complete(attempt) && attempt->answered_at == 0 && !attempt->request->full) {
        tell(attempt, ub_loop_now(attempt->request->worker->loop));
    }
}

bool ub_grace_hold(struct ub_attempt *attempt)
{
    ub_ns now = ub_loop_now(attempt->request->worker->loop);
    if (!is_complete(attempt) || attempt->answered_at == 0) {
        return false;
    }
    if (now - attempt->answered_at >= AGAIN_NS) {
        tell(attempt, now);
    }
    return true;
}

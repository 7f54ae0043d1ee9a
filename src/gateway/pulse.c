#include "gateway/pulse.h"

#include "gateway/attempt_inside.h"

void ub_pulse_begin(struct ub_attempt *attempt)
{
    attempt->pulse.told_at = attempt->pulse.payload_at = ub_attempt_now(attempt);
}

void ub_pulse_forward(struct ub_attempt *attempt, const struct ub_action *action)
{
    attempt->pulse.stall_ns = action->stall_ns;
}

void ub_pulse_payload(struct ub_attempt *attempt)
{
    struct ub_pulse *pulse = &attempt->pulse;
    ub_ns now = ub_attempt_now(attempt);
    if (!pulse->held_pause && now - pulse->payload_at > pulse->longest_ns) {
        pulse->longest_ns = now - pulse->payload_at;
    }
    pulse->payload_at = now;
    pulse->held_pause = attempt->request->full;
    ub_pulse_tell(attempt);
}

void ub_pulse_held(struct ub_attempt *attempt)
{
    attempt->pulse.held = attempt->pulse.held_pause = true;
}

/* At most four words in the time after which silence counts as a stall; but what follows on an end takes
 * that back at once. */
void ub_pulse_tell(struct ub_attempt *attempt)
{
    struct ub_pulse *pulse = &attempt->pulse;
    ub_ns now = ub_attempt_now(attempt);
    if (now - pulse->told_at >= pulse->stall_ns / 4 || attempt->answered_at != 0) {
        attempt->answered_at = 0;
        ub_attempt_tell(attempt, &(struct ub_event){.type = UB_EV_PROGRESS, .held = pulse->held});
        pulse->told_at = now;
        pulse->held = attempt->request->full;
    }
}

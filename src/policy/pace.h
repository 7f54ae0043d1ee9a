/* pace.h - what one target has taught us about its speed, and the deadlines that follow.
 *
 * The time to the first payload is seen as waiting plus prefill: a line over the prompt's tokens,
 * fitted with exponential forgetting, gives the prefill time per token; what is left above the line
 * is the waiting, of which we keep a smoothed mean and deviation (as TCP does for its
 * retransmission time, RFC 6298) for the deadline, and a peak-EWMA (Finagle: up at once, down with
 * tau 10 s) for balancing. A second line over the output's tokens gives the time per output token.
 */
#ifndef UB_POLICY_PACE_H
#define UB_POLICY_PACE_H

#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

/* y over x with exponential forgetting. */
struct ub_line {
    double n; /* effective number of samples */
    double x, y, xx, xy;
};

struct ub_pace {
    struct ub_line prefill; /* prompt tokens -> ns to the first payload */
    struct ub_line output;  /* output tokens -> ns of generation */
    double wait_ns;         /* smoothed, for the deadline */
    double dev_ns;
    double peak_ns; /* peak-EWMA of the waiting, for balancing */
    ub_ns peak_at;
    double response_ns; /* smoothed time of complete answers, for dynamic_weight */
    uint32_t samples;
    double pause_ns; /* longest pause within an answer: smoothed, and its deviation */
    double pause_dev_ns;
    uint32_t pauses;
    double p95_ns; /* of the waiting: 95 of 100 stay below */
};

/* The first payload of a stream came after `took_ns`. */
void ub_pace_first(struct ub_pace *pace, uint32_t prompt_tokens, ub_ns took_ns, ub_ns now);
/* It had not come after `waited_ns`: the true time is longer. Doubles the deadline. */
void ub_pace_late(struct ub_pace *pace, uint32_t prompt_tokens, ub_ns waited_ns, ub_ns now);
/* It had not come after `waited_ns`, and we did not wait for it: only balancing learns from that. */
void ub_pace_at_least(struct ub_pace *pace, uint32_t prompt_tokens, ub_ns waited_ns, ub_ns now);
/* A complete answer of `tokens_out` (0 = unknown): `took_ns` in all, `generated_ns` since the first
 * payload (0: an answer in one piece, which then also counts as a sample of the first payload). */
void ub_pace_done(struct ub_pace *pace, uint32_t prompt_tokens, uint32_t tokens_out, ub_ns took_ns,
                  ub_ns generated_ns, ub_ns now);

/* The longest pause within one answer. */
void ub_pace_pause(struct ub_pace *pace, ub_ns pause_ns);
/* After how much silence a stream is broken, at most `max_ns`. */
ub_ns ub_pace_stall(const struct ub_pace *pace, ub_ns max_ns);

/* Expected time to the first payload; 0 = nothing learned yet. */
ub_ns ub_pace_expect(const struct ub_pace *pace, uint32_t prompt_tokens, ub_ns now);
/* In which 95 of 100 first payloads come; 0 = not known yet. */
ub_ns ub_pace_95(const struct ub_pace *pace, uint32_t prompt_tokens);
/* What of the time to a first payload was waiting, and not the prompt's own time. */
ub_ns ub_pace_wait(const struct ub_pace *pace, uint32_t prompt_tokens, ub_ns took_ns);
/* Time that the prompt itself takes; a cautious guess before anything is learned. */
ub_ns ub_pace_prefill(const struct ub_pace *pace, uint32_t prompt_tokens);
/* Time per output token; 0 = not learned yet. */
ub_ns ub_pace_per_token(const struct ub_pace *pace);

/* How long to wait for the first payload: the waiting inside [min, max], plus the prefill time. */
ub_ns ub_pace_deadline(const struct ub_pace *pace, uint32_t prompt_tokens, ub_ns min_ns,
                       ub_ns max_ns);
/* The same for an answer in one piece of at most `max_tokens` (0 = not said): at most half of what
 * is left, so that another try fits. */
ub_ns ub_pace_whole_deadline(const struct ub_pace *pace, uint32_t prompt_tokens,
                             uint32_t max_tokens, ub_ns min_ns, ub_ns left_ns);

#endif

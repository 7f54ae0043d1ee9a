/* refusal.h - the words in which the gateway itself says no: the error object of the OpenAI API.
 *
 * As a body ({"error":{...}} with the status that the official SDKs act on) or, once the head of a
 * stream is out, as an event. Advice on when to come back never exceeds 60 s: longer advice makes
 * SDKs give up (API-FACTS in docs).
 */
#ifndef UB_GATEWAY_REFUSAL_H
#define UB_GATEWAY_REFUSAL_H

#include "base/buf.h"
#include "base/error.h"
#include "base/time.h"
#include "policy/brain.h"
#include <stdint.h>

#define UB_ADVICE_MAX_NS (60 * UB_SECOND)

enum ub_advice { /* x-should-retry */
                 UB_ADVICE_NONE,
                 UB_ADVICE_RETRY,
                 UB_ADVICE_GIVE_UP,
};

struct ub_refusal {
    int status;
    const char *code;        /* machine-readable, static: "no_route" */
    const char *param;       /* field of the request, NULL = none */
    struct ub_slice message; /* for people */
    enum ub_advice advice;
    ub_ns retry_after_ns; /* 0 = none */
};

/* From an outcome, with its words as the message. */
struct ub_refusal ub_refusal_of(enum ub_error error);

/* The same, with the advice to come back in a second. */
struct ub_refusal ub_refusal_for_now(enum ub_error error);

/* Turned away by a limit: which one, in words. */
struct ub_refusal ub_refusal_over_limit(enum ub_reason why);

/* A duration as OpenAI writes it into x-ratelimit-reset-*: "6m0s", "1.204s", "17ms"; rounded up to
 * milliseconds. Returns `out`. */
#define UB_RESET_TEXT 32
const char *ub_refusal_reset(ub_ns reset_ns, char out[UB_RESET_TEXT]);

/* {"error":{...}}. Without memory `out` has failed; ub_refusal_spare() is then the body. */
void ub_refusal_write(const struct ub_refusal *refusal, struct ub_buf *out);

/* A body that needs no memory. */
struct ub_slice ub_refusal_spare(void);

/* "invalid_request_error", "rate_limit_error", ... as OpenAI names them, by status. */
const char *ub_refusal_type(int status);

/* The advice with jitter: `retry_after_ns` plus up to a quarter of it (those refused together
 * should not return together), at most 60 s, at least 1 ms. `draw` is uniform in [0, 1). */
ub_ns ub_refusal_delay(ub_ns retry_after_ns, double draw);

#endif

/* error.h - everything that can go wrong with a request or an attempt, one row each.
 *
 * The class answers "and now?", so a new error cannot be added without that answer:
 *   NONE       nothing went wrong
 *   CLIENT     the client's fault: pass it on, never held against an upstream
 *   UNFIT      not this upstream's fault and not hopeless: another one may be able to
 *   ELSEWHERE  the upstream's fault: try elsewhere, counts against it
 *   BUSY       the upstream lacks capacity: try elsewhere, back off; counts against it
 *   DOWN       the upstream will not work for a while, whatever we send
 *   OURS       the gateway itself refuses or gave up: final
 *   GONE       the client left: nobody to answer
 * A quick refusal costs the upstream nothing and tells us at once: moving on from one costs no retry
 * budget when an upstream with known free slots is there.
 * The status is what a client sees when this is the outcome of its request.
 */
#ifndef UB_BASE_ERROR_H
#define UB_BASE_ERROR_H

#include <stdbool.h>

enum ub_error_class {
    UB_CLASS_NONE,
    UB_CLASS_CLIENT,
    UB_CLASS_UNFIT,
    UB_CLASS_ELSEWHERE,
    UB_CLASS_BUSY,
    UB_CLASS_DOWN,
    UB_CLASS_OURS,
    UB_CLASS_GONE,
};

/*    name              class      quick  status  slug                  words */
#define UB_ERRORS(X)                                                                              \
    X(OK, NONE, false, 200, "ok", "ok")                                                           \
    X(BAD_REQUEST, CLIENT, true, 400, "bad_request",                                              \
      "the upstream refused the request as invalid")                                              \
    X(CONTENT_REFUSED, CLIENT, true, 400, "content_refused", "the upstream refused the content")  \
    X(CONTEXT_TOO_LONG, UNFIT, true, 400, "context_too_long",                                     \
      "the prompt is longer than the upstream's context")                                         \
    X(MODEL_MISSING, DOWN, true, 404, "model_missing", "the upstream does not have the model")    \
    X(THROTTLED, BUSY, true, 429, "throttled", "the upstream said too many requests")             \
    X(UPSTREAM_BUSY, BUSY, true, 503, "upstream_busy", "the upstream said busy")                  \
    X(NO_RESOURCE, BUSY, false, 503, "no_resource", "the upstream ran out of resources midway")   \
    X(UPSTREAM_ERROR, ELSEWHERE, false, 502, "upstream_error", "the upstream failed")             \
    X(RESET, ELSEWHERE, false, 502, "reset", "the upstream closed the connection too early")      \
    X(LATE, ELSEWHERE, false, 504, "late", "no first token before the deadline")                  \
    X(STALLED, ELSEWHERE, false, 504, "stalled", "the stream stopped moving")                     \
    X(CRAWLED, ELSEWHERE, false, 504, "crawled", "the stream moved far too slowly")               \
    X(BAD_ANSWER, ELSEWHERE, false, 502, "bad_answer", "the upstream's answer was malformed")     \
    X(EMPTY_ANSWER, UNFIT, false, 502, "empty_answer", "the upstream's answer was empty")         \
    X(TRUNCATED, ELSEWHERE, false, 502, "truncated", "the upstream's answer was cut short")       \
    X(CONNECT_REFUSED, DOWN, true, 502, "connect_refused", "the upstream refused the connection") \
    X(CONNECT_FAILED, DOWN, false, 502, "connect_failed", "the upstream could not be reached")    \
    X(TLS_FAILED, DOWN, false, 502, "tls_failed", "no trusted TLS connection to the upstream")    \
    X(KEY_REFUSED, DOWN, true, 502, "key_refused", "the upstream refused the gateway's key")      \
    X(NO_BALANCE, DOWN, true, 502, "no_balance", "the gateway's account has no balance left")     \
    X(NO_ROUTE, OURS, true, 404, "no_route", "no such model here")                                \
    X(ALL_BUSY, OURS, true, 503, "all_busy", "every upstream is busy or failing")                 \
    X(QUEUE_FULL, OURS, true, 503, "queue_full", "every upstream is full and so is the queue")    \
    X(QUEUE_TIMEOUT, OURS, false, 503, "queue_timeout", "no upstream became free in time")        \
    X(DEADLINE, OURS, false, 504, "deadline", "no answer before the deadline")                    \
    X(BROKEN, OURS, false, 502, "stream_broken", "the stream broke after tokens had been sent")   \
    X(NO_MEMORY, OURS, true, 503, "no_memory", "the gateway is out of memory")                    \
    X(DRAINING, OURS, true, 503, "draining", "the gateway is shutting down")                      \
    X(DIVERGED, UNFIT, false, 502, "diverged",                                                    \
      "another upstream did not continue the broken answer")                                      \
    X(SEALED, OURS, false, 502, "sealed", "the broken answer cannot be continued elsewhere")      \
    X(OUTRUN, NONE, false, 200, "outrun", "another upstream was faster")                          \
    X(OVER_LIMIT, OURS, true, 429, "rate_limit_exceeded", "the rate limit is reached")            \
    X(CLIENT_SLOW, GONE, false, 408, "client_slow", "the client did not read its answer")         \
    X(CLIENT_GONE, GONE, false, 499, "client_gone",                                               \
      "the client left before the answer was complete")

enum ub_error {
#define X(name, class, quick, status, slug, words) UB_ERR_##name,
    UB_ERRORS(X)
#undef X
        UB_ERR_COUNT
};

enum ub_error_class ub_error_class(enum ub_error error);
bool ub_error_is_quick(enum ub_error error);
int ub_error_status(enum ub_error error);
const char *ub_error_slug(enum ub_error error);  /* for labels and logs: "upstream_busy" */
const char *ub_error_words(enum ub_error error); /* for people */

/* Does this speak against the upstream that caused it? */
static inline bool ub_error_blames(enum ub_error error)
{
    enum ub_error_class c = ub_error_class(error);
    return c == UB_CLASS_ELSEWHERE || c == UB_CLASS_BUSY || c == UB_CLASS_DOWN;
}

/* Turned away at once for lack of capacity, or at a closed door: it cost nobody anything. */
static inline bool ub_error_is_refusal(enum ub_error error)
{
    return ub_error_is_quick(error) &&
           (ub_error_class(error) == UB_CLASS_BUSY || error == UB_ERR_CONNECT_REFUSED);
}

#endif

/* attempt.h - one try of a request at one upstream: a call, and what its answer means.
 *
 * The answer decides what is told to the brain:
 *   a refusal (status 300 and above)   collected, classified, ENDED(error); kept to be passed on
 *   a stream (text/event-stream)       held back until the first payload, FIRST_PAYLOAD, relayed
 *   a plain answer                     held up to UB_HELD_MAX, so that a broken one is never seen;
 *                                      complete and whole: ENDED(OK) alone; longer: FIRST_PAYLOAD,
 *                                      relayed
 *
 * After ENDED or a CANCEL the attempt is mute. A stream that said [DONE] then gets a moment to finish
 * its framing, so that the connection can be used again; every other call is closed at once.
 * Attempts live until their request is buried, which waits for their calls.
 */
#ifndef UB_GATEWAY_ATTEMPT_H
#define UB_GATEWAY_ATTEMPT_H

#include "gateway/pulse.h"
#include "gateway/relay.h"
#include "gateway/request.h"
#include "http/prefill.h"
#include "http/tail.h"
#include "net/call.h"

#define UB_HELD_MAX ((size_t)1024 * 1024)
#define UB_HELD_MIN ((size_t)64 * 1024) /* while the budget for bodies is used up */

enum ub_attempt_kind {
    UB_ATTEMPT_ASKED, /* no head yet */
    UB_ATTEMPT_REFUSED,
    UB_ATTEMPT_STREAM,
    UB_ATTEMPT_PLAIN,
};

struct ub_attempt {
    struct ub_call call;
    struct ub_request *request;
    struct ub_attempt *next; /* of the request's, newest first */
    const struct ub_site *site;
    uint8_t number;
    enum ub_attempt_kind kind;
    bool mute;      /* the brain has its ending, or has cancelled it */
    bool forwarded; /* the brain has let it speak */
    bool complete;  /* PLAIN: all of the answer is in `held` */
    bool call_over;
    bool lingers; /* only for the end of the framing */
    int status;
    int64_t length; /* PLAIN: Content-Length of the upstream, -1 = not given */
    char type[64];  /* its Content-Type */
    struct ub_relay relay;
    struct ub_buf held;         /* not sent yet */
    struct ub_tail tail;        /* PLAIN, not held: its end */
    struct ub_shorter shorter;  /* its body has pieces that point into it */
    struct ub_prefill *prefill; /* of a continuation: what its upstream is asked; else NULL */
    size_t kept_bytes;          /* what the relay keeps of the stream, as charged last */
    size_t charged;             /* of that and `held`, to the budget for bodies */
    ub_ns started_at;
    struct ub_pulse pulse;
    ub_ns answered_at; /* the brain was told that all is said but the end; 0 = not yet */
    ub_ns queued_at;   /* ...that it waits at the upstream; 0 = not yet */
    ub_ns not_before;
    struct ub_timer linger;
};

/* START. What goes wrong is told to the brain as its end. */
void ub_attempt_start(struct ub_request *request, const struct ub_action *action);

/* CANCEL: closed, nothing more is said. */
void ub_attempt_cancel(struct ub_attempt *attempt, enum ub_error error);

/* FORWARD: what was held goes out, the rest follows as it comes. */
void ub_attempt_forward(struct ub_attempt *attempt, const struct ub_action *action);

/* FINISH: the end of the answer, or all of it when it is plain and was held whole. */
void ub_attempt_finish(struct ub_attempt *attempt);

/* The request is over: nothing of it is needed any more. */
void ub_attempt_mute(struct ub_attempt *attempt);

/* Its request is buried. */
void ub_attempt_free(struct ub_attempt *attempt);

/* The client reads again; or it does not, and the brain must not take that for a stall. */
void ub_attempt_resume(struct ub_attempt *attempt);
void ub_attempt_still_alive(struct ub_attempt *attempt);

struct ub_attempt *ub_attempt_find(const struct ub_request *request, uint8_t number);

#endif

/* fault.h - what a model upstream does wrong, one row each: where in an attempt, and what of it.
 *
 * At its place the attempt pauses (the row's pause, or the upstream's own). After the pause it ends
 * with the row's error, or goes on when that is OK. A pause of UB_NEVER is silence: the connection
 * stays open and nothing comes any more.
 */
#ifndef UB_SIM_FAULT_H
#define UB_SIM_FAULT_H

#include "base/error.h"
#include "base/time.h"

enum ub_fault_place {
    UB_AT_NOTHING,
    UB_AT_CONNECT, /* no connection comes about */
    UB_AT_HEAD,    /* instead of an answer */
    UB_AT_FIRST,   /* where the first payload should come */
    UB_AT_MIDWAY,  /* half of the answer is out */
    UB_AT_END,     /* all of the answer is out, its proper end is not */
};

/*    name              place    error             pause          words */
#define UB_FAULTS(X)                                                               \
    X(NONE, NOTHING, OK, 0, "none")                                                \
    X(CONNECT_REFUSED, CONNECT, CONNECT_REFUSED, 0, "connect refused")             \
    X(CONNECT_HANG, CONNECT, CONNECT_FAILED, 5 * UB_SECOND, "connect hangs")       \
    X(RESET, HEAD, RESET, 0, "reset before the head")                              \
    X(SILENT, HEAD, OK, UB_NEVER, "silent")                                        \
    X(THROTTLED, HEAD, THROTTLED, 0, "429")                                        \
    X(ERROR_500, HEAD, UPSTREAM_ERROR, 0, "500")                                   \
    X(BUSY_503, HEAD, UPSTREAM_BUSY, 0, "503")                                     \
    X(BUSY_529, HEAD, UPSTREAM_BUSY, 0, "529")                                     \
    X(BAD_REQUEST, HEAD, BAD_REQUEST, 0, "400")                                    \
    X(KEY_REFUSED, HEAD, KEY_REFUSED, 0, "401")                                    \
    X(NO_BALANCE, HEAD, NO_BALANCE, 0, "402")                                      \
    X(MODEL_MISSING, HEAD, MODEL_MISSING, 0, "404")                                \
    X(CONTEXT_TOO_LONG, HEAD, CONTEXT_TOO_LONG, 0, "context too long")             \
    X(CONTENT_REFUSED, HEAD, CONTENT_REFUSED, 0, "content refused")                \
    X(LATE, FIRST, OK, 8 * UB_SECOND, "late first token")                          \
    X(EMPTY, FIRST, EMPTY_ANSWER, 0, "empty answer")                               \
    X(NO_RESOURCE, FIRST, NO_RESOURCE, 0, "insufficient resource")                 \
    X(CUT, MIDWAY, RESET, 0, "cut midway")                                         \
    X(STALL, MIDWAY, OK, UB_NEVER, "stalls midway")                                \
    X(HICCUP, MIDWAY, OK, 5 * UB_SECOND, "pauses midway")                          \
    X(MALFORMED, MIDWAY, BAD_ANSWER, 0, "malformed event midway")                  \
    X(NO_RESOURCE_MIDWAY, MIDWAY, NO_RESOURCE, 0, "insufficient resource midway")  \
    X(NO_DONE, END, TRUNCATED, 0, "no [DONE]")                                     \
    X(RESET_AT_END, END, RESET, 0, "reset instead of [DONE]")                      \
    X(NO_RESOURCE_AT_END, END, NO_RESOURCE, 0, "insufficient resource at the end") \
    X(NO_END, END, OK, UB_NEVER, "complete, then silent")                          \
    X(GOES_ON, END, OK, 5 * UB_SECOND, "goes on behind its end")

enum ub_fault {
#define X(name, place, error, pause, words) UB_FAULT_##name,
    UB_FAULTS(X)
#undef X
        UB_FAULT_COUNT
};

struct ub_fault_facts {
    enum ub_fault_place place;
    enum ub_error error;
    ub_ns pause_ns;
    const char *words;
};

const struct ub_fault_facts *ub_fault_facts(enum ub_fault fault);

#endif

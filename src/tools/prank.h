/* prank.h - everything that `unbusy mock` can do wrong, one row each, and when it does so.
 *
 * A prank is chosen once for a request: by the request's own header (`x-mock-fault: cut; after=3`),
 * else by the rules, of which the first that fires wins. Rules are written the same way on the
 * command line and in the control page:
 *
 *     cut:0.05;after=3           5 % of the requests are cut after three tokens
 *     503;when=bad               every request during a bad episode (episode.h)
 *     429-after;retry=5s;times=1 once
 *     stall:0.5;from=10s;to=20s  half of them, from 10 s to 20 s after the start
 *
 * Pure: the caller brings time and chance.
 */
#ifndef UB_TOOLS_PRANK_H
#define UB_TOOLS_PRANK_H

#include "base/buf.h"
#include "base/slice.h"
#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

/* Where in an answer it happens. */
enum ub_prank_place {
    UB_PRANK_NOWHERE,
    UB_PRANK_INSTEAD,  /* an error answer instead of the real one */
    UB_PRANK_WIRE,     /* wrong bytes instead of an answer, or none */
    UB_PRANK_FIRST,    /* before the first token */
    UB_PRANK_MIDWAY,   /* after `after` tokens */
    UB_PRANK_END,      /* at the end of a complete answer */
    UB_PRANK_CONTENT,  /* what the answer says */
    UB_PRANK_FORM,     /* unusual events, each of them legal or nearly so */
    UB_PRANK_LISTENER, /* not even a connection */
};

/*    name            slug            place     status  words */
#define UB_PRANKS(X)                                                                               \
    X(NONE, "none", NOWHERE, 0, "nothing is wrong")                                                \
    X(THROTTLED, "429", INSTEAD, 429, "429 without Retry-After")                                   \
    X(THROTTLED_UNTIL, "429-after", INSTEAD, 429, "429 with Retry-After (retry, 2s)")              \
    X(ERROR_500, "500", INSTEAD, 500, "500, an error of the server")                               \
    X(ERROR_502, "502", INSTEAD, 502, "502 with an HTML page, as a proxy in between says it")      \
    X(BUSY_503, "503", INSTEAD, 503, "503 server overloaded")                                      \
    X(BUSY_529, "529", INSTEAD, 529, "529 overloaded_error")                                       \
    X(BROKE, "402", INSTEAD, 402, "402 Insufficient Balance")                                      \
    X(KEY_REFUSED, "401", INSTEAD, 401, "401 wrong key")                                           \
    X(NO_MODEL, "404", INSTEAD, 404, "404 no such model")                                          \
    X(CONTEXT, "context", INSTEAD, 400, "context too long, in the dialect's own words")            \
    X(REFUSED_CONTENT, "refused", INSTEAD, 400, "content refused: \"Content Exists Risk\"")        \
    X(NO_PREFILL, "no-prefill", INSTEAD, 400, "400 when asked to continue a partial answer")       \
    X(FLAP, "flap", INSTEAD, 503, "503 and good answers in turn, each for a while (every, 5s)")    \
    X(BUSY_200, "busy-200", INSTEAD, 200, "an overloaded error inside a 200")                      \
    X(EMPTY_BODY, "empty-body", INSTEAD, 200, "200 and nothing")                                   \
    X(RESET, "reset", WIRE, 0, "connection closed before the head")                                \
    X(SILENCE, "silence", WIRE, 0, "no byte ever")                                                 \
    X(HALF_OPEN, "half-open", WIRE, 0, "takes the request and is gone, without a FIN")             \
    X(BAD_HEAD, "bad-head", WIRE, 0, "a head that is not HTTP")                                    \
    X(BAD_LENGTH, "bad-length", WIRE, 0, "two Content-Length that differ")                         \
    X(BAD_CHUNK, "bad-chunk", WIRE, 0, "a chunk line that is not a number, after a good one")      \
    X(ENDLESS_HEAD, "endless-head", WIRE, 0, "a head that does not end")                           \
    X(FLOOD_1XX, "flood-1xx", WIRE, 0, "1xx heads without end")                                    \
    X(TRUNCATED, "truncated", WIRE, 0, "half of the announced body, then closed")                  \
    X(LATE, "late", FIRST, 0, "the first token comes late (delay, 30s)")                           \
    X(QUEUED, "queued", FIRST, 0, "only keep-alives, for ever (every, 1s)")                        \
    X(STORM, "storm", FIRST, 0, "a storm of keep-alives, then the answer (delay, 5s)")             \
    X(CUT, "cut", MIDWAY, 0, "cut midway (after, 3)")                                              \
    X(CUT_EVENT, "cut-event", MIDWAY, 0, "cut in the middle of an event (after, 3)")               \
    X(CUT_CLEAN, "cut-clean", MIDWAY, 0, "ends midway as if all were well (after, 3)")             \
    X(STALL, "stall", MIDWAY, 0, "nothing more, connection open (after, 3)")                       \
    X(STALL_ALIVE, "stall-alive", MIDWAY, 0, "only keep-alives midway, for ever (after, 3)")       \
    X(MALFORMED, "malformed", MIDWAY, 0, "an event that is not JSON, then closed (after, 3)")      \
    X(ERROR_EVENT, "error-event", MIDWAY, 0, "an error event, then the end (after, 3)")            \
    X(NO_RESOURCE, "no-resource", MIDWAY, 0, "insufficient_system_resource (after, 3)")            \
    X(DRIP, "drip", MIDWAY, 0, "one token at a time, slowly (after, 0; every, 1s)")                \
    X(NO_DONE, "no-done", END, 0, "complete, but without [DONE]")                                  \
    X(LATE_DONE, "late-done", END, 0, "complete, then keep-alives instead of the end (every, 1s)") \
    X(EMPTY, "empty", CONTENT, 0, "an empty answer with finish_reason stop")                       \
    X(WRONG_USAGE, "wrong-usage", CONTENT, 0, "token counts that are not true")                    \
    X(WRONG_MODEL, "wrong-model", CONTENT, 0, "another model's name in the answer")                \
    X(RESTART, "restart", CONTENT, 0, "a partial answer is begun again from the top")              \
    X(DIVERGE, "diverge", CONTENT, 0,                                                              \
      "other words than everybody else's; a partial answer begun again, then left")                \
    X(ID_LINES, "id-lines", FORM, 0, "an id: line in each event")                                  \
    X(CRLF, "crlf", FORM, 0, "CRLF as the line end of events")                                     \
    X(COMMENTS, "comments", FORM, 0, "a comment between all events")                               \
    X(INSIDE, "inside", FORM, 0, "a comment inside each event")                                    \
    X(SPLIT, "split", FORM, 0, "each event in pieces over time")                                   \
    X(HUGE, "huge", FORM, 0, "one event of 2 MiB (after, 3)")                                      \
    X(REFUSE, "refuse", LISTENER, 0, "closes the listening socket for a while (delay, 5s)")

enum ub_prank {
#define X(name, slug, place, status, words) UB_PRANK_##name,
    UB_PRANKS(X)
#undef X
        UB_PRANK_COUNT
};

struct ub_prank_facts {
    const char *slug;
    enum ub_prank_place place;
    int status;
    const char *words;
};

const struct ub_prank_facts *ub_prank_facts(enum ub_prank prank);

enum ub_prank_when { UB_WHEN_ALWAYS, UB_WHEN_BAD, UB_WHEN_GOOD }; /* episodes */

#define UB_PRANK_FOR_EVER UINT32_MAX

struct ub_prank_rule {
    enum ub_prank prank;
    double rate; /* 0..1 of the requests */
    enum ub_prank_when when;
    ub_ns from_ns;  /* since the start */
    ub_ns to_ns;    /* UB_NEVER: no end */
    uint32_t times; /* how often it may still fire */
    uint32_t after; /* tokens */
    ub_ns delay_ns;
    ub_ns every_ns;
    ub_ns retry_ns; /* Retry-After; 0 = none */
};

/* False: `words` has what is wrong ("unknown fault 'cutt', did you mean cut?"). */
bool ub_prank_parse(struct ub_slice text, struct ub_prank_rule *rule, struct ub_buf *words);

#define UB_PRANK_RULES_MAX 64

struct ub_prank_set {
    uint32_t count;
    struct ub_prank_rule rule[UB_PRANK_RULES_MAX];
};

/* The rule that fires for a request that comes `since_ns` after the start, NULL = none. `seed` is
 * the request's own. Uses up one of the rule's `times`. */
const struct ub_prank_rule *ub_prank_pick(struct ub_prank_set *set, ub_ns since_ns, bool bad,
                                          uint64_t seed);

/* All there is to know for who writes a rule: "429  429 without Retry-After\n" ..., the settings. */
void ub_prank_list(struct ub_buf *out);

#endif

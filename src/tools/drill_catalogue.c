#include "tools/drill_catalogue.h"

#include "base/slice.h"
#include <string.h>

#define BOTH    (UB_DRILL_ONE | UB_DRILL_ALL)
#define MIDWAY  (BOTH | UB_DRILL_RESUMES)
#define RESCUED UB_DRILL_RESCUED
#define SAFE    UB_DRILL_SAFE

/* Delays of an hour are "never" for a drill. */
const struct ub_drill ub_drills[] = {
    /* Busy. */
    {"429", "429", NULL, BOTH | UB_DRILL_REFUSED, RESCUED, SAFE, "7, 21, 23",
     "429 without Retry-After"},
    {"429-after", "429-after;retry=60s", NULL, BOTH | UB_DRILL_REFUSED, RESCUED, SAFE, "7",
     "429 with Retry-After, later than anybody waits"},
    {"429-soon", "429-after;retry=1s;times=1", NULL,
     UB_DRILL_ALL | UB_DRILL_REFUSED | UB_DRILL_TIMES | UB_DRILL_EACH_ONCE, RESCUED, RESCUED, "7",
     "each says 429 once, with Retry-After: 1"},
    {"500-once", "500;times=1", NULL, UB_DRILL_ONE | UB_DRILL_TIMES, RESCUED, RESCUED, "21",
     "500, once"},
    {"503", "503", NULL, BOTH | UB_DRILL_REFUSED, RESCUED, SAFE, "6, 21, 23", "503 for ever"},
    {"529", "529", NULL, BOTH | UB_DRILL_REFUSED, RESCUED, SAFE, "7", "529 overloaded"},
    {"busy-200", "busy-200", NULL, BOTH | UB_DRILL_REFUSED, RESCUED, SAFE, "8",
     "busy inside a 200"},
    {"flapping", "flap;every=500ms", NULL, BOTH | UB_DRILL_REFUSED | UB_DRILL_FLAPS | UB_DRILL_OWN,
     RESCUED, RESCUED, "6",
     "503 and well in turn, twelve requests in three seconds (a minute, shortened)"},
    {"no-resource", "no-resource", NULL, MIDWAY, RESCUED, SAFE, "1, 22",
     "insufficient_system_resource midway"},

    /* Not there, or silent. */
    {"refused", NULL, NULL, BOTH | UB_DRILL_REFUSED | UB_DRILL_DEAD | UB_DRILL_OWN, RESCUED, SAFE,
     "4", "nobody listens"},
    {"reset", "reset", NULL, BOTH | UB_DRILL_REFUSED, RESCUED, SAFE, "4",
     "connection reset before the head"},
    {"silence", "silence", NULL, BOTH, RESCUED, SAFE, "4, 21", "takes the request, says nothing"},
    {"half-open", "half-open", NULL, BOTH, RESCUED, SAFE, "4",
     "takes the request and is gone without a FIN"},
    {"late", "late;delay=1h", NULL, BOTH, RESCUED, SAFE, "4, 15", "the first token never comes"},
    {"queued", "queued;every=100ms", NULL, BOTH, RESCUED, SAFE, "9, 10",
     "keep-alives for ever instead of an answer"},

    /* Midway. */
    {"cut", "cut", NULL, MIDWAY, RESCUED, SAFE, "1, 2, 12", "cut midway"},
    {"cut-event", "cut-event", NULL, MIDWAY, RESCUED, SAFE, "1, 2, 13",
     "cut in the middle of an event"},
    {"cut-clean", "cut-clean", NULL, MIDWAY, RESCUED, SAFE, "2", "ends midway as if all were well"},
    {"truncated", "truncated", NULL, MIDWAY, RESCUED, SAFE, "2",
     "half of the announced body, then closed"},
    {"stall", "stall", NULL, MIDWAY, RESCUED, SAFE, "1, 4", "nothing more midway"},
    {"stall-alive", "stall-alive;every=100ms", NULL, MIDWAY, RESCUED, SAFE, "10",
     "only keep-alives midway, for ever"},
    {"malformed", "malformed", NULL, MIDWAY, RESCUED, SAFE, "1",
     "an event that is not JSON, then closed"},
    {"error-event", "error-event", NULL, MIDWAY, RESCUED, SAFE, "1, 8", "an error event midway"},
    {"cut-no-prefill", "cut", "no-prefill",
     UB_DRILL_ONE | UB_DRILL_NEEDS_TWO | UB_DRILL_STREAM_ONLY | UB_DRILL_RESUMES, SAFE, SAFE, "1",
     "cut midway, and nobody else goes on with a partial answer"},
    {"cut-restart", "cut;after=18", "restart",
     UB_DRILL_ONE | UB_DRILL_NEEDS_TWO | UB_DRILL_STREAM_ONLY | UB_DRILL_RESUMES, RESCUED, SAFE,
     "1", "cut midway, and whoever goes on begins again from the top"},
    {"cut-diverge", "cut;after=18", "diverge",
     UB_DRILL_ONE | UB_DRILL_NEEDS_TWO | UB_DRILL_STREAM_ONLY | UB_DRILL_RESUMES, SAFE, SAFE, "1",
     "cut midway, and whoever goes on says something else"},
    {"no-done", "no-done", NULL, UB_DRILL_ALL, RESCUED, RESCUED, "2",
     "complete, but without [DONE]"},

    /* What the answer says. */
    {"empty", "empty", NULL, BOTH | UB_DRILL_EMPTY, RESCUED, RESCUED, "2",
     "an empty answer, finish_reason stop"},
    {"context", "context", NULL, BOTH | UB_DRILL_HOPELESS, RESCUED, SAFE, NULL,
     "400: the prompt is too long"},
    {"content-refused", "refused", NULL, UB_DRILL_ONE | UB_DRILL_HOPELESS | UB_DRILL_ASKED_ONCE,
     SAFE, SAFE, NULL, "400: the content is refused, which nobody else is asked to overlook"},
    {"402", "402", NULL, BOTH | UB_DRILL_HOPELESS, RESCUED, SAFE, "22", "402 Insufficient Balance"},
    {"401", "401", NULL, BOTH | UB_DRILL_HOPELESS, RESCUED, SAFE, NULL, "401: our key is refused"},
    {"wrong-usage", "503", "wrong-usage", UB_DRILL_ONE | UB_DRILL_NEEDS_TWO | UB_DRILL_LIES,
     RESCUED, RESCUED, "12", "503, and the fallback counts tokens wrongly"},
    {"wrong-model", "503", "wrong-model", UB_DRILL_ONE | UB_DRILL_NEEDS_TWO, RESCUED, RESCUED, NULL,
     "503, and the fallback gives another model's name"},

    /* Odd, and no reason to fail. */
    {"storm", "storm;delay=300ms", NULL, UB_DRILL_ALL, RESCUED, RESCUED, "9",
     "a storm of keep-alives, then the answer"},
    {"id-lines", "id-lines", NULL, UB_DRILL_ALL, RESCUED, RESCUED, "9", "an id line in each event"},
    {"comments", "comments", NULL, UB_DRILL_ALL, RESCUED, RESCUED, "9",
     "a comment between all events"},
    {"inside", "inside", NULL, UB_DRILL_ALL, RESCUED, RESCUED, "9, 13",
     "a comment inside each event"},
    {"crlf", "crlf", NULL, UB_DRILL_ALL, RESCUED, RESCUED, "13", "CRLF as the line end of events"},
    {"split", "split", NULL, UB_DRILL_ALL, RESCUED, RESCUED, "13, 14",
     "each event in pieces over time"},
    {"drip", "drip;every=100ms", NULL, UB_DRILL_ALL | UB_DRILL_AT_ONCE, RESCUED, RESCUED, "14",
     "ten tokens a second"},

    /* The client. */
    {"client-leaves", "drip;every=100ms", NULL,
     UB_DRILL_ALL | UB_DRILL_STREAM_ONLY | UB_DRILL_LEAVES | UB_DRILL_OWN, SAFE, SAFE, "11, 18",
     "the client leaves midway: the upstream is told within a second"},
};
const uint32_t ub_drill_count = UB_COUNT(ub_drills);

const struct ub_drill *ub_drill_find(const char *name)
{
    for (uint32_t i = 0; i < ub_drill_count; i++) {
        if (strcmp(ub_drills[i].name, name) == 0) {
            return &ub_drills[i];
        }
    }
    return NULL;
}

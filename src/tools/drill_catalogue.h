/* drill_catalogue.h - the faults of a drill, one row each, and the best that can come of them.
 *
 * A drill is played where it makes sense: at `one` upstream (whichever is asked first is the sick
 * one, the others are well) and at `all` of them; streamed and not.
 */
#ifndef UB_TOOLS_DRILL_CATALOGUE_H
#define UB_TOOLS_DRILL_CATALOGUE_H

#include "tools/drill_judge.h"
#include <stdbool.h>
#include <stdint.h>

/* Bits of ub_drill. */
enum {
    UB_DRILL_ONE = 1 << 0, /* played at one upstream... */
    UB_DRILL_ALL = 1 << 1, /* ...and at all */
    UB_DRILL_STREAM_ONLY = 1 << 2,
    UB_DRILL_NEEDS_TWO = 1 << 3,  /* makes sense only with a second upstream */
    UB_DRILL_OWN = 1 << 4,        /* played only with a gateway of our own */
    UB_DRILL_TIMES = 1 << 15,     /* so many times: no header can say that */
    UB_DRILL_DEAD = 1 << 5,       /* nobody listens; `one`: all are dead but the last */
    UB_DRILL_LEAVES = 1 << 6,     /* the client leaves after the first text */
    UB_DRILL_FLAPS = 1 << 7,      /* a row of requests over a few seconds */
    UB_DRILL_HOPELESS = 1 << 8,   /* coming back changes nothing */
    UB_DRILL_ASKED_ONCE = 1 << 9, /* nobody else may be asked */
    UB_DRILL_RESUMES =
        1 << 10, /* a stream is rescued by going on elsewhere, where that is possible */
    UB_DRILL_EMPTY = 1 << 11,     /* the sick one's whole answer is empty */
    UB_DRILL_EACH_ONCE = 1 << 13, /* a request gets through when it may ask each, and one again */
    UB_DRILL_AT_ONCE = 1 << 14,   /* the first text must not wait for the rest */
    UB_DRILL_REFUSED = 1 << 16, /* quick refusals, which are no tries while they are ridden out, and
                                     resets, which are made good unseen when the connection was old */
    UB_DRILL_LIES = 1 << 12,    /* usage is whatever the upstream says */
};

struct ub_drill {
    const char *name;
    const char *sick;   /* prank rule, see prank.h */
    const char *others; /* what the others do; NULL: nothing wrong */
    uint32_t bits;
    enum ub_drill_verdict one; /* at best, with a second upstream */
    enum ub_drill_verdict all; /* at best, with none */
    const char *pains;         /* numbers in API-FACTS section 2 that it covers; NULL: none */
    const char *words;
};

extern const struct ub_drill ub_drills[];
extern const uint32_t ub_drill_count;

/* NULL: there is none of this name. */
const struct ub_drill *ub_drill_find(const char *name);

#endif

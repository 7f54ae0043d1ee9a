/* nearest.h - "did you mean ...?" */
#ifndef UB_BASE_NEAREST_H
#define UB_BASE_NEAREST_H

#include "base/slice.h"
#include <stdint.h>

/* Of all words offered, the one that differs least from `text`. Start with {.text = ...}, offer
 * each word, then look at `word`: NULL when none is near. */
struct ub_nearest {
    struct ub_slice text;
    const char *word; /* the best so far; the caller owns it */
    uint32_t distance;
};

/* A word is near when at most a third of its letters (and at least one) must change: added, left
 * out, replaced, or swapped with the neighbour (optimal string alignment distance). '-' and '_' are
 * the same, and so are capitals and small letters. */
void ub_nearest_offer(struct ub_nearest *nearest, const char *word);

#endif

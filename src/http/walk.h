/* walk.h - a walk through JSON that lies whole in memory, without a tree.
 *
 * For what upstreams say: short texts, read once per event, so this is made to cost little. Where
 * json.h serves bytes as they come, this one trusts that all are there, and leaves texts as they
 * stand (escaped). The whole text is checked as far as the walk goes: grammar, numbers, UTF-8;
 * surrogates may be lone, since some engines send the halves of an emoji in two events.
 *
 *     if (ub_walk_object(&walk)) {
 *         while (ub_walk_key(&walk, &key)) {
 *             take one value: ub_walk_string, _number, _object ... or ub_walk_skip
 *         }
 *     }
 *     bool good = ub_walk_over(&walk);
 *
 * An error is sticky: everything returns false from then on. Each value must be taken exactly once;
 * a _string (and so on) that returns false has taken nothing.
 */
#ifndef UB_HTTP_WALK_H
#define UB_HTTP_WALK_H

#include "base/slice.h"
#include <stdint.h>

#define UB_WALK_DEPTH 64

struct ub_walk {
    const char *p;
    const char *end;
    bool bad;
    bool fresh; /* just behind an opening bracket: no comma is due */
    uint8_t depth;
};

static inline struct ub_walk ub_walk_of(struct ub_slice text)
{
    return (struct ub_walk){.p = text.ptr, .end = text.ptr + text.len};
}

/* Is an object (an array) next? Then go inside. */
bool ub_walk_object(struct ub_walk *walk);
bool ub_walk_array(struct ub_walk *walk);

/* Without taking anything. */
bool ub_walk_is_object(struct ub_walk *walk);

/* The next key; its value must be taken then. False: the object is over. */
bool ub_walk_key(struct ub_walk *walk, struct ub_slice *key);

/* Is there a next element, to be taken? False: the array is over. */
bool ub_walk_element(struct ub_walk *walk);

bool ub_walk_string(struct ub_walk *walk, struct ub_slice *text);
bool ub_walk_null(struct ub_walk *walk);

/* A whole number from 0 on; bigger ones than `value` can hold are its maximum, fractions are cut. */
bool ub_walk_count(struct ub_walk *walk, uint32_t *value);

/* Any value. False only when it is bad. */
bool ub_walk_skip(struct ub_walk *walk);

/* Any value; says whether there is something in it: not null, not "", [] or {}. */
bool ub_walk_says(struct ub_walk *walk);

/* Nothing but white space follows, and all was good. */
bool ub_walk_over(struct ub_walk *walk);

#endif

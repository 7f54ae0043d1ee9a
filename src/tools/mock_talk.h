/* mock_talk.h - what a mock says: words that follow from a seed and their place, so that two mocks
 * with the same seed give the same answer to the same question, and one can go on where another
 * was cut.
 *
 * A piece is what one token adds to the text. It needs no escaping in JSON.
 */
#ifndef UB_TOOLS_MOCK_TALK_H
#define UB_TOOLS_MOCK_TALK_H

#include "base/slice.h"
#include <stdint.h>

#define UB_TALK_PIECE 24 /* longest piece, in bytes */

/* The piece at `index` (from 0), into `out`. */
struct ub_slice ub_talk_piece(uint64_t seed, uint32_t index, char out[UB_TALK_PIECE]);

/* Where a text that was begun goes on. */
struct ub_talk_place {
    uint32_t index; /* the piece to say next */
    uint32_t skip;  /* bytes of it that were already said */
};

/* False: the text does not begin like ours. */
bool ub_talk_find(uint64_t seed, struct ub_slice begun, struct ub_talk_place *place);

/* Tokens of a text, estimated: 4 ASCII bytes or 1.5 other characters each, rounded up. */
uint32_t ub_talk_tokens(struct ub_slice text);

#endif

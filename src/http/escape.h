/* escape.h - one escape sequence of a JSON string (RFC 8259, section 7), byte by byte.
 *
 * A pair of surrogates is one sequence; a lone one is refused, as it stands for no character.
 */
#ifndef UB_HTTP_ESCAPE_H
#define UB_HTTP_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ub_escape_state {
    UB_ESCAPE_NONE,  /* not in a sequence; behind one, `code_point` is what it stands for */
    UB_ESCAPE_BEGUN, /* the backslash was read */
    UB_ESCAPE_HEX,
    UB_ESCAPE_LOW_BACKSLASH,
    UB_ESCAPE_LOW_U,
    UB_ESCAPE_LOW_HEX,
};

struct ub_escape {
    uint8_t state;
    uint8_t digits; /* of \uXXXX so far */
    uint16_t unit;
    uint16_t high_surrogate;
    uint32_t code_point;
};

static inline bool ub_escape_is_open(const struct ub_escape *escape)
{
    return escape->state != UB_ESCAPE_NONE;
}

static inline void ub_escape_begin(struct ub_escape *escape)
{
    *escape = (struct ub_escape){.state = UB_ESCAPE_BEGUN};
}

/* A byte behind the backslash. Words when it may not stand here, else NULL. */
const char *ub_escape_next(struct ub_escape *escape, char c);

/* The common sequences at once: `p` stands at a backslash. The length of the sequence, or 0 when it
 * is bad, a surrogate, NUL, or goes on behind `end`: then take it byte by byte. */
size_t ub_escape_whole(const char *p, const char *end, uint32_t *code_point);

#endif

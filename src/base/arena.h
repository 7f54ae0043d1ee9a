/* arena.h - memory that is given out piece by piece and given back all at once.
 *
 * A list of blocks. An allocation that fails (no memory, or over `max`) sets `failed` and returns
 * NULL, so a builder may check once at the end where it can go on without that piece. {0} is an
 * empty arena.
 */
#ifndef UB_BASE_ARENA_H
#define UB_BASE_ARENA_H

#include "base/slice.h"
#include <stdbool.h>
#include <stddef.h>

struct ub_arena_block;

struct ub_arena {
    struct ub_arena_block *blocks; /* the newest first */
    size_t bytes;                  /* in all blocks */
    size_t max;                    /* 0: no bound but memory */
    bool failed;
};

/* Zeroed, aligned for everything. `size` 0 gives a valid pointer to nothing. */
void *ub_arena_alloc(struct ub_arena *arena, size_t size);

/* The same for `count` items of `size` bytes, without overflow. */
void *ub_arena_array(struct ub_arena *arena, size_t count, size_t size);

/* A zero-terminated copy. */
char *ub_arena_text(struct ub_arena *arena, struct ub_slice text);

/* Everything is overwritten first when `wipe` says so (secrets). Leaves an empty arena. */
void ub_arena_free(struct ub_arena *arena, bool wipe);

#endif

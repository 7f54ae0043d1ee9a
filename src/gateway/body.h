/* body.h - one request body, kept as one piece so that it can be sent again.
 *
 * All bodies of the process share one budget of memory. A body above UB_BODY_HEAP_MAX moves to a
 * file without a name, which is mapped when the body is complete: its pages are the kernel's to
 * drop. Files have a budget of their own, so a flood of large bodies cannot fill the disk.
 *
 * The budget is checked after each piece: the piece in hand is always kept (it has been read
 * already), and the caller then stops reading until there is room again, or gives up. So the budget
 * is overdrawn by at most one piece for each body.
 */
#ifndef UB_GATEWAY_BODY_H
#define UB_GATEWAY_BODY_H

#include "base/slice.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define UB_BODY_HEAP_MAX ((size_t)1024 * 1024)

/* Process-wide; its owner outlives all bodies. */
struct ub_budget {
    uint64_t memory_max;
    uint64_t file_max;
    _Atomic uint64_t memory;
    _Atomic uint64_t file;
};

/* Is there room for more? */
bool ub_budget_has_room(struct ub_budget *budget);

struct ub_body {
    struct ub_budget *budget;
    char *heap;
    size_t heap_cap; /* charged to budget->memory */
    uint64_t expected;
    uint64_t len;
    uint64_t file_len; /* charged to budget->file */
    int file;          /* -1: none */
    void *map;
};

/* `expected`: the announced length, 0 when not known. Nothing is allocated yet. */
void ub_body_init(struct ub_body *body, struct ub_budget *budget, uint64_t expected);

/* False: no memory, or the file cannot be written; nothing more can be added then. */
bool ub_body_add(struct ub_body *body, struct ub_slice piece);

/* The body is complete: `bytes` are valid until ub_body_close. False as above. */
bool ub_body_finish(struct ub_body *body, struct ub_slice *bytes);

/* Gives everything back; may be called again. */
void ub_body_close(struct ub_body *body);

#endif

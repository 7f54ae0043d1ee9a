#include "base/arena.h"

#include "base/alloc.h"
#include <stdint.h>
#include <string.h>

#define BLOCK_SIZE 8192 /* of a normal block; larger pieces get their own */
#define ALIGN      _Alignof(max_align_t)

struct ub_arena_block {
    struct ub_arena_block *next;
    size_t size; /* of `bytes` */
    size_t used;
    _Alignas(max_align_t) char bytes[];
};

static struct ub_arena_block *add_block(struct ub_arena *arena, size_t size)
{
    size_t room = size > BLOCK_SIZE / 4 ? size : BLOCK_SIZE - sizeof(struct ub_arena_block);
    if (arena->max != 0 && (arena->bytes >= arena->max || room > arena->max - arena->bytes)) {
        return NULL;
    }
    struct ub_arena_block *block = ub_calloc(1, sizeof *block + room);
    if (block == NULL) {
        return NULL;
    }
    block->size = room;
    arena->bytes += room;
    struct ub_arena_block *newest = arena->blocks;
    if (newest != NULL && newest->size - newest->used > ALIGN && room == size) {
        block->next = newest->next; /* a large piece: the newest block still has room for others */
        newest->next = block;
    } else {
        block->next = newest;
        arena->blocks = block;
    }
    return block;
}

void *ub_arena_alloc(struct ub_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    size = size == 0 ? ALIGN : (size + ALIGN - 1) / ALIGN * ALIGN;
    struct ub_arena_block *block = arena->blocks;
    if (block == NULL || block->size - block->used < size) {
        block = add_block(arena, size);
        if (block == NULL) {
            arena->failed = true;
            return NULL;
        }
    }
    void *memory = block->bytes + block->used;
    block->used += size;
    return memory;
}

void *ub_arena_array(struct ub_arena *arena, size_t count, size_t size)
{
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total)) {
        arena->failed = true;
        return NULL;
    }
    return ub_arena_alloc(arena, total);
}

char *ub_arena_text(struct ub_arena *arena, struct ub_slice text)
{
    char *copy = ub_arena_alloc(arena, text.len + 1);
    if (copy != NULL && text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    return copy;
}

void ub_arena_free(struct ub_arena *arena, bool wipe)
{
    struct ub_arena_block *block = arena->blocks;
    while (block != NULL) {
        struct ub_arena_block *next = block->next;
        if (wipe) {
            explicit_bzero(block->bytes, block->used);
        }
        ub_free(block);
        block = next;
    }
    *arena = (struct ub_arena){.max = arena->max};
}

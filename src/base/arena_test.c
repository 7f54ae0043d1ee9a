#include "base/arena.h"

#include "base/alloc.h"
#include "base/test.h"
#include <stdint.h>

/* Pieces of all sizes: zeroed, aligned, apart from each other. */
static void check_pieces(void)
{
    struct ub_arena arena = {0};
    unsigned char *pieces[600];
    bool zeroed = true, aligned = true, apart = true;
    for (size_t i = 0; i < UB_COUNT(pieces); i++) {
        size_t size = i * 37 % 5000;
        pieces[i] = ub_arena_alloc(&arena, size);
        aligned = aligned && (uintptr_t)pieces[i] % _Alignof(max_align_t) == 0;
        for (size_t j = 0; j < size; j++) {
            zeroed = zeroed && pieces[i][j] == 0;
        }
        memset(pieces[i], (int)(i % 251) + 1, size);
    }
    for (size_t i = 0; i < UB_COUNT(pieces); i++) {
        for (size_t j = 0; j < i * 37 % 5000; j++) {
            apart = apart && pieces[i][j] == i % 251 + 1;
        }
    }
    UB_CHECK(zeroed && aligned && apart && !arena.failed, "pieces are zeroed, aligned, and apart");
    UB_CHECK_TEXT(ub_arena_text(&arena, UB_LIT("text")), "text", "a copy is zero-terminated");
    UB_CHECK_TEXT(ub_arena_text(&arena, (struct ub_slice){0}), "", "of nothing, too");
    ub_arena_free(&arena, true);
    UB_CHECK(arena.blocks == NULL && arena.bytes == 0, "empty after all was given back");
}

int main(void)
{
    check_pieces();

    struct ub_arena arena = {.max = 20000};
    while (ub_arena_alloc(&arena, 100) != NULL) {
    }
    UB_CHECK(arena.failed && arena.bytes <= 20000, "the bound holds");
    ub_arena_free(&arena, false);
    UB_CHECK(!arena.failed && ub_arena_alloc(&arena, 100) != NULL, "and it can be used again");
    UB_CHECK(ub_arena_array(&arena, SIZE_MAX / 2, 3) == NULL && arena.failed,
             "a product that overflows is refused");
    ub_arena_free(&arena, false);

    ub_alloc_fail_nth(1);
    UB_CHECK(ub_arena_alloc(&arena, 1) == NULL && arena.failed, "no memory");
    ub_alloc_fail_nth(0);
    ub_arena_free(&arena, false);
    return ub_test_done();
}

/* alloc.h - every allocation of ours goes through here, so a test can make the n-th one fail.
 *
 * Same promises as malloc and friends: NULL when there is no memory, and the caller copes.
 * Memory is given back with ub_free (libraries that allocate by themselves use their own).
 */
#ifndef UB_BASE_ALLOC_H
#define UB_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

void *ub_malloc(size_t size);
void *ub_calloc(size_t count, size_t size);
void *ub_realloc(void *old, size_t size); /* on failure `old` stays valid */
void ub_free(void *memory);               /* NULL is fine */

/* The copy is zero-terminated; NULL when there is no memory. */
char *ub_strndup(const char *text, size_t len);

/* The `nth` allocation from now (1 = the next one, counted over all threads) fails, later ones
 * succeed again; 0 switches this off. The environment's UB_FAIL_ALLOC=n does the same from the
 * first allocation of the process on. */
void ub_alloc_fail_nth(int64_t nth);

/* Allocations so far; only counted while UB_FAIL_ALLOC or ub_alloc_fail_nth is in use. */
int64_t ub_alloc_count(void);

#endif

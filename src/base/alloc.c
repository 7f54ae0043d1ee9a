#include "base/alloc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool armed;
static atomic_llong count;
static atomic_llong fail_at;

__attribute__((constructor)) static void read_environment(void)
{
    const char *text = getenv("UB_FAIL_ALLOC");
    if (text != NULL) {
        ub_alloc_fail_nth(strtoll(text, NULL, 10));
    }
}

void ub_alloc_fail_nth(int64_t nth)
{
    atomic_store(&count, 0);
    atomic_store(&fail_at, nth);
    atomic_store(&armed, nth != 0);
}

int64_t ub_alloc_count(void)
{
    return atomic_load(&count);
}

static bool this_one_fails(void)
{
    if (!atomic_load_explicit(&armed, memory_order_relaxed)) {
        return false;
    }
    return atomic_fetch_add(&count, 1) + 1 == atomic_load(&fail_at);
}

void *ub_malloc(size_t size)
{
    return this_one_fails() ? NULL : malloc(size);
}

void *ub_calloc(size_t n, size_t size)
{
    return this_one_fails() ? NULL : calloc(n, size);
}

void *ub_realloc(void *old, size_t size)
{
    return this_one_fails() ? NULL : realloc(old, size);
}

void ub_free(void *memory)
{
    free(memory);
}

char *ub_strndup(const char *text, size_t len)
{
    char *copy = ub_malloc(len + 1);
    if (copy != NULL) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

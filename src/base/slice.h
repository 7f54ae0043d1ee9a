/* slice.h - a view of bytes that somebody else owns. Not zero-terminated. */
#ifndef UB_BASE_SLICE_H
#define UB_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define UB_COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct ub_slice {
    const char *ptr;
    size_t len;
};

/* For printf("%.*s"). */
#define UB_SLICE_ARG(s) (int)(s).len, (s).ptr

/* A slice of a string literal. */
#define UB_LIT(literal)                \
    (struct ub_slice)                  \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

static inline struct ub_slice ub_slice_of(const char *text)
{
    return (struct ub_slice){text, strlen(text)};
}

static inline bool ub_slice_eq(struct ub_slice a, struct ub_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool ub_slice_is(struct ub_slice a, const char *text)
{
    return ub_slice_eq(a, ub_slice_of(text));
}

static inline bool ub_slice_starts(struct ub_slice a, struct ub_slice prefix)
{
    return a.len >= prefix.len && memcmp(a.ptr, prefix.ptr, prefix.len) == 0;
}

/* ASCII case-insensitive equality, as HTTP field names need it (RFC 9110, 5.1). */
bool ub_slice_eq_nocase(struct ub_slice a, struct ub_slice b);

/* Does `hay` contain `needle`, ASCII case ignored? An empty needle is contained in everything. */
bool ub_slice_has_nocase(struct ub_slice hay, struct ub_slice needle);

/* Without spaces and tabs at both ends. */
struct ub_slice ub_slice_trim(struct ub_slice a);

#endif

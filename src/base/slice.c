#include "base/slice.h"

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool ub_slice_eq_nocase(struct ub_slice a, struct ub_slice b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool ub_slice_has_nocase(struct ub_slice hay, struct ub_slice needle)
{
    for (size_t i = 0; i + needle.len <= hay.len; i++) {
        if (ub_slice_eq_nocase((struct ub_slice){hay.ptr + i, needle.len}, needle)) {
            return true;
        }
    }
    return false;
}

struct ub_slice ub_slice_trim(struct ub_slice a)
{
    while (a.len > 0 && (a.ptr[0] == ' ' || a.ptr[0] == '\t')) {
        a.ptr++;
        a.len--;
    }
    while (a.len > 0 && (a.ptr[a.len - 1] == ' ' || a.ptr[a.len - 1] == '\t')) {
        a.len--;
    }
    return a;
}

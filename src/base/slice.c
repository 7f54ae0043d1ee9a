#include "base/slice.h"

#include <stdint.h>

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static uint64_t eight(const char *bytes)
{
    uint64_t x;
    memcpy(&x, bytes, sizeof x);
    return x;
}

/* Eight bytes at once. They may differ in bit 5 only, and only where that makes a letter of it: the
 * high bit of a lane in `from_a` and not in `after_z` says that it is one of a to z. */
static bool same_nocase(uint64_t x, uint64_t y)
{
    const uint64_t lanes = 0x0101010101010101u;
    uint64_t differ = x ^ y;
    if (differ == 0) {
        return true;
    }
    uint64_t small = (x | lanes * 0x20) & lanes * 0x7f;
    uint64_t from_a = small + lanes * (0x80 - 'a');
    uint64_t after_z = small + lanes * (0x7f - 'z');
    uint64_t letters = from_a & ~after_z & ~x & lanes * 0x80;
    return (differ & ~(letters >> 2)) == 0;
}

bool ub_slice_eq_nocase(struct ub_slice a, struct ub_slice b)
{
    if (a.len != b.len) {
        return false;
    }
    size_t i = 0;
    for (; a.len - i >= 8; i += 8) {
        if (!same_nocase(eight(a.ptr + i), eight(b.ptr + i))) {
            return false;
        }
    }
    for (; i < a.len; i++) {
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

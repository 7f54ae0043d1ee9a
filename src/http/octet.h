/* octet.h - which bytes may stand where in HTTP/1.1 (RFC 9110, 5.5 and 5.6; RFC 3986). */
#ifndef UB_HTTP_OCTET_H
#define UB_HTTP_OCTET_H

#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    UB_OCTET_TOKEN = 1 << 0,  /* tchar: method and field names */
    UB_OCTET_TEXT = 1 << 1,   /* tab, space, visible, 0x80 and above: field values */
    UB_OCTET_TARGET = 1 << 2, /* origin-form; '%' too, what follows it is checked apart */
    UB_OCTET_HOST = 1 << 3,   /* registered names and IPv4 */
    UB_OCTET_HEX = 1 << 4,
    UB_OCTET_DIGIT = 1 << 5,
    UB_OCTET_QUOTED = 1 << 6, /* inside a quoted string: qdtext, ASCII only */
};

extern const uint8_t ub_octet_class[256];

static inline bool ub_octet_is(char c, int classes)
{
    return (ub_octet_class[(unsigned char)c] & classes) != 0;
}

/* Length of the run of such bytes at the start of `s`. */
static inline size_t ub_octet_run(struct ub_slice s, int classes)
{
    size_t i = 0;
    while (i < s.len && ub_octet_is(s.ptr[i], classes)) {
        i++;
    }
    return i;
}

/* The value of a hexadecimal digit. */
static inline unsigned ub_octet_hex(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

#endif

/* octet.h - which bytes may stand where in HTTP/1.1 (RFC 9110, 5.5 and 5.6; RFC 3986). */
#ifndef UB_HTTP_OCTET_H
#define UB_HTTP_OCTET_H

#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

/* The same for UB_OCTET_TEXT, sixteen bytes at a time: nearly all bytes of a head are such. */
static inline size_t ub_octet_text_run(struct ub_slice s)
{
    size_t i = 0;
#ifdef __SSE2__
    const __m128i tab = _mm_set1_epi8('\t'), delete = _mm_set1_epi8(0x7f);
    const __m128i last_control = _mm_set1_epi8(0x1f);
    for (; s.len - i >= 16; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(s.ptr + i));
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(x, last_control), x);
        __m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(x, tab), control),
                                   _mm_cmpeq_epi8(x, delete));
        int mask = _mm_movemask_epi8(bad);
        if (mask != 0) {
            return i + (size_t)__builtin_ctz((unsigned)mask);
        }
    }
#endif
    while (i < s.len && ub_octet_is(s.ptr[i], UB_OCTET_TEXT)) {
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

/* text.h - the inner loops over bytes of text: find the next byte that matters, check UTF-8.
 *
 * Inline, because most texts are short. SSE2 is part of every amd64; elsewhere eight bytes at a
 * time in a plain register do the same.
 */
#ifndef UB_HTTP_TEXT_H
#define UB_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define UB_TEXT_LANES(byte) (0x0101010101010101u * (uint64_t)(byte))
#define UB_TEXT_HIGH        UB_TEXT_LANES(0x80)

/* The high bit of each lane of `x` that is zero. Lanes above a true hit can be false hits, so this
 * only says *whether* there is one. */
static inline uint64_t ub_text_zero_lanes(uint64_t x)
{
    return (x - UB_TEXT_LANES(1)) & ~x & UB_TEXT_HIGH;
}

/* May stand in a JSON string as it is, and is ASCII. */
static inline bool ub_text_is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static inline bool ub_text_has_special(uint64_t x)
{
    uint64_t control = (x - UB_TEXT_LANES(0x20)) & ~x & UB_TEXT_HIGH;
    return (control | (x & UB_TEXT_HIGH) | ub_text_zero_lanes(x ^ UB_TEXT_LANES('"')) |
            ub_text_zero_lanes(x ^ UB_TEXT_LANES('\\'))) != 0;
}

#ifdef __SSE2__
/* A bit for each byte that is not plain. Signed: bytes from 0x80 on are below the space, too. */
static inline int ub_text_special_mask(__m128i x)
{
    __m128i low = _mm_cmplt_epi8(x, _mm_set1_epi8(0x20));
    __m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
    return _mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, backslash)));
}
#endif

/* The first byte of [p, end) that is not plain, or `end`. */
static inline const char *ub_text_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    while (end - p >= 16) {
        int mask = ub_text_special_mask(_mm_loadu_si128((const __m128i *)(const void *)p));
        if (mask != 0) {
            return p + __builtin_ctz((unsigned)mask);
        }
        p += 16;
    }
#endif
    while (end - p >= 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        if (ub_text_has_special(x)) {
            break;
        }
        p += 8;
    }
    while (p < end && ub_text_is_plain((unsigned char)*p)) {
        p++;
    }
    return p;
}

/* Copies plain bytes from `p` to `out` while both sides have a vector's room, and returns how many;
 * `*at_special` says that the byte behind them is not plain. */
static inline size_t ub_text_copy_plain(char *out, size_t room, const char *p, const char *end,
                                        bool *at_special)
{
    size_t done = 0;
    *at_special = false;
#ifdef __SSE2__
    while (room - done >= 16 && (size_t)(end - p) - done >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + done));
        _mm_storeu_si128((__m128i *)(void *)(out + done), x);
        int mask = ub_text_special_mask(x);
        if (mask != 0) {
            *at_special = true;
            return done + (size_t)__builtin_ctz((unsigned)mask);
        }
        done += 16;
    }
#else
    while (room - done >= 8 && (size_t)(end - p) - done >= 8) {
        uint64_t x;
        memcpy(&x, p + done, 8);
        if (ub_text_has_special(x)) {
            while (ub_text_is_plain((unsigned char)p[done])) {
                out[done] = p[done];
                done++;
            }
            *at_special = true;
            return done;
        }
        memcpy(out + done, &x, 8);
        done += 8;
    }
#endif
    return done;
}

/* The first CR or LF of [p, end), or `end`. */
static inline const char *ub_text_line_end(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i lf = _mm_set1_epi8('\n');
    const __m128i cr = _mm_set1_epi8('\r');
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        int mask = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(x, lf), _mm_cmpeq_epi8(x, cr)));
        if (mask != 0) {
            return p + __builtin_ctz((unsigned)mask);
        }
        p += 16;
    }
#endif
    while (end - p >= 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        if ((ub_text_zero_lanes(x ^ UB_TEXT_LANES('\n')) |
             ub_text_zero_lanes(x ^ UB_TEXT_LANES('\r'))) != 0) {
            break;
        }
        p += 8;
    }
    while (p < end && *p != '\n' && *p != '\r') {
        p++;
    }
    return p;
}

/* Bytes of [p, p + len) that are not ASCII. */
size_t ub_text_count_high(const char *p, size_t len);

/* `p` stands at a byte from 0x80 on. Returns the end of the run of whole, well-formed, non-ASCII
 * UTF-8 characters that begins there (Unicode 15, table 3-7). Stops at ASCII, at a bad byte, and at
 * a character that `end` cuts: ub_utf8_next tells which. */
const char *ub_text_utf8(const char *p, const char *end);

/* One character of UTF-8, byte by byte. All zero: between characters. */
struct ub_utf8 {
    uint8_t left; /* bytes still to come */
    uint8_t low;  /* bounds of the next one */
    uint8_t high;
};

/* False: this byte is not allowed here. ASCII is taken, too. */
bool ub_utf8_next(struct ub_utf8 *utf8, unsigned char byte);

/* Writes the code point (at most 0x10ffff) as UTF-8; 1..4 bytes. */
size_t ub_utf8_write(char *out, uint32_t code_point);

#endif

#include "http/text.h"

size_t ub_text_count_high(const char *p, size_t len)
{
    size_t count = 0;
    const char *end = p + len;
#ifdef __SSE2__
    __m128i sums = _mm_setzero_si128(); /* two lanes of 64 bits */
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i high = _mm_cmplt_epi8(x, _mm_setzero_si128()); /* -1 each */
        sums = _mm_add_epi64(
            sums, _mm_sad_epu8(_mm_sub_epi8(_mm_setzero_si128(), high), _mm_setzero_si128()));
    }
    count = (size_t)_mm_cvtsi128_si64(_mm_add_epi64(sums, _mm_unpackhi_epi64(sums, sums)));
#endif
    while (end - p >= 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        x = (x & UB_TEXT_HIGH) >> 7;
        count += (size_t)((x * UB_TEXT_LANES(1)) >> 56);
        p += 8;
    }
    for (; p < end; p++) {
        count += (unsigned char)*p >> 7;
    }
    return count;
}

bool ub_utf8_next(struct ub_utf8 *utf8, unsigned char byte)
{
    if (utf8->left > 0) {
        if (byte < utf8->low || byte > utf8->high) {
            return false;
        }
        utf8->left--;
        utf8->low = 0x80;
        utf8->high = 0xbf;
        return true;
    }
    if (byte < 0x80) {
        return true;
    }
    if (byte < 0xc2 || byte > 0xf4) {
        return false; /* a continuation byte, an overlong form, or above U+10FFFF */
    }
    utf8->left = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
    utf8->low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
    utf8->high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
    return true;
}

#ifdef __SSE2__
/* The end of a run of three-byte characters (most of Chinese, Japanese and Korean), five at a time.
 * E0 and ED have their own rules for the second byte and are left to the general way. */
static const char *three_byte_run(const char *p, const char *end)
{
    const char f0 = (char)0xf0, e0 = (char)0xe0, c0 = (char)0xc0, x80 = (char)0x80;
    const __m128i mask =
        _mm_setr_epi8(f0, c0, c0, f0, c0, c0, f0, c0, c0, f0, c0, c0, f0, c0, c0, 0);
    const __m128i want =
        _mm_setr_epi8(e0, x80, x80, e0, x80, x80, e0, x80, x80, e0, x80, x80, e0, x80, x80, 0);
    const __m128i lead_e0 = _mm_set1_epi8(e0);
    const __m128i lead_ed = _mm_set1_epi8((char)0xed);
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i shape = _mm_cmpeq_epi8(_mm_and_si128(x, mask), want);
        __m128i odd = _mm_or_si128(_mm_cmpeq_epi8(x, lead_e0), _mm_cmpeq_epi8(x, lead_ed));
        /* The sixteenth byte belongs to the next character. */
        if (_mm_movemask_epi8(shape) != 0xffff || (_mm_movemask_epi8(odd) & 0x7fff) != 0) {
            break;
        }
        p += 15;
    }
    return p;
}
#else
static const char *three_byte_run(const char *p, const char *end)
{
    (void)end;
    return p;
}
#endif

static bool continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Length of the well-formed character at `p`, which is not ASCII; 0 when there is none. */
static size_t utf8_len(const char *p, const char *end)
{
    unsigned char lead = (unsigned char)p[0];
    if (lead < 0xe0) {
        return lead >= 0xc2 && end - p >= 2 && continues(p[1]) ? 2 : 0;
    }
    if (end - p < 3 || !continues(p[1]) || !continues(p[2])) {
        return 0;
    }
    unsigned char second = (unsigned char)p[1];
    if (lead < 0xf0) {
        bool overlong = lead == 0xe0 && second < 0xa0;
        bool surrogate = lead == 0xed && second > 0x9f;
        return overlong || surrogate ? 0 : 3;
    }
    bool overlong = lead == 0xf0 && second < 0x90;
    bool too_big = lead > 0xf4 || (lead == 0xf4 && second > 0x8f);
    return !overlong && !too_big && end - p >= 4 && continues(p[3]) ? 4 : 0;
}

const char *ub_text_utf8(const char *p, const char *end)
{
    p = three_byte_run(p, end);
    while (p < end && ((unsigned char)*p & 0x80) != 0) {
        size_t len = utf8_len(p, end);
        if (len == 0) {
            break;
        }
        p += len;
    }
    return p;
}

size_t ub_utf8_write(char *out, uint32_t code_point)
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xc0 | code_point >> 6);
        out[1] = (char)(0x80 | (code_point & 0x3f));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xe0 | code_point >> 12);
        out[1] = (char)(0x80 | (code_point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code_point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code_point >> 18);
    out[1] = (char)(0x80 | (code_point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code_point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code_point & 0x3f));
    return 4;
}

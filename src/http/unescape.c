#include "http/unescape.h"

#include "http/escape.h"
#include "http/text.h"

#define REPLACEMENT 0xfffdu

static void add_code_point(struct ub_buf *out, uint32_t code_point)
{
    char bytes[4];
    ub_buf_add(out, bytes, ub_utf8_write(bytes, code_point));
}

void ub_unescape_end(struct ub_unescape *unescape, struct ub_buf *out)
{
    if (unescape->high != 0) {
        add_code_point(out, REPLACEMENT);
        unescape->high = 0;
    }
}

/* The four digits of \uXXXX, known to be good. */
static uint32_t unit_of(const char *digits)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t c = (unsigned char)digits[i];
        unit = unit << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return unit;
}

static void add_unit(struct ub_unescape *unescape, uint32_t unit, struct ub_buf *out)
{
    bool low = unit >= 0xdc00 && unit <= 0xdfff;
    if (low && unescape->high != 0) {
        uint32_t upper = (uint32_t)(unescape->high - 0xd800) << 10;
        unescape->high = 0;
        add_code_point(out, 0x10000 + upper + (unit - 0xdc00));
        return;
    }
    ub_unescape_end(unescape, out);
    if (unit >= 0xd800 && unit <= 0xdbff) {
        unescape->high = (uint16_t)unit;
    } else {
        add_code_point(out, low ? REPLACEMENT : unit);
    }
}

/* One sequence from its backslash on; returns its length. */
static size_t add_sequence(struct ub_unescape *unescape, const char *p, const char *end,
                           struct ub_buf *out)
{
    uint32_t code_point;
    size_t len = ub_escape_whole(p, end, &code_point);
    if (len > 0) {
        ub_unescape_end(unescape, out);
        add_code_point(out, code_point);
        return len;
    }
    add_unit(unescape, unit_of(p + 2), out); /* a surrogate or NUL: all else is bad */
    return 6;
}

void ub_unescape_add(struct ub_unescape *unescape, struct ub_slice escaped, struct ub_buf *out)
{
    const char *p = escaped.ptr;
    const char *end = p + escaped.len;
    while (p < end) {
        const char *backslash = memchr(p, '\\', (size_t)(end - p));
        const char *stop = backslash == NULL ? end : backslash;
        if (stop > p) {
            ub_unescape_end(unescape, out);
            ub_buf_add(out, p, (size_t)(stop - p));
        }
        p = stop == end ? end : stop + add_sequence(unescape, stop, end, out);
    }
}

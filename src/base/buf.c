#include "base/buf.h"

#include "base/alloc.h"

#include <stdio.h>

#define FIRST_CAP 256

void ub_buf_free(struct ub_buf *buf)
{
    ub_free(buf->ptr);
    buf->ptr = NULL;
    buf->len = buf->cap = 0;
    buf->failed = false;
}

void ub_buf_wipe(struct ub_buf *buf)
{
    if (buf->ptr != NULL) {
        explicit_bzero(buf->ptr, buf->cap);
    }
    ub_buf_free(buf);
}

void ub_buf_clear(struct ub_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

char *ub_buf_grow(struct ub_buf *buf, size_t len)
{
    size_t need = buf->len + len;
    if (buf->failed || need < len || (buf->max != 0 && need > buf->max)) {
        buf->failed = true;
        return NULL;
    }
    if (need <= buf->cap) {
        return buf->ptr + buf->len;
    }
    size_t cap = buf->cap < FIRST_CAP ? FIRST_CAP : buf->cap;
    while (cap < need) {
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    }
    char *grown = ub_realloc(buf->ptr, cap);
    if (grown == NULL) {
        buf->failed = true;
        return NULL;
    }
    buf->ptr = grown;
    buf->cap = cap;
    return buf->ptr + buf->len;
}

void ub_buf_drop(struct ub_buf *buf, size_t len)
{
    if (len >= buf->len) {
        buf->len = 0;
        return;
    }
    memmove(buf->ptr, buf->ptr + len, buf->len - len);
    buf->len -= len;
}

void ub_buf_vprintf(struct ub_buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *room = len < 0 ? NULL : ub_buf_reserve(buf, (size_t)len + 1);
    if (room != NULL) {
        vsnprintf(room, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}

void ub_buf_printf(struct ub_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ub_buf_vprintf(buf, format, args);
    va_end(args);
}

/* Length of the well-formed UTF-8 sequence at `p` (Unicode 15, table 3-7), 0 when there is none. */
static size_t utf8_len(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80) {
        return 1;
    }
    size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xed && p[1] > 0x9f;
    bool too_big = p[0] == 0xf4 && p[1] > 0x8f;
    return overlong || surrogate || too_big ? 0 : len;
}

static size_t add_json_char(struct ub_buf *buf, const unsigned char *p, size_t left)
{
    switch (p[0]) {
    case '"':
    case '\\':
        ub_buf_printf(buf, "\\%c", p[0]);
        return 1;
    case '\n':
        ub_buf_add(buf, "\\n", 2);
        return 1;
    case '\r':
        ub_buf_add(buf, "\\r", 2);
        return 1;
    case '\t':
        ub_buf_add(buf, "\\t", 2);
        return 1;
    default:
        break;
    }
    if (p[0] < 0x20 || p[0] == 0x7f) {
        ub_buf_printf(buf, "\\u%04x", p[0]);
        return 1;
    }
    size_t len = utf8_len(p, left);
    if (len == 0) {
        ub_buf_add(buf, "\xef\xbf\xbd", 3);
        return 1;
    }
    ub_buf_add(buf, p, len);
    return len;
}

void ub_buf_add_json(struct ub_buf *buf, struct ub_slice text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    ub_buf_add(buf, "\"", 1);
    for (size_t i = 0; i < text.len;) {
        size_t run = i;
        while (run < text.len && p[run] >= 0x20 && p[run] < 0x7f && p[run] != '"' &&
               p[run] != '\\') {
            run++;
        }
        ub_buf_add(buf, p + i, run - i);
        i = run;
        if (i < text.len) {
            i += add_json_char(buf, p + i, text.len - i);
        }
    }
    ub_buf_add(buf, "\"", 1);
}

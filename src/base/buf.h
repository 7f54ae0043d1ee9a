/* buf.h - a growing byte buffer with a sticky error, so a writer reads straight down and checks
 * once.
 *
 * After a failed allocation, or when `max` would be exceeded, `failed` is set, further writes do
 * nothing, and what was written before stays. Owner frees with ub_buf_free. Always safe to free.
 */
#ifndef UB_BASE_BUF_H
#define UB_BASE_BUF_H

#include "base/slice.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ub_buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t max; /* 0: no bound but memory */
    bool failed;
};

void ub_buf_free(struct ub_buf *buf);             /* leaves an empty, usable buffer */
void ub_buf_wipe(struct ub_buf *buf);             /* the same; its bytes are overwritten first */
void ub_buf_clear(struct ub_buf *buf);            /* length 0, error gone, memory kept */
void ub_buf_drop(struct ub_buf *buf, size_t len); /* removes the first len bytes */
void ub_buf_printf(struct ub_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ub_buf_vprintf(struct ub_buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

char *ub_buf_grow(struct ub_buf *buf, size_t len); /* the slow way of ub_buf_reserve */

/* Room for `len` more bytes, or NULL. */
static inline char *ub_buf_reserve(struct ub_buf *buf, size_t len)
{
    bool fits =
        !buf->failed && len <= buf->cap - buf->len && (buf->max == 0 || buf->cap <= buf->max);
    return fits ? buf->ptr + buf->len : ub_buf_grow(buf, len);
}

static inline void ub_buf_add(struct ub_buf *buf, const void *bytes, size_t len)
{
    char *room = len == 0 ? NULL : ub_buf_reserve(buf, len);
    if (room != NULL) {
        memcpy(room, bytes, len);
        buf->len += len;
    }
}

static inline void ub_buf_add_slice(struct ub_buf *buf, struct ub_slice s)
{
    ub_buf_add(buf, s.ptr, s.len);
}

static inline void ub_buf_add_text(struct ub_buf *buf, const char *text)
{
    ub_buf_add(buf, text, strlen(text));
}

/* The text as a JSON string with its quotes. Control bytes are escaped; bytes that are not UTF-8
 * become U+FFFD, so that the result is always valid JSON. */
void ub_buf_add_json(struct ub_buf *buf, struct ub_slice text);

static inline struct ub_slice ub_buf_slice(const struct ub_buf *buf)
{
    return (struct ub_slice){buf->ptr, buf->len};
}

#endif

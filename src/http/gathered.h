/* gathered.h - the text of one key or value, from the parts in which json.h hands it out. Private to
 * scan.c.
 */
#ifndef UB_HTTP_GATHERED_H
#define UB_HTTP_GATHERED_H

#include "base/slice.h"
#include <stdint.h>

/* A key or a value of which we need the text: its beginning, and whether that is all. */
struct gathered {
    uint32_t len; /* of all of it */
    bool has_nul;
    char text[256];
};

static inline void gather(struct gathered *gathered, struct ub_slice part)
{
    size_t room = sizeof gathered->text - 1;
    if (gathered->len < room) {
        size_t len = part.len < room - gathered->len ? part.len : room - gathered->len;
        memcpy(gathered->text + gathered->len, part.ptr, len);
        gathered->text[gathered->len + len] = '\0';
    }
    gathered->has_nul = gathered->has_nul || memchr(part.ptr, '\0', part.len) != NULL;
    gathered->len =
        (uint32_t)(part.len < UINT32_MAX - gathered->len ? gathered->len + part.len : UINT32_MAX);
}

static inline void gather_new(struct gathered *gathered)
{
    gathered->len = 0;
    gathered->has_nul = false;
    gathered->text[0] = '\0';
}

static inline bool gathered_is(const struct gathered *gathered, struct ub_slice text)
{
    return text.len == gathered->len && text.len < sizeof gathered->text &&
           text.ptr[0] == gathered->text[0] && memcmp(gathered->text, text.ptr, text.len) == 0;
}

/* The text as a zero-terminated string, when it is whole and fits. */
static inline bool gathered_copy(const struct gathered *gathered, char *out, size_t size)
{
    if (gathered->has_nul || gathered->len >= size || gathered->len >= sizeof gathered->text) {
        return false;
    }
    memcpy(out, gathered->text, gathered->len + 1);
    return true;
}

#endif

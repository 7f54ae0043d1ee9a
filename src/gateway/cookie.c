#include "gateway/cookie.h"

#include <inttypes.h>
#include <stdio.h>

#define KEY_DIGITS 16

static uint64_t key_of(struct ub_slice value)
{
    if (value.len != KEY_DIGITS) {
        return 0;
    }
    uint64_t key = 0;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c >= '0' && c <= '9') {
            key = key << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            key = key << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return 0;
        }
    }
    return key;
}

uint64_t ub_cookie_read(struct ub_slice header, const char *name)
{
    while (header.len > 0) {
        const char *semicolon = memchr(header.ptr, ';', header.len);
        size_t len = semicolon == NULL ? header.len : (size_t)(semicolon - header.ptr);
        struct ub_slice pair = ub_slice_trim((struct ub_slice){header.ptr, len});
        const char *equals = pair.len == 0 ? NULL : memchr(pair.ptr, '=', pair.len);
        if (equals != NULL) {
            size_t name_len = (size_t)(equals - pair.ptr);
            struct ub_slice value = {equals + 1, pair.len - name_len - 1};
            if (ub_slice_is((struct ub_slice){pair.ptr, name_len}, name)) {
                return key_of(value);
            }
        }
        size_t used = semicolon == NULL ? len : len + 1;
        header.ptr += used;
        header.len -= used;
    }
    return 0;
}

size_t ub_cookie_write(char out[UB_COOKIE_MAX], const char *name, uint64_t key)
{
    int len = snprintf(out, UB_COOKIE_MAX, "%s=%016" PRIx64 "; Path=/; HttpOnly; SameSite=Lax",
                       name, key);
    return len > 0 && len < UB_COOKIE_MAX ? (size_t)len : 0;
}

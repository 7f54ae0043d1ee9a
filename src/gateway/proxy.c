#include "gateway/proxy.h"

#include <stdlib.h>

static bool covers(struct ub_slice name, struct ub_slice host)
{
    if (ub_slice_is(name, "*")) {
        return true;
    }
    if (name.len > 0 && name.ptr[0] == '.') {
        name.ptr++;
        name.len--;
    }
    if (name.len == 0 || host.len < name.len) {
        return false;
    }
    struct ub_slice tail = {host.ptr + host.len - name.len, name.len};
    return ub_slice_eq_nocase(tail, name) && (tail.ptr == host.ptr || tail.ptr[-1] == '.');
}

bool ub_proxy_spares(struct ub_slice list, struct ub_slice host)
{
    while (list.len > 0) {
        const char *comma = memchr(list.ptr, ',', list.len);
        size_t len = comma == NULL ? list.len : (size_t)(comma - list.ptr);
        if (covers(ub_slice_trim((struct ub_slice){list.ptr, len}), host)) {
            return true;
        }
        size_t used = comma == NULL ? len : len + 1;
        list.ptr += used;
        list.len -= used;
    }
    return false;
}

static struct ub_slice from_environment(const char *small, const char *capital)
{
    const char *text = getenv(small);
    if (text == NULL || text[0] == '\0') {
        text = getenv(capital);
    }
    return ub_slice_of(text == NULL ? "" : text);
}

struct ub_slice ub_proxy_for(struct ub_slice host)
{
    if (ub_proxy_spares(from_environment("no_proxy", "NO_PROXY"), host)) {
        return (struct ub_slice){"", 0};
    }
    return from_environment("https_proxy", "HTTPS_PROXY");
}

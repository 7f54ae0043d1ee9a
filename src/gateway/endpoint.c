#include "gateway/endpoint.h"

static const struct {
    const char *path;
    const char *word;
} pages[UB_ENDPOINT_COUNT] = {
    [UB_ENDPOINT_UNKNOWN] = {"", "unknown"},
    [UB_ENDPOINT_CHAT] = {"/chat/completions", "chat"},
    [UB_ENDPOINT_COMPLETIONS] = {"/completions", "completions"},
    [UB_ENDPOINT_EMBEDDINGS] = {"/embeddings", "embeddings"},
    [UB_ENDPOINT_MODELS] = {"/models", "models"},
};

enum ub_endpoint ub_endpoint_find(struct ub_slice target, struct ub_slice *name)
{
    *name = (struct ub_slice){"", 0};
    const char *query = memchr(target.ptr, '?', target.len);
    if (query != NULL) {
        target.len = (size_t)(query - target.ptr);
    }
    if (ub_slice_starts(target, UB_LIT("/v1/"))) {
        target.ptr += 3;
        target.len -= 3;
    }
    for (int i = UB_ENDPOINT_CHAT; i < UB_ENDPOINT_COUNT; i++) {
        if (ub_slice_is(target, pages[i].path)) {
            return (enum ub_endpoint)i;
        }
    }
    struct ub_slice one = UB_LIT("/models/");
    if (ub_slice_starts(target, one) && target.len > one.len) {
        *name = (struct ub_slice){target.ptr + one.len, target.len - one.len};
        return UB_ENDPOINT_MODELS;
    }
    return UB_ENDPOINT_UNKNOWN;
}

const char *ub_endpoint_path(enum ub_endpoint endpoint)
{
    return pages[endpoint].path;
}

const char *ub_endpoint_word(enum ub_endpoint endpoint)
{
    return pages[endpoint].word;
}

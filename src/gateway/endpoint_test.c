#include "gateway/endpoint.h"

#include "base/test.h"

static const struct {
    const char *name;
    const char *target;
    enum ub_endpoint want;
    const char *rest;
} rows[] = {
    {"chat with /v1", "/v1/chat/completions", UB_ENDPOINT_CHAT, ""},
    {"chat without /v1", "/chat/completions", UB_ENDPOINT_CHAT, ""},
    {"completions", "/v1/completions", UB_ENDPOINT_COMPLETIONS, ""},
    {"embeddings", "/embeddings", UB_ENDPOINT_EMBEDDINGS, ""},
    {"the list of models", "/v1/models", UB_ENDPOINT_MODELS, ""},
    {"one model", "/v1/models/deepseek-chat", UB_ENDPOINT_MODELS, "deepseek-chat"},
    {"a model's name may hold slashes", "/models/a/b", UB_ENDPOINT_MODELS, "a/b"},
    {"a query is ignored", "/v1/chat/completions?beta=1", UB_ENDPOINT_CHAT, ""},
    {"a page that we do not have", "/v1/images/generations", UB_ENDPOINT_UNKNOWN, ""},
    {"/v1 twice is not a page", "/v1/v1/models", UB_ENDPOINT_UNKNOWN, ""},
    {"a trailing slash is another page", "/v1/chat/completions/", UB_ENDPOINT_UNKNOWN, ""},
    {"no model after the slash", "/v1/models/", UB_ENDPOINT_UNKNOWN, ""},
    {"case matters in paths", "/v1/Models", UB_ENDPOINT_UNKNOWN, ""},
    {"the asterisk form", "*", UB_ENDPOINT_UNKNOWN, ""},
};

int main(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_slice rest;
        enum ub_endpoint got = ub_endpoint_find(ub_slice_of(rows[i].target), &rest);
        UB_CHECK(got == rows[i].want && ub_slice_is(rest, rows[i].rest), "%s", rows[i].name);
    }
    return ub_test_done();
}

#include "gateway/auth.h"

#include "base/test.h"
#include <stdio.h>

static const struct {
    const char *name;
    const char *fields[3][2];
    const char *want; /* "" = none */
} head_rows[] = {
    {"a bearer token", {{"Authorization", "Bearer sk-1"}}, "sk-1"},
    {"the scheme in any case", {{"authorization", "bearer   sk-1"}}, "sk-1"},
    {"another scheme", {{"Authorization", "Basic c2s="}}, ""},
    {"a scheme that only begins alike", {{"Authorization", "Bearersk-1"}}, ""},
    {"nothing behind the scheme", {{"Authorization", "Bearer"}}, ""},
    {"an x-api-key", {{"X-Api-Key", "sk-2"}}, "sk-2"},
    {"an api-key", {{"api-key", "sk-3"}}, "sk-3"},
    {"Authorization decides", {{"x-api-key", "sk-2"}, {"Authorization", "Bearer sk-1"}}, "sk-1"},
    {"also when it is no good", {{"x-api-key", "sk-2"}, {"Authorization", "Basic x"}}, ""},
    {"two of the same", {{"Authorization", "Bearer a"}, {"Authorization", "Bearer b"}}, ""},
    {"two of the same with another",
     {{"x-api-key", "a"}, {"x-api-key", "b"}, {"api-key", "c"}},
     ""},
    {"no key at all", {{"Host", "x"}}, ""},
};

/* SHA-256 of "sk-1", "sk-2" and "sk-3". */
static const char yaml[] = "upstreams: [{name: a, url: 'http://127.0.0.1:1'}]\n"
                           "tenants:\n"
                           "  - name: one\n"
                           "    keys: [{sha256: %s}, {sha256: %s}]\n"
                           "    models: [small, 'deepseek-*']\n"
                           "  - {name: two, keys: [{sha256: %s}]}\n";

static const struct {
    const char *name;
    const char *origin; /* NULL = no such field */
    bool want;
} origin_rows[] = {
    {"no page at all", NULL, false},
    {"a page of another host", "https://evil.example", true},
    {"a page of another host, plain and with a port", "http://evil.example:8080", true},
    {"a host that only begins like ours", "http://localhost.evil.example", true},
    {"an address that only begins like ours", "http://127.0.0.1.evil.example", true},
    {"a page that has no origin", "null", true},
    {"a page of this machine", "http://localhost:3000", false},
    {"a page of this machine by its address", "http://127.0.0.1:3000", false},
    {"a page of this machine by its other address", "http://[::1]:3000", false},
    {"no host", "http://", true},
    {"a program on the desktop", "vscode-webview://abc", false},
};

static const struct {
    const char *name;
    const char *key;
    int want;
} tenant_rows[] = {
    {"the first tenant's first key", "sk-1", 0},     {"the first tenant's second key", "sk-2", 0},
    {"the second tenant's key", "sk-3", 1},          {"nobody's key", "sk-4", -1},
    {"a key with something behind it", "sk-1 ", -1}, {"no key", "", -1},
};

static const struct {
    const char *name;
    const char *model;
    bool first, second;
} model_rows[] = {
    {"a name of the list", "small", true, true},
    {"a longer name", "smaller", false, true},
    {"a name that fits a pattern", "deepseek-flash", true, true},
    {"the beginning alone", "deepseek-", true, true},
    {"less than the beginning", "deepseek", false, true},
};

static void hex_of(const char *key, char out[65])
{
    uint8_t hash[32];
    ub_auth_hash(ub_slice_of(key), hash);
    for (int i = 0; i < 32; i++) {
        snprintf(out + (ptrdiff_t)2 * i, 3, "%02x", hash[i]);
    }
}

static void check_head(size_t row)
{
    struct ub_http_field fields[3];
    struct ub_http_head head = {.field = fields};
    for (int i = 0; i < 3 && head_rows[row].fields[i][0] != NULL; i++) {
        fields[head.field_count++] = (struct ub_http_field){
            ub_slice_of(head_rows[row].fields[i][0]), ub_slice_of(head_rows[row].fields[i][1])};
    }
    UB_CHECK(ub_slice_is(ub_auth_key(&head), head_rows[row].want), "%s", head_rows[row].name);
}

static void check_origin(size_t row)
{
    struct ub_http_field field = {
        UB_LIT("Origin"),
        ub_slice_of(origin_rows[row].origin != NULL ? origin_rows[row].origin : "")};
    struct ub_http_head head = {.field = &field,
                                .field_count = origin_rows[row].origin != NULL ? 1 : 0};
    UB_CHECK(ub_auth_is_foreign_page(&head) == origin_rows[row].want, "%s", origin_rows[row].name);
}

int main(void)
{
    for (size_t i = 0; i < UB_COUNT(origin_rows); i++) {
        check_origin(i);
    }
    for (size_t i = 0; i < UB_COUNT(head_rows); i++) {
        check_head(i);
    }
    char first[65], second[65], third[65];
    hex_of("sk-1", first);
    hex_of("sk-2", second);
    hex_of("sk-3", third);
    UB_CHECK_TEXT(first, "0f2c10bf3d128c719c6bfa4ecbae94b7fceebaea6e4438fef38a90e5acc326f3",
                  "SHA-256 as others compute it");

    struct ub_buf text = {0}, problems = {0};
    ub_buf_printf(&text, yaml, first, second, third);
    struct ub_config *config = ub_config_parse("test", ub_buf_slice(&text), &problems);
    UB_CHECK(config != NULL, "the configuration is good: %.*s",
             UB_SLICE_ARG(ub_buf_slice(&problems)));
    for (size_t i = 0; i < UB_COUNT(tenant_rows) && config != NULL; i++) {
        int got = ub_auth_tenant(config, ub_slice_of(tenant_rows[i].key));
        UB_CHECK(got == tenant_rows[i].want, "%s", tenant_rows[i].name);
    }
    for (size_t i = 0; i < UB_COUNT(model_rows) && config != NULL; i++) {
        struct ub_slice model = ub_slice_of(model_rows[i].model);
        UB_CHECK(ub_auth_allows(&config->tenants[0], model) == model_rows[i].first &&
                     ub_auth_allows(&config->tenants[1], model) == model_rows[i].second,
                 "%s", model_rows[i].name);
    }
    ub_config_release(config);
    ub_buf_free(&text);
    ub_buf_free(&problems);
    return ub_test_done();
}

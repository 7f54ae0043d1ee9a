#include "gateway/auth.h"

#include "base/ip.h"

/* SHA-256 by its plain functions: EVP would start the whole provider machinery, half a megabyte
 * that a gateway without TLS needs for nothing else, and allocate for every key. They are out of
 * favour since OpenSSL 3.0, but stay. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>

/* The field of this name when it is there exactly once. */
static bool only_value(const struct ub_http_head *head, struct ub_slice name, bool *there,
                       struct ub_slice *value)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < head->field_count; i++) {
        if (head->field[i].name.len == name.len && ub_slice_eq_nocase(head->field[i].name, name)) {
            *value = head->field[i].value;
            found++;
        }
    }
    *there = found > 0;
    return found == 1;
}

struct ub_slice ub_auth_key(const struct ub_http_head *head)
{
    static const struct ub_slice others[] = {UB_LIT("x-api-key"), UB_LIT("api-key")};
    const struct ub_slice none = {NULL, 0}, scheme = UB_LIT("Bearer");
    struct ub_slice value = none;
    bool there = false;
    if (only_value(head, UB_LIT("authorization"), &there, &value)) {
        /* RFC 9110, 11.1: the scheme's case does not matter; then at least one space */
        if (value.len > scheme.len &&
            ub_slice_eq_nocase((struct ub_slice){value.ptr, scheme.len}, scheme) &&
            value.ptr[scheme.len] == ' ') {
            return ub_slice_trim((struct ub_slice){value.ptr + scheme.len, value.len - scheme.len});
        }
        return none;
    }
    for (size_t i = 0; i < UB_COUNT(others) && !there; i++) {
        if (only_value(head, others[i], &there, &value)) {
            return value;
        }
    }
    return none;
}

void ub_auth_hash(struct ub_slice key, uint8_t out[32])
{
    SHA256_CTX context; /* see OPENSSL_SUPPRESS_DEPRECATED above */
    SHA256_Init(&context);
    SHA256_Update(&context, key.ptr, key.len);
    SHA256_Final(out, &context);
}

int ub_auth_tenant(const struct ub_config *config, struct ub_slice key)
{
    uint8_t hash[32];
    int found = -1;
    if (key.len == 0) {
        return -1;
    }
    ub_auth_hash(key, hash);
    for (uint32_t i = 0; i < config->tenant_count; i++) {
        const struct ub_tenant_config *tenant = &config->tenants[i];
        for (uint32_t j = 0; j < tenant->key_count; j++) {
            int same = CRYPTO_memcmp(tenant->keys[j], hash, sizeof hash) == 0;
            int mask = -same; /* all ones or all zeros: no branch */
            found = (found & ~mask) | ((int)i & mask);
        }
    }
    return found;
}

bool ub_auth_allows(const struct ub_tenant_config *tenant, struct ub_slice model)
{
    for (uint32_t i = 0; i < tenant->model_count; i++) {
        struct ub_slice pattern = ub_slice_of(tenant->models[i]);
        bool open = pattern.len > 0 && pattern.ptr[pattern.len - 1] == '*';
        if (open ? ub_slice_starts(model, (struct ub_slice){pattern.ptr, pattern.len - 1})
                 : ub_slice_eq(model, pattern)) {
            return true;
        }
    }
    return false;
}

/* Of a page from another host; those of desktop programs (`app://`, `vscode-webview://`) are not. */
static bool is_foreign_origin(struct ub_slice origin)
{
    static const struct ub_slice schemes[] = {UB_LIT("http://"), UB_LIT("https://")};
    for (size_t i = 0; i < UB_COUNT(schemes); i++) {
        if (ub_slice_starts(origin, schemes[i])) {
            struct ub_slice host, port;
            bool bracketed;
            origin.ptr += schemes[i].len;
            origin.len -= schemes[i].len;
            return !ub_host_split(origin, &host, &port, &bracketed) ||
                   !(ub_slice_eq_nocase(host, UB_LIT("localhost")) || ub_ip_is_loopback(host));
        }
    }
    return ub_slice_eq_nocase(origin, UB_LIT("null")); /* a sandboxed frame */
}

bool ub_auth_is_foreign_page(const struct ub_http_head *head)
{
    bool foreign = false;
    for (uint32_t i = 0; i < head->field_count && !foreign; i++) {
        foreign = ub_slice_eq_nocase(head->field[i].name, UB_LIT("origin")) &&
                  is_foreign_origin(head->field[i].value);
    }
    return foreign;
}

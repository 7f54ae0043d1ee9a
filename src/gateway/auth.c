#include "gateway/auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

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
    static const struct ub_slice others[] = {{"x-api-key", 9}, {"api-key", 7}};
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

/* Fetched once and kept, and a context kept by each thread: looking SHA-256 up by EVP_sha256(), or
 * making a context, for every key takes longer than hashing it. */
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;
static pthread_key_t contexts;

static void free_context(void *context)
{
    EVP_MD_CTX_free(context);
}

static void fetch_sha256(void)
{
    if (pthread_key_create(&contexts, free_context) == 0) {
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    }
}

static EVP_MD_CTX *context_of_thread(void)
{
    EVP_MD_CTX *context = pthread_getspecific(contexts);
    if (context == NULL) {
        context = EVP_MD_CTX_new();
        if (context != NULL && pthread_setspecific(contexts, context) != 0) {
            EVP_MD_CTX_free(context);
            context = NULL;
        }
    }
    return context;
}

bool ub_auth_hash(struct ub_slice key, uint8_t out[32])
{
    pthread_once(&sha256_once, fetch_sha256);
    EVP_MD_CTX *context = sha256 == NULL ? NULL : context_of_thread();
    return context != NULL && EVP_DigestInit_ex2(context, sha256, NULL) == 1 &&
           EVP_DigestUpdate(context, key.ptr, key.len) == 1 &&
           EVP_DigestFinal_ex(context, out, NULL) == 1;
}

int ub_auth_tenant(const struct ub_config *config, struct ub_slice key)
{
    uint8_t hash[32];
    int found = -1;
    if (key.len == 0 || !ub_auth_hash(key, hash)) {
        return -1;
    }
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

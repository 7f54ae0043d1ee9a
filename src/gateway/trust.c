#include "gateway/trust.h"

#include "base/alloc.h"
#include <sys/stat.h>

static void look_at(const char *ca, int64_t *changed_ns, int64_t *size)
{
    struct stat facts;
    *changed_ns = *size = 0;
    if (ca != NULL && stat(ca, &facts) == 0) {
        *changed_ns = (int64_t)facts.st_mtim.tv_sec * 1000000000 + facts.st_mtim.tv_nsec;
        *size = facts.st_size;
    }
}

struct ub_trust *ub_trust_new(const char *ca, bool verify, struct ub_buf *words)
{
    char why[UB_TLS_WORDS] = "out of memory";
    struct ub_trust *trust = ub_calloc(1, sizeof *trust);
    if (trust == NULL) {
        ub_buf_add_text(words, why);
        return NULL;
    }
    atomic_init(&trust->holders, 1);
    trust->verify = verify;
    trust->ca = ca == NULL ? NULL : ub_strndup(ca, strlen(ca));
    look_at(ca, &trust->changed_ns, &trust->size);
    if (ca == NULL || trust->ca != NULL) {
        trust->client = ub_tls_client_new(ca, verify, why);
    }
    if (trust->client == NULL) {
        ub_buf_add_text(words, why);
        ub_trust_release(trust);
        return NULL;
    }
    return trust;
}

struct ub_trust *ub_trust_hold(struct ub_trust *trust)
{
    atomic_fetch_add_explicit(&trust->holders, 1, memory_order_relaxed);
    return trust;
}

void ub_trust_release(struct ub_trust *trust)
{
    if (trust != NULL && atomic_fetch_sub_explicit(&trust->holders, 1, memory_order_acq_rel) == 1) {
        ub_tls_client_free(trust->client);
        ub_free(trust->ca);
        ub_free(trust);
    }
}

bool ub_trust_is(const struct ub_trust *trust, const char *ca, bool verify)
{
    int64_t changed_ns, size;
    look_at(ca, &changed_ns, &size);
    bool same_file =
        ca == NULL ? trust->ca == NULL : trust->ca != NULL && strcmp(trust->ca, ca) == 0;
    return same_file && trust->verify == verify && trust->changed_ns == changed_ns &&
           trust->size == size;
}

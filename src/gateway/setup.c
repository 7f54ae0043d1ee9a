#include "gateway/setup.h"

#include "base/alloc.h"
#include "http/http1.h"
#include <string.h>

#define LOAD_PATH "/metrics"
#define LINES_MAX 256 /* bytes of the lines, without the key */

static void free_lines(struct ub_site *site)
{
    for (size_t i = 0; i < UB_COUNT(site->lines); i++) {
        ub_buf_wipe(&site->lines[i]);
    }
}

static void setup_free(struct ub_setup *setup)
{
    for (uint32_t i = 0; setup->sites != NULL && i < setup->config->upstream_count; i++) {
        free_lines(&setup->sites[i]);
        ub_trust_release(setup->sites[i].trust);
    }
    ub_tls_server_free(setup->tls);
    ub_config_release(setup->config);
    ub_free(setup->text);
    ub_free(setup->sites);
    ub_free(setup->upstream_slots);
    ub_free(setup->model_slots);
    ub_free(setup->tenant_slots);
    ub_free(setup->site_of);
    ub_free(setup);
}

static struct ub_slice joined(char **at, const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    struct ub_slice text = {*at, a_len + b_len};
    memcpy(*at, a, a_len);
    memcpy(*at + a_len, b, b_len);
    *at += text.len;
    return text;
}

/* An engine has its other pages at the root of the address of which "/v1" is part. */
static struct ub_slice beside_v1(char **at, const char *path, const char *page)
{
    char *start = *at;
    struct ub_slice base = ub_slice_of(path);
    size_t rest = base.len < 3 ? 0 : base.len - 3;
    base.len = strcmp(path + rest, "/v1") == 0 ? rest : base.len;
    memcpy(start, base.ptr, base.len);
    memcpy(start + base.len, page, strlen(page));
    *at += base.len + strlen(page);
    return (struct ub_slice){start, (size_t)(*at - start)};
}

static size_t text_size(const struct ub_upstream_config *upstream)
{
    size_t size = strlen(upstream->path) + strlen(LOAD_PATH);
    for (int i = UB_ENDPOINT_UNKNOWN + 1; i < UB_ENDPOINT_COUNT; i++) {
        size += strlen(upstream->path) + strlen(ub_endpoint_path((enum ub_endpoint)i));
    }
    return size;
}

/* False without memory. */
static bool write_lines(struct ub_site *site, bool stream)
{
    struct ub_buf *out = &site->lines[stream];
    const char *key = site->config->key;
    size_t key_len = key == NULL ? 0 : strlen(key);
    /* All of it at once: growing would leave copies of the key behind. */
    if (ub_buf_reserve(out, LINES_MAX + key_len) == NULL) {
        return false;
    }
    ub_http1_write_field(out, UB_LIT("Content-Type"), UB_LIT("application/json"));
    ub_http1_write_field(out, UB_LIT("Accept"),
                         stream ? UB_LIT("text/event-stream") : UB_LIT("application/json"));
    ub_http1_write_field(out, UB_LIT("Accept-Encoding"), UB_LIT("identity"));
    ub_http1_write_field(out, UB_LIT("User-Agent"), UB_LIT("unbusy/" UB_VERSION));
    if (key != NULL) {
        ub_buf_add_text(out, "Authorization: Bearer ");
        ub_buf_add(out, key, key_len); /* the configuration takes no key that could break a line */
        ub_http1_write_end(out);
    }
    return !out->failed;
}

static bool fill_sites(struct ub_setup *setup)
{
    const struct ub_config *config = setup->config;
    size_t size = 0;
    for (uint32_t i = 0; i < config->upstream_count; i++) {
        size += text_size(&config->upstreams[i]);
    }
    char *at = setup->text = ub_malloc(size);
    if (at == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < config->upstream_count; i++) {
        const struct ub_upstream_config *upstream = &config->upstreams[i];
        struct ub_site *site = &setup->sites[i];
        site->config = upstream;
        for (int k = UB_ENDPOINT_UNKNOWN + 1; k < UB_ENDPOINT_COUNT; k++) {
            site->target[k] = joined(&at, upstream->path, ub_endpoint_path((enum ub_endpoint)k));
        }
        site->load_target = beside_v1(&at, upstream->path, LOAD_PATH);
        if (!write_lines(site, false) || !write_lines(site, true)) {
            return false;
        }
    }
    return true;
}

static struct ub_trust *find_trust(const struct ub_setup *setup, const char *ca, bool verify)
{
    for (uint32_t i = 0; setup != NULL && i < setup->config->upstream_count; i++) {
        struct ub_trust *trust = setup->sites[i].trust;
        if (trust != NULL && ub_trust_is(trust, ca, verify)) {
            return ub_trust_hold(trust);
        }
    }
    return NULL;
}

static bool fill_trust(struct ub_setup *setup, const struct ub_setup *before, struct ub_buf *words)
{
    for (uint32_t i = 0; i < setup->config->upstream_count; i++) {
        const struct ub_upstream_config *upstream = &setup->config->upstreams[i];
        struct ub_site *site = &setup->sites[i];
        if (!upstream->tls) {
            continue;
        }
        site->trust = find_trust(setup, upstream->ca, upstream->tls_verify);
        if (site->trust == NULL) {
            site->trust = find_trust(before, upstream->ca, upstream->tls_verify);
        }
        if (site->trust == NULL) {
            site->trust = ub_trust_new(upstream->ca, upstream->tls_verify, words);
        }
        if (site->trust == NULL) {
            return false;
        }
    }
    return true;
}

static bool make_tls(struct ub_setup *setup, struct ub_buf *words)
{
    const struct ub_config *config = setup->config;
    char why[UB_TLS_WORDS] = "out of memory";
    if (config->tls_cert == NULL) {
        return true;
    }
    setup->tls =
        ub_tls_server_new(&(struct ub_tls_server_options){.cert = config->tls_cert,
                                                          .key = config->tls_key,
                                                          .client_ca = config->tls_client_ca,
                                                          .allow_12 = config->tls_allow_12},
                          why);
    if (setup->tls == NULL) {
        ub_buf_add_text(words, why);
    }
    return setup->tls != NULL;
}

static struct ub_setup *setup_alloc(struct ub_config *config, uint32_t slot_count)
{
    struct ub_setup *setup = ub_calloc(1, sizeof *setup);
    if (setup == NULL) {
        return NULL;
    }
    atomic_init(&setup->holders, 1);
    setup->config = ub_config_hold(config);
    setup->slot_count = slot_count;
    setup->sites = ub_calloc(config->upstream_count, sizeof *setup->sites);
    setup->upstream_slots = ub_calloc(config->upstream_count, sizeof *setup->upstream_slots);
    setup->model_slots = ub_calloc(config->model_count, sizeof *setup->model_slots);
    setup->tenant_slots = ub_calloc(config->tenant_count + 1, sizeof *setup->tenant_slots);
    setup->site_of = ub_malloc(slot_count * sizeof *setup->site_of);
    if (setup->sites == NULL || setup->upstream_slots == NULL || setup->model_slots == NULL ||
        setup->tenant_slots == NULL || setup->site_of == NULL || !fill_sites(setup)) {
        setup_free(setup);
        return NULL;
    }
    return setup;
}

static bool route(struct ub_setup *setup, struct ub_keeper *keeper, struct ub_buf *words)
{
    struct ub_slots slots = {setup->upstream_slots, setup->model_slots, setup->tenant_slots};
    const char *why = ub_keeper_route(keeper, &setup->config->routes, slots, setup);
    if (why != NULL) {
        ub_buf_add_text(words, why);
        return false;
    }
    for (uint32_t slot = 0; slot < setup->slot_count; slot++) {
        setup->site_of[slot] = -1;
    }
    for (uint32_t i = 0; i < setup->config->upstream_count; i++) {
        setup->sites[i].slot = setup->upstream_slots[i];
        setup->site_of[setup->upstream_slots[i]] = (int32_t)i;
    }
    return true;
}

struct ub_setup *ub_setup_new(struct ub_config *config, struct ub_keeper *keeper,
                              uint32_t slot_count, const struct ub_setup *before,
                              struct ub_buf *words)
{
    struct ub_setup *setup = setup_alloc(config, slot_count);
    if (setup == NULL) {
        ub_buf_add_text(words, "out of memory");
        return NULL;
    }
    if (!fill_trust(setup, before, words) || !make_tls(setup, words) ||
        !route(setup, keeper, words)) {
        setup_free(setup);
        return NULL;
    }
    return setup;
}

struct ub_setup *ub_setup_hold(struct ub_setup *setup)
{
    atomic_fetch_add_explicit(&setup->holders, 1, memory_order_relaxed);
    return setup;
}

void ub_setup_release(struct ub_setup *setup)
{
    if (setup != NULL && atomic_fetch_sub_explicit(&setup->holders, 1, memory_order_acq_rel) == 1) {
        setup_free(setup);
    }
}

const struct ub_site *ub_setup_site(const struct ub_setup *setup, uint16_t slot)
{
    int32_t index = slot < setup->slot_count ? setup->site_of[slot] : -1;
    return index < 0 ? NULL : &setup->sites[index];
}

#include "gateway/setup.h"

#include "base/alloc.h"
#include <stdio.h>

static void setup_free(struct ub_setup *setup)
{
    if (setup->text != NULL) {
        explicit_bzero(setup->text, strlen(setup->text)); /* keys; the texts are joined without 0 */
    }
    ub_config_release(setup->config);
    ub_free(setup->text);
    ub_free(setup->sites);
    ub_free(setup->upstream_slots);
    ub_free(setup->model_slots);
    ub_free(setup->site_of);
    ub_free(setup);
}

static bool fill_sites(struct ub_setup *setup)
{
    const struct ub_config *config = setup->config;
    size_t size = 1;
    for (uint32_t i = 0; i < config->upstream_count; i++) {
        const char *key = config->upstreams[i].key;
        size += key == NULL ? 0 : strlen("Bearer ") + strlen(key);
    }
    char *at = setup->text = ub_calloc(1, size);
    if (at == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < config->upstream_count; i++) {
        const struct ub_upstream_config *upstream = &config->upstreams[i];
        struct ub_site *site = &setup->sites[i];
        site->config = upstream;
        site->base = ub_slice_of(upstream->path);
        if (upstream->key != NULL) {
            size_t len = strlen("Bearer ") + strlen(upstream->key);
            memcpy(at, "Bearer ", strlen("Bearer "));
            memcpy(at + strlen("Bearer "), upstream->key, strlen(upstream->key));
            site->authorization = (struct ub_slice){at, len};
            at += len;
        }
    }
    return true;
}

struct ub_setup *ub_setup_new(struct ub_config *config, struct ub_keeper *keeper,
                              uint32_t slot_count, const char **words)
{
    *words = "out of memory";
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
    setup->site_of = ub_malloc(slot_count * sizeof *setup->site_of);
    if (setup->sites == NULL || setup->upstream_slots == NULL || setup->model_slots == NULL ||
        setup->site_of == NULL || !fill_sites(setup)) {
        setup_free(setup);
        return NULL;
    }
    *words =
        ub_keeper_route(keeper, &config->routes, setup->upstream_slots, setup->model_slots, setup);
    if (*words != NULL) {
        setup_free(setup);
        return NULL;
    }
    for (uint32_t slot = 0; slot < slot_count; slot++) {
        setup->site_of[slot] = -1;
    }
    for (uint32_t i = 0; i < config->upstream_count; i++) {
        setup->sites[i].slot = setup->upstream_slots[i];
        setup->site_of[setup->upstream_slots[i]] = (int32_t)i;
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

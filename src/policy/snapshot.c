/* snapshot.c - the brain's state as bytes and back.
 *
 * The block is large and mostly untouched, so only the used beginning of each array is written, in
 * the order of the layout. The bytes are for the same build of unbusy on the same kind of machine.
 */
#include "policy/steps.h"

#include <string.h>

struct piece {
    uint64_t at;
    uint64_t size;
};

#define PIECES_MAX (13 + 64)

/* What is in use, as pieces of the block; returns their number. */
static uint32_t pieces_of(const struct ub_brain *brain, struct piece *piece)
{
    uint32_t n = 0;
    piece[n++] = (struct piece){0, sizeof *brain};
    piece[n++] = (struct piece){brain->upstream_at,
                                (brain->upstreams_used + 1ull) * sizeof(struct upstream)};
    piece[n++] =
        (struct piece){brain->target_at, (brain->targets_used + 1ull) * sizeof(struct target)};
    piece[n++] =
        (struct piece){brain->model_at, (brain->models_used + 1ull) * sizeof(struct model)};
    piece[n++] =
        (struct piece){brain->route_at, (brain->routes_used + 1ull) * sizeof(struct route)};
    piece[n++] =
        (struct piece){brain->tenant_at, (brain->tenants_used + 1ull) * sizeof(struct tenant)};
    piece[n++] =
        (struct piece){brain->share_at, (brain->shares_used + 1ull) * sizeof(struct share)};
    piece[n++] =
        (struct piece){brain->request_at, (brain->requests_used + 1ull) * sizeof(struct request)};
    piece[n++] = (struct piece){brain->place_at, (brain->requests_used + 1ull) * sizeof(uint32_t)};
    uint64_t flows = brain->flows_used + 1ull;
    uint64_t buckets = brain->flows_used == 0 ? 0 : FLOW_BUCKETS;
    piece[n++] = (struct piece){brain->flow_at, flows * sizeof(struct flow)};
    piece[n++] = (struct piece){brain->skew_at, flows * sizeof(struct ub_skew_node)};
    piece[n++] = (struct piece){brain->bucket_at, buckets * sizeof(uint32_t)};
    uint64_t prefixes = brain->prefix_clock == 0 ? 0 : brain->limits.prefixes;
    piece[n++] = (struct piece){brain->prefix_at, prefixes * sizeof(struct ub_prefix_entry)};
    for (uint32_t w = 0; w < brain->limits.workers; w++) {
        piece[n++] =
            (struct piece){brain->heap_at[w], brain->heap_count[w] * sizeof(struct ub_timer_node)};
    }
    return n;
}

size_t ub_brain_snapshot_size(const struct ub_brain *brain)
{
    struct piece piece[PIECES_MAX];
    uint32_t count = pieces_of(brain, piece);
    uint64_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        size += piece[i].size;
    }
    return (size_t)size;
}

size_t ub_brain_snapshot(const struct ub_brain *brain, void *out)
{
    struct piece piece[PIECES_MAX];
    uint32_t count = pieces_of(brain, piece);
    char *to = out;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(to, at_offset(brain, piece[i].at), piece[i].size);
        to += piece[i].size;
    }
    return (size_t)(to - (char *)out);
}

/* The counts decide how much is copied, so they are checked before anything is believed. */
static bool is_plausible(const struct ub_brain *read, const struct ub_brain *fresh)
{
    const struct ub_brain_limits *limits = &fresh->limits;
    if (read->magic != fresh->magic || memcmp(&read->limits, limits, sizeof *limits) != 0 ||
        read->upstreams_used > limits->upstreams || read->targets_used > limits->targets ||
        read->models_used > limits->models || read->routes_used > limits->routes ||
        read->tenants_used > limits->tenants || read->shares_used > limits->shares ||
        read->requests_used > limits->requests || read->flows_used > limits->requests) {
        return false;
    }
    for (uint32_t w = 0; w < limits->workers; w++) {
        if (read->heap_count[w] > read->requests_used || read->heap_at[w] != fresh->heap_at[w]) {
            return false;
        }
    }
    return read->upstream_at == fresh->upstream_at && read->target_at == fresh->target_at &&
           read->model_at == fresh->model_at && read->route_at == fresh->route_at &&
           read->tenant_at == fresh->tenant_at && read->share_at == fresh->share_at &&
           read->request_at == fresh->request_at && read->place_at == fresh->place_at &&
           read->flow_at == fresh->flow_at && read->skew_at == fresh->skew_at &&
           read->bucket_at == fresh->bucket_at && read->prefix_at == fresh->prefix_at;
}

struct ub_brain *ub_brain_restore(void *block, const struct ub_brain_limits *limits,
                                  const void *snapshot, size_t size)
{
    struct ub_brain *fresh = ub_brain_init(block, limits);
    struct ub_brain read;
    if (size < sizeof read) {
        return NULL;
    }
    memcpy(&read, snapshot, sizeof read);
    if (!is_plausible(&read, fresh) || ub_brain_snapshot_size(&read) != size) {
        return NULL;
    }
    struct piece piece[PIECES_MAX];
    uint32_t count = pieces_of(&read, piece);
    const char *from = snapshot;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(at_offset(fresh, piece[i].at), from, piece[i].size);
        from += piece[i].size;
    }
    return fresh;
}

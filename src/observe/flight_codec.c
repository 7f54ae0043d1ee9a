#include "observe/flight_codec.h"

#include "base/alloc.h"

#include <string.h>

#define MODELS_MAX    (1u << 16)
#define MODEL_BYTES   (200 + UB_TIERS_MAX * (1 + 2 * UB_TIER_MAX))
#define ARRIVED_BYTES (160 + 12 * UB_PREFIX_MARKS)

void ub_flight_put(struct ub_flight_out *out, uint64_t value, int bytes)
{
    if (out->failed || out->end - out->at < bytes) {
        out->failed = true;
        return;
    }
    for (int i = 0; i < bytes; i++) {
        *out->at++ = (uint8_t)(value >> (8 * i));
    }
}

uint64_t ub_flight_get(struct ub_flight_in *in, int bytes)
{
    if (in->failed || in->end - in->at < bytes) {
        in->failed = true;
        return 0;
    }
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) {
        value |= (uint64_t)*in->at++ << (8 * i);
    }
    return value;
}

static void put_double(struct ub_flight_out *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    ub_flight_put(out, bits, 8);
}

static double get_double(struct ub_flight_in *in)
{
    uint64_t bits = ub_flight_get(in, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void put_ns(struct ub_flight_out *out, ub_ns value)
{
    ub_flight_put(out, (uint64_t)value, 8);
}

static ub_ns get_ns(struct ub_flight_in *in)
{
    return (ub_ns)ub_flight_get(in, 8);
}

static uint32_t get_u32(struct ub_flight_in *in)
{
    return (uint32_t)ub_flight_get(in, 4);
}

static uint16_t get_u16(struct ub_flight_in *in)
{
    return (uint16_t)ub_flight_get(in, 2);
}

void ub_flight_put_limits(struct ub_flight_out *out, const struct ub_brain_limits *limits)
{
    ub_flight_put(out, limits->requests, 4);
    ub_flight_put(out, limits->upstreams, 4);
    ub_flight_put(out, limits->targets, 4);
    ub_flight_put(out, limits->models, 4);
    ub_flight_put(out, limits->routes, 4);
    ub_flight_put(out, limits->workers, 4);
    ub_flight_put(out, limits->prefixes, 4);
}

void ub_flight_get_limits(struct ub_flight_in *in, struct ub_brain_limits *limits)
{
    limits->requests = get_u32(in);
    limits->upstreams = get_u32(in);
    limits->targets = get_u32(in);
    limits->models = get_u32(in);
    limits->routes = get_u32(in);
    limits->workers = get_u32(in);
    limits->prefixes = get_u32(in);
}

static void put_policy(struct ub_flight_out *out, const struct ub_model_policy *p)
{
    ub_flight_put(out, p->balance, 1);
    ub_flight_put(out, p->affinity, 4);
    put_ns(out, p->slow_over_ns);
    put_ns(out, p->patience_ns);
    put_ns(out, p->first_token_min_ns);
    put_ns(out, p->first_token_max_ns);
    put_ns(out, p->total_ns);
    put_ns(out, p->stall_ns);
    put_ns(out, p->slot_wait_ns);
    put_ns(out, p->heartbeat_after_ns);
    put_ns(out, p->heartbeat_every_ns);
    ub_flight_put(out, p->retry.attempts, 4);
    put_ns(out, p->retry.base_ns);
    put_ns(out, p->retry.cap_ns);
    put_double(out, p->retry.budget);
    put_double(out, p->retry.budget_per_s);
}

static void get_policy(struct ub_flight_in *in, struct ub_model_policy *p)
{
    p->balance = (enum ub_balance)ub_flight_get(in, 1);
    p->affinity = get_u32(in);
    p->slow_over_ns = get_ns(in);
    p->patience_ns = get_ns(in);
    p->first_token_min_ns = get_ns(in);
    p->first_token_max_ns = get_ns(in);
    p->total_ns = get_ns(in);
    p->stall_ns = get_ns(in);
    p->slot_wait_ns = get_ns(in);
    p->heartbeat_after_ns = get_ns(in);
    p->heartbeat_every_ns = get_ns(in);
    p->retry.attempts = get_u32(in);
    p->retry.base_ns = get_ns(in);
    p->retry.cap_ns = get_ns(in);
    p->retry.budget = get_double(in);
    p->retry.budget_per_s = get_double(in);
}

static void put_model(struct ub_flight_out *out, const struct ub_model_spec *m)
{
    ub_flight_put(out, m->key, 8);
    put_policy(out, &m->policy);
    ub_flight_put(out, m->tiers, 1);
    for (uint32_t t = 0; t < m->tiers; t++) {
        ub_flight_put(out, m->tier[t].count, 1);
        for (uint32_t i = 0; i < m->tier[t].count; i++) {
            ub_flight_put(out, m->tier[t].member[i], 2);
        }
    }
}

static void get_model(struct ub_flight_in *in, struct ub_model_spec *m)
{
    m->key = ub_flight_get(in, 8);
    get_policy(in, &m->policy);
    m->tiers = (uint32_t)ub_flight_get(in, 1);
    in->failed |= m->tiers > UB_TIERS_MAX;
    for (uint32_t t = 0; t < m->tiers && !in->failed; t++) {
        m->tier[t].count = (uint32_t)ub_flight_get(in, 1);
        in->failed |= m->tier[t].count > UB_TIER_MAX;
        for (uint32_t i = 0; i < m->tier[t].count && !in->failed; i++) {
            m->tier[t].member[i] = get_u16(in);
        }
    }
}

static void put_routes(struct ub_flight_out *out, const struct ub_routes *routes)
{
    ub_flight_put(out, routes->queue_size, 4);
    ub_flight_put(out, routes->upstream_count, 4);
    ub_flight_put(out, routes->model_count, 4);
    for (uint32_t i = 0; i < routes->upstream_count; i++) {
        ub_flight_put(out, routes->upstreams[i].key, 8);
        ub_flight_put(out, routes->upstreams[i].concurrency, 4);
    }
    for (uint32_t i = 0; i < routes->model_count; i++) {
        put_model(out, &routes->models[i]);
    }
}

static bool get_routes(struct ub_flight_in *in, struct ub_flight_reader *reader)
{
    struct ub_routes *routes = &reader->routes;
    routes->queue_size = get_u32(in);
    routes->upstream_count = get_u32(in);
    routes->model_count = get_u32(in);
    if (routes->upstream_count > MODELS_MAX || routes->model_count > MODELS_MAX) {
        in->failed = true;
        return false;
    }
    ub_free(reader->upstreams);
    ub_free(reader->models);
    reader->upstreams = ub_calloc(routes->upstream_count + 1, sizeof *reader->upstreams);
    reader->models = ub_calloc(routes->model_count + 1, sizeof *reader->models);
    if (reader->upstreams == NULL || reader->models == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < routes->upstream_count; i++) {
        reader->upstreams[i].key = ub_flight_get(in, 8);
        reader->upstreams[i].concurrency = get_u32(in);
    }
    for (uint32_t i = 0; i < routes->model_count && !in->failed; i++) {
        get_model(in, &reader->models[i]);
    }
    routes->upstreams = reader->upstreams;
    routes->models = reader->models;
    return true;
}

static void put_arrival(struct ub_flight_out *out, const struct ub_arrival *a)
{
    ub_flight_put(out, a->model, 2);
    ub_flight_put(out, (uint64_t)(a->stream | a->heartbeat << 1 | a->can_retry << 2), 1);
    ub_flight_put(out, a->prompt_tokens, 4);
    ub_flight_put(out, a->max_tokens, 4);
    put_ns(out, a->client_deadline);
    ub_flight_put(out, a->cookie_key, 8);
    ub_flight_put(out, a->header_hash, 8);
    ub_flight_put(out, a->client_hash, 8);
    ub_flight_put(out, a->prefix_count, 1);
    for (uint32_t i = 0; i < a->prefix_count; i++) {
        ub_flight_put(out, a->prefix[i], 8);
        ub_flight_put(out, a->prefix_tokens[i], 4);
    }
}

static void get_arrival(struct ub_flight_in *in, struct ub_arrival *a)
{
    a->model = get_u16(in);
    uint64_t flags = ub_flight_get(in, 1);
    a->stream = (flags & 1) != 0;
    a->heartbeat = (flags & 2) != 0;
    a->can_retry = (flags & 4) != 0;
    a->prompt_tokens = get_u32(in);
    a->max_tokens = get_u32(in);
    a->client_deadline = get_ns(in);
    a->cookie_key = ub_flight_get(in, 8);
    a->header_hash = ub_flight_get(in, 8);
    a->client_hash = ub_flight_get(in, 8);
    a->prefix_count = (uint32_t)ub_flight_get(in, 1);
    in->failed |= a->prefix_count > UB_PREFIX_MARKS;
    for (uint32_t i = 0; i < a->prefix_count && !in->failed; i++) {
        a->prefix[i] = ub_flight_get(in, 8);
        a->prefix_tokens[i] = get_u32(in);
    }
}

void ub_flight_put_event(struct ub_flight_out *out, const struct ub_event *event)
{
    ub_flight_put(out, event->type, 1);
    put_ns(out, event->now);
    ub_flight_put(out, event->seed, 8);
    ub_flight_put(out, event->request.slot, 4);
    ub_flight_put(out, event->request.generation, 4);
    ub_flight_put(out, event->worker, 2);
    ub_flight_put(out, event->attempt, 1);
    switch (event->type) {
    case UB_EV_ROUTES:
        put_routes(out, event->routes);
        break;
    case UB_EV_ARRIVED:
        put_arrival(out, &event->arrived);
        break;
    case UB_EV_ENDED:
        ub_flight_put(out, event->ended.error, 1);
        put_ns(out, event->ended.not_before);
        ub_flight_put(out, event->ended.tokens_in, 4);
        ub_flight_put(out, event->ended.tokens_out, 4);
        ub_flight_put(out, event->ended.tokens_cached, 4);
        break;
    case UB_EV_CLIENT_LEFT:
        ub_flight_put(out, event->left, 1);
        break;
    case UB_EV_PROBED:
        ub_flight_put(out, event->probed.upstream, 2);
        ub_flight_put(out, event->probed.ok, 1);
        break;
    case UB_EV_FIRST_PAYLOAD:
    case UB_EV_PROGRESS:
    case UB_EV_WOKEN:
    case UB_EV_DRAIN:
        break;
    }
}

static enum ub_error get_error(struct ub_flight_in *in)
{
    uint64_t error = ub_flight_get(in, 1);
    in->failed |= error >= UB_ERR_COUNT;
    return in->failed ? UB_ERR_OK : (enum ub_error)error;
}

bool ub_flight_get_event(struct ub_flight_in *in, struct ub_flight_reader *reader,
                         struct ub_event *event)
{
    uint64_t type = ub_flight_get(in, 1);
    in->failed |= type > UB_EV_DRAIN;
    if (in->failed) {
        return false;
    }
    *event = (struct ub_event){.type = (enum ub_event_type)type};
    event->now = get_ns(in);
    event->seed = ub_flight_get(in, 8);
    event->request.slot = get_u32(in);
    event->request.generation = get_u32(in);
    event->worker = get_u16(in);
    event->attempt = (uint8_t)ub_flight_get(in, 1);
    switch (event->type) {
    case UB_EV_ROUTES:
        if (!get_routes(in, reader)) {
            return false;
        }
        event->routes = &reader->routes;
        break;
    case UB_EV_ARRIVED:
        get_arrival(in, &event->arrived);
        break;
    case UB_EV_ENDED:
        event->ended.error = get_error(in);
        event->ended.not_before = get_ns(in);
        event->ended.tokens_in = get_u32(in);
        event->ended.tokens_out = get_u32(in);
        event->ended.tokens_cached = get_u32(in);
        break;
    case UB_EV_CLIENT_LEFT:
        event->left = get_error(in);
        break;
    case UB_EV_PROBED:
        event->probed.upstream = get_u16(in);
        event->probed.ok = ub_flight_get(in, 1) != 0;
        break;
    case UB_EV_FIRST_PAYLOAD:
    case UB_EV_PROGRESS:
    case UB_EV_WOKEN:
    case UB_EV_DRAIN:
        break;
    }
    return !in->failed;
}

size_t ub_flight_event_max(const struct ub_brain_limits *limits)
{
    size_t routes = 64 + (size_t)limits->upstreams * 12 + (size_t)limits->models * MODEL_BYTES;
    return routes > ARRIVED_BYTES ? routes : ARRIVED_BYTES;
}

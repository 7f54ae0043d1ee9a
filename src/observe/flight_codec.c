#include "observe/flight_codec.h"

#include "base/alloc.h"

#include <string.h>

#define MODELS_MAX    (1u << 16)
#define QUOTA_BYTES   48
#define TENANT_BYTES  (14 + QUOTA_BYTES)
#define SHARE_BYTES   (4 + QUOTA_BYTES)
#define MODEL_BYTES   (201 + 5 * UB_STEPS_MAX + QUOTA_BYTES + UB_TIERS_MAX * (1 + 2 * UB_TIER_MAX))
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

/* One pair for each kind of field. */
static void put_u8(struct ub_flight_out *out, uint64_t value)
{
    ub_flight_put(out, value, 1);
}

static void put_u16(struct ub_flight_out *out, uint64_t value)
{
    ub_flight_put(out, value, 2);
}

static void put_u32(struct ub_flight_out *out, uint64_t value)
{
    ub_flight_put(out, value, 4);
}

static void put_u64(struct ub_flight_out *out, uint64_t value)
{
    ub_flight_put(out, value, 8);
}

static void put_ns(struct ub_flight_out *out, ub_ns value)
{
    ub_flight_put(out, (uint64_t)value, 8);
}

static void put_real(struct ub_flight_out *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    ub_flight_put(out, bits, 8);
}

static void put_error(struct ub_flight_out *out, enum ub_error error)
{
    ub_flight_put(out, error, 1);
}

static uint8_t get_u8(struct ub_flight_in *in)
{
    return (uint8_t)ub_flight_get(in, 1);
}

static uint16_t get_u16(struct ub_flight_in *in)
{
    return (uint16_t)ub_flight_get(in, 2);
}

static uint32_t get_u32(struct ub_flight_in *in)
{
    return (uint32_t)ub_flight_get(in, 4);
}

static uint64_t get_u64(struct ub_flight_in *in)
{
    return ub_flight_get(in, 8);
}

static ub_ns get_ns(struct ub_flight_in *in)
{
    return (ub_ns)ub_flight_get(in, 8);
}

static double get_real(struct ub_flight_in *in)
{
    uint64_t bits = ub_flight_get(in, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static enum ub_error get_error(struct ub_flight_in *in)
{
    uint64_t error = ub_flight_get(in, 1);
    in->failed |= error >= UB_ERR_COUNT;
    return in->failed ? UB_ERR_OK : (enum ub_error)error;
}

/* What is written and read, in this order: kind and field. UB_MODEL_POLICY is another such list. */
#define LIMITS(X)     \
    X(u32, requests)  \
    X(u32, upstreams) \
    X(u32, targets)   \
    X(u32, models)    \
    X(u32, routes)    \
    X(u32, workers)   \
    X(u32, prefixes)  \
    X(u32, tenants)   \
    X(u32, shares)

#define COUNTS(X)          \
    X(u32, queue_size)     \
    X(u64, queue_bytes)    \
    X(u32, upstream_count) \
    X(u32, model_count)    \
    X(u32, tenant_count)   \
    X(u32, share_count)

#define UPSTREAM(X)     \
    X(u64, key)         \
    X(u32, concurrency) \
    X(u8, learns)       \
    X(u8, shared)

#define TENANT(X) \
    X(u64, key)   \
    X(u8, class)  \
    X(u8, shared) \
    X(u32, concurrency)

#define STEP(X) \
    X(u8, kind) \
    X(u32, value)

#define SHARE(X)   \
    X(u16, tenant) \
    X(u16, model)

/* Behind the model and the flags, before the prefixes. */
#define ARRIVAL(X)         \
    X(u16, tenant)         \
    X(u8, retry)           \
    X(u8, class)           \
    X(u32, bytes)          \
    X(u32, prompt_tokens)  \
    X(u32, max_tokens)     \
    X(ns, client_deadline) \
    X(u64, cookie_key)     \
    X(u64, header_hash)    \
    X(u64, client_hash)    \
    X(u8, prefix_count)

/* Behind the type, before what only this type has. */
#define EVENT(X)               \
    X(ns, now)                 \
    X(u64, seed)               \
    X(u32, request.slot)       \
    X(u32, request.generation) \
    X(u16, worker)             \
    X(u8, attempt)             \
    X(u32, said)               \
    X(u8, held)

#define ENDED(X)                \
    X(error, ended.error)       \
    X(ns, ended.not_before)     \
    X(u32, ended.tokens_in)     \
    X(u32, ended.tokens_out)    \
    X(u32, ended.tokens_cached) \
    X(ns, ended.pause_ns)       \
    X(u8, ended.sealed)

#define LEFT(X) X(error, left)

#define LOAD(X)           \
    X(u16, load.upstream) \
    X(u32, load.running)  \
    X(u32, load.waiting)  \
    X(real, load.kv)

#define PART(X)           \
    X(u16, part.upstream) \
    X(u32, part.concurrency)

#define TENANT_PART(X)         \
    X(u16, tenant_part.tenant) \
    X(u32, tenant_part.part)

#define PROBED(X)           \
    X(u16, probed.upstream) \
    X(u8, probed.ok)

/* Used on these lists where `out` or `in` and the struct `it` are at hand. */
#define PUT(kind, field) put_##kind(out, it->field);
#define GET(kind, field) it->field = get_##kind(in);

void ub_flight_put_limits(struct ub_flight_out *out, const struct ub_brain_limits *it)
{
    LIMITS(PUT)
}

void ub_flight_get_limits(struct ub_flight_in *in, struct ub_brain_limits *it)
{
    LIMITS(GET)
}

static void put_policy(struct ub_flight_out *out, const struct ub_model_policy *it)
{
    UB_MODEL_POLICY(PUT)
}

static void get_policy(struct ub_flight_in *in, struct ub_model_policy *it)
{
    UB_MODEL_POLICY(GET)
}

static void put_quota(struct ub_flight_out *out, const struct ub_quota *it)
{
    UB_QUOTA(PUT)
}

static void get_quota(struct ub_flight_in *in, struct ub_quota *it)
{
    UB_QUOTA(GET)
}

static void put_tenant(struct ub_flight_out *out, const struct ub_tenant_spec *it)
{
    TENANT(PUT)
    put_quota(out, &it->quota);
}

static void get_tenant(struct ub_flight_in *in, struct ub_tenant_spec *it)
{
    TENANT(GET)
    get_quota(in, &it->quota);
}

static void put_share(struct ub_flight_out *out, const struct ub_share_spec *it)
{
    SHARE(PUT)
    put_quota(out, &it->quota);
}

static void get_share(struct ub_flight_in *in, struct ub_share_spec *it)
{
    SHARE(GET)
    get_quota(in, &it->quota);
}

static void put_upstream(struct ub_flight_out *out, const struct ub_upstream_spec *it)
{
    UPSTREAM(PUT)
}

static void get_upstream(struct ub_flight_in *in, struct ub_upstream_spec *it)
{
    UPSTREAM(GET)
}

static void put_step(struct ub_flight_out *out, const struct ub_step *it)
{
    STEP(PUT)
}

static void get_step(struct ub_flight_in *in, struct ub_step *it)
{
    STEP(GET)
}

static void put_model(struct ub_flight_out *out, const struct ub_model_spec *m)
{
    put_u64(out, m->key);
    put_policy(out, &m->policy);
    put_quota(out, &m->quota);
    put_u8(out, m->tiers);
    for (uint32_t t = 0; t < m->tiers; t++) {
        put_u8(out, m->tier[t].count);
        for (uint32_t i = 0; i < m->tier[t].count; i++) {
            put_u16(out, m->tier[t].member[i]);
        }
    }
    put_u8(out, m->steps);
    for (uint32_t s = 0; s < m->steps; s++) {
        put_step(out, &m->step[s]);
    }
}

static void get_model(struct ub_flight_in *in, struct ub_model_spec *m)
{
    m->key = get_u64(in);
    get_policy(in, &m->policy);
    get_quota(in, &m->quota);
    m->tiers = get_u8(in);
    in->failed |= m->tiers > UB_TIERS_MAX;
    for (uint32_t t = 0; t < m->tiers && !in->failed; t++) {
        m->tier[t].count = get_u8(in);
        in->failed |= m->tier[t].count > UB_TIER_MAX;
        for (uint32_t i = 0; i < m->tier[t].count && !in->failed; i++) {
            m->tier[t].member[i] = get_u16(in);
        }
    }
    m->steps = get_u8(in);
    in->failed |= m->steps > UB_STEPS_MAX;
    for (uint32_t s = 0; s < m->steps && !in->failed; s++) {
        get_step(in, &m->step[s]);
    }
}

static void put_routes(struct ub_flight_out *out, const struct ub_routes *it)
{
    COUNTS(PUT)
    for (uint32_t i = 0; i < it->upstream_count; i++) {
        put_upstream(out, &it->upstreams[i]);
    }
    for (uint32_t i = 0; i < it->model_count; i++) {
        put_model(out, &it->models[i]);
    }
    for (uint32_t i = 0; i < it->tenant_count; i++) {
        put_tenant(out, &it->tenants[i]);
    }
    for (uint32_t i = 0; i < it->share_count; i++) {
        put_share(out, &it->shares[i]);
    }
}

void ub_flight_free_routes(struct ub_flight_reader *reader)
{
    ub_free(reader->upstreams);
    ub_free(reader->models);
    ub_free(reader->tenants);
    ub_free(reader->shares);
    reader->upstreams = NULL;
    reader->models = NULL;
    reader->tenants = NULL;
    reader->shares = NULL;
}

/* For the routes whose counts have been read. */
static bool make_room(struct ub_flight_reader *reader)
{
    const struct ub_routes *it = &reader->routes;
    ub_flight_free_routes(reader);
    reader->upstreams = ub_calloc(it->upstream_count + 1, sizeof *reader->upstreams);
    reader->models = ub_calloc(it->model_count + 1, sizeof *reader->models);
    reader->tenants = ub_calloc(it->tenant_count + 1, sizeof *reader->tenants);
    reader->shares = ub_calloc(it->share_count + 1, sizeof *reader->shares);
    return reader->upstreams != NULL && reader->models != NULL && reader->tenants != NULL &&
           reader->shares != NULL;
}

static bool get_routes(struct ub_flight_in *in, struct ub_flight_reader *reader)
{
    struct ub_routes *it = &reader->routes;
    COUNTS(GET)
    if (it->upstream_count > MODELS_MAX || it->model_count > MODELS_MAX ||
        it->tenant_count > MODELS_MAX || it->share_count > MODELS_MAX) {
        in->failed = true;
        return false;
    }
    if (!make_room(reader)) {
        return false;
    }
    for (uint32_t i = 0; i < it->upstream_count; i++) {
        get_upstream(in, &reader->upstreams[i]);
    }
    for (uint32_t i = 0; i < it->model_count && !in->failed; i++) {
        get_model(in, &reader->models[i]);
    }
    for (uint32_t i = 0; i < it->tenant_count && !in->failed; i++) {
        get_tenant(in, &reader->tenants[i]);
    }
    for (uint32_t i = 0; i < it->share_count && !in->failed; i++) {
        get_share(in, &reader->shares[i]);
    }
    it->upstreams = reader->upstreams;
    it->models = reader->models;
    it->tenants = reader->tenants;
    it->shares = reader->shares;
    return true;
}

static void put_arrival(struct ub_flight_out *out, const struct ub_arrival *it)
{
    put_u16(out, it->model);
    put_u8(out, (uint64_t)(it->stream | it->heartbeat << 1 | it->can_retry << 2 |
                           it->can_resume << 3 | it->takes_message << 4));
    ARRIVAL(PUT)
    for (uint32_t i = 0; i < it->prefix_count; i++) {
        put_u64(out, it->prefix[i]);
        put_u32(out, it->prefix_tokens[i]);
    }
}

static void get_arrival(struct ub_flight_in *in, struct ub_arrival *it)
{
    it->model = get_u16(in);
    uint8_t flags = get_u8(in);
    it->stream = (flags & 1) != 0;
    it->heartbeat = (flags & 2) != 0;
    it->can_resume = (flags & 8) != 0;
    it->can_retry = (flags & 4) != 0;
    it->takes_message = (flags & 16) != 0;
    ARRIVAL(GET)
    in->failed |= it->prefix_count > UB_PREFIX_MARKS;
    for (uint32_t i = 0; i < it->prefix_count && !in->failed; i++) {
        it->prefix[i] = get_u64(in);
        it->prefix_tokens[i] = get_u32(in);
    }
}

void ub_flight_put_event(struct ub_flight_out *out, const struct ub_event *it)
{
    put_u8(out, it->type);
    EVENT(PUT)
    switch (it->type) {
    case UB_EV_ROUTES:
        put_routes(out, it->routes);
        break;
    case UB_EV_ARRIVED:
        put_arrival(out, &it->arrived);
        break;
    case UB_EV_ENDED:
        ENDED(PUT)
        break;
    case UB_EV_CLIENT_LEFT:
        LEFT(PUT)
        break;
    case UB_EV_PROBED:
        PROBED(PUT)
        break;
    case UB_EV_LOAD:
        LOAD(PUT)
        break;
    case UB_EV_PART:
        PART(PUT)
        break;
    case UB_EV_TENANT_PART:
        TENANT_PART(PUT)
        break;
    case UB_EV_LOOKED:
        put_u8(out, it->found);
        break;
    case UB_EV_FIRST_PAYLOAD:
    case UB_EV_PROGRESS:
    case UB_EV_WOKEN:
    case UB_EV_DRAIN:
    case UB_EV_ANSWERED:
    case UB_EV_QUEUED:
        break;
    }
}

bool ub_flight_get_event(struct ub_flight_in *in, struct ub_flight_reader *reader,
                         struct ub_event *it)
{
    uint8_t type = get_u8(in);
    in->failed |= type > UB_EV_TENANT_PART;
    if (in->failed) {
        return false;
    }
    *it = (struct ub_event){.type = (enum ub_event_type)type};
    EVENT(GET)
    switch (it->type) {
    case UB_EV_ROUTES:
        if (!get_routes(in, reader)) {
            return false;
        }
        it->routes = &reader->routes;
        break;
    case UB_EV_ARRIVED:
        get_arrival(in, &it->arrived);
        break;
    case UB_EV_ENDED:
        ENDED(GET)
        break;
    case UB_EV_CLIENT_LEFT:
        LEFT(GET)
        break;
    case UB_EV_PROBED:
        PROBED(GET)
        break;
    case UB_EV_LOAD:
        LOAD(GET)
        break;
    case UB_EV_PART:
        PART(GET)
        break;
    case UB_EV_TENANT_PART:
        TENANT_PART(GET)
        break;
    case UB_EV_LOOKED:
        it->found = get_u8(in);
        break;
    case UB_EV_FIRST_PAYLOAD:
    case UB_EV_PROGRESS:
    case UB_EV_WOKEN:
    case UB_EV_DRAIN:
    case UB_EV_ANSWERED:
    case UB_EV_QUEUED:
        break;
    }
    return !in->failed;
}

size_t ub_flight_event_max(const struct ub_brain_limits *limits)
{
    size_t routes = 64 + (size_t)limits->upstreams * 14 + (size_t)limits->models * MODEL_BYTES +
                    (size_t)limits->tenants * TENANT_BYTES + (size_t)limits->shares * SHARE_BYTES;
    return routes > ARRIVED_BYTES ? routes : ARRIVED_BYTES;
}

#include "observe/metrics.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "observe/metrics_private.h"
#include "policy/brain.h"
#include "store/redis_error.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define CACHE_LINE 64
#define PAIRS_MAX  (1u << 18) /* further ones are not shown */

const struct ub_metric_row ub_metric_table[UB_METRIC_COUNT] = {
#define X(id, type, label1, label2, name, help) \
    {UB_##type, {UB_LABEL_##label1, UB_LABEL_##label2}, "unbusy_" name, help},
    UB_METRICS(X)
#undef X
};

/* Upper bounds of the buckets in seconds. QUICK resolves waits that nobody should notice, LONG the
 * times that people wait for a first token and for whole answers: up to DeepSeek's ten minutes. */
static const double quick_bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                      0.25,   0.5,   1,      2.5,   5,    10,    30,   60};
static const double long_bounds[] = {0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1,  1.5, 2,   3,
                                     5,    7.5, 10,  15,   20,  30,   60, 120, 300, 600};

const double *ub_metric_bounds(enum ub_metric_type type, uint32_t *count)
{
    *count = type == UB_QUICK ? (uint32_t)UB_COUNT(quick_bounds) : (uint32_t)UB_COUNT(long_bounds);
    return type == UB_QUICK ? quick_bounds : long_bounds;
}

/* A value that was never set is zero memory: the bits of a double, inverted, are zero only for a
 * NaN. So a table of a thousand upstreams costs no page before it is used. */
static uint64_t encode(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return isnan(value) ? 0 : ~bits;
}

double ub_metric_decode(uint64_t cell)
{
    uint64_t bits = ~cell;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

struct ub_metric_names *ub_metric_names(struct ub_metrics *metrics, enum ub_metric_label label)
{
    switch (label) {
    case UB_LABEL_MODEL:
        return &metrics->models;
    case UB_LABEL_UPSTREAM:
        return &metrics->upstreams;
    case UB_LABEL_TENANT:
        return &metrics->tenants;
    case UB_LABEL_ZONE:
        return &metrics->zones;
    default:
        return NULL;
    }
}

/* How many values a label can have, "other" included. */
static uint32_t label_size(struct ub_metrics *metrics, enum ub_metric_label label)
{
    const struct ub_metric_names *names = ub_metric_names(metrics, label);
    if (names != NULL) {
        return names->count + 1;
    }
    switch (label) {
    case UB_LABEL_OUTCOME:
    case UB_LABEL_ERROR:
        return UB_ERR_COUNT + 1;
    case UB_LABEL_REASON:
        return UB_WHY_COUNT + 1;
    case UB_LABEL_STATUS:
        return UB_STATUS_END + 1;
    case UB_LABEL_SIDE:
        return UB_SIDE_COUNT + 1;
    case UB_LABEL_TOKENS:
        return UB_TOKENS_KINDS + 1;
    case UB_LABEL_USAGE:
        return UB_USAGE_KINDS + 1;
    case UB_LABEL_CLASS:
        return UB_METRIC_CLASSES + 1;
    case UB_LABEL_STEP:
        return UB_STEP_KINDS;
    case UB_LABEL_LIMIT:
        return UB_METRIC_LIMITS + 1;
    case UB_LABEL_BAR:
        return UB_METRIC_BARS + 1;
    case UB_LABEL_LEVEL:
        return UB_LOG_LEVELS + 1;
    case UB_LABEL_REDIS:
        return UB_REDIS_ERROR_COUNT + 1;
    default:
        return 1;
    }
}

static void place_metrics(struct ub_metrics *metrics)
{
    for (int i = 0; i < UB_METRIC_COUNT; i++) {
        struct ub_metric_place *place = &metrics->place[i];
        enum ub_metric_type type = ub_metric_table[i].type;
        place->size1 = label_size(metrics, ub_metric_table[i].label[0]);
        place->size2 = label_size(metrics, ub_metric_table[i].label[1]);
        place->cells = ub_metric_is_pair((enum ub_metric)i) ? 0 : 1;
        if (type == UB_QUICK || type == UB_LONG) {
            uint32_t count;
            ub_metric_bounds(type, &count);
            place->cells = count + 2; /* the bucket beyond the last bound, and the sum */
        }
        uint32_t *next = ub_metric_is_set(type) ? &metrics->set_cells : &metrics->shard_cells;
        place->first = *next;
        *next += place->size1 * place->size2 * place->cells;
    }
    const uint32_t per_line = CACHE_LINE / sizeof(uint64_t);
    metrics->shard_cells = (metrics->shard_cells + 2 * per_line - 1) / per_line * per_line;
}

struct ub_metrics *ub_metrics_new(const struct ub_metrics_limits *limits)
{
    struct ub_metrics *metrics = ub_calloc(1, sizeof *metrics);
    if (metrics == NULL) {
        return NULL;
    }
    metrics->limits = *limits;
    metrics->models.count = limits->models;
    metrics->upstreams.count = limits->upstreams;
    metrics->tenants.count = limits->tenants;
    metrics->zones.count = limits->upstreams;
    pthread_mutex_init(&metrics->lock, NULL);
    place_metrics(metrics);
    metrics->models.name = ub_calloc(limits->models + 1, sizeof(char *));
    metrics->upstreams.name = ub_calloc(limits->upstreams + 1, sizeof(char *));
    metrics->tenants.name = ub_calloc(limits->tenants + 1, sizeof(char *));
    metrics->zones.name = ub_calloc(limits->upstreams + 1, sizeof(char *));
    metrics->shards = ub_calloc(limits->workers, sizeof *metrics->shards);
    metrics->cells = ub_calloc((size_t)limits->workers * metrics->shard_cells, sizeof(uint64_t));
    metrics->set_values = ub_calloc(metrics->set_cells, sizeof(uint64_t));
    if (metrics->models.name == NULL || metrics->upstreams.name == NULL ||
        metrics->tenants.name == NULL || metrics->zones.name == NULL || metrics->shards == NULL ||
        metrics->cells == NULL || metrics->set_values == NULL) {
        ub_metrics_free(metrics);
        return NULL;
    }
    for (uint32_t i = 0; i < limits->workers; i++) {
        metrics->shards[i] = (struct ub_metrics_shard){
            .place = metrics->place, .cells = metrics->cells + (size_t)i * metrics->shard_cells};
    }
    ub_metrics_set(metrics, UB_METRIC_BUILD_INFO, 0, 0, 1);
    return metrics;
}

static void free_names(struct ub_metric_names *names)
{
    for (uint32_t i = 0; names->name != NULL && i < names->count; i++) {
        ub_free(names->name[i]);
    }
    ub_free(names->name);
}

void ub_metrics_free(struct ub_metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    free_names(&metrics->models);
    free_names(&metrics->upstreams);
    free_names(&metrics->tenants);
    free_names(&metrics->zones);
    ub_free(metrics->shards);
    ub_free((void *)metrics->cells);
    ub_free((void *)metrics->set_values);
    ub_free(metrics->pairs);
    pthread_mutex_destroy(&metrics->lock);
    ub_free(metrics);
}

struct ub_metrics_shard *ub_metrics_shard(struct ub_metrics *metrics, uint32_t worker)
{
    assert(worker < metrics->limits.workers);
    return &metrics->shards[worker];
}

/* --- names --------------------------------------------------------------------------------------
 */

/* Zeroes the series of one metric whose label `which` is `index`, in one block of cells. */
static void forget_series(const struct ub_metric_place *place, int which, uint32_t index,
                          _Atomic uint64_t *cells)
{
    uint32_t others = which == 0 ? place->size2 : place->size1;
    for (uint32_t other = 0; other < others; other++) {
        uint32_t i = which == 0 ? index : other;
        uint32_t j = which == 0 ? other : index;
        for (uint32_t cell = 0; cell < place->cells; cell++) {
            _Atomic uint64_t *at =
                &cells[place->first + (i * place->size2 + j) * place->cells + cell];
            if (atomic_load_explicit(at, memory_order_relaxed) != 0) { /* touch no fresh page */
                atomic_store_explicit(at, 0, memory_order_relaxed);
            }
        }
    }
}

static void forget_pairs(struct ub_metrics *metrics, enum ub_metric_label label, uint32_t index)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < metrics->pair_count; i++) {
        const struct ub_metric_pair *pair = &metrics->pairs[i];
        const enum ub_metric_label *labels = ub_metric_table[pair->metric].label;
        if ((labels[0] != label || pair->index[0] != index) &&
            (labels[1] != label || pair->index[1] != index)) {
            metrics->pairs[kept++] = *pair;
        }
    }
    metrics->pair_count = kept;
}

static void forget_slot(struct ub_metrics *metrics, enum ub_metric_label label, uint32_t index)
{
    forget_pairs(metrics, label, index);
    for (int i = 0; i < UB_METRIC_COUNT; i++) {
        for (int which = 0; which < 2; which++) {
            if (ub_metric_table[i].label[which] != label || metrics->place[i].cells == 0) {
                continue;
            }
            if (ub_metric_is_set(ub_metric_table[i].type)) {
                forget_series(&metrics->place[i], which, index, metrics->set_values);
                continue;
            }
            for (uint32_t w = 0; w < metrics->limits.workers; w++) {
                forget_series(&metrics->place[i], which, index, metrics->shards[w].cells);
            }
        }
    }
}

bool ub_metrics_name(struct ub_metrics *metrics, enum ub_metric_label label, uint32_t index,
                     const char *name)
{
    struct ub_metric_names *names = ub_metric_names(metrics, label);
    assert(names != NULL && index < names->count);
    bool ok = true;
    pthread_mutex_lock(&metrics->lock);
    char *old = names->name[index];
    if (old == NULL || name == NULL || strcmp(old, name) != 0) {
        forget_slot(metrics, label, index);
        names->name[index] = name == NULL ? NULL : ub_strndup(name, strlen(name));
        ok = name == NULL || names->name[index] != NULL;
        ub_free(old);
    }
    pthread_mutex_unlock(&metrics->lock);
    return ok;
}

/* --- values -------------------------------------------------------------------------------------
 */

static bool has_room_for_pair(struct ub_metrics *metrics)
{
    if (metrics->pair_count < metrics->pair_cap) {
        return true;
    }
    uint32_t cap = metrics->pair_cap == 0 ? 64 : metrics->pair_cap * 2;
    struct ub_metric_pair *grown =
        cap > PAIRS_MAX ? NULL : ub_realloc(metrics->pairs, cap * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    metrics->pairs = grown;
    metrics->pair_cap = cap;
    return true;
}

static void set_pair(struct ub_metrics *metrics, const struct ub_metric_pair *pair)
{
    pthread_mutex_lock(&metrics->lock);
    if (has_room_for_pair(metrics)) {
        metrics->pairs[metrics->pair_count] = *pair;
        metrics->pairs[metrics->pair_count].order = metrics->pair_count;
        metrics->pair_count++;
    }
    pthread_mutex_unlock(&metrics->lock);
}

void ub_metrics_set(struct ub_metrics *metrics, enum ub_metric metric, uint32_t index1,
                    uint32_t index2, double value)
{
    assert(ub_metric_is_set(ub_metric_table[metric].type));
    if (ub_metric_is_pair(metric)) {
        set_pair(metrics, &(struct ub_metric_pair){
                              .metric = metric, .index = {index1, index2}, .value = value});
        return;
    }
    const struct ub_metrics_shard all = {metrics->place, metrics->set_values};
    atomic_store_explicit(ub_metrics_cell(&all, metric, index1, index2), encode(value),
                          memory_order_relaxed);
}

void ub_metrics_observe(const struct ub_metrics_shard *shard, enum ub_metric metric,
                        uint32_t index1, ub_ns duration_ns)
{
    assert(ub_metric_table[metric].type == UB_QUICK || ub_metric_table[metric].type == UB_LONG);
    uint32_t count;
    const double *bounds = ub_metric_bounds(ub_metric_table[metric].type, &count);
    ub_ns ns = ub_ns_max(duration_ns, 0);
    double seconds = (double)ns / 1e9;
    uint32_t bucket = 0;
    while (bucket < count && seconds > bounds[bucket]) {
        bucket++;
    }
    _Atomic uint64_t *series = ub_metrics_cell(shard, metric, index1, 0);
    ub_metrics_bump(series + bucket, 1);
    ub_metrics_bump(series + count + 1, (uint64_t)ns);
}

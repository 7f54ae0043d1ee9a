/* metrics_private.h - what metrics.c (cells) and metrics_text.c (the scrape) share. */
#ifndef UB_OBSERVE_METRICS_PRIVATE_H
#define UB_OBSERVE_METRICS_PRIVATE_H

#include "observe/metrics.h"
#include <pthread.h>

#define UB_STATUS_END 600

enum ub_metric_type { UB_COUNTER, UB_NANOS, UB_UPDOWN, UB_QUICK, UB_LONG, UB_TOTAL, UB_GAUGE };

struct ub_metric_row {
    enum ub_metric_type type;
    enum ub_metric_label label[2];
    const char *name;
    const char *help;
};
extern const struct ub_metric_row ub_metric_table[UB_METRIC_COUNT];

struct ub_metric_names {
    uint32_t count; /* the slot "other" is number `count` */
    char **name;
};

/* A value of a metric whose two labels are both slots (see ub_metric_is_pair). */
struct ub_metric_pair {
    enum ub_metric metric;
    uint32_t index[2];
    uint32_t order; /* of two values for the same series the later one counts */
    double value;
};

struct ub_metrics {
    struct ub_metrics_limits limits;
    struct ub_metric_place place[UB_METRIC_COUNT];
    uint32_t shard_cells;
    uint32_t set_cells;
    struct ub_metrics_shard *shards;
    _Atomic uint64_t *cells;      /* of all shards, each on cache lines of its own */
    _Atomic uint64_t *set_values; /* TOTAL and GAUGE: see ub_metric_encode */
    pthread_mutex_t lock;         /* guards what follows */
    struct ub_metric_names models, upstreams, tenants, zones;
    struct ub_metric_pair *pairs; /* set since the last scrape */
    uint32_t pair_count, pair_cap;
};

/* TOTAL and GAUGE: one value, set at scrape time. */
static inline bool ub_metric_is_set(enum ub_metric_type type)
{
    return type == UB_TOTAL || type == UB_GAUGE;
}

/* Slots times slots would be millions of cells of which few are ever used. Their values are kept as
 * a list instead. */
static inline bool ub_metric_is_pair(enum ub_metric metric)
{
    enum ub_metric_label label = ub_metric_table[metric].label[1];
    return label == UB_LABEL_MODEL || label == UB_LABEL_UPSTREAM || label == UB_LABEL_TENANT ||
           label == UB_LABEL_ZONE;
}

/* The names of a label's slots; NULL for a label that is an enum. */
struct ub_metric_names *ub_metric_names(struct ub_metrics *metrics, enum ub_metric_label label);

/* Upper bounds of a histogram's buckets, in seconds. */
const double *ub_metric_bounds(enum ub_metric_type type, uint32_t *count);

double ub_metric_decode(uint64_t cell);

#endif

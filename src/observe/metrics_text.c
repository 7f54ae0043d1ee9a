#include "base/error.h"
#include "base/log.h"
#include "observe/metrics_private.h"
#include "policy/brain.h"
#include "store/redis_error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *label_key(enum ub_metric_label label)
{
    static const char *const keys[UB_LABEL_COUNT] = {
        [UB_LABEL_MODEL] = "model",     [UB_LABEL_UPSTREAM] = "upstream",
        [UB_LABEL_TENANT] = "tenant",   [UB_LABEL_OUTCOME] = "outcome",
        [UB_LABEL_ERROR] = "error",     [UB_LABEL_REASON] = "reason",
        [UB_LABEL_STATUS] = "status",   [UB_LABEL_SIDE] = "side",
        [UB_LABEL_TOKENS] = "kind",     [UB_LABEL_LEVEL] = "level",
        [UB_LABEL_VERSION] = "version", [UB_LABEL_ZONE] = "zone",
        [UB_LABEL_USAGE] = "usage",     [UB_LABEL_CLASS] = "class",
        [UB_LABEL_LIMIT] = "limit",     [UB_LABEL_REDIS] = "error",
        [UB_LABEL_STEP] = "step",       [UB_LABEL_BAR] = "bar",
    };
    return keys[label];
}

const char *ub_metrics_word(enum ub_metric_label label, uint32_t index)
{
    static const char *const reasons[] = {
#define X(name, words) words,
        UB_REASONS(X)
#undef X
    };
    static const char *const sides[] = {"client", "upstream"};
    static const char *const tokens[] = {"input", "output", "cached"};
    static const char *const usages[] = {"reported", "estimated"};
    static const char *const steps[] = {"stale", "model", "max_tokens", "message"};
    _Static_assert(UB_COUNT(steps) == UB_STEP_KINDS, "a word for each");
    static const char *const classes[] = {
#define X(name, word) word,
        UB_CLASSES(X)
#undef X
    };
    static const char *const limits[] = {
#define X(name, word) word,
        UB_LIMITS(X)
#undef X
    };
    static const char *const bars[] = {
#define X(name, word) word,
        UB_BARS(X)
#undef X
    };
    static const char *const redis[] = {
#define X(name, label, words) label,
        UB_REDIS_ERRORS(X)
#undef X
    };
    switch (label) {
    case UB_LABEL_REDIS:
        return index < UB_COUNT(redis) ? redis[index] : NULL;
    case UB_LABEL_OUTCOME:
    case UB_LABEL_ERROR:
        return index < UB_ERR_COUNT ? ub_error_slug((enum ub_error)index) : NULL;
    case UB_LABEL_REASON:
        return index == 0 ? "none" : index < UB_COUNT(reasons) ? reasons[index] : NULL;
    case UB_LABEL_SIDE:
        return index < UB_COUNT(sides) ? sides[index] : NULL;
    case UB_LABEL_TOKENS:
        return index < UB_COUNT(tokens) ? tokens[index] : NULL;
    case UB_LABEL_USAGE:
        return index < UB_COUNT(usages) ? usages[index] : NULL;
    case UB_LABEL_CLASS:
        return index < UB_COUNT(classes) ? classes[index] : NULL;
    case UB_LABEL_LIMIT:
        return index < UB_COUNT(limits) ? limits[index] : NULL;
    case UB_LABEL_BAR:
        return index < UB_COUNT(bars) ? bars[index] : NULL;
    case UB_LABEL_STEP:
        return index < UB_COUNT(steps) ? steps[index] : NULL;
    case UB_LABEL_LEVEL:
        return index < UB_LOG_LEVELS ? ub_log_level_name((enum ub_log_level)index) : NULL;
    case UB_LABEL_VERSION:
        return UB_VERSION;
    default:
        return NULL;
    }
}

/* Label values escape backslash, quote and newline; nothing else. */
static void add_value(struct ub_buf *out, const char *value)
{
    for (const char *p = value; *p != '\0'; p++) {
        switch (*p) {
        case '\\':
        case '"':
            ub_buf_add(out, "\\", 1);
            ub_buf_add(out, p, 1);
            break;
        case '\n':
            ub_buf_add(out, "\\n", 2);
            break;
        default:
            ub_buf_add(out, p, 1);
        }
    }
}

/* NULL: a slot without a name, not shown. `scratch` holds at least 12 bytes. */
static const char *label_value(struct ub_metrics *metrics, enum ub_metric_label label,
                               uint32_t index, char *scratch)
{
    const struct ub_metric_names *names = ub_metric_names(metrics, label);
    if (names != NULL && index < names->count) {
        return names->name[index];
    }
    const char *value = NULL;
    if (label == UB_LABEL_STATUS && index < UB_STATUS_END) {
        snprintf(scratch, 12, "%u", index);
        value = scratch;
    } else if (names == NULL) {
        value = ub_metrics_word(label, index);
    }
    return value == NULL ? "other" : value;
}

/* Is a series of this label shown before its first count? Names that people gave and small enums
 * are: rates and alerts need the zero. Long enums would be mostly zeros. */
static bool shows_zero(struct ub_metrics *metrics, enum ub_metric_label label, uint32_t index)
{
    const struct ub_metric_names *names = ub_metric_names(metrics, label);
    if (names != NULL) {
        return index < names->count;
    }
    return label == UB_LABEL_NONE || (label == UB_LABEL_SIDE && index < UB_SIDE_COUNT) ||
           (label == UB_LABEL_TOKENS && index < UB_TOKENS_KINDS);
}

/* One metric while it is being rendered. */
struct page {
    struct ub_metrics *metrics;
    struct ub_buf *out;
    enum ub_metric metric;
    bool titled;
    struct ub_buf labels; /* of the current series: a="x",b="y" */
};

static bool set_labels(struct page *page, uint32_t i, uint32_t j)
{
    const uint32_t index[2] = {i, j};
    ub_buf_clear(&page->labels);
    for (int which = 0; which < 2; which++) {
        enum ub_metric_label label = ub_metric_table[page->metric].label[which];
        if (label == UB_LABEL_NONE) {
            continue;
        }
        char scratch[12];
        const char *value = label_value(page->metrics, label, index[which], scratch);
        if (value == NULL) {
            return false;
        }
        ub_buf_printf(&page->labels, "%s%s=\"", page->labels.len > 0 ? "," : "", label_key(label));
        add_value(&page->labels, value);
        ub_buf_add(&page->labels, "\"", 1);
    }
    page->out->failed |= page->labels.failed;
    return true;
}

static void add_title(struct page *page)
{
    static const char *const types[] = {
        [UB_COUNTER] = "counter", [UB_NANOS] = "counter",  [UB_UPDOWN] = "gauge",
        [UB_QUICK] = "histogram", [UB_LONG] = "histogram", [UB_TOTAL] = "counter",
        [UB_GAUGE] = "gauge"};
    if (!page->titled) {
        const char *name = ub_metric_table[page->metric].name;
        ub_buf_printf(page->out, "# HELP %s %s\n# TYPE %s %s\n", name,
                      ub_metric_table[page->metric].help, name,
                      types[ub_metric_table[page->metric].type]);
        page->titled = true;
    }
}

static void add_sample(struct page *page, const char *suffix, const char *le, double value)
{
    add_title(page);
    ub_buf_printf(page->out, "%s%s", ub_metric_table[page->metric].name, suffix);
    if (page->labels.len > 0 || le != NULL) {
        ub_buf_add(page->out, "{", 1);
        ub_buf_add_slice(page->out, ub_buf_slice(&page->labels));
        if (le != NULL) {
            ub_buf_printf(page->out, "%sle=\"%s\"", page->labels.len > 0 ? "," : "", le);
        }
        ub_buf_add(page->out, "}", 1);
    }
    ub_buf_printf(page->out, " %.15g\n", value);
}

static uint64_t sum_of(const struct page *page, uint32_t cell)
{
    uint64_t sum = 0;
    for (uint32_t w = 0; w < page->metrics->limits.workers; w++) {
        sum += atomic_load_explicit(&page->metrics->shards[w].cells[cell], memory_order_relaxed);
    }
    return sum;
}

static void add_histogram(struct page *page, uint32_t first)
{
    uint32_t count;
    const double *bounds = ub_metric_bounds(ub_metric_table[page->metric].type, &count);
    uint64_t below = 0;
    for (uint32_t i = 0; i <= count; i++) {
        char le[24] = "+Inf";
        if (i < count) {
            snprintf(le, sizeof le, "%g", bounds[i]);
        }
        below += sum_of(page, first + i);
        add_sample(page, "_bucket", le, (double)below);
    }
    add_sample(page, "_sum", NULL, (double)sum_of(page, first + count + 1) / 1e9);
    add_sample(page, "_count", NULL, (double)below);
}

static void add_series(struct page *page, uint32_t i, uint32_t j)
{
    const struct ub_metric_place *place = &page->metrics->place[page->metric];
    uint32_t cell = place->first + (i * place->size2 + j) * place->cells;
    enum ub_metric_type type = ub_metric_table[page->metric].type;
    if (ub_metric_is_set(type)) {
        double value = ub_metric_decode(
            atomic_load_explicit(&page->metrics->set_values[cell], memory_order_relaxed));
        if (!isnan(value) && set_labels(page, i, j)) {
            add_sample(page, "", NULL, value);
        }
        return;
    }
    uint64_t sum = 0;
    for (uint32_t c = 0; c < place->cells; c++) {
        sum |= sum_of(page, cell + c);
    }
    bool zero_too = shows_zero(page->metrics, ub_metric_table[page->metric].label[0], i) &&
                    shows_zero(page->metrics, ub_metric_table[page->metric].label[1], j);
    if ((sum == 0 && !zero_too) || !set_labels(page, i, j)) {
        return;
    }
    if (type == UB_QUICK || type == UB_LONG) {
        add_histogram(page, cell);
    } else {
        double value = type == UB_UPDOWN ? (double)(int64_t)sum : (double)sum;
        add_sample(page, "", NULL, type == UB_NANOS ? value / 1e9 : value);
    }
}

static int by_series(const void *one, const void *other)
{
    const struct ub_metric_pair *a = one, *b = other;
    const uint32_t keys[4][2] = {{a->metric, b->metric},
                                 {a->index[0], b->index[0]},
                                 {a->index[1], b->index[1]},
                                 {a->order, b->order}};
    for (int i = 0; i < 4; i++) {
        if (keys[i][0] != keys[i][1]) {
            return keys[i][0] < keys[i][1] ? -1 : 1;
        }
    }
    return 0;
}

static bool same_series(const struct ub_metric_pair *a, const struct ub_metric_pair *b)
{
    return a->metric == b->metric && a->index[0] == b->index[0] && a->index[1] == b->index[1];
}

/* The pairs are sorted. */
static void add_pairs(struct page *page)
{
    const struct ub_metrics *metrics = page->metrics;
    for (uint32_t i = 0; i < metrics->pair_count; i++) {
        const struct ub_metric_pair *pair = &metrics->pairs[i];
        bool last = i + 1 == metrics->pair_count || !same_series(pair, pair + 1);
        if (pair->metric == page->metric && last && !isnan(pair->value) &&
            set_labels(page, pair->index[0], pair->index[1])) {
            add_sample(page, "", NULL, pair->value);
        }
    }
}

/* Slots without a name are passed over without a look at their cells: most were never touched. */
static bool is_nameless(struct ub_metrics *metrics, enum ub_metric_label label, uint32_t index)
{
    const struct ub_metric_names *names = ub_metric_names(metrics, label);
    return names != NULL && index < names->count && names->name[index] == NULL;
}

static void add_metric(struct page *page)
{
    const struct ub_metric_place *place = &page->metrics->place[page->metric];
    if (ub_metric_is_pair(page->metric)) {
        add_pairs(page);
        return;
    }
    for (uint32_t i = 0; i < place->size1; i++) {
        if (is_nameless(page->metrics, ub_metric_table[page->metric].label[0], i)) {
            continue;
        }
        for (uint32_t j = 0; j < place->size2; j++) {
            add_series(page, i, j);
        }
    }
}

void ub_metrics_render(struct ub_metrics *metrics, struct ub_buf *out)
{
    pthread_mutex_lock(&metrics->lock);
    if (metrics->pair_count > 0) {
        qsort(metrics->pairs, metrics->pair_count, sizeof *metrics->pairs, by_series);
    }
    struct page page = {.metrics = metrics, .out = out};
    for (int metric = 0; metric < UB_METRIC_COUNT; metric++) {
        page.metric = (enum ub_metric)metric;
        page.titled = false;
        add_metric(&page);
    }
    metrics->pair_count = 0;
    ub_buf_free(&page.labels);
    pthread_mutex_unlock(&metrics->lock);
}

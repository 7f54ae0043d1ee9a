#include "base/histogram.h"

#include <string.h>

#define PART_BITS 6 /* log2 of UB_HISTOGRAM_PARTS */

uint32_t ub_histogram_index(uint64_t value)
{
    if (value < UB_HISTOGRAM_PARTS) {
        return (uint32_t)value;
    }
    /* value is in [2^(6+shift), 2^(7+shift)): its upper 7 bits choose the part. */
    uint32_t shift = 63u - PART_BITS - (uint32_t)__builtin_clzll(value);
    uint32_t index = shift * UB_HISTOGRAM_PARTS + (uint32_t)(value >> shift);
    return index < UB_HISTOGRAM_BUCKETS ? index : UB_HISTOGRAM_BUCKETS - 1;
}

uint64_t ub_histogram_lower(uint32_t index)
{
    if (index < 2 * UB_HISTOGRAM_PARTS) {
        return index;
    }
    uint32_t shift = index / UB_HISTOGRAM_PARTS - 1;
    return (uint64_t)(index % UB_HISTOGRAM_PARTS + UB_HISTOGRAM_PARTS) << shift;
}

void ub_histogram_add_n(struct ub_histogram *histogram, int64_t value, uint64_t times)
{
    if (times == 0) {
        return;
    }
    uint64_t v = value > 0 ? (uint64_t)value : 0;
    histogram->bucket[ub_histogram_index(v)] += times;
    if (histogram->count == 0 || v < histogram->min) {
        histogram->min = v;
    }
    if (v > histogram->max) {
        histogram->max = v;
    }
    histogram->count += times;
    histogram->sum += (double)v * (double)times;
}

void ub_histogram_add(struct ub_histogram *histogram, int64_t value)
{
    ub_histogram_add_n(histogram, value, 1);
}

void ub_histogram_merge(struct ub_histogram *into, const struct ub_histogram *from)
{
    if (from->count == 0) {
        return;
    }
    for (uint32_t i = 0; i < UB_HISTOGRAM_BUCKETS; i++) {
        into->bucket[i] += from->bucket[i];
    }
    if (into->count == 0 || from->min < into->min) {
        into->min = from->min;
    }
    if (from->max > into->max) {
        into->max = from->max;
    }
    into->count += from->count;
    into->sum += from->sum;
}

void ub_histogram_clear(struct ub_histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

static uint64_t middle(uint32_t index)
{
    uint64_t low = ub_histogram_lower(index);
    uint64_t high = ub_histogram_lower(index + 1);
    return low + (high - low) / 2;
}

int64_t ub_histogram_quantile(const struct ub_histogram *histogram, double q)
{
    if (histogram->count == 0) {
        return 0;
    }
    double want = q * (double)histogram->count;
    uint64_t rank = want > 1.0 ? (uint64_t)want : 1;
    rank += (double)rank < want;
    if (rank >= histogram->count) {
        return (int64_t)histogram->max;
    }
    uint64_t seen = 0;
    uint32_t index = 0;
    for (; index < UB_HISTOGRAM_BUCKETS - 1; index++) {
        seen += histogram->bucket[index];
        if (seen >= rank) {
            break;
        }
    }
    uint64_t value = middle(index);
    if (value < histogram->min) {
        value = histogram->min;
    }
    return (int64_t)(value < histogram->max ? value : histogram->max);
}

double ub_histogram_mean(const struct ub_histogram *histogram)
{
    return histogram->count == 0 ? 0.0 : histogram->sum / (double)histogram->count;
}

uint64_t ub_histogram_count_upto(const struct ub_histogram *histogram, int64_t value)
{
    if (value < 0 || histogram->count == 0) {
        return 0;
    }
    if ((uint64_t)value >= histogram->max) {
        return histogram->count;
    }
    uint64_t seen = 0;
    for (uint32_t i = 0; i < UB_HISTOGRAM_BUCKETS - 1; i++) {
        if (ub_histogram_lower(i + 1) > (uint64_t)value + 1) {
            break;
        }
        seen += histogram->bucket[i];
    }
    return seen;
}

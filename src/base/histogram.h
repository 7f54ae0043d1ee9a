/* histogram.h - counts of durations in log-linear buckets, so that percentiles of millions of
 * samples cost a fixed 19 KiB.
 *
 * Values below 64 are exact; above, each power of two is cut into 64 equal parts, and a bucket
 * answers with its middle: the error is at most 1/128 (0.8 %) of the value. Values from 2^43 on
 * (2.4 h in nanoseconds) fall into the last bucket; `max` still knows them. Histograms of the same
 * thing from several threads or runs add up (Tene's HdrHistogram has the same layout).
 *
 * Plain data: zeroed memory is an empty histogram. One writer at a time; the owner sees to that.
 */
#ifndef UB_BASE_HISTOGRAM_H
#define UB_BASE_HISTOGRAM_H

#include <stdint.h>

#define UB_HISTOGRAM_PARTS   64 /* buckets for each power of two */
#define UB_HISTOGRAM_BUCKETS 2432

struct ub_histogram {
    uint64_t count;
    uint64_t min; /* exact; meaningless while count is 0 */
    uint64_t max; /* exact */
    double sum;
    uint64_t bucket[UB_HISTOGRAM_BUCKETS];
};

/* Negative durations (a clock was read too early) count as 0. */
void ub_histogram_add(struct ub_histogram *histogram, int64_t value);
void ub_histogram_add_n(struct ub_histogram *histogram, int64_t value, uint64_t times);

void ub_histogram_merge(struct ub_histogram *into, const struct ub_histogram *from);
void ub_histogram_clear(struct ub_histogram *histogram);

/* The value that the share `q` (0..1) of all samples does not exceed (nearest rank); 0 when empty.
 * Never outside [min, max]. */
int64_t ub_histogram_quantile(const struct ub_histogram *histogram, double q);

double ub_histogram_mean(const struct ub_histogram *histogram);

/* Samples in buckets that end at or below `value`: what a Prometheus `le` bucket wants. A sample
 * within 1.6 % of `value` may be missed. */
uint64_t ub_histogram_count_upto(const struct ub_histogram *histogram, int64_t value);

/* The bucket of a value, and its first value; for charts. */
uint32_t ub_histogram_index(uint64_t value);
uint64_t ub_histogram_lower(uint32_t index);

#endif

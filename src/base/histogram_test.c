#include "base/histogram.h"
#include "base/random.h"
#include "base/test.h"
#include "base/time.h"

#include <math.h>
#include <stdlib.h>

static struct ub_histogram h;
static struct ub_histogram other;

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Every value up to 2^43 lies in a bucket whose middle is at most 0.8 % away. */
static void check_buckets(void)
{
    bool inside = true;
    double worst = 0.0;
    struct ub_random random = {.state = 1};
    for (int i = 0; i < 200000; i++) {
        uint64_t value = ub_random_u64(&random) >> (21 + ub_random_below(&random, 43));
        uint32_t index = ub_histogram_index(value);
        uint64_t low = ub_histogram_lower(index);
        uint64_t high = ub_histogram_lower(index + 1);
        inside = inside && low <= value && value < high;
        double middle = (double)(low + (high - low) / 2);
        double error = fabs(middle - (double)value) / fmax(1.0, (double)value);
        worst = fmax(worst, error);
    }
    UB_CHECK(inside, "a bucket holds the values between its first value and the next one's");
    UB_CHECK(worst <= 1.0 / 128, "the middle of a bucket is at most 1/128 off (%.5f)", worst);
    UB_CHECK(ub_histogram_index(UINT64_MAX) == UB_HISTOGRAM_BUCKETS - 1,
             "values beyond the range share the last bucket");
}

static void check_quantiles(void)
{
    enum { N = 20001 };
    int64_t *sorted = malloc(N * sizeof *sorted);
    if (sorted == NULL) {
        abort();
    }
    struct ub_random random = {.state = 7};
    ub_histogram_clear(&h);
    for (int i = 0; i < N; i++) {
        sorted[i] = (int64_t)(5e6 * -log(1.0 - ub_random_unit(&random))); /* mean 5 ms */
        ub_histogram_add(&h, sorted[i]);
    }
    qsort(sorted, N, sizeof *sorted, by_value);
    static const double shares[] = {0.001, 0.05, 0.5, 0.9, 0.99, 0.999, 1.0};
    for (size_t i = 0; i < UB_COUNT(shares); i++) {
        double want = (double)sorted[(int)ceil(shares[i] * N) - 1];
        double got = (double)ub_histogram_quantile(&h, shares[i]);
        UB_CHECK(fabs(got - want) <= 0.01 * want, "quantile %g is within 1 %% of the sorted sample",
                 shares[i]);
    }
    free(sorted);
}

static void check_small(void)
{
    ub_histogram_clear(&h);
    UB_CHECK(ub_histogram_quantile(&h, 0.99) == 0 && ub_histogram_count_upto(&h, 5) == 0,
             "an empty histogram answers 0");
    ub_histogram_add(&h, -5);
    ub_histogram_add(&h, 7 * UB_SECOND);
    UB_CHECK(ub_histogram_quantile(&h, 0.5) == 0, "a negative duration counts as 0");
    UB_CHECK(ub_histogram_quantile(&h, 1.0) == 7 * UB_SECOND, "the largest value is exact");
    UB_CHECK(ub_histogram_quantile(&h, 0.0) == 0, "quantile 0 is the smallest sample");
    UB_CHECK(ub_histogram_count_upto(&h, UB_SECOND) == 1 &&
                 ub_histogram_count_upto(&h, 8 * UB_SECOND) == 2,
             "counts up to a bound are cumulative");
}

static void check_merge(void)
{
    ub_histogram_clear(&h);
    ub_histogram_clear(&other);
    ub_histogram_add_n(&h, 10, 3);
    ub_histogram_add(&other, 2);
    ub_histogram_add(&other, 4000);
    ub_histogram_merge(&h, &other);
    UB_CHECK(h.count == 5 && h.min == 2 && h.max == 4000 && fabs(h.sum - 4032) < 0.5,
             "merged: counts and sums add up, ends are the wider ones");
    UB_CHECK(ub_histogram_quantile(&h, 0.5) == 10, "merged: the median is the joint one");
    ub_histogram_clear(&other);
    ub_histogram_merge(&h, &other);
    UB_CHECK(h.count == 5 && h.min == 2, "merging an empty one changes nothing");
}

int main(void)
{
    check_buckets();
    check_quantiles();
    check_small();
    check_merge();
    return ub_test_done();
}

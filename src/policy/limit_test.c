/* Limits: what comes at once, how much passes in a minute at any rate, what is told and settled. */
#include "policy/limit.h"

#include "base/alloc.h"
#include "base/random.h"
#include "base/test.h"

#define NOW UB_HOUR

static const struct {
    const char *name;
    struct ub_rate rate;
    uint32_t cost_max; /* costs are drawn up to it; 1: all cost 1 */
} rows[] = {
    {"one a second", {1, UB_SECOND, 1}, 1},
    {"three a second, whose time is no whole number", {3, UB_SECOND, 3}, 1},
    {"seven a minute", {7, UB_MINUTE, 7}, 1},
    {"a hundred a second, one at a time", {100, UB_SECOND, 1}, 1},
    {"997 a second", {997, UB_SECOND, 2000}, 1},
    {"a hundred thousand a second", {100000, UB_SECOND, 100}, 1},
    {"a million and one a second", {1000001, UB_SECOND, 1}, 1},
    {"a thousand an hour", {1000, UB_HOUR, 50}, 1},
    {"two million tokens a minute", {2000000, UB_MINUTE, 2000000}, 8000},
    {"333,333 tokens a minute, few at once", {333333, UB_MINUTE, 8000}, 8000},
    {"ten million tokens a day", {10000000, 24 * UB_HOUR, 100000}, 30000},
    {"a thousand million tokens a second", {1000000000, UB_SECOND, 1000000}, 100000},
};

/* Somebody who takes whatever there is, and comes back when told to or a little later, as long as that
 * wastes nothing. Returns what passed, and what could still pass at the end; `over`: the most by which
 * it was more than the rate allows. */
static double admitted(const struct ub_rate *rate, uint32_t cost_max, ub_ns span_ns, double *over)
{
    struct ub_limit limit = {0};
    struct ub_random random = {rate->amount};
    double passed = 0, per_ns = (double)rate->amount / (double)rate->per_ns;
    ub_ns spare_ns = (ub_ns)((double)(rate->burst - cost_max) / per_ns);
    *over = 0;
    for (ub_ns at = 0; at < span_ns;) {
        uint32_t cost = cost_max == 1 ? 1 : 1 + ub_random_below(&random, cost_max);
        ub_ns wait_ns = ub_limit_wait(&limit, rate, cost, NOW + at);
        if (wait_ns > 0) {
            at += wait_ns + (ub_ns)(ub_random_unit(&random) * (double)spare_ns);
            continue;
        }
        ub_limit_take(&limit, rate, cost, NOW + at);
        passed += cost;
        double bound = (double)rate->burst + (double)at * per_ns;
        *over = passed - bound > *over * bound ? (passed - bound) / bound : *over;
    }
    return passed + (double)ub_limit_left(&limit, rate, NOW + span_ns);
}

static void test_volume(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        const struct ub_rate *rate = &rows[i].rate;
        bool fast = rate->per_ns / (ub_ns)rate->amount < 10 * UB_US && rows[i].cost_max == 1;
        ub_ns span_ns = fast ? 3 * UB_SECOND : UB_MINUTE;
        double over, passed = admitted(rate, rows[i].cost_max, span_ns, &over);
        double want =
            (double)rate->burst + (double)span_ns * (double)rate->amount / (double)rate->per_ns;
        double missing = want - passed - 1; /* the last one may be there by half */
        UB_CHECK(over <= 0.001 && missing <= 0.001 * want,
                 "%s: %.0f of %.0f passed, at most %.5f %% too much", rows[i].name, passed, want,
                 over * 100);
    }
}

static void test_burst(void)
{
    const struct ub_rate three = {3, UB_SECOND, 100};
    struct ub_limit limit = {0};
    uint32_t passed = 0;
    bool counted = true;
    while (ub_limit_wait(&limit, &three, 1, NOW) == 0 && passed < 1000) {
        ub_limit_take(&limit, &three, 1, NOW);
        passed++;
        counted &= ub_limit_left(&limit, &three, NOW) == 100 - passed;
    }
    UB_CHECK(passed == 100, "exactly the burst comes at once: %u", passed);
    UB_CHECK(counted, "and one less is left after each");
    ub_ns wait_ns = ub_limit_wait(&limit, &three, 1, NOW);
    UB_CHECK(wait_ns > 333333320 && wait_ns <= 333333334,
             "and the next one in a third of a second");
    UB_CHECK(ub_limit_wait(&limit, &three, 1, NOW + wait_ns) == 0 &&
                 ub_limit_wait(&limit, &three, 1, NOW + wait_ns - 1) == 1,
             "not a nanosecond earlier");
    UB_CHECK(ub_limit_wait(&limit, &three, 101, NOW) == UB_NEVER,
             "more than the burst never comes");
    UB_CHECK(ub_limit_full_in(&limit, NOW) / UB_MS == 33333, "all is there again in 33.3 s");
    UB_CHECK(ub_limit_left(&limit, &three, NOW + UB_HOUR) == 100 &&
                 ub_limit_full_in(&limit, NOW + UB_HOUR) == 0,
             "an hour later there is no more than the burst");
}

static void test_settlement(void)
{
    const struct ub_rate tokens = {60000, UB_MINUTE, 60000};
    struct ub_limit limit = {0};
    ub_limit_take(&limit, &tokens, 50000, NOW);
    UB_CHECK(ub_limit_left(&limit, &tokens, NOW) == 10000, "an estimate is taken at the door");
    ub_limit_settle(&limit, &tokens, 50000, 20000, NOW + UB_SECOND);
    UB_CHECK(ub_limit_left(&limit, &tokens, NOW + UB_SECOND) == 41000,
             "what was not used is given back: %llu",
             (unsigned long long)ub_limit_left(&limit, &tokens, NOW + UB_SECOND));
    ub_limit_settle(&limit, &tokens, 20000, 80000, NOW + UB_SECOND);
    UB_CHECK(ub_limit_left(&limit, &tokens, NOW + UB_SECOND) == 0 &&
                 ub_limit_wait(&limit, &tokens, 1000, NOW + UB_SECOND) == 20 * UB_SECOND,
             "what was used beyond it is waited for by the next");
    ub_limit_settle(&limit, &tokens, 80000, 0, NOW + UB_HOUR);
    UB_CHECK(ub_limit_left(&limit, &tokens, NOW + UB_HOUR) == 60000, "nothing is given back twice");
}

static void test_line(void)
{
    const struct ub_rate ten = {10, UB_SECOND, 10};
    struct ub_limit limit = {0};
    ub_limit_take(&limit, &ten, 10, NOW);
    ub_ns first = ub_limit_tell(&limit, &ten, 1, NOW), second = ub_limit_tell(&limit, &ten, 1, NOW);
    UB_CHECK(first == 100 * UB_MS && second == 200 * UB_MS,
             "those turned away together are told to come one after the other");
    UB_CHECK(ub_limit_tell(&limit, &ten, 1, NOW + 250 * UB_MS) == 50 * UB_MS,
             "later ones come behind those");
    ub_ns last = 0;
    for (int i = 0; i < 1000; i++) {
        last = ub_limit_tell(&limit, &ten, 1, NOW + 250 * UB_MS);
    }
    UB_CHECK(last == UB_LIMIT_LINE_NS, "but a crowd sends nobody further away than 20 s");
    UB_CHECK(ub_limit_tell(&limit, &ten, 1, NOW + UB_HOUR) == 0,
             "and a line that is over is nothing");
}

static void test_other_rate(void)
{
    const struct ub_rate slow = {10, UB_HOUR, 10}, fast = {100, UB_SECOND, 100}, none = {0};
    struct ub_limit limit = {0};
    ub_limit_take(&limit, &slow, 10, NOW);
    ub_limit_adopt(&limit, &fast, NOW);
    UB_CHECK(ub_limit_wait(&limit, &fast, 1, NOW) == 10 * UB_MS,
             "what was owed at a slow rate is a burst at most at the new one");
    ub_limit_adopt(&limit, &none, NOW);
    ub_limit_adopt(&limit, &slow, NOW);
    UB_CHECK(ub_limit_wait(&limit, &slow, 10, NOW) == 0, "and after no rate at all it is nothing");
}

static void test_edges(void)
{
    const struct ub_rate rate = {1, 24 * UB_HOUR, UB_RATE_AMOUNT_MAX};
    struct ub_limit limit = {0};
    for (int i = 0; i < 100; i++) {
        ub_limit_take(&limit, &rate, UINT32_MAX, NOW);
    }
    UB_CHECK(ub_limit_full_in(&limit, NOW) > 0 && ub_limit_left(&limit, &rate, NOW) < rate.burst,
             "sums that do not fit stop at the end of time");
    ub_limit_tell(&limit, &rate, 1, NOW);
    ub_limit_settle(&limit, &rate, UINT32_MAX, 0, NOW);
    UB_CHECK(ub_limit_wait(&limit, &rate, 1, UB_NEVER / 2) >= 0, "and so does a late clock");
}

/* A million keys: 16 bytes each, and what one costs. */
static void test_million(void)
{
    enum { KEYS = 1000000 };
    const struct ub_rate rate = {10, UB_SECOND, 5};
    struct ub_limit *limits = ub_calloc(KEYS, sizeof *limits);
    struct ub_random random = {1};
    uint32_t passed = 0;
    for (uint32_t i = 0; limits != NULL && i < 8u * KEYS; i++) {
        struct ub_limit *limit = &limits[ub_random_below(&random, KEYS)];
        if (ub_limit_wait(limit, &rate, 1, NOW) == 0) {
            ub_limit_take(limit, &rate, 1, NOW);
            passed++;
        }
    }
    UB_CHECK(sizeof *limits == 16 && passed > 4 * KEYS && passed <= 5 * KEYS,
             "a million keys know their own, in 16 bytes each");
    ub_free(limits);
}

int main(void)
{
    test_volume();
    test_burst();
    test_settlement();
    test_line();
    test_other_rate();
    test_edges();
    test_million();
    return ub_test_done();
}

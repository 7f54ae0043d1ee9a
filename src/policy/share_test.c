#include "policy/share.h"

#include "base/test.h"
#include "policy/brain.h"

#define T0 (100 * UB_SECOND) /* when a lease was asked for */

static const struct {
    const char *name;
    uint32_t limit, nodes_min;
    uint32_t part, others, nodes; /* of the lease */
    ub_ns after_ns;
    uint32_t want;
    bool leased;
} rows[] = {
    {"a lease holds", 30, 1, 28, 2, 3, 0, 28, true},
    {"...until it has run out", 30, 1, 28, 2, 3, 699 * UB_MS, 28, true},
    {"then there is a fair part: less at once", 30, 1, 28, 2, 3, 700 * UB_MS, 10, false},
    {"more when others left it free", 30, 1, 5, 10, 3, 700 * UB_MS, 10, false},
    {"but not what others held", 30, 1, 1, 29, 3, 700 * UB_MS, 1, false},
    {"...for a while", 30, 1, 1, 29, 3, 10699 * UB_MS, 1, false},
    {"afterwards they have gone down, too", 30, 1, 1, 29, 3, 10700 * UB_MS, 10, false},
    {"in between it is what they did not hold", 30, 1, 3, 24, 3, 700 * UB_MS, 6, false},
    {"nobody else is known: all of it", 30, 1, 30, 0, 1, 700 * UB_MS, 30, false},
    {"the configuration knows of more", 30, 3, 30, 0, 1, 700 * UB_MS, 10, false},
    {"fewer slots than gateways: one", 2, 1, 0, 2, 3, 700 * UB_MS, 1, false},
    {"a lease of nothing is one", 2, 1, 0, 2, 3, 0, 0, true},
    {"a lease is never more than the limit", 30, 1, 99, 0, 3, 0, 30, true},
};

static void test_beginning(void)
{
    struct ub_share share;
    ub_share_begin(&share, 30, 2, T0);
    UB_CHECK(ub_share_part(&share, T0) == 0, "who has just started has nothing yet");
    UB_CHECK(ub_share_part(&share, T0 + 999 * UB_MS) == 0, "...for the time of a lease");
    UB_CHECK(ub_share_part(&share, T0 + UB_SECOND) == 15, "then it goes on alone");
    ub_share_granted(&share, 7, 23, 4, T0 + 2 * UB_SECOND);
    UB_CHECK(ub_share_part(&share, T0 + 2 * UB_SECOND) == 7, "Redis is there: its word holds");
}

static void test_want(void)
{
    struct ub_share share;
    ub_share_begin(&share, 30, 1, T0);
    UB_CHECK(ub_share_want(&share, 20) == 20, "a need is asked for at once");
    UB_CHECK(ub_share_want(&share, 0) == 15, "and forgotten step by step");
    int steps = 0;
    while (ub_share_want(&share, 0) > 0) {
        steps++;
    }
    UB_CHECK(steps < 15, "until nothing is left of it, after %d more", steps);
    UB_CHECK(ub_share_want(&share, UINT32_MAX) == UINT32_MAX, "any number will do");
}

static const struct {
    const char *name;
    struct ub_quota quota;
    uint32_t concurrency, inside;
    uint64_t asked, tokens; /* each second */
    uint32_t low, high;
} needs[] = {
    {"nothing is asked: a little all the same",
     {.requests = {100, UB_SECOND, 100}},
     0,
     0,
     0,
     0,
     16,
     16},
    {"half of the rate, and a bit more",
     {.requests = {100, UB_SECOND, 100}},
     0,
     0,
     50,
     0,
     590,
     600},
    {"ten times the rate is too much",
     {.requests = {100, UB_SECOND, 100}},
     0,
     0,
     1000,
     0,
     4000,
     4000},
    {"tokens, by the minute", {.tokens = {60000, UB_MINUTE, 60000}}, 0, 0, 1, 250, 295, 300},
    {"the limit that is needed most counts",
     {{100, UB_SECOND, 100}, {60000, UB_MINUTE, 60000}},
     0,
     0,
     10,
     500,
     590,
     600},
    {"places in the house", {{0}, {0}}, 200, 100, 0, 0, 600, 600},
};

static void test_needs(void)
{
    for (size_t i = 0; i < UB_COUNT(needs); i++) {
        struct ub_share_need need = {0};
        struct ub_share_use use = {.quota = &needs[i].quota,
                                   .concurrency = needs[i].concurrency,
                                   .inside = needs[i].inside,
                                   .nodes = 3};
        uint32_t wanted = 0;
        for (int s = 0; s < 20; s++) {
            wanted = ub_share_needs(&need, &use, T0 + s * UB_SECOND);
            use.asked += needs[i].asked;
            use.asked_tokens += needs[i].tokens;
        }
        UB_CHECK(wanted >= needs[i].low && wanted <= needs[i].high, "%s: %u", needs[i].name,
                 wanted);
    }
}

int main(void)
{
    test_needs();
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_share share;
        ub_share_begin(&share, rows[i].limit, rows[i].nodes_min, T0 - UB_SECOND);
        ub_share_granted(&share, rows[i].part, rows[i].others, rows[i].nodes, T0);
        ub_ns now = T0 + rows[i].after_ns;
        UB_CHECK(ub_share_part(&share, now) == rows[i].want, "%s: %u", rows[i].name,
                 ub_share_part(&share, now));
        UB_CHECK(ub_share_is_leased(&share, now) == rows[i].leased, "%s: is it leased?",
                 rows[i].name);
    }
    test_beginning();
    test_want();
    return ub_test_done();
}

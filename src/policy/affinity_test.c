#include "policy/affinity.h"

#include "base/random.h"
#include "base/test.h"

static const struct {
    const char *name;
    uint32_t inflight;
    uint64_t total;
    uint32_t count;
    bool fits;
} rows[] = {
    {"an idle tier takes the first anywhere", 0, 0, 3, true},
    {"the second goes elsewhere while others are idle", 1, 1, 3, false},
    {"one each on three: one may have two", 1, 3, 3, true},
    {"ten each: 13 is the bound, this one included", 12, 29, 3, true},
    {"14 are too many", 13, 29, 3, false},
    {"alone, everything fits", 1000, 1000, 1, true},
    {"64 upstreams with ten each: the same 13", 12, 639, 64, true},
    {"and 14 are too many there, too", 13, 639, 64, false},
};

static void test_bound(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        UB_CHECK(ub_affinity_fits(rows[i].inflight, rows[i].total, rows[i].count) == rows[i].fits,
                 "%s", rows[i].name);
    }
}

static uint32_t home(uint64_t session, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++) {
        if (ub_affinity_score(session, i + 1) > ub_affinity_score(session, best + 1)) {
            best = i;
        }
    }
    return best;
}

static void test_rendezvous(void)
{
    int share[5] = {0};
    int moved = 0;
    for (uint64_t s = 0; s < 10000; s++) {
        uint32_t with5 = home(s, 5);
        share[with5]++;
        moved += with5 != 4 && home(s, 4) != with5;
    }
    bool even = true;
    for (int i = 0; i < 5; i++) {
        even &= share[i] > 1850 && share[i] < 2150;
    }
    UB_CHECK(even, "sessions spread evenly");
    UB_CHECK(moved == 0, "taking one upstream out moves only its own sessions");
}

static void test_pays(void)
{
    UB_CHECK(ub_affinity_pays(500 * UB_MS, 0), "half a second is not worth moving");
    UB_CHECK(!ub_affinity_pays(501 * UB_MS, 0), "more is, when nothing is saved");
    UB_CHECK(ub_affinity_pays(9 * UB_SECOND, 10 * UB_SECOND), "a long prompt saves more");
}

static void test_prefixes(void)
{
    struct ub_prefix_entry entry[64] = {0};
    uint32_t clock = UINT32_MAX - 20; /* it turns over in the middle of this test */
    struct ub_prefixes p = {entry, UB_COUNT(entry), &clock};
    UB_CHECK(ub_prefix_find(p, 77) == UB_PREFIX_NONE, "unknown at first");
    UB_CHECK(ub_prefix_find(p, 0) == UB_PREFIX_NONE, "no hash, no entry");
    ub_prefix_put(p, 77, 3);
    ub_prefix_put(p, 77, 4);
    UB_CHECK(ub_prefix_find(p, 77) == 4, "the last target is remembered");

    for (uint64_t i = 1000; i < 1200; i++) {
        ub_prefix_put(p, 77, 4);
        ub_prefix_put(p, i, 9);
    }
    UB_CHECK(ub_prefix_find(p, 77) == 4, "what is used stays");
    UB_CHECK(ub_prefix_find(p, 1000) == UB_PREFIX_NONE, "what is old goes");
    UB_CHECK(ub_prefix_find(p, 1199) == 9, "what is new is there");
}

int main(void)
{
    test_bound();
    test_rendezvous();
    test_pays();
    test_prefixes();
    return ub_test_done();
}

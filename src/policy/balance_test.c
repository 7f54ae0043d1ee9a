#include "policy/balance.h"

#include "base/test.h"
#include <math.h>

static struct ub_candidate like(uint32_t member)
{
    return (struct ub_candidate){
        .member = member, .expect_ns = 100 * UB_MS, .response_ns = 1e9, .warmth = 1.0};
}

static void picks(enum ub_balance kind, const struct ub_candidate *c, uint32_t count,
                  ub_ns slow_over, int times, int *got)
{
    struct ub_turns turns = {0};
    struct ub_random random = {42};
    for (uint32_t i = 0; i < count; i++) {
        got[i] = 0;
    }
    for (int i = 0; i < times; i++) {
        got[ub_balance_pick(kind, c, count, 100, slow_over, &turns, &random)]++;
    }
}

static void test_round_robin(void)
{
    struct ub_candidate c[3] = {like(0), like(5), like(63)};
    int got[3];
    picks(UB_BALANCE_ROUND_ROBIN, c, 3, 0, 300, got);
    UB_CHECK(got[0] == 100 && got[1] == 100 && got[2] == 100, "round robin shares evenly");
}

static void test_least_request(void)
{
    struct ub_candidate c[3] = {like(0), like(1), like(2)};
    c[0].inflight = 3;
    c[1].inflight = 1;
    c[2].inflight = 2;
    int got[3];
    picks(UB_BALANCE_LEAST_REQUEST, c, 3, 0, 10, got);
    UB_CHECK(got[1] == 10, "fewest in flight");
    c[1].warmth = 0.1;
    picks(UB_BALANCE_LEAST_REQUEST, c, 3, 0, 10, got);
    UB_CHECK(got[2] == 10, "a cold one counts as fuller");
    c[0].inflight = c[1].inflight = c[2].inflight = 0;
    c[1].warmth = 1;
    picks(UB_BALANCE_LEAST_REQUEST, c, 3, 0, 3000, got);
    UB_CHECK(got[0] > 900 && got[1] > 900 && got[2] > 900, "chance decides among equals");
}

static void test_dynamic_weight(void)
{
    UB_CHECK(fabs(ub_balance_weight(1e9, 0, 0) - 1 / 10.1) < 1e-12, "1 s: weight 1 / 10.1");
    UB_CHECK(fabs(ub_balance_weight(1e9, 0.5, 0) - 0.5 / 10.1) < 1e-12, "half failed: half");
    UB_CHECK(fabs(ub_balance_weight(1e9, 0, 900 * UB_MS) - 0.4 / 10.1) < 1e-12,
             "over the threshold: 60 %% less");
    UB_CHECK(fabs(ub_balance_weight(1e9, 0, UB_SECOND) - 1 / 10.1) < 1e-12,
             "at the threshold: not over it");
    UB_CHECK(fabs(ub_balance_weight(0, 0, 0) - 1 / 1.1) < 1e-12, "not known: as if 100 ms");
    UB_CHECK(ub_balance_weight(1e9, 1, 0) > 0, "never nothing at all");

    struct ub_candidate c[2] = {like(0), like(1)};
    c[0].response_ns = 0.29e9; /* 1 / 3 */
    c[1].response_ns = 0.89e9; /* 1 / 9 */
    int got[2];
    picks(UB_BALANCE_DYNAMIC_WEIGHT, c, 2, 0, 400, got);
    UB_CHECK(got[0] == 300 && got[1] == 100, "three times as fast, three times as often");
}

static void test_adaptive(void)
{
    struct ub_candidate c[6] = {like(0), like(1), like(2), like(3), like(4), like(5)};
    int got[6];
    c[1].expect_ns = 50 * UB_MS;
    picks(UB_BALANCE_ADAPTIVE, c, 3, 0, 10, got);
    UB_CHECK(got[1] == 10, "the quickest first token");
    c[1].tokens = 5000;
    picks(UB_BALANCE_ADAPTIVE, c, 3, 0, 1000, got);
    UB_CHECK(got[1] == 0 && got[0] > 400 && got[2] > 400, "unless it has its hands full");
    c[0].error_share = 0.5;
    picks(UB_BALANCE_ADAPTIVE, c, 3, 0, 10, got);
    UB_CHECK(got[2] == 10, "errors make dear");
    c[2].expect_ns = 0;
    picks(UB_BALANCE_ADAPTIVE, c, 3, 0, 10, got);
    UB_CHECK(got[2] == 10, "an untried one is believed in");

    for (int i = 0; i < 6; i++) {
        c[i] = like((uint32_t)i);
        c[i].tokens = 1000;
    }
    c[3].tokens = 2000;
    c[3].expect_ns = UB_MS;
    picks(UB_BALANCE_ADAPTIVE, c, 6, 0, 10, got);
    UB_CHECK(got[3] == 0, "a hot one waits, however quick it is");
    c[3].tokens = 1200;
    picks(UB_BALANCE_ADAPTIVE, c, 6, 0, 10, got);
    UB_CHECK(got[3] == 10, "it is not hot within a quarter of the mean");
    c[3].tokens = 1000;
    c[0].tokens = c[1].tokens = c[2].tokens = 0;
    picks(UB_BALANCE_ADAPTIVE, c, 6, 0, 10, got);
    UB_CHECK(got[3] == 10, "nor where half of the tier has as much to do");
}

/* Two candidates: 0 has this, 1 has that. */
static const struct {
    const char *name;
    struct ub_candidate c[2];
    int want;
} costs[] = {
    {"half failed is four times as dear, not twice",
     {{.expect_ns = 100 * UB_MS, .error_share = 0.5}, {.expect_ns = 300 * UB_MS}},
     1},
    {"but not five times",
     {{.expect_ns = 100 * UB_MS, .error_share = 0.5}, {.expect_ns = 500 * UB_MS}},
     0},
    {"what this request adds counts: 100 x 101 against 50 x 191",
     {{.expect_ns = 100 * UB_MS}, {.expect_ns = 50 * UB_MS, .tokens = 90}},
     1},
    {"failing always is not infinitely dear",
     {{.expect_ns = UB_MS, .error_share = 1.0}, {.expect_ns = UB_SECOND}},
     0},
};

static void test_costs(void)
{
    for (size_t i = 0; i < UB_COUNT(costs); i++) {
        struct ub_candidate c[2] = {costs[i].c[0], costs[i].c[1]};
        c[0].warmth = c[1].warmth = 1.0;
        int got[2];
        picks(UB_BALANCE_ADAPTIVE, c, 2, 0, 10, got);
        UB_CHECK(got[costs[i].want] == 10, "%s", costs[i].name);
    }
}

static void test_many(void)
{
    struct ub_random random = {42};
    uint32_t looked_at[UB_TIER_MAX];
    int seen[UB_TIER_MAX] = {0};
    bool different = true;
    for (int turn = 0; turn < 6400; turn++) {
        uint64_t mask = 0;
        uint32_t count = ub_balance_look_at(UB_BALANCE_ADAPTIVE, 64, looked_at, &random);
        for (uint32_t i = 0; i < count; i++) {
            mask |= 1ull << looked_at[i];
            seen[looked_at[i]]++;
        }
        different &= count == 8 && __builtin_popcountll(mask) == 8;
    }
    int fewest = seen[0];
    for (int i = 0; i < UB_TIER_MAX; i++) {
        fewest = seen[i] < fewest ? seen[i] : fewest;
    }
    UB_CHECK(different, "of 64 candidates eight different ones are looked at");
    UB_CHECK(fewest > 700, "each as often as the others (%d of 800)", fewest);
    UB_CHECK(ub_balance_look_at(UB_BALANCE_ADAPTIVE, 16, looked_at, &random) == 16,
             "of 16 all of them");
    UB_CHECK(ub_balance_look_at(UB_BALANCE_ROUND_ROBIN, 64, looked_at, &random) == 64,
             "and for taking turns all of them, too");
}

static void test_warmth(void)
{
    UB_CHECK(ub_balance_warmth(0, UB_HOUR) == 1.0, "always there: warm");
    UB_CHECK(ub_balance_warmth(UB_HOUR, UB_HOUR) == 0.1, "just back: a tenth");
    UB_CHECK(ub_balance_warmth(UB_HOUR, UB_HOUR + 30 * UB_SECOND) == 0.5, "half a minute: half");
    UB_CHECK(ub_balance_warmth(UB_HOUR, 2 * UB_HOUR) == 1.0, "later: warm");
}

int main(void)
{
    test_round_robin();
    test_least_request();
    test_dynamic_weight();
    test_adaptive();
    test_costs();
    test_many();
    test_warmth();
    return ub_test_done();
}

#include "policy/retry.h"

#include "base/test.h"

static const struct {
    const char *name;
    uint32_t failures;
    bool throttled;
    ub_ns not_before;
    ub_ns want;
} rows[] = {
    {"the first window is the base", 1, false, 0, 10 * UB_SECOND + 500 * UB_MS},
    {"the window doubles with each failure", 3, false, 0, 12 * UB_SECOND},
    {"a throttle makes the base five times as long", 1, true, 0, 12 * UB_SECOND + 500 * UB_MS},
    {"the window stops growing at the cap", 60, false, 0, 14 * UB_SECOND},
    {"no window is longer, after a throttle neither", 2, true, 0, 14 * UB_SECOND},
    {"Retry-After is a floor, the jitter comes on top", 1, false, 30 * UB_SECOND,
     30 * UB_SECOND + 500 * UB_MS},
    {"a Retry-After that has passed changes nothing", 1, false, 3 * UB_SECOND,
     10 * UB_SECOND + 500 * UB_MS},
};

static void test_backoff(void)
{
    const struct ub_retry_policy policy = {.base_ns = UB_SECOND, .cap_ns = 8 * UB_SECOND};
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        ub_ns at = ub_retry_at(&policy, rows[i].failures, rows[i].throttled, 10 * UB_SECOND,
                               rows[i].not_before, 0.5);
        UB_CHECK(at == rows[i].want, "%s", rows[i].name);
    }
}

static int take_all(struct ub_budget *budget, const struct ub_retry_policy *policy, ub_ns now)
{
    int taken = 0;
    while (taken < 1000000 && ub_budget_take(budget, policy, now)) {
        taken++;
    }
    return taken;
}

static void test_budget(void)
{
    const struct ub_retry_policy policy = {.budget = 0.2, .budget_per_s = 10};
    struct ub_budget budget = {0};
    UB_CHECK(take_all(&budget, &policy, UB_SECOND) == 10,
             "a fresh budget holds one second's worth");
    UB_CHECK(take_all(&budget, &policy, UB_SECOND + 500 * UB_MS) == 5, "time refills it");
    UB_CHECK(take_all(&budget, &policy, UB_HOUR) == 10,
             "a long pause gives no more than a second's");
    ub_budget_take(&budget, &policy, UB_HOUR + UB_SECOND);
    ub_budget_take(&budget, &policy, UB_HOUR + 1900 * UB_MS);
    UB_CHECK(take_all(&budget, &policy, UB_HOUR + 1900 * UB_MS) == 9, "nor do two short ones");
    for (int i = 0; i < 100; i++) {
        ub_budget_first(&budget, &policy);
    }
    UB_CHECK(take_all(&budget, &policy, UB_HOUR + 1900 * UB_MS) == 20,
             "a fifth of the first attempts");
    for (int i = 0; i < 100000; i++) {
        ub_budget_first(&budget, &policy);
    }
    UB_CHECK(take_all(&budget, &policy, UB_HOUR + 1900 * UB_MS) == 100, "old credit is bounded");

    int trickle = 0;
    budget = (struct ub_budget){0};
    take_all(&budget, &policy, UB_SECOND);
    for (ub_ns now = UB_SECOND; now < UB_SECOND + 20 * UB_MS; now += 50) {
        trickle += ub_budget_take(&budget, &policy, now);
    }
    UB_CHECK(trickle == 0, "asking often gives nothing away");
    for (ub_ns now = UB_SECOND + 20 * UB_MS; now < UB_SECOND + 110 * UB_MS; now += 50) {
        trickle += ub_budget_take(&budget, &policy, now);
    }
    UB_CHECK(trickle == 1, "nor does it lose what the time brings");

    const struct ub_retry_policy none = {.budget = 0, .budget_per_s = 0};
    struct ub_budget empty = {0};
    ub_budget_first(&empty, &none);
    UB_CHECK(!ub_budget_take(&empty, &none, UB_SECOND), "a budget of nothing gives nothing");
}

int main(void)
{
    test_backoff();
    test_budget();
    return ub_test_done();
}

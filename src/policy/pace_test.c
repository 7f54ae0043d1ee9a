#include "policy/pace.h"

#include "base/random.h"
#include "base/test.h"

#define MIN_NS (5 * UB_SECOND)
#define MAX_NS (30 * UB_SECOND)

static bool near(ub_ns got, ub_ns want, double share)
{
    double d = (double)(got - want) / (double)want;
    return d < share && d > -share;
}

static void test_unlearned(void)
{
    struct ub_pace pace = {0};
    UB_CHECK(ub_pace_expect(&pace, 100, UB_SECOND) == 0, "nothing learned, nothing expected");
    UB_CHECK(ub_pace_deadline(&pace, 100, MIN_NS, MAX_NS) == MIN_NS,
             "the first wait is the shortest");
    UB_CHECK(ub_pace_deadline(&pace, 102000, MIN_NS, MAX_NS) == MIN_NS + 25 * UB_SECOND,
             "a long prompt is given time before we know better");
    UB_CHECK(ub_pace_whole_deadline(&pace, 100, 500, MIN_NS, UB_MINUTE) == 30 * UB_SECOND,
             "an answer in one piece gets half of what is left");
}

/* Waiting 800 ms, prefill 0.1 ms a token, 20 ms per output token. */
static void teach(struct ub_pace *pace, int samples, ub_ns *now)
{
    struct ub_random random = {3};
    for (int i = 0; i < samples; i++) {
        uint32_t tokens = 100 + ub_random_below(&random, 20000);
        uint32_t out = 10 + ub_random_below(&random, 500);
        ub_ns first = 800 * UB_MS + tokens * 100 * UB_US;
        *now += 100 * UB_MS;
        ub_pace_first(pace, tokens, first, *now);
        ub_pace_done(pace, tokens, out, first + out * 20 * UB_MS, out * 20 * UB_MS, *now);
    }
}

static void test_learned(void)
{
    struct ub_pace pace = {0};
    ub_ns now = UB_SECOND;
    teach(&pace, 200, &now);
    UB_CHECK(near(ub_pace_prefill(&pace, 10000), UB_SECOND, 0.02), "prefill per token is learned");
    UB_CHECK(near(ub_pace_per_token(&pace), 20 * UB_MS, 0.02), "time per output token is learned");
    UB_CHECK(near(ub_pace_expect(&pace, 10000, now + UB_MINUTE), 1800 * UB_MS, 0.05),
             "the expectation grows with the prompt");
    UB_CHECK(near(ub_pace_deadline(&pace, 100000, MIN_NS, MAX_NS), 15 * UB_SECOND, 0.05),
             "a long prompt's deadline is its prefill plus the bounded waiting");
    UB_CHECK(
        near(ub_pace_whole_deadline(&pace, 100, 200, MIN_NS, 10 * UB_MINUTE), 13 * UB_SECOND, 0.2),
        "an answer in one piece gets three times its generation");
    UB_CHECK(ub_pace_whole_deadline(&pace, 100, 10, MIN_NS, 10 * UB_MINUTE) == MIN_NS,
             "a short one no less than the least");
    UB_CHECK(ub_pace_whole_deadline(&pace, 100, 10, MIN_NS, 8 * UB_SECOND) == 4 * UB_SECOND,
             "unless half of what is left is less than that");

    ub_pace_first(&pace, 100, 9 * UB_SECOND, now);
    UB_CHECK(ub_pace_expect(&pace, 100, now) > 8 * UB_SECOND, "a worse sample counts at once");
    UB_CHECK(ub_pace_expect(&pace, 100, now + UB_MINUTE) < 3 * UB_SECOND, "and fades");
}

static void test_steady(void)
{
    struct ub_pace pace = {0};
    for (int i = 0; i < 100; i++) {
        ub_pace_first(&pace, 10, 6 * UB_SECOND, UB_SECOND);
    }
    UB_CHECK(ub_pace_deadline(&pace, 10, MIN_NS, MAX_NS) >= 12 * UB_SECOND,
             "a steady upstream may take twice as long as usual");
}

static void test_late(void)
{
    struct ub_pace pace = {0};
    ub_ns now = UB_SECOND;
    ub_pace_late(&pace, 10, 5 * UB_SECOND, now);
    UB_CHECK(ub_pace_deadline(&pace, 10, MIN_NS, MAX_NS) == 10 * UB_SECOND,
             "too late once: twice as long the next time");
    struct ub_pace once = pace;
    ub_pace_first(&once, 10, 300 * UB_MS, now);
    UB_CHECK(ub_pace_deadline(&once, 10, MIN_NS, MAX_NS) > 12 * UB_SECOND,
             "one good time does not take that back");
    ub_pace_late(&pace, 10, 10 * UB_SECOND, now);
    ub_pace_late(&pace, 10, 20 * UB_SECOND, now);
    UB_CHECK(ub_pace_deadline(&pace, 10, MIN_NS, MAX_NS) == MAX_NS, "up to the bound");
    for (int i = 0; i < 60; i++) {
        ub_pace_first(&pace, 10, 300 * UB_MS, now);
    }
    UB_CHECK(ub_pace_deadline(&pace, 10, MIN_NS, MAX_NS) == MIN_NS, "good times shorten it again");
}

static void test_whole_answers(void)
{
    struct ub_pace pace = {0};
    struct ub_random random = {9};
    ub_ns now = UB_SECOND;
    for (int i = 0; i < 300; i++) {
        uint32_t out = 10 + ub_random_below(&random, 300);
        now += UB_SECOND;
        ub_pace_done(&pace, 50, out, 400 * UB_MS + out * 10 * UB_MS, 0, now);
    }
    UB_CHECK(near(ub_pace_per_token(&pace), 10 * UB_MS, 0.05),
             "answers in one piece teach the time per token");
    UB_CHECK(near(ub_pace_expect(&pace, 50, now + UB_MINUTE), 400 * UB_MS, 0.3),
             "and what is left is the waiting");
}

int main(void)
{
    test_unlearned();
    test_learned();
    test_steady();
    test_late();
    test_whole_answers();
    return ub_test_done();
}

#include "policy/breaker.h"

#include "base/test.h"

#define T0 (1000 * UB_SECOND)

static void fail(struct ub_breaker *b, int times, enum ub_error error, ub_ns now)
{
    for (int i = 0; i < times; i++) {
        ub_breaker_bad(b, error, false, now, 0.0);
    }
}

static const struct {
    const char *name;
    int good, bad;
    enum ub_error error;
    bool opens;
} rows[] = {
    {"four failures in a row are bad luck", 0, 4, UB_ERR_UPSTREAM_BUSY, false},
    {"five are an outage", 0, 5, UB_ERR_UPSTREAM_BUSY, true},
    {"one refused connection may be a restart", 0, 1, UB_ERR_CONNECT_REFUSED, false},
    {"two are an outage", 0, 2, UB_ERR_CONNECT_REFUSED, true},
    {"so are two that cannot be reached", 0, 2, UB_ERR_CONNECT_FAILED, true},
    {"and two without trust", 0, 2, UB_ERR_TLS_FAILED, true},
    {"a refused key is one at once", 0, 1, UB_ERR_KEY_REFUSED, true},
    {"a missing model too", 0, 1, UB_ERR_MODEL_MISSING, true},
    {"an empty balance too", 3, 1, UB_ERR_NO_BALANCE, true},
};

static void test_trips(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_breaker b = {0};
        for (int n = 0; n < rows[i].good; n++) {
            ub_breaker_good(&b, false, T0);
        }
        fail(&b, rows[i].bad, rows[i].error, T0);
        bool open = ub_breaker_says(&b, T0) == UB_BREAKER_STOP;
        UB_CHECK(open == rows[i].opens, "%s", rows[i].name);
    }
}

static void test_window(void)
{
    struct ub_breaker b = {0};
    for (int i = 0; i < 10; i++) {
        ub_breaker_good(&b, false, T0);
        fail(&b, 1, UB_ERR_RESET, T0);
    }
    UB_CHECK(ub_breaker_says(&b, T0) == UB_BREAKER_STOP, "half of twenty calls failed: open");
    ub_breaker_trial(&b);
    ub_breaker_good(&b, true, T0 + 2 * UB_SECOND);
    fail(&b, 1, UB_ERR_RESET, T0 + 2 * UB_SECOND);
    UB_CHECK(ub_breaker_says(&b, T0 + 2 * UB_SECOND) == UB_BREAKER_GO,
             "what was before the outage does not count after it");

    b = (struct ub_breaker){0};
    for (int i = 0; i < 20; i++) {
        ub_ns now = T0 + i * UB_SECOND;
        ub_breaker_good(&b, false, now);
        fail(&b, 1, UB_ERR_RESET, now);
    }
    UB_CHECK(ub_breaker_says(&b, T0 + 19 * UB_SECOND) == UB_BREAKER_STOP,
             "a call a second, half of them bad: twenty within ten seconds");
    b = (struct ub_breaker){0};
    for (int i = 0; i < 20; i++) {
        ub_ns now = T0 + i * 11 * UB_SECOND;
        ub_breaker_good(&b, false, now);
        fail(&b, 1, UB_ERR_RESET, now);
    }
    UB_CHECK(ub_breaker_says(&b, T0 + 300 * UB_SECOND) == UB_BREAKER_GO, "old calls are forgotten");
}

static void test_trial(void)
{
    struct ub_breaker b = {0};
    fail(&b, 5, UB_ERR_UPSTREAM_ERROR, T0);
    UB_CHECK(ub_breaker_says(&b, T0 + 999 * UB_MS) == UB_BREAKER_STOP,
             "open for at least a second");
    UB_CHECK(ub_breaker_says(&b, T0 + UB_SECOND) == UB_BREAKER_TRY, "then one may try");
    ub_breaker_trial(&b);
    UB_CHECK(ub_breaker_says(&b, T0 + UB_SECOND) == UB_BREAKER_STOP, "but only one");
    ub_breaker_good(&b, false, T0 + UB_SECOND);
    UB_CHECK(ub_breaker_says(&b, T0 + UB_SECOND) == UB_BREAKER_STOP,
             "a call from before the outage closes nothing");
    ub_breaker_trial_void(&b);
    UB_CHECK(ub_breaker_says(&b, T0 + UB_SECOND) == UB_BREAKER_TRY,
             "a trial without a verdict leaves room for the next");
    ub_breaker_trial(&b);
    ub_breaker_bad(&b, UB_ERR_UPSTREAM_ERROR, true, T0 + 2 * UB_SECOND, 0.0);
    UB_CHECK(ub_breaker_says(&b, T0 + 4 * UB_SECOND - 1) == UB_BREAKER_STOP &&
                 ub_breaker_says(&b, T0 + 4 * UB_SECOND) == UB_BREAKER_TRY,
             "a failed trial opens it for twice as long");
    ub_breaker_trial(&b);
    ub_breaker_good(&b, true, T0 + 5 * UB_SECOND);
    UB_CHECK(ub_breaker_says(&b, T0 + 5 * UB_SECOND) == UB_BREAKER_GO, "a good trial closes it");
    fail(&b, 4, UB_ERR_UPSTREAM_ERROR, T0 + 5 * UB_SECOND);
    UB_CHECK(ub_breaker_says(&b, T0 + 5 * UB_SECOND) == UB_BREAKER_GO, "and the count starts anew");
}

static void test_times(void)
{
    struct ub_breaker b = {0};
    fail(&b, 5, UB_ERR_UPSTREAM_BUSY, T0);
    ub_ns longest = 0, now = T0;
    for (int i = 0; i < 20; i++) {
        now = b.open_until;
        ub_breaker_trial(&b);
        ub_breaker_bad(&b, UB_ERR_UPSTREAM_BUSY, true, now, 0.999);
        longest = ub_ns_max(longest, b.open_until - now);
    }
    UB_CHECK(longest > 7 * UB_SECOND && longest <= 8 * UB_SECOND,
             "the time grows to eight seconds");

    ub_ns until = b.open_until;
    ub_breaker_bad(&b, UB_ERR_UPSTREAM_BUSY, false, now + UB_MS, 0.0);
    UB_CHECK(b.open_until == until, "a further failure never shortens it");
    ub_breaker_bad(&b, UB_ERR_UPSTREAM_BUSY, false, until - UB_MS, 0.0);
    UB_CHECK(b.open_until > until, "but it extends it");

    ub_breaker_probe_good(&b, now + UB_SECOND);
    UB_CHECK(ub_breaker_says(&b, now + UB_SECOND) == UB_BREAKER_TRY,
             "a good probe ends the waiting");
    ub_breaker_trial(&b);
    ub_breaker_good(&b, true, now + UB_SECOND);
    fail(&b, 5, UB_ERR_UPSTREAM_BUSY, now + 2 * UB_SECOND);
    UB_CHECK(b.open_until >= now + 6 * UB_SECOND, "relapsing within a minute goes on growing");

    b = (struct ub_breaker){0};
    fail(&b, 5, UB_ERR_UPSTREAM_BUSY, T0);
    ub_breaker_trial(&b);
    ub_breaker_good(&b, true, T0 + 2 * UB_SECOND);
    fail(&b, 5, UB_ERR_UPSTREAM_BUSY, T0 + 100 * UB_SECOND);
    UB_CHECK(b.open_until == T0 + 101 * UB_SECOND, "after a quiet minute it starts from the base");
}

static void test_probe_wish(void)
{
    struct ub_breaker b = {0};
    fail(&b, 2, UB_ERR_CONNECT_FAILED, T0);
    UB_CHECK(ub_breaker_wants_probe(&b), "dead connections are probed");
    b = (struct ub_breaker){0};
    fail(&b, 5, UB_ERR_LATE, T0);
    UB_CHECK(!ub_breaker_wants_probe(&b), "a connection says nothing about a silent engine");
}

int main(void)
{
    test_trips();
    test_window();
    test_trial();
    test_times();
    test_probe_wish();
    return ub_test_done();
}

/* The limit against a model upstream: so many slots, a first token 200 ms after a slot is free, and
 * answers of two to eight seconds. */
#include "policy/gradient.h"

#include "base/random.h"
#include "base/test.h"

#define TICK     (10 * UB_MS)
#define SEATS    2000
#define FIRST_NS (200 * UB_MS)
#define LATE_NS  (5 * UB_SECOND)

struct seat {
    ub_ns started_at; /* 0: nobody */
    ub_ns served_at;  /* 0: waits */
    ub_ns first_ns;
    ub_ns ends_at;
    bool said;
};

struct model {
    struct ub_gradient gradient;
    struct ub_random random;
    struct seat seat[SEATS]; /* a ring: the oldest are served first */
    uint32_t slots;
    uint32_t demand; /* so many want to be there at a time */
    double noise;    /* share of calls that is refused for nothing */
    double tail;     /* share of first tokens that takes ten times as long */
    bool refuses;    /* the upstream has no queue */
    uint32_t inflight, running, refusals;
    uint64_t done;
    ub_ns now;
};

static void start(struct model *m, struct seat *s)
{
    m->inflight++;
    ub_gradient_started(&m->gradient);
    bool full = m->refuses && m->running >= m->slots;
    if (full || ub_random_unit(&m->random) < m->noise) {
        m->refusals++;
        ub_gradient_refused(&m->gradient, m->now - UB_MS, m->inflight, m->now);
        m->inflight--;
        return;
    }
    bool slow = ub_random_unit(&m->random) < m->tail;
    *s = (struct seat){.started_at = m->now, .first_ns = FIRST_NS * (slow ? 10 : 1)};
    m->running += m->refuses;
    s->served_at = m->refuses ? m->now : 0;
    s->ends_at = m->now + 2 * UB_SECOND + (ub_ns)ub_random_below(&m->random, 6000) * UB_MS;
}

static void serve(struct model *m)
{
    while (m->running < m->slots) {
        struct seat *oldest = NULL;
        for (uint32_t i = 0; i < SEATS; i++) {
            struct seat *s = &m->seat[i];
            if (s->started_at != 0 && s->served_at == 0 &&
                (oldest == NULL || s->started_at < oldest->started_at)) {
                oldest = s;
            }
        }
        if (oldest == NULL) {
            return;
        }
        oldest->served_at = m->now;
        oldest->ends_at += m->now - oldest->started_at;
        m->running++;
    }
}

static void tick(struct model *m)
{
    m->now += TICK;
    int starts = 2;
    for (uint32_t i = 0; i < SEATS; i++) {
        struct seat *s = &m->seat[i];
        if (s->started_at == 0) {
            bool wants = m->inflight < m->demand && starts > 0;
            if (wants && ub_gradient_has_room(&m->gradient, m->inflight)) {
                starts--;
                start(m, s);
            }
            continue;
        }
        if (s->served_at != 0 && !s->said && m->now >= s->served_at + s->first_ns) {
            s->said = true;
            ub_gradient_first(&m->gradient, m->now - s->started_at, s->started_at, m->inflight,
                              m->now);
        }
        bool late = s->served_at == 0 && m->now - s->started_at > LATE_NS;
        if (late) {
            ub_gradient_late(&m->gradient, LATE_NS, s->started_at, m->inflight, m->now);
            *s = (struct seat){0};
            m->inflight--;
            continue;
        }
        if (s->served_at != 0 && m->now >= s->ends_at) {
            *s = (struct seat){0};
            m->inflight--;
            m->running--;
            m->done++;
        }
    }
    serve(m);
}

/* Mean limit over the last half of this time. */
static double run(struct model *m, int seconds)
{
    double sum = 0;
    int ticks = seconds * (int)(UB_SECOND / TICK);
    for (int i = 0; i < ticks; i++) {
        tick(m);
        sum += i >= ticks / 2 ? m->gradient.limit : 0;
    }
    return 2 * sum / ticks;
}

static struct model *fresh(uint32_t slots, uint32_t demand)
{
    static struct model m;
    m = (struct model){.slots = slots, .demand = demand, .random = {5}, .now = UB_HOUR};
    return &m;
}

static bool near(double got, double want, double share)
{
    return got > want * (1 - share) && got < want * (1 + share);
}

static void test_converges(uint32_t slots, bool refuses)
{
    struct model *m = fresh(slots, slots / 2);
    m->refuses = refuses;
    run(m, 30);
    UB_CHECK(m->gradient.limit == 0, "%u slots: half of them used, and there is no limit", slots);
    m->demand = 3 * slots;
    run(m, 60);
    double limit = run(m, 60);
    UB_CHECK(near(limit, slots, slots < 10 ? 0.25 : 0.2), "three times too many: a limit of %.1f",
             limit);
    uint64_t before = m->done;
    uint32_t refused = m->refusals;
    run(m, 60);
    double full = 60.0 / 5.0 * slots;
    UB_CHECK((double)(m->done - before) > 0.9 * full, "%.0f %% of what it can do are done",
             100 * (double)(m->done - before) / full);
    UB_CHECK(m->refusals - refused <= 40 + full / 20, "%u refusals on the way",
             m->refusals - refused);
}

static void test_follows(bool refuses)
{
    struct model *m = fresh(60, 200);
    m->refuses = refuses;
    run(m, 90);
    m->slots = 20;
    run(m, 60);
    double limit = run(m, 40);
    UB_CHECK(near(limit, 20, 0.2), "%s: 60 slots become 20, and the limit %.1f",
             refuses ? "refusals" : "a queue", limit);
    m->slots = 120;
    run(m, 60);
    limit = run(m, 40);
    UB_CHECK(near(limit, 120, 0.2), "then 120, and the limit %.1f", limit);
}

static void test_one_at_a_time(void)
{
    struct model *m = fresh(50, 1);
    m->tail = 0.3;
    run(m, 300);
    UB_CHECK(m->gradient.limit == 0, "one at a time, some of them slow: no limit");
    m->demand = 150;
    run(m, 60);
    m->demand = 1;
    double limit = run(m, 600);
    UB_CHECK(near(limit, 50, 0.4), "a limit from better days stays: %.1f", limit);
    m->noise = 0.05;
    limit = run(m, 600);
    UB_CHECK(near(limit, 50, 0.4), "also with a refusal now and then: %.1f", limit);
}

static void test_no_growth_without_load(void)
{
    struct model *m = fresh(50, 150);
    run(m, 90);
    m->slots = 1000;
    m->demand = 20;
    double limit = run(m, 600);
    UB_CHECK(limit < 70, "twenty at a time do not make a limit grow: %.1f", limit);
}

/* Refusals and slowness that have nothing to do with how many are there. */
static void test_noise(void)
{
    struct model *m = fresh(1000, 200);
    m->noise = 0.05;
    run(m, 60);
    uint64_t before = m->done;
    run(m, 120);
    double share = (double)(m->done - before) / (200 * 120.0 / 5.0);
    UB_CHECK(share > 0.95, "5 %% refused for nothing: %.0f %% of the demand is met", 100 * share);
    m = fresh(1000, 200);
    m->tail = 0.1;
    run(m, 60);
    before = m->done;
    run(m, 120);
    share = (double)(m->done - before) / (200 * 120.0 / 5.4);
    UB_CHECK(share > 0.9, "every tenth is slow for nothing: %.0f %%", 100 * share);
}

/* An episode in which everything is slow drives it down; afterwards a crowd is not kept waiting. */
static void test_recovers(void)
{
    struct model *m = fresh(100, 80);
    run(m, 60);
    m->slots = 2;
    run(m, 120);
    UB_CHECK(m->gradient.limit < 10, "driven down to %.1f", m->gradient.limit);
    m->slots = 100;
    int seconds = 0;
    while (m->inflight < 64 && seconds < 60) {
        run(m, 1);
        seconds++;
    }
    UB_CHECK(seconds <= 20, "after %d s the crowd of 80 is let in", seconds);
}

static void test_knows_room(void)
{
    struct model *m = fresh(50, 20);
    UB_CHECK(!ub_gradient_knows_room(&m->gradient, 0), "of an unknown one nothing is known");
    run(m, 30);
    UB_CHECK(ub_gradient_knows_room(&m->gradient, 19), "twenty went well, so nineteen do");
    UB_CHECK(!ub_gradient_knows_room(&m->gradient, 20), "but of twenty-one nothing is known");
    UB_CHECK(ub_gradient_has_room(&m->gradient, 500), "which forbids nothing");
}

int main(void)
{
    test_converges(5, false);
    test_converges(50, false);
    test_converges(400, false);
    test_converges(5, true);
    test_converges(50, true);
    test_converges(400, true);
    test_follows(false);
    test_follows(true);
    test_one_at_a_time();
    test_no_growth_without_load();
    test_noise();
    test_recovers();
    test_knows_room();
    return ub_test_done();
}

/* Three times as many requests as the upstreams can answer, for five minutes: what they can answer is
 * answered, the important ones nearly all, and most of the others hear at once that they cannot be. */
#include "sim/world.h"

#include <stdlib.h>

#define LASTS_S  300
#define BEGINS_S 60 /* measured from here on: the line is as long as it gets */
#define SLOTS    60 /* of each upstream; an answer takes two seconds */
#define FULL     90 /* requests a second that three upstreams can answer */

static uint8_t class_of(uint32_t i)
{
    /* 10 % critical, 30 % interactive, 40 % standard, 20 % batch */
    static const uint8_t classes[] = {0, 1, 1, 1, 2, 2, 2, 2, 3, 3};
    return classes[i % 10];
}

static struct ub_world *loaded(uint32_t per_s)
{
    struct ub_world *world = ub_world_new(
        (struct ub_world_options){.seed = 3, .quiet = true, .limits = {.requests = 40000}});
    static const char *const names[] = {"a", "b", "c"};
    for (size_t i = 0; i < UB_COUNT(names); i++) {
        struct ub_sim_upstream *u = ub_world_upstream(world, names[i], UB_SECOND);
        u->first.kind = UB_LATENCY_LOGNORMAL;
        u->first.sigma = 0.4;
        u->concurrency = u->slots = SLOTS;
    }
    ub_world_queue_size(world, 10000);
    struct ub_random random = {per_s};
    for (uint32_t i = 0; i < per_s * LASTS_S; i++) {
        ub_ns at = (ub_ns)(ub_random_unit(&random) * LASTS_S * (double)UB_SECOND);
        ub_world_ask(world, (struct ub_ask){.at = at, .class = (uint8_t)(1 + class_of(i))});
    }
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    return world;
}

/* Of those that arrived from BEGINS_S on. */
struct tally {
    uint32_t arrived, answered, at_once;
    ub_ns wait_ns; /* the median of those answered */
};

static int by_size(const void *a, const void *b)
{
    ub_ns x = *(const ub_ns *)a, y = *(const ub_ns *)b;
    return (x > y) - (x < y);
}

static struct tally tally_of(const struct ub_world *world, uint8_t class)
{
    static ub_ns waits[3 * FULL * LASTS_S];
    struct tally t = {0};
    for (uint32_t i = 0; i < ub_world_asked(world); i++) {
        struct ub_sim_result r = ub_world_result(world, i + 1);
        if (class_of(i) != class || r.arrived < BEGINS_S * UB_SECOND) {
            continue;
        }
        t.arrived++;
        t.at_once += r.outcome == UB_SIM_ANSWERED && r.over == r.arrived;
        if (r.outcome == UB_SIM_FINISHED) {
            waits[t.answered++] = r.forwarded - r.arrived;
        }
    }
    qsort(waits, t.answered, sizeof waits[0], by_size);
    t.wait_ns = t.answered == 0 ? 0 : waits[t.answered / 2];
    return t;
}

/* Answers that ended in the measured time, per second. */
static double goodput(const struct ub_world *world)
{
    uint32_t ended = 0;
    for (uint32_t i = 1; i <= ub_world_asked(world); i++) {
        struct ub_sim_result r = ub_world_result(world, i);
        ended += r.outcome == UB_SIM_FINISHED && r.over >= BEGINS_S * UB_SECOND &&
                 r.over < LASTS_S * UB_SECOND;
    }
    return (double)ended / (LASTS_S - BEGINS_S);
}

int main(void)
{
    double peak = 0;
    for (uint32_t percent = 80; percent <= 110; percent += 10) {
        struct ub_world *world = loaded(FULL * percent / 100);
        double now = goodput(world);
        peak = now > peak ? now : peak;
        ub_world_free(world);
    }
    struct ub_world *world = loaded(3 * FULL);
    double over = goodput(world);
    UB_CHECK(over >= 0.95 * peak, "goodput: %.1f a second at 3x, %.1f at its peak", over, peak);
    struct tally t[UB_TRAFFIC_CLASSES];
    for (uint8_t c = 0; c < UB_TRAFFIC_CLASSES; c++) {
        t[c] = tally_of(world, c);
    }
    UB_CHECK(t[0].answered >= 0.994 * t[0].arrived && t[0].wait_ns < 2 * UB_SECOND,
             "critical: %u of %u, first token after %lld ms", t[0].answered, t[0].arrived,
             (long long)(t[0].wait_ns / UB_MS));
    UB_CHECK(t[1].answered >= 0.6 * t[1].arrived && t[1].wait_ns < 5 * UB_SECOND,
             "interactive: %u of %u, first token after %lld ms", t[1].answered, t[1].arrived,
             (long long)(t[1].wait_ns / UB_MS));
    uint32_t low = t[2].arrived + t[3].arrived, served = t[2].answered + t[3].answered;
    UB_CHECK(served >= 0.1 * low, "standard and batch do not starve: %u of %u", served, low);
    UB_CHECK(t[2].at_once + t[3].at_once >= 0.85 * (low - served),
             "and most of those that are refused are refused at once: %u of %u",
             t[2].at_once + t[3].at_once, low - served);
    ub_world_free(world);
    return ub_test_done();
}

/* brain.c - what a decision costs: the time of one step with its actions, by kind of event.
 *
 * A steady load is kept in flight: each turn one request arrives, one sends its first payload, one
 * ends. 1,000 upstreams are sixteen tiers of 62 and 63; the best tier is large enough for the load.
 */
#include "policy/brain.h"
#include "base/alloc.h"
#include "base/random.h"
#include "base/slice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURNS    200000
#define INFLIGHT 1000
#define WAITING  10000 /* of a thousand tenants, in the rows called "line" */
#define TENANTS  10000 /* each with all limits that there are, in the rows called "limited" */

static const struct ub_brain_limits limits = {.requests = 16384,
                                              .upstreams = 1024,
                                              .targets = 2048,
                                              .models = 4,
                                              .routes = 8,
                                              .workers = 2,
                                              .prefixes = 65536,
                                              .tenants = TENANTS,
                                              .shares = TENANTS};

struct running {
    struct ub_request_id id;
    uint8_t attempt;
};

static int compare(const void *a, const void *b)
{
    ub_ns x = *(const ub_ns *)a, y = *(const ub_ns *)b;
    return x < y ? -1 : x > y;
}

static void report(const char *what, uint32_t upstreams, const char *balance, ub_ns *took,
                   size_t count)
{
    qsort(took, count, sizeof *took, compare);
    printf("%-14s %5u upstreams  %-14s median %5lld ns  p99 %6lld ns\n", what, upstreams, balance,
           (long long)took[count / 2], (long long)took[count * 99 / 100]);
}

/* Limits that nobody reaches, so that the rows compare. */
static void add_tenants(struct ub_routes *routes)
{
    static struct ub_tenant_spec tenants[TENANTS];
    static struct ub_share_spec shares[TENANTS];
    const struct ub_quota quota = {.requests = {1000000, UB_SECOND, 1000000},
                                   .tokens = {1000000000, UB_SECOND, 1000000000}};
    for (uint32_t i = 0; i < TENANTS; i++) {
        tenants[i] = (struct ub_tenant_spec){.key = i + 1, .concurrency = 1000000, .quota = quota};
        shares[i] = (struct ub_share_spec){.tenant = (uint16_t)i, .quota = quota};
    }
    routes->tenants = tenants;
    routes->shares = shares;
    routes->tenant_count = routes->share_count = TENANTS;
}

static struct ub_brain *brain_with(uint32_t upstreams, enum ub_balance balance, bool limited,
                                   void *block)
{
    struct ub_upstream_spec *specs = ub_calloc(upstreams, sizeof *specs);
    struct ub_model_spec *model = ub_calloc(1, sizeof *model);
    if (specs == NULL || model == NULL) {
        exit(1);
    }
    model->key = 1;
    model->policy = ub_model_policy_default();
    model->policy.balance = balance;
    model->tiers = (upstreams + UB_TIER_MAX - 2) / (UB_TIER_MAX - 1);
    for (uint32_t i = 0; i < upstreams; i++) {
        struct ub_tier_spec *tier = &model->tier[i % model->tiers];
        specs[i].key = i + 1;
        tier->member[tier->count++] = (uint16_t)i;
    }
    struct ub_brain *brain = ub_brain_init(block, &limits);
    struct ub_routes routes = {.upstream_count = upstreams,
                               .model_count = 1,
                               .queue_size = 100,
                               .upstreams = specs,
                               .models = model};
    if (limited) {
        add_tenants(&routes);
        model->quota = routes.tenants[0].quota;
    }
    ub_brain_step(brain, &(struct ub_event){.type = UB_EV_ROUTES, .now = 1, .routes = &routes});
    ub_free(specs);
    ub_free(model);
    return brain;
}

/* One step with its actions; the attempt number that a START names, or 0. */
static uint8_t timed(struct ub_brain *brain, const struct ub_event *event, ub_ns *took)
{
    struct ub_action action;
    uint8_t attempt = 0;
    ub_ns begin = ub_clock_now();
    ub_brain_step(brain, event);
    while (ub_brain_next(brain, &action)) {
        attempt = action.type == UB_ACT_START ? action.attempt : attempt;
    }
    *took = ub_clock_now() - begin;
    return attempt;
}

static void measure(uint32_t upstreams, enum ub_balance balance, const char *name, bool limited,
                    void *block)
{
    static struct running running[INFLIGHT];
    static ub_ns arrive[TURNS], first[TURNS], end[TURNS];
    struct ub_random random = {1};
    ub_ns now = UB_SECOND;
    memset(block, 0, ub_brain_size(&limits));
    memset(running, 0, sizeof running);
    struct ub_brain *brain = brain_with(upstreams, balance, limited, block);
    size_t count = 0;
    for (int turn = 0; turn < TURNS + INFLIGHT; turn++) {
        struct running *r = &running[turn % INFLIGHT];
        bool counts = turn >= INFLIGHT;
        ub_ns t_end = 0, t_arrive, t_first;
        now += 100 * UB_US;
        struct ub_event event = {.now = now, .seed = ub_random_u64(&random)};
        if (counts) {
            event.type = UB_EV_ENDED;
            event.request = r->id;
            event.attempt = r->attempt;
            event.ended = (struct ub_ending){.tokens_in = 500, .tokens_out = 100};
            timed(brain, &event, &t_end);
        }
        event.type = UB_EV_ARRIVED;
        event.request = r->id = ub_brain_next_id(brain);
        event.arrived =
            (struct ub_arrival){.stream = true, .can_retry = true, .prompt_tokens = 500};
        for (uint32_t i = 0; i < 8; i++) {
            event.arrived.prefix[i] = ub_random_u64(&random);
            event.arrived.prefix_tokens[i] = 64 * (i + 1);
        }
        event.arrived.prefix_count = 8;
        event.arrived.tenant = limited ? (uint16_t)ub_random_below(&random, TENANTS) : UB_NO_TENANT;
        r->attempt = timed(brain, &event, &t_arrive);
        event.type = UB_EV_FIRST_PAYLOAD;
        event.attempt = r->attempt;
        event.now = now += 100 * UB_US;
        timed(brain, &event, &t_first);
        if (counts) {
            arrive[count] = t_arrive;
            first[count] = t_first;
            end[count++] = t_end;
        }
    }
    report("arrival", upstreams, name, arrive, count);
    report("first payload", upstreams, name, first, count);
    report("end", upstreams, name, end, count);
}

/* Everybody waits who may: each end gives a slot to one of them, one comes in its place, and the next
 * is refused. */
static void measure_line(void *block)
{
    static struct running running[INFLIGHT];
    static ub_ns end[TURNS], enter[TURNS], refuse[TURNS];
    const struct ub_upstream_spec upstream = {.key = 1, .concurrency = INFLIGHT};
    static struct ub_model_spec model;
    model = (struct ub_model_spec){.key = 1, .policy = ub_model_policy_default(), .tiers = 1};
    model.policy.slot_wait_ns = model.policy.total_ns = UB_HOUR;
    model.tier[0].count = 1;
    memset(block, 0, ub_brain_size(&limits));
    struct ub_brain *brain = ub_brain_init(block, &limits);
    struct ub_routes routes = {.upstream_count = 1,
                               .model_count = 1,
                               .queue_size = WAITING,
                               .upstreams = &upstream,
                               .models = &model};
    add_tenants(&routes);
    ub_brain_step(brain, &(struct ub_event){.type = UB_EV_ROUTES, .now = 1, .routes = &routes});
    struct ub_random random = {1};
    ub_ns now = UB_SECOND;
    struct ub_action action;
    size_t started = 0, count = 0, at = 0;
    for (int i = 0; count < TURNS; i++) {
        struct ub_event event = {.now = now += 10 * UB_US, .seed = ub_random_u64(&random)};
        bool full = ub_brain_facts(brain).waiting == WAITING;
        if (full) {
            event.type = UB_EV_ENDED;
            event.request = running[at].id;
            event.attempt = running[at].attempt;
            event.ended = (struct ub_ending){.tokens_in = 500, .tokens_out = 100};
            ub_ns begin = ub_clock_now();
            ub_brain_step(brain, &event);
            while (ub_brain_next(brain, &action)) {
                if (action.type == UB_ACT_START) {
                    running[at] = (struct running){action.request, action.attempt};
                }
            }
            end[count] = ub_clock_now() - begin;
            at = (at + 1) % INFLIGHT;
        }
        for (int k = 0; k < (full ? 2 : 1); k++) {
            event.type = UB_EV_ARRIVED;
            event.request = ub_brain_next_id(brain);
            event.arrived = (struct ub_arrival){.tenant = (uint16_t)ub_random_below(&random, 1000),
                                                .stream = true,
                                                .can_retry = true,
                                                .prompt_tokens = 500};
            ub_ns took;
            uint8_t attempt = timed(brain, &event, &took);
            if (attempt != 0) {
                running[started++] = (struct running){event.request, attempt};
            }
            (k == 0 ? enter : refuse)[count] = took;
        }
        count += full;
    }
    report("slot to one", 1, "line", end, count);
    report("comes to wait", 1, "line", enter, count);
    report("is refused", 1, "line", refuse, count);
}

int main(void)
{
    static const uint32_t sizes[] = {3, 64, 1000};
    void *block = ub_calloc(1, ub_brain_size(&limits) + 64);
    if (block == NULL) {
        return 1;
    }
    void *aligned = (void *)(((uintptr_t)block + 63) / 64 * 64);
    printf("one brain step with its actions, %d requests in flight\n", INFLIGHT);
    for (size_t i = 0; i < UB_COUNT(sizes); i++) {
        measure(sizes[i], UB_BALANCE_ADAPTIVE, "adaptive", false, aligned);
    }
    measure(3, UB_BALANCE_ADAPTIVE, "limited", true, aligned);
    measure_line(aligned);
    measure(64, UB_BALANCE_DYNAMIC_WEIGHT, "dynamic_weight", false, aligned);
    measure(64, UB_BALANCE_ROUND_ROBIN, "round_robin", false, aligned);
    ub_free(block);
    return 0;
}

#include "gateway/keeper.h"

#include "base/alloc.h"
#include "base/random.h"
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#define MAILBOX_SIZE 256 /* a power of two, and more than one drain can fill */
#define BLOCK_ALIGN  64

/* Guarded by the keeper's lock. */
struct mailbox {
    uint32_t begin; /* free-running */
    uint32_t end;
    bool woken;  /* a wake-up is on its way */
    ub_ns armed; /* when this worker will come by itself */
    struct ub_mail ring[MAILBOX_SIZE];
};

struct ub_keeper {
    pthread_mutex_t lock;
    struct ub_brain *brain;
    struct ub_random seeds;
    uint32_t workers;
    ub_ns now; /* of the last step */
    const void *routes_of;
    void **owners; /* by request slot */
    struct mailbox *boxes;
    void *block; /* the brain's, unaligned */
    struct ub_keeper_options options;
};

static uint64_t random_seed(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) {
        seed = (uint64_t)ub_clock_wall(); /* cannot happen for 8 bytes; still different each time */
    }
    return seed;
}

struct ub_keeper *ub_keeper_new(const struct ub_keeper_options *options)
{
    const struct ub_brain_limits *limits = &options->limits;
    assert(limits->workers >= 1 && limits->workers <= 64);
    struct ub_keeper *keeper = ub_calloc(1, sizeof *keeper);
    if (keeper == NULL) {
        return NULL;
    }
    keeper->options = *options;
    keeper->workers = limits->workers;
    keeper->seeds.state = random_seed();
    keeper->block = ub_calloc(1, ub_brain_size(limits) + BLOCK_ALIGN);
    keeper->owners = ub_calloc((size_t)limits->requests + 1, sizeof *keeper->owners); /* from 1 */
    keeper->boxes = ub_calloc(limits->workers, sizeof *keeper->boxes);
    if (keeper->block == NULL || keeper->owners == NULL || keeper->boxes == NULL ||
        pthread_mutex_init(&keeper->lock, NULL) != 0) {
        ub_free(keeper->block);
        ub_free(keeper->owners);
        ub_free(keeper->boxes);
        ub_free(keeper);
        return NULL;
    }
    uintptr_t block = ((uintptr_t)keeper->block + BLOCK_ALIGN - 1) & ~(uintptr_t)(BLOCK_ALIGN - 1);
    keeper->brain = ub_brain_init((void *)block, limits);
    for (uint32_t w = 0; w < keeper->workers; w++) {
        keeper->boxes[w].armed = UB_NEVER;
    }
    if (options->flight != NULL) {
        ub_flight_begin(options->flight, keeper->brain);
    }
    return keeper;
}

void ub_keeper_free(struct ub_keeper *keeper)
{
    if (keeper == NULL) {
        return;
    }
    if (keeper->options.flight != NULL) {
        ub_flight_end(keeper->options.flight);
    }
    pthread_mutex_destroy(&keeper->lock);
    ub_free(keeper->block);
    ub_free(keeper->owners);
    ub_free(keeper->boxes);
    ub_free(keeper);
}

static void step(struct ub_keeper *keeper, struct ub_event *event)
{
    keeper->now = ub_clock_now();
    event->now = keeper->now;
    event->seed = ub_random_u64(&keeper->seeds);
    if (keeper->options.flight != NULL) {
        ub_flight_event(keeper->options.flight, event);
    }
    ub_brain_step(keeper->brain, event);
}

static bool some_box_is_full(const struct ub_keeper *keeper)
{
    for (uint32_t w = 0; w < keeper->workers; w++) {
        if (keeper->boxes[w].end - keeper->boxes[w].begin == MAILBOX_SIZE) {
            return true;
        }
    }
    return false;
}

/* True when the brain may have more. */
static bool drain(struct ub_keeper *keeper)
{
    struct ub_action action;
    for (int i = 0; i < UB_DRAIN_MAX; i++) {
        if (some_box_is_full(keeper)) {
            return false; /* its owner goes on */
        }
        if (!ub_brain_next(keeper->brain, &action)) {
            return false;
        }
        if (keeper->options.flight != NULL) {
            ub_flight_action(keeper->options.flight, &action);
        }
        assert(action.worker < keeper->workers);
        struct mailbox *box = &keeper->boxes[action.worker];
        struct ub_mail *mail = &box->ring[box->end++ % MAILBOX_SIZE];
        mail->action = action;
        mail->owner = action.type == UB_ACT_PROBE ? NULL : keeper->owners[action.request.slot];
    }
    return true;
}

static void fill(struct ub_keeper *keeper, uint16_t worker, bool more, struct ub_mailbag *bag)
{
    struct mailbox *box = &keeper->boxes[worker];
    bag->count = 0;
    while (bag->count < UB_DRAIN_MAX && box->begin != box->end) {
        bag->mail[bag->count++] = box->ring[box->begin++ % MAILBOX_SIZE];
    }
    bag->more = more || box->begin != box->end;
    bag->wake_at = ub_brain_wake_at(keeper->brain, worker);
    box->armed = bag->wake_at;
}

/* Who has to be told: a bit for each worker with mail, or with an earlier time than it knows of.
 * `awake` fetches by itself. */
static uint64_t sleepers(struct ub_keeper *keeper, uint32_t awake)
{
    uint64_t mask = 0;
    for (uint32_t w = 0; w < keeper->workers; w++) {
        struct mailbox *box = &keeper->boxes[w];
        if (box->woken || w == awake) {
            continue;
        }
        if (box->begin != box->end || ub_brain_wake_at(keeper->brain, (uint16_t)w) < box->armed) {
            box->woken = true;
            mask |= (uint64_t)1 << w;
        }
    }
    return mask;
}

/* Drains, hands out the worker's own mail, unlocks, wakes the others. */
static void finish(struct ub_keeper *keeper, uint16_t worker, struct ub_mailbag *bag)
{
    bool more = drain(keeper);
    if (bag != NULL) {
        fill(keeper, worker, more, bag);
    }
    struct ub_flight *flight = keeper->options.flight;
    if (flight != NULL && ub_flight_wants_snapshot(flight)) {
        ub_flight_snapshot(flight, keeper->brain);
    }
    uint64_t mask = sleepers(keeper, worker);
    pthread_mutex_unlock(&keeper->lock);
    for (; mask != 0; mask &= mask - 1) {
        keeper->options.wake(keeper->options.user, (uint16_t)__builtin_ctzll(mask));
    }
}

void ub_keeper_step(struct ub_keeper *keeper, uint16_t worker, struct ub_event *event,
                    struct ub_mailbag *bag)
{
    pthread_mutex_lock(&keeper->lock);
    step(keeper, event);
    finish(keeper, worker, bag);
}

void ub_keeper_fetch(struct ub_keeper *keeper, uint16_t worker, struct ub_mailbag *bag)
{
    pthread_mutex_lock(&keeper->lock);
    keeper->boxes[worker].woken = false;
    if (ub_brain_wake_at(keeper->brain, worker) <= ub_clock_now()) {
        step(keeper, &(struct ub_event){.type = UB_EV_WOKEN, .worker = worker});
    }
    finish(keeper, worker, bag);
}

enum ub_arrived ub_keeper_arrive(struct ub_keeper *keeper, uint16_t worker, struct ub_event *event,
                                 const struct ub_newcomer *who, struct ub_mailbag *bag)
{
    pthread_mutex_lock(&keeper->lock);
    enum ub_arrived result = UB_ARRIVED_IN;
    struct ub_request_id id = ub_brain_next_id(keeper->brain);
    if (keeper->routes_of != who->routes_of) {
        result = UB_ARRIVED_STALE;
    } else if (id.generation == 0) {
        result = UB_ARRIVED_FULL;
    }
    if (result != UB_ARRIVED_IN) {
        pthread_mutex_unlock(&keeper->lock);
        return result;
    }
    event->type = UB_EV_ARRIVED;
    event->worker = worker;
    event->request = id;
    event->arrived.model =
        who->model_key == 0 ? UB_NO_MODEL : ub_brain_model(keeper->brain, who->model_key);
    keeper->owners[id.slot] = who->owner;
    step(keeper, event);
    if (who->allowance != NULL) {
        ub_brain_allowance(keeper->brain, event->arrived.tenant, event->arrived.model, keeper->now,
                           who->allowance);
    }
    finish(keeper, worker, bag);
    return UB_ARRIVED_IN;
}

const char *ub_keeper_route(struct ub_keeper *keeper, const struct ub_routes *routes,
                            struct ub_slots slots, const void *routes_of)
{
    pthread_mutex_lock(&keeper->lock);
    const char *words = ub_brain_refuses(keeper->brain, routes);
    if (words != NULL) {
        pthread_mutex_unlock(&keeper->lock);
        return words;
    }
    step(keeper, &(struct ub_event){.type = UB_EV_ROUTES, .routes = routes});
    for (uint32_t i = 0; i < routes->upstream_count; i++) {
        slots.upstreams[i] = ub_brain_upstream(keeper->brain, routes->upstreams[i].key);
        assert(slots.upstreams[i] != UB_NO_UPSTREAM);
    }
    for (uint32_t i = 0; i < routes->model_count; i++) {
        slots.models[i] = ub_brain_model(keeper->brain, routes->models[i].key);
        assert(slots.models[i] != UB_NO_MODEL);
    }
    for (uint32_t i = 0; i < routes->tenant_count; i++) {
        slots.tenants[i] = ub_brain_tenant(keeper->brain, routes->tenants[i].key);
        assert(slots.tenants[i] != UB_NO_TENANT);
    }
    keeper->routes_of = routes_of;
    finish(keeper, UB_OUTSIDE, NULL);
    return NULL;
}

void ub_keeper_drain(struct ub_keeper *keeper)
{
    ub_keeper_step(keeper, UB_OUTSIDE, &(struct ub_event){.type = UB_EV_DRAIN}, NULL);
}

struct ub_brain_facts ub_keeper_facts(struct ub_keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    struct ub_brain_facts facts = ub_brain_facts(keeper->brain);
    pthread_mutex_unlock(&keeper->lock);
    return facts;
}

struct ub_flight_facts ub_keeper_flight_facts(struct ub_keeper *keeper)
{
    struct ub_flight_facts facts = {0};
    pthread_mutex_lock(&keeper->lock);
    if (keeper->options.flight != NULL) {
        facts = ub_flight_facts(keeper->options.flight);
    }
    pthread_mutex_unlock(&keeper->lock);
    return facts;
}

bool ub_keeper_upstream(struct ub_keeper *keeper, uint64_t upstream_key,
                        struct ub_upstream_facts *out)
{
    pthread_mutex_lock(&keeper->lock);
    uint16_t upstream = ub_brain_upstream(keeper->brain, upstream_key);
    bool found =
        upstream != UB_NO_UPSTREAM && ub_brain_upstream_facts(keeper->brain, upstream, out);
    pthread_mutex_unlock(&keeper->lock);
    return found;
}

bool ub_keeper_model(struct ub_keeper *keeper, uint64_t model_key, struct ub_model_facts *out)
{
    pthread_mutex_lock(&keeper->lock);
    uint16_t model = ub_brain_model(keeper->brain, model_key);
    bool found =
        model != UB_NO_MODEL && ub_brain_model_facts(keeper->brain, model, ub_clock_now(), out);
    pthread_mutex_unlock(&keeper->lock);
    return found;
}

bool ub_keeper_tenant(struct ub_keeper *keeper, uint16_t tenant, struct ub_tenant_facts *out)
{
    pthread_mutex_lock(&keeper->lock);
    bool found = ub_brain_tenant_facts(keeper->brain, tenant, out);
    pthread_mutex_unlock(&keeper->lock);
    return found;
}

bool ub_keeper_target(struct ub_keeper *keeper, uint64_t upstream_key, uint64_t model_key,
                      struct ub_target_facts *out)
{
    pthread_mutex_lock(&keeper->lock);
    uint16_t upstream = ub_brain_upstream(keeper->brain, upstream_key);
    uint16_t model = ub_brain_model(keeper->brain, model_key);
    bool found = upstream != UB_NO_UPSTREAM && model != UB_NO_MODEL &&
                 ub_brain_target(keeper->brain, upstream, model, ub_clock_now(), out);
    pthread_mutex_unlock(&keeper->lock);
    return found;
}

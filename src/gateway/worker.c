#include "gateway/worker.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/process.h"
#include "gateway/attempt.h"
#include "gateway/doors.h"
#include "gateway/listing.h"
#include "gateway/loads.h"
#include "gateway/request.h"
#include <assert.h>
#include <sys/random.h>

#define TICK_NS  (25 * UB_MS)
#define PULSE_NS UB_SECOND

static void arm(struct ub_worker *worker, ub_ns wake_at)
{
    /* A timer that is too early only costs a look; moving it with every event would cost more. */
    if (wake_at < worker->brain_at) {
        worker->brain_at = wake_at;
        ub_timer_start(worker->loop, &worker->brain_timer, wake_at);
    }
}

static void probed(struct ub_worker *worker, uint16_t slot, bool ok)
{
    ub_worker_tell(worker, &(struct ub_event){.type = UB_EV_PROBED,
                                              .worker = worker->number,
                                              .probed = {.upstream = slot, .ok = ok}});
}

struct probe {
    struct ub_worker *worker;
    struct ub_view *view; /* held */
    uint16_t slot;
};

static void probe_done(void *user, enum ub_error error)
{
    struct probe *probe = user;
    struct ub_worker *worker = probe->worker;
    uint16_t slot = probe->slot;
    ub_view_release(probe->view);
    ub_free(probe);
    worker->probe_count--;
    probed(worker, slot, error == UB_ERR_OK);
    ub_worker_end_when_idle(worker);
}

static void start_probe(struct ub_worker *worker, uint16_t slot)
{
    const struct ub_site *site = ub_setup_site(worker->view->setup, slot);
    struct probe *probe = site == NULL ? NULL : ub_malloc(sizeof *probe);
    if (probe == NULL) {
        probed(worker, slot, false);
        return;
    }
    *probe = (struct probe){worker, ub_view_hold(worker->view), slot};
    worker->probe_count++;
    if (!ub_origin_probe(ub_view_origin(worker->view, site),
                         worker->view->setup->config->connect_time_ns, probe_done, probe)) {
        probe_done(probe, UB_ERR_NO_MEMORY);
    }
}

static void carry(struct ub_worker *worker, struct ub_mailbag *bag)
{
    worker->carrying = true;
    for (;;) {
        worker->more = bag->more;
        for (uint32_t i = 0; i < bag->count; i++) {
            const struct ub_mail *mail = &bag->mail[i];
            if (mail->action.type == UB_ACT_PROBE) {
                start_probe(worker, mail->action.upstream);
            } else {
                ub_request_carry(mail->owner, &mail->action);
            }
        }
        if (!worker->more) {
            break;
        }
        ub_keeper_fetch(worker->gateway->keeper, worker->number, bag);
    }
    worker->carrying = false;
    arm(worker, bag->wake_at);
}

void ub_worker_tell(struct ub_worker *worker, struct ub_event *event)
{
    if (worker->carrying) {
        ub_keeper_step(worker->gateway->keeper, worker->number, event, NULL);
        worker->more = true;
        return;
    }
    struct ub_mailbag bag;
    ub_keeper_step(worker->gateway->keeper, worker->number, event, &bag);
    carry(worker, &bag);
}

enum ub_arrived ub_worker_arrive(struct ub_worker *worker, struct ub_event *event,
                                 uint64_t model_key, struct ub_request *request,
                                 const struct ub_setup *setup)
{
    assert(!worker->carrying);
    struct ub_mailbag bag;
    const struct ub_newcomer who = {model_key, request, setup, &request->allowance};
    enum ub_arrived arrived =
        ub_keeper_arrive(worker->gateway->keeper, worker->number, event, &who, &bag);
    if (arrived == UB_ARRIVED_IN) {
        ub_request_arrived(request, event->request);
        carry(worker, &bag);
    }
    return arrived;
}

static void fetch(struct ub_worker *worker)
{
    struct ub_mailbag bag;
    ub_keeper_fetch(worker->gateway->keeper, worker->number, &bag);
    carry(worker, &bag);
}

static void brain_due(struct ub_timer *timer)
{
    struct ub_worker *worker = timer->user;
    worker->brain_at = UB_NEVER;
    fetch(worker);
}

bool ub_worker_adopt(struct ub_worker *worker)
{
    struct ub_gateway *gateway = worker->gateway;
    pthread_mutex_lock(&gateway->setup_lock);
    struct ub_setup *setup = ub_setup_hold(gateway->setup);
    pthread_mutex_unlock(&gateway->setup_lock);
    struct ub_view *before = worker->view;
    bool ok = true;
    if (before == NULL || before->setup != setup) {
        struct ub_view *view = ub_view_new(worker->loop, setup, before);
        ok = view != NULL;
        if (ok) {
            worker->view = view;
            ub_view_release(before);
            ub_doors_update(worker);
        }
    }
    ub_setup_release(setup);
    return ok;
}

void ub_worker_end_when_idle(struct ub_worker *worker)
{
    if (worker->drain_begun && worker->doors == NULL && worker->request_count == 0 &&
        worker->probe_count == 0) {
        ub_loop_stop(worker->loop);
    }
}

static void woken(void *user)
{
    struct ub_worker *worker = user;
    struct ub_gateway *gateway = worker->gateway;
    if (!ub_worker_adopt(worker)) {
        UB_LOG(ERROR, "no memory for the new configuration worker=%u", worker->number);
    }
    if (atomic_load(&gateway->draining) && !worker->drain_begun) {
        worker->drain_begun = true;
        ub_doors_drain(worker);
    }
    if (atomic_load(&gateway->hurry)) {
        ub_doors_close(worker);
    }
    fetch(worker);
    ub_worker_end_when_idle(worker);
}

static void tick(struct ub_timer *timer)
{
    struct ub_worker *worker = timer->user;
    for (struct ub_request *request = worker->requests, *next; request != NULL; request = next) {
        next = ub_request_next(request);
        ub_request_tick(request);
    }
    if (worker->patient_count > 0) {
        ub_timer_start(worker->loop, timer, ub_loop_now(worker->loop) + TICK_NS);
    }
}

void ub_worker_patient(struct ub_worker *worker, int by)
{
    if (worker->patient_count == 0 && by > 0) {
        ub_timer_start(worker->loop, &worker->tick, ub_loop_now(worker->loop) + TICK_NS);
    }
    worker->patient_count += (uint32_t)by;
}

static void set(struct ub_worker *worker, enum ub_metric metric, enum ub_metric_side side,
                uint64_t value)
{
    atomic_store_explicit(ub_metrics_cell(worker->shard, metric, side, 0), value,
                          memory_order_relaxed);
}

/* What the loop counts by itself becomes visible. */
static void pulse(struct ub_timer *timer)
{
    struct ub_worker *worker = timer->user;
    const struct ub_loop_counts *counts = &worker->loop->counts;
    set(worker, UB_METRIC_CONNECTIONS, UB_SIDE_CLIENT, counts->clients);
    set(worker, UB_METRIC_CONNECTIONS, UB_SIDE_UPSTREAM, counts->upstreams);
    set(worker, UB_METRIC_CONNECTIONS_OPENED, UB_SIDE_CLIENT, counts->accepted);
    set(worker, UB_METRIC_CONNECTIONS_OPENED, UB_SIDE_UPSTREAM, counts->dialled);
    ub_timer_start(worker->loop, timer, ub_loop_now(worker->loop) + PULSE_NS);
}

bool ub_worker_init(struct ub_worker *worker, struct ub_gateway *gateway, uint16_t number)
{
    *worker = (struct ub_worker){
        .number = number,
        .gateway = gateway,
        .shard = ub_metrics_shard(gateway->metrics, number),
        .brain_at = UB_NEVER,
        .brain_timer = {.fire = brain_due},
        .tick = {.fire = tick},
        .pulse = {.fire = pulse},
    };
    worker->brain_timer.user = worker;
    worker->tick.user = worker;
    worker->pulse.user = worker;
    if (getrandom(&worker->random.state, sizeof worker->random.state, 0) < 0) {
        worker->random.state = (uint64_t)ub_clock_wall() + number;
    }
    worker->loop = ub_loop_new();
    if (worker->loop == NULL) {
        return false;
    }
    ub_loop_on_wake(worker->loop, woken, worker);
    return true;
}

void ub_worker_close(struct ub_worker *worker)
{
    if (worker->loop == NULL) {
        return; /* never initialised, or closed */
    }
    ub_doors_close(worker);
    ub_timer_stop(worker->loop, &worker->brain_timer);
    ub_timer_stop(worker->loop, &worker->tick);
    ub_timer_stop(worker->loop, &worker->pulse);
    ub_lister_free(worker->lister);
    ub_loads_free(worker->loads);
    ub_view_release(worker->view);
    ub_stock_empty(&worker->request_stock);
    ub_stock_empty(&worker->attempt_stock);
    ub_stock_empty(&worker->scan_stock);
    ub_loop_free(worker->loop);
    worker->loop = NULL;
}

static void *run(void *user)
{
    struct ub_worker *worker = user;
    struct ub_gateway *gateway = worker->gateway;
    pulse(&worker->pulse);
    if (worker->number == 0) {
        worker->loads = ub_loads_new(worker);
    }
    fetch(worker);
    ub_loop_run(worker->loop);
    bool last = atomic_fetch_add(&gateway->ended_count, 1) + 1 == gateway->worker_count;
    if (last && gateway->ended != NULL) {
        gateway->ended(gateway->ended_user);
    }
    return NULL;
}

bool ub_worker_start(struct ub_worker *worker)
{
    worker->started = ub_process_start_thread(&worker->thread, "worker", run, worker);
    return worker->started;
}

void ub_worker_join(struct ub_worker *worker)
{
    if (worker->started) {
        pthread_join(worker->thread, NULL);
        worker->started = false;
    }
}

void ub_worker_wake(struct ub_worker *worker)
{
    ub_loop_wake(worker->loop);
}

#include "gateway/loads.h"

#include "base/alloc.h"
#include "base/log.h"
#include "http/signals.h"
#include "net/call.h"

#define TURNS        10u /* in a period: each asks a tenth of the engines */
#define TURN_NS      (ub_loads_period_ns / TURNS)
#define PATIENCE_NS  (2 * ub_loads_period_ns)
#define PAGE_MAX     ((size_t)2 * 1024 * 1024)
#define PAUSE_MAX_NS (10 * ub_loads_period_ns)
#define SAID_AFTER   3 /* failures in a row; then it is said, once */

ub_ns ub_loads_period_ns = UB_LOAD_PERIOD_NS;

/* One question. */
struct ask {
    struct ub_loads *loads;
    struct ask *next, **at;
    struct ub_view *view; /* held */
    const struct ub_site *site;
    struct ub_call call;
    struct ub_timer timer; /* too late */
    int status;
    size_t size;
    struct ub_signals_reader reader;
};

/* What is known of an upstream's slot between two questions. */
struct memory {
    bool asked; /* right now */
    uint8_t failures;
    ub_ns not_before;
};

struct ub_loads {
    struct ub_worker *worker;
    struct ub_timer timer;
    uint32_t turn;
    struct ask *asks;
    uint32_t slots;
    struct memory memory[];
};

static void count(const struct ask *ask, enum ub_metric metric)
{
    ub_metrics_add(ask->loads->worker->shard, metric, ask->site->slot, 0, 1);
}

static void drop(struct ask *ask)
{
    struct ub_loads *loads = ask->loads;
    loads->memory[ask->site->slot].asked = false;
    *ask->at = ask->next;
    if (ask->next != NULL) {
        ask->next->at = ask->at;
    }
    ub_timer_stop(loads->worker->loop, &ask->timer);
    ub_view_release(ask->view);
    ub_free(ask);
}

static void failed(struct ask *ask, const char *words)
{
    struct memory *memory = &ask->loads->memory[ask->site->slot];
    memory->failures = (uint8_t)(memory->failures + (memory->failures < UINT8_MAX));
    ub_ns pause_ns = memory->failures < SAID_AFTER ? 0 : memory->failures * ub_loads_period_ns;
    memory->not_before = ub_loop_now(ask->loads->worker->loop) + ub_ns_min(pause_ns, PAUSE_MAX_NS);
    if (memory->failures == SAID_AFTER) {
        UB_LOG(INFO, "an engine does not tell its load upstream=%s page=%.*s reason=\"%s\"",
               ask->site->config->name, UB_SLICE_ARG(ask->site->load_target), words);
    }
    count(ask, UB_METRIC_LOAD_FAILURES);
    drop(ask);
}

static void tell(struct ask *ask, const struct ub_signals *signals)
{
    struct ub_worker *worker = ask->loads->worker;
    struct ub_event event = {.type = UB_EV_LOAD, .worker = worker->number};
    event.load.upstream = ask->site->slot;
    event.load.running = (uint32_t)signals->running;
    event.load.waiting = (uint32_t)signals->waiting;
    event.load.kv = signals->kv;
    ask->loads->memory[ask->site->slot].failures = 0;
    count(ask, UB_METRIC_LOAD_READS);
    drop(ask);
    ub_worker_tell(worker, &event);
}

static void on_head(struct ub_call *call, const struct ub_http_head *head)
{
    struct ask *ask = call->user;
    ask->status = head->status;
}

static void on_body(struct ub_call *call, struct ub_slice chunk)
{
    struct ask *ask = call->user;
    ask->size += chunk.len;
    if (ask->size > PAGE_MAX) {
        ub_call_cancel(call);
        failed(ask, "its page is too long");
    } else if (ask->status == 200) {
        ub_signals_read(&ask->reader, chunk);
    }
}

static void on_ended(struct ub_call *call, enum ub_error error, const char *words)
{
    struct ask *ask = call->user;
    struct ub_signals signals;
    if (error != UB_ERR_OK) {
        failed(ask, ub_error_words(error));
    } else if (ask->status != 200) {
        failed(ask, "it has no such page");
    } else if (!ub_signals_end(&ask->reader, &signals)) {
        failed(ask, "its page does not say");
    } else {
        tell(ask, &signals);
    }
}

static void too_late(struct ub_timer *timer)
{
    struct ask *ask = timer->user;
    ub_call_cancel(&ask->call);
    failed(ask, "it takes too long");
}

static const struct ub_call_handler handler = {.head = on_head, .body = on_body, .ended = on_ended};

static void start(struct ub_loads *loads, const struct ub_site *site)
{
    struct ub_worker *worker = loads->worker;
    struct ask *ask = ub_malloc(sizeof *ask);
    if (ask == NULL) {
        return; /* next time, perhaps */
    }
    ask->loads = loads;
    ask->view = ub_view_hold(worker->view);
    ask->site = site;
    ask->call = (struct ub_call){.handler = &handler, .user = ask};
    ask->timer = (struct ub_timer){.fire = too_late, .user = ask};
    ask->status = 0;
    ask->size = 0;
    ub_signals_begin(&ask->reader, site->config->dialect);
    ask->next = loads->asks;
    ask->at = &loads->asks;
    if (ask->next != NULL) {
        ask->next->at = &ask->next;
    }
    loads->asks = ask;
    loads->memory[site->slot].asked = true;
    ub_timer_start(worker->loop, &ask->timer, ub_loop_now(worker->loop) + PATIENCE_NS);
    const struct ub_call_request request = {
        .method = UB_LIT("GET"),
        .target = site->load_target,
        .lines = ub_buf_slice(&site->lines[false]),
        .connect_by_ns = ub_ns_min(PATIENCE_NS, worker->view->setup->config->connect_time_ns),
    };
    ub_call_start(&ask->call, ub_view_origin(ask->view, site), &request);
}

static void turn(struct ub_timer *timer)
{
    struct ub_loads *loads = timer->user;
    struct ub_worker *worker = loads->worker;
    if (worker->drain_begun) {
        return;
    }
    ub_ns now = ub_loop_now(worker->loop);
    const struct ub_setup *setup = worker->view->setup;
    for (uint32_t i = loads->turn; i < setup->config->upstream_count; i += TURNS) {
        const struct ub_site *site = &setup->sites[i];
        if (site->config->load && site->slot < loads->slots && !loads->memory[site->slot].asked &&
            loads->memory[site->slot].not_before <= now) {
            start(loads, site);
        }
    }
    loads->turn = (loads->turn + 1) % TURNS;
    ub_timer_start(worker->loop, timer, now + TURN_NS);
}

struct ub_loads *ub_loads_new(struct ub_worker *worker)
{
    uint32_t slots = worker->view->setup->slot_count;
    struct ub_loads *loads = ub_calloc(1, sizeof *loads + slots * sizeof loads->memory[0]);
    if (loads != NULL) {
        loads->worker = worker;
        loads->slots = slots;
        loads->timer = (struct ub_timer){.fire = turn, .user = loads};
        ub_timer_start(worker->loop, &loads->timer, ub_loop_now(worker->loop) + TURN_NS);
    }
    return loads;
}

void ub_loads_free(struct ub_loads *loads)
{
    if (loads == NULL) {
        return;
    }
    while (loads->asks != NULL) {
        ub_call_cancel(&loads->asks->call);
        drop(loads->asks);
    }
    ub_timer_stop(loads->worker->loop, &loads->timer);
    ub_free(loads);
}

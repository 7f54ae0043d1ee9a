#include "gateway/gateway.h"

#include "base/alloc.h"
#include "base/log.h"
#include "gateway/doors.h"
#include "gateway/sharing.h"
#include <unistd.h>

/* Slots of the brain's block, which is only touched as far as it is used. A reload can grow into
 * them. */
#define UPSTREAM_SLOTS 4096u
#define MODEL_SLOTS    4096u
#define TARGET_SLOTS   32768u
#define PREFIX_SLOTS   65536u
#define TENANT_SLOTS   4096u
#define BRAIN_TENANTS  20000 /* twice what a configuration may have */
#define SHARE_SLOTS    60000
#define WORKERS_MAX    64u
#define FLIGHT_RING    ((size_t)32 * 1024 * 1024) /* touched only as far as it fills */
#define FILE_SHARE     8u /* bodies in files may take this many times the memory for bodies */

static uint32_t worker_count(const struct ub_config *config)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t count = config->threads != 0 ? config->threads : cores > 0 ? (uint32_t)cores : 1;
    return count < WORKERS_MAX ? count : WORKERS_MAX;
}

static void wake(void *user, uint16_t worker)
{
    struct ub_gateway *gateway = user;
    ub_worker_wake(&gateway->workers[worker]);
}

static void wake_all(struct ub_gateway *gateway)
{
    for (uint32_t i = 0; i < gateway->worker_count; i++) {
        ub_worker_wake(&gateway->workers[i]);
    }
}

static void name_slots(struct ub_gateway *gateway, const struct ub_setup *setup)
{
    const struct ub_config *config = setup->config;
    for (uint32_t i = 0; i < config->upstream_count; i++) {
        ub_metrics_name(gateway->metrics, UB_LABEL_UPSTREAM, setup->upstream_slots[i],
                        config->upstreams[i].name);
        ub_metrics_name(gateway->metrics, UB_LABEL_ZONE, setup->upstream_slots[i],
                        config->upstreams[i].zone == NULL ? "" : config->upstreams[i].zone);
    }
    for (uint32_t i = 0; i < config->model_count; i++) {
        ub_metrics_name(gateway->metrics, UB_LABEL_MODEL, setup->model_slots[i],
                        config->models[i].name);
    }
    for (uint32_t i = 0; i < config->tenant_count; i++) {
        ub_metrics_name(gateway->metrics, UB_LABEL_TENANT, i, config->tenants[i].name);
    }
}

static struct ub_brain_limits limits_of(const struct ub_gateway *gateway,
                                        const struct ub_config *config)
{
    return (struct ub_brain_limits){.requests = config->requests_max,
                                    .upstreams = UPSTREAM_SLOTS,
                                    .targets = TARGET_SLOTS,
                                    .models = MODEL_SLOTS,
                                    .routes = 2 * MODEL_SLOTS,
                                    .workers = gateway->worker_count,
                                    .prefixes = PREFIX_SLOTS,
                                    .tenants = BRAIN_TENANTS,
                                    .shares = SHARE_SLOTS};
}

static bool open_flight(struct ub_gateway *gateway, const struct ub_config *config,
                        const struct ub_brain_limits *limits, struct ub_buf *words)
{
    const char *why = "out of memory";
    gateway->flight = ub_flight_new(limits, FLIGHT_RING);
    if (gateway->flight != NULL) {
        gateway->flight_writer =
            ub_flight_writer_open(config->flight_record, gateway->flight, 0, &why);
    }
    if (gateway->flight_writer == NULL) {
        ub_buf_printf(words, "cannot write the flight record %s: %s", config->flight_record, why);
    }
    return gateway->flight_writer != NULL;
}

static bool make_parts(struct ub_gateway *gateway, const struct ub_config *config,
                       struct ub_buf *words)
{
    struct ub_brain_limits limits = limits_of(gateway, config);
    if (config->flight_record != NULL && !open_flight(gateway, config, &limits, words)) {
        return false;
    }
    gateway->metrics = ub_metrics_new(&(struct ub_metrics_limits){
        .workers = gateway->worker_count,
        .models = MODEL_SLOTS,
        .upstreams = UPSTREAM_SLOTS,
        .tenants = TENANT_SLOTS,
    });
    gateway->keeper = ub_keeper_new(&(struct ub_keeper_options){
        .limits = limits,
        .wake = wake,
        .user = gateway,
        .flight = gateway->flight,
    });
    gateway->workers = ub_calloc(gateway->worker_count, sizeof *gateway->workers);
    if (gateway->metrics == NULL || gateway->keeper == NULL || gateway->workers == NULL) {
        ub_buf_add_text(words, "out of memory");
        return false;
    }
    return true;
}

static bool open_log(struct ub_gateway *gateway, const struct ub_config *config,
                     struct ub_buf *words)
{
    const char *why;
    if (config->access_log == NULL) {
        return true;
    }
    gateway->access = ub_access_open(config->access_log, gateway->worker_count, &why);
    if (gateway->access == NULL) {
        ub_buf_printf(words, "cannot write the access log %s: %s", config->access_log, why);
    }
    return gateway->access != NULL;
}

static bool open_workers(struct ub_gateway *gateway, struct ub_buf *words)
{
    for (uint32_t i = 0; i < gateway->worker_count; i++) {
        struct ub_worker *worker = &gateway->workers[i];
        const struct ub_address *address = NULL;
        const char *why = "out of memory or file descriptors";
        if (!ub_worker_init(worker, gateway, (uint16_t)i) || !ub_worker_adopt(worker) ||
            !ub_doors_open(worker, &address, &why)) {
            ub_buf_printf(words, "cannot listen on %s port %u: %s",
                          address == NULL ? "any address" : address->host,
                          address == NULL ? 0 : address->port, why);
            return false;
        }
    }
    return true;
}

/* Does what the configuration says, from its next look on: the one in use, or a new one. */
static bool make_sharing(struct ub_gateway *gateway, const struct ub_config *config,
                         struct ub_sharing **out, struct ub_buf *words)
{
    *out = gateway->sharing;
    if (ub_sharing_suits(gateway->sharing, config)) {
        return true;
    }
    *out = config->share.redis == NULL ? NULL : ub_sharing_new(gateway, config, words);
    return *out != NULL || config->share.redis == NULL;
}

static bool start_sharing(struct ub_gateway *gateway, struct ub_buf *words)
{
    if (gateway->sharing == NULL || ub_sharing_start(gateway->sharing)) {
        return true;
    }
    ub_buf_add_text(words, "cannot start a thread");
    return false;
}

struct ub_gateway *ub_gateway_start(struct ub_config *config, struct ub_buf *words)
{
    struct ub_gateway *gateway = ub_calloc(1, sizeof *gateway);
    if (gateway == NULL) {
        ub_buf_add_text(words, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&gateway->setup_lock, NULL);
    gateway->worker_count = worker_count(config);
    gateway->budget.memory_max = config->memory;
    gateway->budget.file_max = FILE_SHARE * config->memory;
    if (!make_parts(gateway, config, words)) {
        ub_gateway_free(gateway);
        return NULL;
    }
    gateway->setup = ub_setup_new(config, gateway->keeper, UPSTREAM_SLOTS, NULL, words);
    if (gateway->setup != NULL && open_log(gateway, config, words) &&
        open_workers(gateway, words) && make_sharing(gateway, config, &gateway->sharing, words) &&
        start_sharing(gateway, words)) {
        name_slots(gateway, gateway->setup);
        for (uint32_t i = 0; i < gateway->worker_count; i++) {
            if (!ub_worker_start(&gateway->workers[i])) {
                ub_buf_add_text(words, "cannot start a thread");
                ub_gateway_free(gateway);
                return NULL;
            }
        }
        return gateway;
    }
    ub_gateway_free(gateway);
    return NULL;
}

uint16_t ub_gateway_port(const struct ub_gateway *gateway, uint32_t n)
{
    return ub_doors_port(&gateway->workers[0], n);
}

bool ub_gateway_reload(struct ub_gateway *gateway, struct ub_config *config, struct ub_buf *words)
{
    pthread_mutex_lock(&gateway->setup_lock);
    struct ub_setup *before = gateway->setup, *setup = NULL;
    struct ub_sharing *sharing, *old = gateway->sharing;
    if (make_sharing(gateway, config, &sharing, words)) {
        setup = ub_setup_new(config, gateway->keeper, UPSTREAM_SLOTS, before, words);
    }
    if (setup != NULL) {
        gateway->setup = setup;
        gateway->sharing = sharing;
        name_slots(gateway, setup);
    }
    pthread_mutex_unlock(&gateway->setup_lock);
    if (setup == NULL) {
        if (sharing != old) {
            ub_sharing_free(sharing);
        }
        return false;
    }
    if (sharing != old) {
        ub_sharing_free(old);
        if (!start_sharing(gateway, words)) {
            UB_LOG(ERROR, "no thread to share limits: shared upstreams get no part");
        }
    }
    ub_setup_release(before);
    wake_all(gateway);
    return true;
}

void ub_gateway_drain(struct ub_gateway *gateway, void (*ended)(void *user), void *user)
{
    gateway->ended = ended;
    gateway->ended_user = user;
    ub_keeper_drain(gateway->keeper);
    atomic_store(&gateway->draining, true);
    wake_all(gateway);
}

void ub_gateway_hurry(struct ub_gateway *gateway)
{
    atomic_store(&gateway->hurry, true);
    wake_all(gateway);
}

static void stop_workers(struct ub_gateway *gateway)
{
    bool running = false;
    for (uint32_t i = 0; gateway->workers != NULL && i < gateway->worker_count; i++) {
        running = running || gateway->workers[i].started;
    }
    if (running) {
        if (!atomic_load(&gateway->draining)) {
            ub_gateway_drain(gateway, NULL, NULL);
        }
        ub_gateway_hurry(gateway);
    }
    for (uint32_t i = 0; gateway->workers != NULL && i < gateway->worker_count; i++) {
        ub_worker_join(&gateway->workers[i]);
    }
    for (uint32_t i = 0; gateway->workers != NULL && i < gateway->worker_count; i++) {
        ub_worker_close(&gateway->workers[i]);
    }
}

void ub_gateway_free(struct ub_gateway *gateway)
{
    if (gateway == NULL) {
        return;
    }
    stop_workers(gateway);
    ub_sharing_free(gateway->sharing);
    ub_access_close(gateway->access);
    ub_setup_release(gateway->setup);
    ub_keeper_free(gateway->keeper);
    ub_flight_writer_close(gateway->flight_writer);
    ub_flight_free(gateway->flight);
    ub_metrics_free(gateway->metrics);
    ub_free(gateway->workers);
    pthread_mutex_destroy(&gateway->setup_lock);
    ub_free(gateway);
}

struct ub_setup *ub_gateway_setup(struct ub_gateway *gateway)
{
    pthread_mutex_lock(&gateway->setup_lock);
    struct ub_setup *setup = ub_setup_hold(gateway->setup);
    pthread_mutex_unlock(&gateway->setup_lock);
    return setup;
}

static bool has_target(struct ub_gateway *gateway, const struct ub_setup *setup,
                       const struct ub_model_spec *model)
{
    const struct ub_routes *routes = &setup->config->routes;
    for (uint32_t t = 0; t < model->tiers; t++) {
        for (uint32_t m = 0; m < model->tier[t].count; m++) {
            struct ub_target_facts facts;
            if (ub_keeper_target(gateway->keeper, routes->upstreams[model->tier[t].member[m]].key,
                                 model->key, &facts) &&
                facts.state != UB_UPSTREAM_EJECTED) {
                return true;
            }
        }
    }
    return false;
}

const char *ub_gateway_unready(struct ub_gateway *gateway)
{
    if (atomic_load(&gateway->draining)) {
        return "draining";
    }
    struct ub_setup *setup = ub_gateway_setup(gateway);
    bool ready = false;
    for (uint32_t i = 0; i < setup->config->model_count && !ready; i++) {
        ready = has_target(gateway, setup, &setup->config->routes.models[i]);
    }
    ub_setup_release(setup);
    return ready ? NULL : "every upstream of every model is ejected";
}

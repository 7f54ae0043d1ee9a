#include "gateway/scrape.h"

#include "gateway/sharing.h"

#include <math.h>

static void set(struct ub_metrics *metrics, enum ub_metric metric, double value)
{
    ub_metrics_set(metrics, metric, 0, 0, value);
}

static double state_value(enum ub_upstream_state state)
{
    switch (state) {
    case UB_UPSTREAM_UP:
        return 0;
    case UB_UPSTREAM_ON_TRIAL:
        return 1;
    case UB_UPSTREAM_DRAINING:
        return 2;
    case UB_UPSTREAM_EJECTED:
        return 3;
    }
    return NAN;
}

static void set_target(struct ub_gateway *gateway, uint32_t upstream_slot, uint32_t model_slot,
                       const struct ub_target_facts *facts)
{
    struct ub_metrics *metrics = gateway->metrics;
    double first_s = (double)facts->first_payload_ns / (double)UB_SECOND;
    ub_metrics_set(metrics, UB_METRIC_ATTEMPTS_RUNNING, upstream_slot, 0, facts->inflight);
    ub_metrics_set(metrics, UB_METRIC_LEARNED_LIMIT, upstream_slot, 0,
                   facts->learned == 0 ? (double)NAN : facts->learned);
    ub_metrics_set(metrics, UB_METRIC_LOAD_OTHERS, upstream_slot, 0,
                   facts->load_known ? facts->others : (double)NAN);
    ub_metrics_set(metrics, UB_METRIC_LOAD_WAITING, upstream_slot, 0,
                   facts->load_known ? facts->waiting : (double)NAN);
    ub_metrics_set(metrics, UB_METRIC_LOAD_KV, upstream_slot, 0,
                   facts->load_known ? facts->kv : (double)NAN);
    ub_metrics_set(metrics, UB_METRIC_TARGET_STATE, upstream_slot, model_slot,
                   state_value(facts->state));
    ub_metrics_set(metrics, UB_METRIC_TARGET_FIRST_TOKEN, upstream_slot, model_slot,
                   facts->first_payload_ns == 0 ? (double)NAN : first_s);
    ub_metrics_set(metrics, UB_METRIC_TARGET_ERROR_SHARE, upstream_slot, model_slot,
                   facts->error_share);
}

static void set_targets(struct ub_gateway *gateway, const struct ub_setup *setup)
{
    const struct ub_routes *routes = &setup->config->routes;
    for (uint32_t i = 0; i < routes->upstream_count; i++) {
        ub_metrics_set(gateway->metrics, UB_METRIC_UPSTREAM_INFO, setup->upstream_slots[i],
                       setup->upstream_slots[i], 1);
        struct ub_upstream_facts facts;
        bool shared = routes->upstreams[i].shared && routes->upstreams[i].concurrency > 0 &&
                      ub_keeper_upstream(gateway->keeper, routes->upstreams[i].key, &facts);
        ub_metrics_set(gateway->metrics, UB_METRIC_PART, setup->upstream_slots[i], 0,
                       shared ? facts.part : (double)NAN);
    }
    for (uint32_t i = 0; i < routes->model_count; i++) {
        const struct ub_model_spec *model = &routes->models[i];
        for (uint32_t t = 0; t < model->tiers; t++) {
            for (uint32_t m = 0; m < model->tier[t].count; m++) {
                uint16_t upstream = model->tier[t].member[m];
                struct ub_target_facts facts;
                if (ub_keeper_target(gateway->keeper, routes->upstreams[upstream].key, model->key,
                                     &facts)) {
                    set_target(gateway, setup->upstream_slots[upstream], setup->model_slots[i],
                               &facts);
                }
            }
        }
    }
}

static void set_ladders(struct ub_gateway *gateway, const struct ub_setup *setup)
{
    const struct ub_routes *routes = &setup->config->routes;
    for (uint32_t i = 0; i < routes->model_count; i++) {
        struct ub_model_facts facts;
        bool there = routes->models[i].steps > 0 &&
                     ub_keeper_model(gateway->keeper, routes->models[i].key, &facts);
        ub_metrics_set(gateway->metrics, UB_METRIC_DEGRADE_LEVEL, setup->model_slots[i], 0,
                       there ? (double)facts.level : (double)NAN);
    }
}

static void set_brain(struct ub_gateway *gateway)
{
    struct ub_brain_facts facts = ub_keeper_facts(gateway->keeper);
    struct ub_metrics *metrics = gateway->metrics;
    for (uint32_t c = 0; c < UB_TRAFFIC_CLASSES; c++) {
        ub_metrics_set(metrics, UB_METRIC_WAITING, c, 0, facts.waiting_of[c]);
    }
    set(metrics, UB_METRIC_WAITING_BYTES, (double)facts.waiting_bytes);
    set(metrics, UB_METRIC_BACKING_OFF, facts.backing_off);
    set(metrics, UB_METRIC_FIRST_ATTEMPTS, (double)facts.first_attempts);
    set(metrics, UB_METRIC_EXTRA_ATTEMPTS, (double)facts.extra_attempts);
    set(metrics, UB_METRIC_CHARGED_ATTEMPTS, (double)facts.charged_attempts);
}

static void set_tenants(struct ub_gateway *gateway, const struct ub_setup *setup)
{
    const struct ub_routes *routes = &setup->config->routes;
    for (uint32_t i = 0; i < routes->tenant_count; i++) {
        struct ub_tenant_facts facts;
        bool shared = routes->tenants[i].shared &&
                      ub_keeper_tenant(gateway->keeper, setup->tenant_slots[i], &facts);
        ub_metrics_set(gateway->metrics, UB_METRIC_TENANT_PART, i, 0,
                       shared ? (double)facts.part / UB_PART_WHOLE : (double)NAN);
    }
}

static void set_sharing(struct ub_gateway *gateway)
{
    struct ub_metrics *metrics = gateway->metrics;
    struct ub_sharing_facts facts;
    pthread_mutex_lock(&gateway->setup_lock);
    bool shares = gateway->sharing != NULL;
    if (shares) {
        facts = ub_sharing_facts(gateway->sharing);
    }
    pthread_mutex_unlock(&gateway->setup_lock);
    if (!shares) {
        return;
    }
    set(metrics, UB_METRIC_SHARE_ALONE, facts.alone ? 1 : 0);
    set(metrics, UB_METRIC_SHARE_GATEWAYS, facts.nodes);
    set(metrics, UB_METRIC_REDIS_UP, facts.redis.state == UB_REDIS_READY ? 1 : 0);
    set(metrics, UB_METRIC_REDIS_ANSWERS, (double)facts.redis.answers);
    set(metrics, UB_METRIC_REDIS_TIME, (double)facts.redis.answer_ns / (double)UB_SECOND);
    for (uint32_t i = UB_REDIS_OK + 1; i < UB_REDIS_ERROR_COUNT; i++) {
        if (facts.redis.errors[i] > 0) {
            ub_metrics_set(metrics, UB_METRIC_REDIS_ERRORS, i, 0, (double)facts.redis.errors[i]);
        }
    }
}

void ub_scrape(struct ub_admin *admin, struct ub_buf *out)
{
    struct ub_gateway *gateway = admin->gateway;
    struct ub_metrics *metrics = gateway->metrics;
    struct ub_setup *setup = ub_gateway_setup(gateway);
    set_brain(gateway);
    set_targets(gateway, setup);
    set_tenants(gateway, setup);
    set_sharing(gateway);
    set_ladders(gateway, setup);
    ub_setup_release(setup);
    set(metrics, UB_METRIC_BODY_MEMORY, (double)atomic_load(&gateway->budget.memory));
    set(metrics, UB_METRIC_BODY_MEMORY_MAX, (double)gateway->budget.memory_max);
    if (gateway->access != NULL) {
        struct ub_access_facts lines = ub_access_facts(gateway->access);
        set(metrics, UB_METRIC_ACCESS_LINES, (double)lines.written);
        set(metrics, UB_METRIC_ACCESS_DROPS, (double)lines.dropped);
    }
    if (gateway->flight != NULL) {
        set(metrics, UB_METRIC_FLIGHT_DROPS,
            (double)ub_keeper_flight_facts(gateway->keeper).dropped);
    }
    set(metrics, UB_METRIC_RELOADS, (double)admin->reloads);
    set(metrics, UB_METRIC_RELOAD_OK, admin->last_reload_ok ? 1 : 0);
    ub_metrics_set_process(metrics);
    ub_metrics_render(metrics, out);
}

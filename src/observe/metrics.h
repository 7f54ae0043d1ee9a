/* metrics.h - what Prometheus reads at /metrics, declared in one table.
 *
 * The hot path writes plain cells of its worker's own shard: no locks, no shared cache lines, a
 * load and a store. A scrape adds the shards up. What only a scrape needs (queue lengths, breaker
 * states, memory) is set by whoever scrapes, just before ub_metrics_render.
 *
 * Label sets are bounded: models, upstreams and tenants are numbered slots (the brain's) with names
 * that come from the configuration, the other labels are enums. An index past the end, such as
 * UB_NO_MODEL, is counted under the name "other". Series of an enum label appear with their first
 * count.
 */
#ifndef UB_OBSERVE_METRICS_H
#define UB_OBSERVE_METRICS_H

#include "base/buf.h"
#include "base/time.h"
#include <stdatomic.h>
#include <stdint.h>

/* Types: COUNTER and UPDOWN (a gauge that goes up and down) are cells of the workers; QUICK and
 * LONG are histograms of durations, in buckets for waits and for answers; NANOS is a COUNTER whose
 * cells hold billionths; TOTAL and GAUGE are set at scrape time. Names get "unbusy_" before them.
 *
 * id, type, label, label, name, help */
#define UB_METRICS(X)                                                                              \
    X(REQUESTS, COUNTER, MODEL, OUTCOME, "requests_total", "Requests that got their one outcome.") \
    X(CLASS_REQUESTS, COUNTER, CLASS, OUTCOME, "class_requests_total",                             \
      "Requests by their class: their tenant's, or a lower one that was asked for.")               \
    X(DEGRADED, COUNTER, MODEL, STEP, "degraded_total",                                            \
      "Answers with less than was asked for, by the model and the step of its ladder.")            \
    X(DEGRADE_LEVEL, GAUGE, MODEL, NONE, "degrade_level",                                          \
      "Steps of a model's ladder that are taken at once; absent for models without one.")          \
    X(RESPONSES, COUNTER, STATUS, NONE, "responses_total",                                         \
      "Responses to clients, refusals before a request was understood included.")                  \
    X(REQUESTS_RUNNING, UPDOWN, MODEL, NONE, "requests_running",                                   \
      "Requests without an outcome yet.")                                                          \
    X(REQUEST_TIME, LONG, MODEL, NONE, "request_duration_seconds",                                 \
      "From the complete request to its outcome.")                                                 \
    X(FIRST_TOKEN_TIME, LONG, MODEL, NONE, "first_token_seconds",                                  \
      "From the complete request to the first payload sent to the client.")                        \
    X(QUEUE_TIME, QUICK, MODEL, NONE, "queue_wait_seconds",                                        \
      "From the complete request to the start of its first attempt.")                              \
    X(CLASS_QUEUE_TIME, QUICK, CLASS, NONE, "class_queue_wait_seconds",                            \
      "The same by class; those included that never got to an attempt, with all of their wait.")   \
    X(REFUSALS, COUNTER, CLASS, REASON, "refusals_total",                                          \
      "Requests that the gateway itself refused or gave up, and why.")                             \
    X(TOKENS, COUNTER, MODEL, TOKENS, "tokens_total", "Tokens as reported by upstreams.")          \
    X(TOKENS_ESTIMATED, COUNTER, MODEL, TOKENS, "tokens_estimated_total",                          \
      "Tokens of answers without a report, estimated from what was relayed.")                      \
    X(COST, NANOS, MODEL, USAGE, "cost_total",                                                     \
      "What answers cost at the configured prices, in the currency of these.")                     \
    X(TENANT_REQUESTS, COUNTER, TENANT, NONE, "tenant_requests_total", "Requests by tenant.")      \
    X(LIMITED, COUNTER, TENANT, LIMIT, "limited_total",                                            \
      "Requests turned away, by tenant and the limit that was reached.")                           \
    X(TENANT_TOKENS, COUNTER, TENANT, TOKENS, "tenant_tokens_total", "Tokens by tenant.")          \
    X(TENANT_TOKENS_ESTIMATED, COUNTER, TENANT, TOKENS, "tenant_tokens_estimated_total",           \
      "Estimated tokens by tenant.")                                                               \
    X(UPSTREAM_TOKENS, COUNTER, UPSTREAM, TOKENS, "upstream_tokens_total",                         \
      "Tokens as reported by the upstream that answered.")                                         \
    X(UPSTREAM_TOKENS_ESTIMATED, COUNTER, UPSTREAM, TOKENS, "upstream_tokens_estimated_total",     \
      "Estimated tokens by the upstream that answered.")                                           \
    X(UPSTREAM_COST, NANOS, UPSTREAM, USAGE, "upstream_cost_total",                                \
      "What the answers of an upstream cost at its configured price.")                             \
    X(UPSTREAM_INFO, GAUGE, UPSTREAM, ZONE, "upstream_info",                                       \
      "Always 1; the zone of the upstream is in the label.")                                       \
    X(ATTEMPTS, COUNTER, UPSTREAM, ERROR, "attempts_total",                                        \
      "Attempts that ended, \"ok\" or by their error.")                                            \
    X(STARTS, COUNTER, REASON, NONE, "attempt_starts_total", "Why attempts were started.")         \
    X(ATTEMPT_FIRST_TOKEN, LONG, UPSTREAM, NONE, "attempt_first_token_seconds",                    \
      "From the start of an attempt to its first payload.")                                        \
    X(ATTEMPT_QUEUED, LONG, UPSTREAM, NONE, "attempt_queued_seconds",                              \
      "From an upstream's first word that it waits to its first payload.")                         \
    X(BROKEN_STREAMS, COUNTER, BAR, NONE, "broken_streams_total",                                  \
      "Streams that broke after their beginning was sent, and what bars them from being resumed.") \
    X(HEARTBEATS, COUNTER, NONE, NONE, "heartbeats_total", "Comments sent to waiting clients.")    \
    X(STREAM_EVENTS, COUNTER, NONE, NONE, "stream_events_total", "Stream events relayed.")         \
    X(BYTES, COUNTER, SIDE, NONE, "received_bytes_total", "Body bytes received.")                  \
    X(CONNECTIONS, UPDOWN, SIDE, NONE, "connections", "Open connections.")                         \
    X(CONNECTIONS_OPENED, COUNTER, SIDE, NONE, "connections_opened_total",                         \
      "Connections accepted or made.")                                                             \
    X(WAITING, GAUGE, CLASS, NONE, "requests_waiting", "Requests waiting for a free slot.")        \
    X(WAITING_BYTES, GAUGE, NONE, NONE, "requests_waiting_bytes", "Bodies of those that wait.")    \
    X(BACKING_OFF, GAUGE, NONE, NONE, "requests_backing_off", "Requests waiting to try again.")    \
    X(ATTEMPTS_RUNNING, GAUGE, UPSTREAM, NONE, "attempts_running", "Attempts in flight.")          \
    X(LOAD_READS, COUNTER, UPSTREAM, NONE, "upstream_load_reads_total",                            \
      "An engine told its load.")                                                                  \
    X(LOAD_FAILURES, COUNTER, UPSTREAM, NONE, "upstream_load_failures_total",                      \
      "An engine was asked for its load and did not tell it.")                                     \
    X(LOAD_OTHERS, GAUGE, UPSTREAM, NONE, "upstream_others_running",                               \
      "Requests that an engine has from others; absent when it has not told lately.")              \
    X(LOAD_WAITING, GAUGE, UPSTREAM, NONE, "upstream_engine_waiting",                              \
      "Requests that wait at an engine, as it tells; absent when it has not told lately.")         \
    X(LOAD_KV, GAUGE, UPSTREAM, NONE, "upstream_engine_kv_ratio",                                  \
      "How full an engine's KV memory is, as it tells; absent when it has not told lately.")       \
    X(LEARNED_LIMIT, GAUGE, UPSTREAM, NONE, "upstream_learned_limit",                              \
      "Attempts at a time that an upstream takes well, as learned; absent while there is no "      \
      "limit.")                                                                                    \
    X(PART, GAUGE, UPSTREAM, NONE, "upstream_part",                                                \
      "Attempts at a time that are this gateway's part of a shared limit; absent when it is not "  \
      "shared.")                                                                                   \
    X(TENANT_PART, GAUGE, TENANT, NONE, "tenant_part_ratio",                                       \
      "This gateway's part of a tenant's shared limits; absent when they are not shared.")         \
    X(SHARE_ALONE, GAUGE, NONE, NONE, "share_alone",                                               \
      "1 while shared limits go on with a fair part, because Redis gives no leases.")              \
    X(SHARE_GATEWAYS, GAUGE, NONE, NONE, "share_gateways",                                         \
      "Gateways that share limits, this one included, when last heard of.")                        \
    X(REDIS_UP, GAUGE, NONE, NONE, "redis_up", "1 while there is a connection to Redis.")          \
    X(REDIS_ANSWERS, TOTAL, NONE, NONE, "redis_answers_total",                                     \
      "Answers of Redis that came in time.")                                                       \
    X(REDIS_TIME, TOTAL, NONE, NONE, "redis_answer_seconds_total",                                 \
      "Time that Redis took for these, all together.")                                             \
    X(REDIS_ERRORS, TOTAL, REDIS, NONE, "redis_errors_total",                                      \
      "Commands and connections to Redis that failed, by what was wrong.")                         \
    X(FIRST_ATTEMPTS, TOTAL, NONE, NONE, "first_attempts_total", "First attempts of requests.")    \
    X(EXTRA_ATTEMPTS, TOTAL, NONE, NONE, "extra_attempts_total",                                   \
      "Retries and other extra attempts.")                                                         \
    X(CHARGED_ATTEMPTS, TOTAL, NONE, NONE, "charged_attempts_total",                               \
      "Extra attempts that were paid from the retry budget.")                                      \
    X(TARGET_STATE, GAUGE, UPSTREAM, MODEL, "target_state",                                        \
      "An upstream for a model: 0 up, 1 on trial, 2 draining, 3 ejected.")                         \
    X(TARGET_FIRST_TOKEN, GAUGE, UPSTREAM, MODEL, "target_first_token_seconds",                    \
      "Learned time to the first payload of a short prompt.")                                      \
    X(TARGET_ERROR_SHARE, GAUGE, UPSTREAM, MODEL, "target_error_ratio",                            \
      "Share of recent attempts that failed.")                                                     \
    X(BODY_MEMORY, GAUGE, NONE, NONE, "body_memory_bytes", "Memory held by request bodies.")       \
    X(BODY_MEMORY_MAX, GAUGE, NONE, NONE, "body_memory_max_bytes", "Budget for request bodies.")   \
    X(LOG_LINES, TOTAL, LEVEL, NONE, "log_lines_total",                                            \
      "Operational log lines, those held back as repetitions included.")                           \
    X(ACCESS_LINES, TOTAL, NONE, NONE, "access_log_lines_total", "Access log lines written.")      \
    X(ACCESS_DROPS, TOTAL, NONE, NONE, "access_log_dropped_total",                                 \
      "Access log lines lost: the log or the disk could not keep up.")                             \
    X(FLIGHT_DROPS, TOTAL, NONE, NONE, "flight_record_dropped_total",                              \
      "Events missing in the flight record.")                                                      \
    X(RELOADS, TOTAL, NONE, NONE, "config_reloads_total", "Configurations taken over.")            \
    X(RELOAD_OK, GAUGE, NONE, NONE, "config_last_reload_successful",                               \
      "1 when the last configuration file was taken over.")                                        \
    X(BUILD_INFO, GAUGE, VERSION, NONE, "build_info", "Always 1; the version is in the label.")    \
    X(CPU, TOTAL, NONE, NONE, "process_cpu_seconds_total", "CPU time used, user and system.")      \
    X(RSS, GAUGE, NONE, NONE, "process_resident_memory_bytes", "Resident memory.")                 \
    X(FDS, GAUGE, NONE, NONE, "process_open_fds", "Open file descriptors.")                        \
    X(FDS_MAX, GAUGE, NONE, NONE, "process_max_fds", "Limit of open file descriptors.")            \
    X(START_TIME, GAUGE, NONE, NONE, "process_start_time_seconds",                                 \
      "Start of the process, Unix time.")

enum ub_metric {
#define X(id, type, label1, label2, name, help) UB_METRIC_##id,
    UB_METRICS(X)
#undef X
        UB_METRIC_COUNT
};

enum ub_metric_label {
    UB_LABEL_NONE,
    UB_LABEL_MODEL,    /* named slots */
    UB_LABEL_UPSTREAM, /* named slots */
    UB_LABEL_TENANT,   /* named slots */
    UB_LABEL_ZONE,     /* named slots, as many as upstreams: a slot holds its upstream's zone */
    UB_LABEL_OUTCOME,  /* enum ub_error */
    UB_LABEL_ERROR,    /* enum ub_error */
    UB_LABEL_REASON,   /* enum ub_reason */
    UB_LABEL_STATUS,   /* HTTP status, 100..599 */
    UB_LABEL_SIDE,     /* enum ub_metric_side */
    UB_LABEL_TOKENS,   /* enum ub_metric_tokens */
    UB_LABEL_USAGE,    /* enum ub_metric_usage */
    UB_LABEL_CLASS,    /* enum ub_metric_class */
    UB_LABEL_LIMIT,    /* enum ub_metric_limit */
    UB_LABEL_BAR,      /* enum ub_metric_bar */
    UB_LABEL_STEP,     /* enum ub_step_kind */
    UB_LABEL_LEVEL,    /* enum ub_log_level */
    UB_LABEL_REDIS,    /* enum ub_redis_error */
    UB_LABEL_VERSION,  /* 0 */
    UB_LABEL_COUNT
};

enum ub_metric_side { UB_SIDE_CLIENT, UB_SIDE_UPSTREAM, UB_SIDE_COUNT };
enum ub_metric_tokens { UB_TOKENS_INPUT, UB_TOKENS_OUTPUT, UB_TOKENS_CACHED, UB_TOKENS_KINDS };
enum ub_metric_usage { UB_USAGE_REPORTED, UB_USAGE_ESTIMATED, UB_USAGE_KINDS };

/* Priority classes of tenants. */
#define UB_CLASSES(X)             \
    X(CRITICAL, "critical")       \
    X(INTERACTIVE, "interactive") \
    X(STANDARD, "standard")       \
    X(BATCH, "batch")
enum ub_metric_class {
#define X(name, word) UB_METRIC_CLASS_##name,
    UB_CLASSES(X)
#undef X
        UB_METRIC_CLASSES
};

/* Which limit was reached, in the order of the brain's reasons. */
#define UB_LIMITS(X)                            \
    X(TENANT_REQUESTS, "tenant_requests")       \
    X(TENANT_TOKENS, "tenant_tokens")           \
    X(TENANT_CONCURRENCY, "tenant_concurrency") \
    X(SHARE_REQUESTS, "tenant_model_requests")  \
    X(SHARE_TOKENS, "tenant_model_tokens")      \
    X(MODEL_REQUESTS, "model_requests")         \
    X(MODEL_TOKENS, "model_tokens")             \
    X(TOO_LARGE, "too_large")
enum ub_metric_limit {
#define X(name, word) UB_METRIC_LIMIT_##name,
    UB_LIMITS(X)
#undef X
        UB_METRIC_LIMITS
};

/* What bars a stream from being resumed: as in http/resume.h, in its order. */
#define UB_BARS(X)             \
    X(NONE, "none")            \
    X(OFF, "off")              \
    X(NOT_CHAT, "not_chat")    \
    X(CHOICES, "choices")      \
    X(GRAMMAR, "grammar")      \
    X(LOGPROBS, "logprobs")    \
    X(ECHO, "echo")            \
    X(NOTHING, "nothing_said") \
    X(REASONING, "reasoning")  \
    X(TOOLS, "tools")          \
    X(HALF, "half_character")  \
    X(FINISHED, "finished")    \
    X(TOO_LONG, "too_long")    \
    X(NO_MEMORY, "no_memory")
enum ub_metric_bar {
#define X(name, word) UB_METRIC_BAR_##name,
    UB_BARS(X)
#undef X
        UB_METRIC_BARS
};

/* Words of an enum label ("reported", "batch"), for logs; NULL for a value that it does not have. */
const char *ub_metrics_word(enum ub_metric_label label, uint32_t index);

/* Sizes, fixed for the life of the process. Only what is used gets memory. */
struct ub_metrics_limits {
    uint32_t workers;
    uint32_t models;
    uint32_t upstreams;
    uint32_t tenants;
};

/* Where the cells of a metric are in a shard. */
struct ub_metric_place {
    uint32_t first;
    uint32_t size1, size2; /* of the two labels, the slot "other" included */
    uint32_t cells;        /* of one series: 1, or a histogram's buckets and its sum */
};

struct ub_metrics_shard {
    const struct ub_metric_place *place; /* by enum ub_metric */
    _Atomic uint64_t *cells;
};

struct ub_metrics;

struct ub_metrics *ub_metrics_new(const struct ub_metrics_limits *limits); /* NULL: no memory */
void ub_metrics_free(struct ub_metrics *metrics);

/* The shard that only worker `worker` (0..workers-1) may write. Threads without one of their own
 * need a worker number of their own. */
struct ub_metrics_shard *ub_metrics_shard(struct ub_metrics *metrics, uint32_t worker);

/* Gives slot `index` of MODEL, UPSTREAM, TENANT or ZONE a name (copied); NULL takes it away. Under a new
 * name the slot's series start from zero; under its old one they go on. Call it when nothing runs
 * in this slot. False without memory: the slot stays nameless and is not shown. */
bool ub_metrics_name(struct ub_metrics *metrics, enum ub_metric_label label, uint32_t index,
                     const char *name);

/* Sets a TOTAL or GAUGE. NAN: not shown (any more). A metric whose two labels are both slots, as
 * UPSTREAM and MODEL, shows only what was set since the last scrape. */
void ub_metrics_set(struct ub_metrics *metrics, enum ub_metric metric, uint32_t index1,
                    uint32_t index2, double value);

/* Sets the metrics that are about the process and the operational log itself. */
void ub_metrics_set_process(struct ub_metrics *metrics);

/* Everything in Prometheus' text format, version 0.0.4. */
void ub_metrics_render(struct ub_metrics *metrics, struct ub_buf *out);
#define UB_METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* --- the hot path ---------------------------------------------------------------------------- */

static inline _Atomic uint64_t *ub_metrics_cell(const struct ub_metrics_shard *shard,
                                                enum ub_metric metric, uint32_t index1,
                                                uint32_t index2)
{
    const struct ub_metric_place *place = &shard->place[metric];
    uint32_t i = index1 < place->size1 ? index1 : place->size1 - 1;
    uint32_t j = index2 < place->size2 ? index2 : place->size2 - 1;
    return &shard->cells[place->first + (i * place->size2 + j) * place->cells];
}

/* A load and a store: nobody else writes this cell. */
static inline void ub_metrics_bump(_Atomic uint64_t *cell, uint64_t by)
{
    uint64_t value = atomic_load_explicit(cell, memory_order_relaxed);
    atomic_store_explicit(cell, value + by, memory_order_relaxed);
}

/* COUNTER, NANOS: counts `by` more. UPDOWN: negative `by` as (uint64_t)-1. Unused labels are index 0. */
static inline void ub_metrics_add(const struct ub_metrics_shard *shard, enum ub_metric metric,
                                  uint32_t index1, uint32_t index2, uint64_t by)
{
    ub_metrics_bump(ub_metrics_cell(shard, metric, index1, index2), by);
}

/* QUICK, LONG: one duration. */
void ub_metrics_observe(const struct ub_metrics_shard *shard, enum ub_metric metric,
                        uint32_t index1, ub_ns duration_ns);

#endif

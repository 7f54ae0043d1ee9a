/* routes.h - what the configuration tells the brain: upstreams, models, and the tiers between them.
 *
 * Plain data without names: a body builds it from the configuration, hands it over with one event,
 * and keeps the names to itself. Identities are 64-bit keys (a hash of the name and the URL for an
 * upstream, of the name for a model), so that statistics survive a reload.
 */
#ifndef UB_POLICY_ROUTES_H
#define UB_POLICY_ROUTES_H

#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

#define UB_TIER_MAX     64 /* upstreams in one tier: width of the masks */
#define UB_TIERS_MAX    16 /* tiers of one model */
#define UB_STEPS_MAX    8  /* of a model's ladder */
#define UB_ATTEMPTS_MAX 16 /* of one request, whatever the policy says */

/* How important a request is: who goes first when not everybody can. */
enum ub_traffic {
    UB_TRAFFIC_CRITICAL,
    UB_TRAFFIC_INTERACTIVE,
    UB_TRAFFIC_STANDARD,
    UB_TRAFFIC_BATCH,
    UB_TRAFFIC_CLASSES
};

enum ub_balance {
    UB_BALANCE_ADAPTIVE,
    UB_BALANCE_DYNAMIC_WEIGHT,
    UB_BALANCE_LEAST_REQUEST,
    UB_BALANCE_ROUND_ROBIN,
};

enum ub_affinity_kind { /* bits */
                        UB_AFFINITY_COOKIE = 1,
                        UB_AFFINITY_HEADER = 2,
                        UB_AFFINITY_CLIENT = 4,
                        UB_AFFINITY_PREFIX = 8,
};

struct ub_retry_policy {
    uint32_t attempts;   /* per request, the first one included; >= 1 */
    ub_ns base_ns;       /* first window of the full jitter; five times as much after a throttle */
    ub_ns cap_ns;        /* no window is longer */
    ub_ns ride_out_ns;   /* for so long after its arrival quick refusals do not count as attempts */
    double budget;       /* extra attempts per first attempt (0.2), beside... */
    double budget_per_s; /* ...this many per second (10) */
};

/* What is answered instead when nobody can answer, step by step (degrade.c). */
enum ub_step_kind {
    UB_STEP_STALE,      /* an old answer from the cache; at most once */
    UB_STEP_MODEL,      /* another model's */
    UB_STEP_MAX_TOKENS, /* a shorter one */
    UB_STEP_MESSAGE,    /* a plain message instead of one; at most once */
    UB_STEP_KINDS
};

struct ub_step {
    uint8_t kind;   /* ub_step_kind */
    uint32_t value; /* MODEL: index into ub_routes.models; MAX_TOKENS: how many; else 0 */
};

/* How one model behaves. All of it is copied into the brain. */
struct ub_model_policy {
    enum ub_balance balance;
    uint32_t affinity;        /* bits of ub_affinity_kind */
    ub_ns slow_over_ns;       /* dynamic_weight: 60 % less weight above this mean; 0 = never */
    ub_ns patience_ns;        /* wait this long for a better tier before going down one */
    ub_ns first_token_min_ns; /* bounds of the learned deadline to the first payload */
    ub_ns first_token_max_ns;
    ub_ns total_ns;           /* until the commit point */
    ub_ns stall_ns;           /* no payload for this long after the commit point = broken */
    ub_ns slot_wait_ns;       /* longest wait for a free slot, over all tries of a request */
    ub_ns heartbeat_after_ns; /* first heartbeat comment of a waiting stream; 0 = none */
    ub_ns heartbeat_every_ns;
    double hedge_budget; /* hedges per first attempt (0.02); 0 = never two at a time */
    struct ub_retry_policy retry;
};

/* Every field of it, for those who compare, write or read them all: kind and name. */
#define UB_MODEL_POLICY(X)    \
    X(u8, balance)            \
    X(u32, affinity)          \
    X(ns, slow_over_ns)       \
    X(ns, patience_ns)        \
    X(ns, first_token_min_ns) \
    X(ns, first_token_max_ns) \
    X(ns, total_ns)           \
    X(ns, stall_ns)           \
    X(ns, slot_wait_ns)       \
    X(ns, heartbeat_after_ns) \
    X(ns, heartbeat_every_ns) \
    X(real, hedge_budget)     \
    X(u32, retry.attempts)    \
    X(ns, retry.base_ns)      \
    X(ns, retry.cap_ns)       \
    X(ns, retry.ride_out_ns)  \
    X(real, retry.budget)     \
    X(real, retry.budget_per_s)

#define UB_RATE_AMOUNT_MAX UINT64_C(1000000000000)
#define UB_RATE_PER_MAX    (1000 * UB_HOUR)

/* So much per time; amount 0: no limit. After a long pause `burst` may come at once. */
struct ub_rate {
    uint64_t amount;
    ub_ns per_ns;
    uint64_t burst; /* at least 1 */
};

/* Everything that is limited by rate has these two. */
struct ub_quota {
    struct ub_rate requests;
    struct ub_rate tokens; /* prompt and answer together */
};

/* Every field of it, as of UB_MODEL_POLICY. */
#define UB_QUOTA(X)         \
    X(u64, requests.amount) \
    X(ns, requests.per_ns)  \
    X(u64, requests.burst)  \
    X(u64, tokens.amount)   \
    X(ns, tokens.per_ns)    \
    X(u64, tokens.burst)

struct ub_upstream_spec {
    uint64_t key;         /* identity: name and URL; never 0 */
    uint32_t concurrency; /* known account limit on requests in flight; 0 = not known */
    bool learns;          /* then it is learned, see gradient.h */
    bool shared; /* other gateways use the account, too: PART says how much of it is ours */
};

struct ub_tier_spec {
    uint32_t count;               /* 1..UB_TIER_MAX */
    uint16_t member[UB_TIER_MAX]; /* indices into ub_routes.upstreams */
};

struct ub_model_spec {
    uint64_t key; /* identity: the public name; never 0 */
    struct ub_model_policy policy;
    struct ub_quota quota; /* of all tenants together */
    uint32_t tiers;        /* 1..UB_TIERS_MAX */
    struct ub_tier_spec tier[UB_TIERS_MAX];
    uint32_t steps; /* 0..UB_STEPS_MAX; they are taken in this order */
    struct ub_step step[UB_STEPS_MAX];
};

/* Whoever owns an API key. */
struct ub_tenant_spec {
    uint64_t key;         /* identity: the name; never 0 */
    uint8_t class;        /* ub_traffic: of its requests, unless they ask for a lower one */
    uint32_t concurrency; /* requests in the house at the same time; 0 = no limit */
    struct ub_quota quota;
    bool shared; /* its limits, shares included, are those of several gateways: see TENANT_PART */
};

/* What a tenant may ask of one model, beside what it may ask of all. */
struct ub_share_spec {
    uint16_t tenant; /* indices into ub_routes */
    uint16_t model;
    struct ub_quota quota;
};

struct ub_routes {
    uint32_t upstream_count;
    uint32_t model_count;
    uint32_t tenant_count;
    uint32_t share_count;
    /* Who may wait for a slot at the same time, all models together. */
    uint32_t queue_size;
    uint64_t queue_bytes; /* of their bodies; 0 = no bound of its own */
    const struct ub_upstream_spec *upstreams;
    const struct ub_model_spec *models;
    const struct ub_tenant_spec *tenants;
    const struct ub_share_spec *shares;
};

/* The defaults of docs/CONFIG.md. */
struct ub_model_policy ub_model_policy_default(void);

#endif

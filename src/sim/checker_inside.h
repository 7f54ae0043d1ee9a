/* checker_inside.h - what the files of the checker share. */
#ifndef UB_SIM_CHECKER_INSIDE_H
#define UB_SIM_CHECKER_INSIDE_H

#include "sim/checker.h"

#define ATTEMPTS_KEPT 16
#define UB_NO_SLOT    UINT32_MAX /* a concurrency of nothing */
/* One generation of routes, by slots as the brain assigned them. Held by the requests that
 * arrived under it. */
struct routes_kept {
    uint32_t holders;
    uint32_t model_count;
    struct model_kept {
        uint64_t key;
        struct ub_model_policy policy;
        uint32_t members;
        uint16_t slot[UB_TIERS_MAX * UB_TIER_MAX];
        uint64_t slot_key[UB_TIERS_MAX * UB_TIER_MAX];
        uint32_t steps;
        uint8_t kind[UB_STEPS_MAX];
        uint64_t leads_to[UB_STEPS_MAX]; /* key of a model, or 0 */
    } model[];
};

struct request_kept {
    uint32_t generation;
    bool alive;
    bool committed;
    bool left;
    bool heartbeat;
    bool can_retry;
    bool can_resume;
    uint8_t sealed; /* number of the attempt whose end said that it cannot be continued; 0 = none */
    bool let_in;
    bool takes_message;
    bool found;       /* the cache has said so */
    uint8_t degraded; /* as of the latest START */
    uint8_t steps;    /* up to here the ladder is behind it */
    uint8_t attempts_before;
    uint64_t tenant; /* key, 0 = none */
    uint16_t worker;
    uint8_t class;
    uint8_t attempts;
    uint8_t complete;    /* number of the attempt that ended well, 0 = none */
    uint8_t speaker;     /* number of the attempt that was forwarded, 0 = none */
    uint32_t running;    /* bit n: attempt n runs */
    uint32_t said_all;   /* ...has said all of its answer */
    uint32_t first_said; /* ...has brought a first payload */
    ub_ns arrived;
    ub_ns deadline;
    ub_ns last_heartbeat;
    ub_ns broke_at; /* after FORWARD; 0 = somebody speaks */
    struct routes_kept *routes;
    struct model_kept *model;     /* NULL: unknown */
    struct model_kept *serves;    /* another one, down the ladder */
    uint8_t error[ATTEMPTS_KEPT]; /* by attempt number - 1 */
    uint16_t upstream_of[ATTEMPTS_KEPT];
};

struct tenant_kept {
    uint64_t key;
    uint16_t slot; /* UB_NO_TENANT: not in the routes */
    uint8_t class;
    bool crowd;           /* it had no limit on its concurrency, at least once */
    bool unlimited;       /* nor on its requests */
    uint32_t concurrency; /* the largest so far */
    uint32_t inside;
    struct ub_rate rate; /* of requests */
    ub_ns since;
    double allowed; /* up to `since` */
    uint64_t admitted;
};

struct budget_kept { /* by the key of a model or of an upstream */
    uint64_t key;
    double ratio, per_s; /* hedges included */
    uint64_t firsts, charged;
    uint32_t beginnings; /* how often it was taken out of the routes */
};

/* What may wait, and what did when all actions were drained; bounds are the larger ones while older
 * actions may still come. */
struct queue_kept {
    uint32_t size_max, size_next, waiting;
    uint64_t bytes_max, bytes_next, bytes; /* 0 = no bound */
};

struct ub_checker {
    char broken[240];
    struct ub_brain_limits limits;
    ub_ns slack_ns, early_ns, began;
    uint64_t events, firsts, extras;
    uint64_t charged; /* at least: those that cannot have been free */
    bool no_idle_slots;
    bool routes_new; /* actions that were decided before them may still come */
    uint32_t high;   /* slots ever used */
    uint32_t budgets;
    struct budget_kept *budget;
    struct request_kept *request;
    uint32_t tenants;
    struct tenant_kept *tenant;
    uint64_t *slot_key; /* by upstream slot: who has it now */
    uint32_t *inflight;
    uint64_t *bad;         /* by upstream slot, a bit for each model: its last word was a failure */
    bool *served;          /* somebody has been, there */
    uint64_t *bad_new;     /* it came while actions that were decided before it may still come */
    uint32_t *whole;       /* of which a part is ours; 0 = it is not shared */
    uint32_t *concurrency; /* 0 = no limit, or UB_NO_SLOT; the larger one of... */
    uint32_t *next_concurrency; /* ...this, which holds alone once all older actions are drained */
    struct routes_kept *routes;
    struct queue_kept queue;
    uint32_t *streak; /* by upstream slot */
};

void ub_checker_fail(struct ub_checker *checker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ub_checker_routes(struct ub_checker *checker, const struct ub_brain *brain,
                       const struct ub_event *event);
void ub_checker_part(struct ub_checker *checker, const struct ub_event *event);
void ub_checker_let_go(struct routes_kept *routes);

/* checker_ladder.c: what the steps of a START say, and the two actions that are steps. */
void ub_checker_stands(struct ub_checker *checker, struct request_kept *request,
                       const struct ub_action *action);
void ub_checker_look(struct ub_checker *checker, struct request_kept *request,
                     const struct ub_action *action);
void ub_checker_stand_in(struct ub_checker *checker, struct request_kept *request,
                         const struct ub_action *action);

/* checker_budget.c: these routes use a budget; those that are not in them are forgotten; how the
 * upstream of the request's attempt has last spoken; and one attempt more. */
void ub_checker_widen(struct ub_checker *checker, uint64_t key,
                      const struct ub_retry_policy *retry);
void ub_checker_absent(struct ub_checker *checker, const struct ub_routes *routes);
void ub_checker_hear(struct ub_checker *checker, const struct request_kept *request,
                     uint16_t upstream, enum ub_error error);
void ub_checker_pay(struct ub_checker *checker, struct request_kept *request, uint16_t upstream,
                    bool races, ub_ns now);

/* checker_tenants.c */
void ub_checker_tenants(struct ub_checker *checker, const struct ub_brain *brain,
                        const struct ub_routes *routes, ub_ns now);
uint8_t ub_checker_class_of(const struct ub_checker *checker, const struct ub_arrival *arrival);
uint64_t ub_checker_tenant_of(const struct ub_checker *checker, uint16_t slot);
void ub_checker_let_in(struct ub_checker *checker, struct request_kept *request, ub_ns now);
void ub_checker_goes(struct ub_checker *checker, const struct request_kept *request);

/* checker_line.c */
void ub_checker_queue(struct ub_checker *checker, const struct ub_routes *routes);
void ub_checker_waiting(struct ub_checker *checker, uint32_t waiting, uint64_t bytes);
void ub_checker_slot(struct ub_checker *checker, const struct request_kept *served,
                     uint16_t upstream, ub_ns now);

/* Of the sets of attempts in request_kept. */
static inline uint32_t ub_checker_bit(uint8_t attempt)
{
    return attempt < 32 ? 1u << attempt : 0;
}

/* checker_start.c: an attempt begins. */
void ub_checker_start(struct ub_checker *checker, struct request_kept *request,
                      const struct ub_action *action, ub_ns now);

#endif

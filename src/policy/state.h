/* state.h - the brain's memory, for the files of the brain only; what these do for each other is in steps.h.
 *
 * One block: this struct, then arrays that it finds by offsets. Everything links by index, so the
 * block can be copied and moved. Index 0 of each array is a dummy, so that zeroed memory means
 * "none".
 *
 *   upstream   one place that can answer: concurrency and what is in flight, whatever the model
 *   target     upstream x model: breaker, pace, errors, tokens in flight
 *   model      a public name: retry budget, waiting line, the current route
 *   route      one generation of a model's tiers and policy; counted by the requests that use it
 *   tenant     whoever owns an API key: its class, its limits, its requests in the house
 *   share      tenant x model: what the tenant may ask of that model
 *   request    one request in the house
 *   flow       requests of one tenant and class that wait, or waited, for one model: see queue.c
 */
#ifndef UB_POLICY_STATE_H
#define UB_POLICY_STATE_H

#include "policy/affinity.h"
#include "policy/balance.h"
#include "policy/brain.h"
#include "policy/breaker.h"
#include "policy/gradient.h"
#include "policy/line.h"
#include "policy/pace.h"
#include "policy/retry.h"
#include "policy/tenants.h"
#include "policy/timers.h"

#define ACTIONS_MAX 8 /* of one request, not drained yet: see queue_action in life.c */

struct load {
    ub_ns at; /* 0: it says nothing */
    uint32_t running, waiting;
    uint32_t others; /* beside what we had there at that instant */
    double kv;
};

struct upstream {
    uint64_t key;
    uint32_t concurrency;
    uint32_t part; /* of it; see slots_known */
    uint32_t inflight;
    uint16_t first_target; /* its targets, linked */
    uint16_t next_free;
    bool listed;  /* in the current routes */
    bool shared;  /* with other gateways: only `part` of its concurrency is ours */
    bool probing; /* a PROBE is under way or waiting to be drained */
    bool probe_queued;
    ub_ns since;             /* for slow start: when it joined; 0 = at the beginning */
    struct ub_budget budget; /* for extra attempts here, of all models */
    struct load load;        /* what the engine says, and others want of it */
    bool learns;             /* how many it takes, where `concurrency` is not known */
    struct ub_gradient gradient;
    uint8_t streak; /* slots in a row that a class got from the line while a lower one starved */
    uint64_t line_clock; /* as of struct line, among the models that wait here */
};

struct target {
    uint16_t upstream;
    uint16_t model;
    uint16_t next_of_upstream;
    uint16_t next_free;
    uint32_t refs;     /* routes that list it */
    uint32_t inflight; /* requests */
    uint64_t tokens;   /* in flight */
    ub_ns rest_until;  /* Retry-After */
    ub_ns started_at;  /* of the latest attempt */
    ub_ns bad_at;      /* the latest failure; 0: somebody who came after it was served */
    double error_share;
    ub_ns error_at;
    uint64_t line_tokens; /* what those got here who had waited in line */
    struct ub_breaker breaker;
    struct ub_pace pace;
};

struct model {
    uint64_t key;
    struct ub_quota quota;
    struct meter meter;
    uint16_t route; /* 0: not in the current routes */
    uint16_t next_free;
    uint32_t refs; /* routes of it */
    uint32_t waiting;
    struct line line[UB_TRAFFIC_CLASSES];
    double tokens_out;       /* mean of complete answers */
    struct ub_budget budget; /* of retries */
    struct ub_budget hedges;
    uint32_t level; /* of its ladder: the highest step that was needed, as of... */
    ub_ns level_at;
};

struct tier {
    uint32_t count;
    uint16_t target[UB_TIER_MAX];
    struct ub_turns turns;
};

/* As ub_step. */
struct step {
    uint8_t kind;
    uint16_t model; /* MODEL: its place and identity */
    uint64_t key;
    uint32_t max_tokens;
};

struct route {
    uint32_t refs; /* requests, plus one while current */
    uint16_t model;
    uint16_t next_free;
    uint32_t tiers;
    struct ub_model_policy policy;
    struct tier tier[UB_TIERS_MAX];
    uint64_t since; /* the generation of routes that it began with */
    uint32_t steps;
    struct step step[UB_STEPS_MAX];
};

enum request_state {
    REQUEST_FREE,
    REQUEST_TRYING,    /* an attempt runs, nothing forwarded yet */
    REQUEST_STREAMING, /* past the commit point */
    REQUEST_WAITING,   /* for a slot, in its model's line */
    REQUEST_BACKING_OFF,
    REQUEST_DEGRADING, /* about to take a step of its ladder, or asking the cache */
    REQUEST_OVER,      /* the terminal action waits to be drained */
};

struct action {
    uint32_t next; /* the one to be drained after it, of whatever request: see action_at */
    uint8_t type, reason, attempt, error;
    bool pass_on, should_retry, resume;
    uint8_t degraded;
    uint16_t upstream;
    uint32_t position; /* HEARTBEAT */
    ub_ns when; /* START: deadline; FORWARD: stall time; ANSWER: retry after; HEARTBEAT: estimated
                   wait */
};

struct tried {
    uint16_t target;
    uint8_t error;
    bool this_round; /* since the last backing off */
};

/* An attempt that runs. */
struct run {
    uint16_t target; /* 0: none */
    uint8_t number;
    bool trial;  /* its breaker's */
    bool queues; /* its upstream has let it in, and only says that it waits */
    ub_ns started_at;
    ub_ns deadline; /* to the first payload */
    ub_ns race_at;  /* when another one is asked as well; UB_NEVER */
};

#define RUNS_MAX 2 /* of one request at the same time; past the commit point it is one */

struct request {
    uint32_t generation;
    uint32_t next, previous; /* in its flow; `next` also links the free list */
    uint8_t state;
    uint8_t worker;
    uint8_t class; /* ub_traffic */
    uint16_t route;
    uint16_t home;   /* the route of the model that was asked for */
    uint16_t tenant; /* 0: none, or its outcome is decided */

    ub_ns arrived_at;
    ub_ns deadline; /* total or the client's, whichever is sooner; until the commit point */
    ub_ns heartbeat_at;
    ub_ns wait_until;     /* WAITING, BACKING_OFF: when to look again whatever happens */
    ub_ns end_until;      /* STREAMING: all is said, the proper end has until then; 0 = not yet */
    ub_ns line_until;     /* WAITING: when the wait for a slot is given up */
    ub_ns slot_wait_ns;   /* what is left of the time for that, over all waits */
    ub_ns patience_until; /* for the present tier; 0 = not begun */
    uint32_t prompt_tokens, max_tokens, own_tokens;
    uint32_t reserved; /* tokens, charged to limits; 0: none, or settled */
    uint32_t used;     /* tokens, as far as known */
    uint32_t bytes;
    uint64_t cookie_key, header_hash, client_hash;

    uint8_t attempt;  /* number of the latest; 0 = none yet */
    uint8_t tier;     /* the present one */
    uint8_t failures; /* rounds of backing off: the exponent */
    uint8_t last_error;
    uint8_t empty_attempt; /* an empty answer that may be passed on; 0 = none */
    uint8_t refusals;      /* quick ones among the attempts: they cost nobody anything */
    uint8_t tried_count;
    struct tried tried[UB_ATTEMPTS_MAX];

    bool stream, heartbeat, can_retry, can_resume;
    bool committed;  /* part of the answer is out, and nobody goes on with it at present */
    bool more_tried; /* "one more try in this tier" is used up */
    bool beyond;     /* learned limits do not hold for it any more */
    bool waits_in_line;
    uint32_t flow;           /* 0: never waited */
    uint32_t ticket;         /* numbers those of a flow */
    uint32_t charged;        /* to the flow, when it got its slot */
    bool settled;            /* and replaced by what was really used */
    uint64_t routes;         /* generation, when it came */
    uint8_t step;            /* steps of its ladder that are behind it */
    uint8_t degraded;        /* bits of those that hold */
    uint8_t attempts_before; /* at another route, or for another length */
    uint8_t refused_for;     /* DEGRADING: ub_reason, if there is no step after all */
    bool early;              /* DEGRADING: only to the model's level */
    bool looks;              /* DEGRADING: the cache was asked */
    bool takes_message;
    ub_ns stall_ns, mark_at; /* STREAMING: see stall.c */
    uint32_t mark_said;
    bool slow;
    ub_ns first_at, progress_at; /* STREAMING */
    struct run run[RUNS_MAX];    /* those that run come first */

    uint8_t first_action; /* a ring */
    uint8_t action_count;
    struct action action[ACTIONS_MAX];

    uint32_t prefix_count;
    uint64_t prefix[UB_PREFIX_MARKS];
    uint32_t prefix_tokens[UB_PREFIX_MARKS];
};

struct ub_brain {
    uint64_t magic;
    struct ub_brain_limits limits;
    ub_ns now; /* of the latest event */
    bool draining;
    bool has_routes;
    uint32_t queue_size;
    uint64_t queue_bytes;
    uint64_t waiting_bytes[UB_TRAFFIC_CLASSES];

    /* Used prefixes of the arrays, and free lists inside them. */
    uint32_t upstreams_used, targets_used, models_used, routes_used, requests_used;
    uint32_t tenants_used, shares_used;
    uint16_t upstream_free, target_free, model_free, route_free, tenant_free, share_free;
    uint32_t request_free;
    uint32_t flows_used, flow_free;
    uint64_t tickets; /* numbers for flows in the order in which they begin to wait */

    uint32_t first_action, last_action; /* all of them, oldest first */
    uint32_t probes_queued;
    ub_ns probe_at; /* next round of probes; UB_NEVER = nobody needs one */
    uint32_t prefix_clock;
    uint64_t routes;          /* generation of the current ones */
    struct ub_budget returns; /* retries of clients without a tenant */

    struct ub_brain_facts facts;

    uint64_t upstream_at, target_at, model_at, route_at, tenant_at, share_at;
    uint64_t request_at, place_at, flow_at, skew_at, bucket_at, prefix_at;
    uint64_t heap_at[64]; /* one heap of timers for each worker */
    uint32_t heap_count[64];
};

static inline void *at_offset(const struct ub_brain *brain, uint64_t offset)
{
    return (char *)(uintptr_t)brain + offset;
}

static inline struct upstream *upstream_of(const struct ub_brain *brain, uint16_t index)
{
    return (struct upstream *)at_offset(brain, brain->upstream_at) + index;
}

static inline struct target *target_of(const struct ub_brain *brain, uint16_t index)
{
    return (struct target *)at_offset(brain, brain->target_at) + index;
}

static inline struct model *model_of(const struct ub_brain *brain, uint16_t index)
{
    return (struct model *)at_offset(brain, brain->model_at) + index;
}

static inline struct route *route_of(const struct ub_brain *brain, uint16_t index)
{
    return (struct route *)at_offset(brain, brain->route_at) + index;
}

static inline struct tenant *tenant_of(const struct ub_brain *brain, uint16_t index)
{
    return (struct tenant *)at_offset(brain, brain->tenant_at) + index;
}

static inline struct share *share_of(const struct ub_brain *brain, uint16_t index)
{
    return (struct share *)at_offset(brain, brain->share_at) + index;
}

static inline struct request *request_of(const struct ub_brain *brain, uint32_t index)
{
    return (struct request *)at_offset(brain, brain->request_at) + index;
}

static inline const struct ub_model_policy *policy_of(const struct ub_brain *brain,
                                                      const struct request *request)
{
    return &route_of(brain, request->route)->policy;
}

/* What its client was promised: by the model that it asked for. */
static inline const struct ub_model_policy *promised(const struct ub_brain *brain,
                                                     const struct request *request)
{
    return &route_of(brain, request->home)->policy;
}

static inline uint32_t index_of(const struct ub_brain *brain, const struct request *request)
{
    return (uint32_t)(request - request_of(brain, 0));
}

static inline struct flow *flow_of(const struct ub_brain *brain, uint32_t index)
{
    return (struct flow *)at_offset(brain, brain->flow_at) + index;
}

static inline struct ub_skew_node *skew_of(const struct ub_brain *brain)
{
    return (struct ub_skew_node *)at_offset(brain, brain->skew_at);
}

static inline struct model *model_for(const struct ub_brain *brain, const struct request *request)
{
    return model_of(brain, route_of(brain, request->route)->model);
}

/* Actions are numbered by request and place in its ring; 0 is none, as request 0 is. */
static inline struct action *action_at(const struct ub_brain *brain, uint32_t number)
{
    return &request_of(brain, number / ACTIONS_MAX)->action[number % ACTIONS_MAX];
}

static inline struct ub_prefixes prefixes_of(struct ub_brain *brain)
{
    return (struct ub_prefixes){at_offset(brain, brain->prefix_at), brain->limits.prefixes,
                                &brain->prefix_clock};
}

static inline struct ub_timers timers_of(struct ub_brain *brain, uint32_t worker)
{
    return (struct ub_timers){at_offset(brain, brain->heap_at[worker]), &brain->heap_count[worker],
                              at_offset(brain, brain->place_at)};
}

/* All targets of a route, best tier first. Starts from zeros; 0 after the last. */
struct walk {
    uint32_t tier, member;
};

static inline uint16_t next_target(const struct route *route, struct walk *walk)
{
    while (walk->tier < route->tiers && walk->member == route->tier[walk->tier].count) {
        *walk = (struct walk){.tier = walk->tier + 1};
    }
    return walk->tier == route->tiers ? 0 : route->tier[walk->tier].target[walk->member++];
}

#endif

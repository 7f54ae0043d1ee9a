/* brain.h - the one door to all request-time decisions.
 *
 * A body (the live gateway, the simulator) tells the brain what happened, one event at a time, and
 * carries out the actions that it drains afterwards:
 *
 *     ub_brain_step(brain, &event);                      only changes state
 *     while (ub_brain_next(brain, &action)) { ... }      at most 32 for one hold of the lock, in the order
 *                                                        of the decisions
 *     ub_brain_wake_at(brain, worker)                    when to send WOKEN; "now" while actions
 * wait
 *
 * The brain opens no sockets, reads no clock, throws no dice, takes no locks, sees no payload. Time
 * and a seed come with each event. It calls nobody back and sets no timers. Its state is one block
 * of memory, linked by indices: a copy is a snapshot, and a snapshot plus the events after it gives
 * the same actions again.
 *
 * Names: a *request* has (slot, generation), and its *attempts* are numbered from 1. Words about a
 * request or an attempt that is over are recognised by these and ignored. Two attempts of a request may
 * run at the same time until one has its first payload; then the other one is cancelled.
 *
 * Each request gets exactly one of the terminal actions FINISH, ANSWER, STAND_IN, CUT, DROP; after it the id
 * is void, and no attempt of it runs any more.
 */
#ifndef UB_POLICY_BRAIN_H
#define UB_POLICY_BRAIN_H

#include "base/error.h"
#include "base/time.h"
#include "policy/routes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UB_NO_UPSTREAM  UINT16_MAX
#define UB_NO_MODEL     UINT16_MAX
#define UB_NO_TENANT    UINT16_MAX
#define UB_PART_WHOLE   1000
#define UB_PREFIX_MARKS 32 /* hashes of the prompt's beginnings, see ub_arrival.prefix */

/* How often a body asks engines for their load; the brain goes by it for three times as long. */
#define UB_LOAD_PERIOD_NS UB_SECOND

struct ub_brain;

/* Sizes of the block; it is touched only as far as it is used, so generous bounds cost no memory.
 */
struct ub_brain_limits {
    uint32_t requests; /* in the house at the same time */
    uint32_t upstreams;
    uint32_t targets; /* (upstream, model) pairs */
    uint32_t models;
    uint32_t routes;   /* model definitions alive at the same time, old generations included */
    uint32_t workers;  /* 1..64 */
    uint32_t prefixes; /* remembered prompt beginnings; a power of two */
    uint32_t tenants;  /* those included that are gone but have requests in the house */
    uint32_t shares;   /* (tenant, model) pairs with limits of their own */
};

struct ub_request_id {
    uint32_t slot;
    uint32_t generation; /* 0 is never a valid one */
};

enum ub_event_type {
    UB_EV_ROUTES,        /* new routes; the first event of every brain */
    UB_EV_ARRIVED,       /* a request with everything we need to know about it */
    UB_EV_FIRST_PAYLOAD, /* an attempt has its first payload; may it be forwarded? */
    UB_EV_PROGRESS,      /* more payload came; at least every quarter of FORWARD's stall time, and
                            at once after ANSWERED, which it takes back */
    UB_EV_ENDED,         /* an attempt is over: complete (OK) or broken. OK without a first payload
                            before: it came with its end, and FINISH lets it be forwarded */
    UB_EV_CLIENT_LEFT,   /* the client is gone, or too slow (see `error`) */
    UB_EV_WOKEN,         /* wake_at of this worker has come */
    UB_EV_PROBED,        /* the answer to a PROBE action */
    UB_EV_DRAIN,         /* shutting down: new arrivals are refused, running requests go on */
    UB_EV_ANSWERED,      /* an attempt has said all of its answer, only the proper end is missing
                            (again: and we could not listen since) */
    UB_EV_QUEUED, /* an attempt's upstream has let it in, and so far only says that it waits */
    UB_EV_LOAD,   /* an engine says how many requests it has, ours and those of others */
    UB_EV_PART,   /* of a shared upstream's concurrency: how much is ours from now on, until the
                     next word; nothing before the first. What runs beyond it runs on */
    UB_EV_LOOKED, /* the answer to a LOOK action */
    UB_EV_TENANT_PART, /* of all limits of a shared tenant: which part is ours from now on; the whole
                          before the first word */
};

/* ARRIVED */
struct ub_arrival {
    uint16_t model;  /* slot, from ub_brain_model; UB_NO_MODEL when the name is unknown */
    uint16_t tenant; /* slot, from ub_brain_tenant; UB_NO_TENANT when there are none */
    uint8_t retry;   /* how often the client has tried this before, as it says itself */
    uint8_t class;   /* ub_traffic, as asked for: raises nobody above the tenant's own */
    bool stream;
    bool heartbeat;         /* the client can be sent comments (a stream over SSE) */
    bool can_retry;         /* the body can be sent again */
    bool can_resume;        /* broken after the commit point, it may be continued elsewhere */
    bool takes_message;     /* a plain message is an answer that its client can read */
    uint32_t bytes;         /* of its body: what it holds while it waits */
    uint32_t prompt_tokens; /* estimate */
    uint32_t max_tokens;    /* as asked for; 0 = not said */
    ub_ns client_deadline;  /* instant, from the client's headers; 0 = none */
    uint64_t cookie_key;    /* upstream key that the affinity cookie names; 0 = none */
    uint64_t header_hash;   /* hash of the affinity header's value; 0 = none */
    uint64_t client_hash;   /* hash of the client's address; 0 = none */
    uint32_t prefix_count;  /* hashes of ever longer beginnings of the prompt, shortest first */
    uint64_t prefix[UB_PREFIX_MARKS];
    uint32_t prefix_tokens[UB_PREFIX_MARKS]; /* how many prompt tokens each stands for */
};

/* ENDED */
struct ub_ending {
    enum ub_error error; /* OK: complete and whole */
    ub_ns not_before;    /* Retry-After as an instant; 0 = none */
    uint32_t tokens_in;  /* usage as reported; 0 = unknown */
    uint32_t tokens_out;
    uint32_t tokens_cached;
    ub_ns
        pause_ns; /* the longest time without payload in a complete stream, for which the client was
                       not the cause; 0 = unknown */
    bool sealed;  /* past the commit point: what was said cannot be continued elsewhere */
};

struct ub_event {
    enum ub_event_type type;
    ub_ns now;     /* read inside the lock: never runs backwards */
    uint64_t seed; /* the brain expands it when it needs several draws */
    struct ub_request_id request;
    uint16_t worker; /* ARRIVED: who owns the request; WOKEN: who woke */
    uint8_t attempt; /* FIRST_PAYLOAD, PROGRESS, ANSWERED, QUEUED, ENDED */
    uint32_t said;   /* of those, and CLIENT_LEFT: tokens of the answer so far, estimated */
    bool held;       /* PROGRESS: the client reads too slowly, and that may be all */
    union {
        const struct ub_routes *routes; /* borrowed for the step */
        struct ub_arrival arrived;
        struct ub_ending ended;
        enum ub_error left; /* CLIENT_GONE or CLIENT_SLOW */
        struct {
            uint16_t upstream;
            bool ok;
        } probed;
        struct {
            uint16_t upstream;
            uint32_t running, waiting;
            double kv; /* share of its memory in use, 0..1 */
        } load;
        struct {
            uint16_t upstream;
            uint32_t concurrency; /* more than the whole means the whole */
        } part;
        struct {
            uint16_t tenant;
            uint32_t part; /* of UB_PART_WHOLE; more means the whole, 0 next to nothing */
        } tenant_part;
        bool found; /* LOOKED */
    };
};

enum ub_action_type {
    UB_ACT_START,   /* begin attempt `attempt` at `upstream`; see `resume` */
    UB_ACT_FORWARD, /* attempt `attempt` may speak to the client: the commit point, or with the reason
                         RESUME the end of the gap behind it */
    UB_ACT_HEARTBEAT, /* send a comment to the waiting client */
    UB_ACT_CANCEL,    /* close attempt `attempt`; nothing of it counts any more */
    UB_ACT_FINISH,    /* terminal: the answer is complete; end the response well */
    UB_ACT_ANSWER, /* terminal: answer with `error` (or pass on the last refusal, see `pass_on`) */
    UB_ACT_CUT,    /* terminal: part of the answer is out; end with an explicit error */
    UB_ACT_DROP,   /* terminal: the client is gone; just let go */
    UB_ACT_PROBE,  /* connect to `upstream` without sending a request, then PROBED */
    UB_ACT_LOOK,   /* is there a stale answer to this question? Then LOOKED */
    UB_ACT_STAND_IN, /* terminal: answer with what the step of `degraded` holds */
    UB_ACT_TYPES
};

/* Why. One row gives the enum and the words for log, metrics, traces and console. */
#define UB_REASONS(X)                                     \
    X(NONE, "")                                           \
    X(BALANCED, "balanced")                               \
    X(AFFINITY, "affinity")                               \
    X(ONLY_ONE, "only candidate")                         \
    X(PANIC, "everyone else is ejected too")              \
    X(TRIAL, "trial after ejection")                      \
    X(DUE, "was bad, is due a try")                       \
    X(RETRY_ELSEWHERE, "retry elsewhere")                 \
    X(RETRY_SAME, "one more try in this tier")            \
    X(NEXT_TIER, "next tier")                             \
    X(BACKED_OFF, "after backing off")                    \
    X(SLOT_FREED, "slot freed")                           \
    X(BEYOND_LEARNED, "beyond the learned limit")         \
    X(FIRST_PAYLOAD, "first payload")                     \
    X(FIRST_TOKEN_DEADLINE, "first token deadline")       \
    X(STALL, "stalled")                                   \
    X(CLIENT_LEFT, "client left")                         \
    X(COMPLETE, "complete")                               \
    X(WAITING, "still waiting")                           \
    X(CLIENTS_FAULT, "client's fault")                    \
    X(OUT_OF_ATTEMPTS, "out of attempts")                 \
    X(OUT_OF_BUDGET, "retry budget spent")                \
    X(OUT_OF_TIME, "out of time")                         \
    X(NO_TIME_TO_RETRY, "no time to retry")               \
    X(NOBODY_LEFT, "nobody left to try")                  \
    X(CANNOT_RETRY, "cannot be sent again")               \
    X(QUEUE_FULL, "queue full")                           \
    X(NO_SLOT, "no slot in time")                         \
    X(NOT_IN_SIGHT, "no slot in sight in time")           \
    X(DISPLACED, "made room for a higher class")          \
    X(UNKNOWN_MODEL, "unknown model")                     \
    X(BROKE_AFTER_COMMIT, "broke after the commit point") \
    X(DRAINING, "draining")                               \
    X(PROBE, "is it back?")                               \
    X(NO_END, "complete but for its end")                 \
    X(QUEUED_THERE, "queued too long at the first one")   \
    X(HEDGE, "slower than it usually is")                 \
    X(LOST_RACE, "another one was first")                 \
    X(RESUME, "continues the broken answer")              \
    X(CRAWL, "far slower than it usually is")             \
    X(TENANT_REQUESTS, "tenant's request rate")           \
    X(TENANT_TOKENS, "tenant's token rate")               \
    X(TENANT_CONCURRENCY, "tenant's concurrency")         \
    X(SHARE_REQUESTS, "tenant's requests to the model")   \
    X(SHARE_TOKENS, "tenant's tokens of the model")       \
    X(MODEL_REQUESTS, "model's request rate")             \
    X(MODEL_TOKENS, "model's token rate")                 \
    X(TOO_LARGE, "more tokens than fit at once")          \
    X(DEGRADED, "a step down the ladder")

enum ub_reason {
#define X(name, words) UB_WHY_##name,
    UB_REASONS(X)
#undef X
        UB_WHY_COUNT
};
const char *ub_reason_words(enum ub_reason reason);

struct ub_action {
    enum ub_action_type type;
    enum ub_reason reason;
    struct ub_request_id request;
    uint16_t worker;   /* whose mailbox */
    uint16_t upstream; /* START, PROBE: slot; others: the attempt's upstream or UB_NO_UPSTREAM */
    uint8_t attempt;
    bool pass_on;      /* ANSWER: relay the upstream's own refusal (attempt `attempt`) when kept */
    bool should_retry; /* ANSWER: may the client try again? */
    bool resume; /* START: continue what the client has; ENDED with SEALED when that cannot be */
    uint8_t degraded;    /* START, LOOK, STAND_IN: a bit for each step of the model's ladder that it
                         stands on; for the last two one of them is a stale answer or a message */
    enum ub_error error; /* ANSWER, CUT, DROP: the outcome; CANCEL: why, as the attempt's error */
    ub_ns deadline;      /* START: instant by which the first payload must be there (informative) */
    ub_ns stall_ns;      /* FORWARD: no payload for this long is taken for a stall */
    ub_ns retry_after_ns; /* ANSWER: advice to the client, 0 = none; at most 60 s */
    uint32_t position; /* HEARTBEAT: the place in the line, 1 = next; 0 = does not stand in one */
    ub_ns wait_ns;     /* HEARTBEAT: estimated time until it gets a slot; 0 = not known */
};

/* Bytes for a brain of these limits. */
size_t ub_brain_size(const struct ub_brain_limits *limits);

/* `block` holds ub_brain_size bytes, zeroed, aligned to 64; the caller owns it and frees it. */
struct ub_brain *ub_brain_init(void *block, const struct ub_brain_limits *limits);

/* The id that the next ARRIVED must carry; generation 0 when the house is full. */
struct ub_request_id ub_brain_next_id(const struct ub_brain *brain);

void ub_brain_step(struct ub_brain *brain, const struct ub_event *event);
bool ub_brain_next(struct ub_brain *brain, struct ub_action *action);

/* When to send WOKEN for this worker; UB_NEVER: only an event can move anything. */
ub_ns ub_brain_wake_at(const struct ub_brain *brain, uint16_t worker);

/* Do these routes fit and make sense (indices, counts, keys)? NULL when they do, else words.
 * ROUTES with routes that do not fit is a caller's bug. */
const char *ub_brain_refuses(const struct ub_brain *brain, const struct ub_routes *routes);

/* Slots of identities in the current routes; UB_NO_UPSTREAM, UB_NO_MODEL when not there. An
 * upstream that was taken out keeps its slot until its last attempt has ended. */
uint16_t ub_brain_upstream(const struct ub_brain *brain, uint64_t key);
uint16_t ub_brain_model(const struct ub_brain *brain, uint64_t key);
uint16_t ub_brain_tenant(const struct ub_brain *brain, uint64_t key); /* UB_NO_TENANT */

/* A snapshot: only what is in use is copied. Both return the bytes written or needed; restore
 * expects a block as for ub_brain_init with the same limits, and returns NULL when the bytes are
 * not a snapshot of such a brain. */
size_t ub_brain_snapshot_size(const struct ub_brain *brain);
size_t ub_brain_snapshot(const struct ub_brain *brain, void *out);
struct ub_brain *ub_brain_restore(void *block, const struct ub_brain_limits *limits,
                                  const void *snapshot, size_t size);

/* What metrics, console and tests may look at. Copies; all figures as of `now`. */
enum ub_upstream_state {
    UB_UPSTREAM_UP,
    UB_UPSTREAM_EJECTED,
    UB_UPSTREAM_ON_TRIAL,
    UB_UPSTREAM_DRAINING
};

struct ub_target_facts {
    enum ub_upstream_state state;
    enum ub_error ejected_for;
    uint32_t inflight;        /* of this upstream, all models */
    uint32_t concurrency;     /* 0 = not known */
    double learned;           /* how many it takes well; 0 = as many as came so far */
    uint64_t tokens_inflight; /* of this target */
    bool load_known;          /* an engine has said lately... */
    uint32_t others;          /* ...how many requests it has that are not ours... */
    uint32_t waiting;         /* ...how many of all wait there... */
    double kv;                /* ...and how full its memory is */
    ub_ns first_payload_ns;   /* learned, for a short prompt; 0 = no sample yet */
    ub_ns response_ns;        /* mean time of complete answers */
    ub_ns deadline_ns;        /* learned deadline to the first payload, for a short prompt */
    double error_share;
    double weight; /* dynamic_weight */
};
bool ub_brain_target(const struct ub_brain *brain, uint16_t upstream, uint16_t model, ub_ns now,
                     struct ub_target_facts *out);

struct ub_upstream_facts {
    uint32_t concurrency; /* the whole; 0 = not known */
    uint32_t part;        /* of it that is ours; all of it when it is not shared */
    uint32_t inflight;
    uint32_t wanted; /* by those that run there, or wait in a line for it and maybe others */
};
/* By slot. False: nobody has it. */
bool ub_brain_upstream_facts(const struct ub_brain *brain, uint16_t upstream,
                             struct ub_upstream_facts *out);

/* What a tenant may still ask of a model: of all limits that hold, those that allow least. */
struct ub_allowance_part {
    uint64_t limit; /* what may come at once; 0 = no limit, and the rest means nothing */
    uint64_t left;
    ub_ns full_ns; /* until all of it is there again */
};
struct ub_allowance {
    struct ub_allowance_part requests, tokens;
};
/* By slots. False: nothing is limited by rate. */
bool ub_brain_allowance(const struct ub_brain *brain, uint16_t tenant, uint16_t model, ub_ns now,
                        struct ub_allowance *out);

struct ub_model_facts {
    uint32_t level; /* steps of its ladder that are taken at once, see degrade.c */
};
bool ub_brain_model_facts(const struct ub_brain *brain, uint16_t model, ub_ns now,
                          struct ub_model_facts *out);

struct ub_tenant_facts {
    uint32_t requests;    /* in the house */
    uint32_t part;        /* of its limits that is ours, of UB_PART_WHOLE */
    uint32_t concurrency; /* the whole, as the quota */
    struct ub_quota quota;
    uint64_t asked;        /* requests so far, those included that were turned away... */
    uint64_t asked_tokens; /* ...and their tokens, estimated */
};
/* False: nobody has this slot, or has had it. */
bool ub_brain_tenant_facts(const struct ub_brain *brain, uint16_t tenant,
                           struct ub_tenant_facts *out);

struct ub_brain_facts {
    uint32_t requests; /* in the house */
    uint32_t running;  /* attempts in flight */
    uint32_t waiting;  /* for a slot */
    uint32_t waiting_of[UB_TRAFFIC_CLASSES];
    uint64_t waiting_bytes; /* of their bodies */
    uint32_t backing_off;
    uint32_t ready; /* actions not drained yet */
    uint64_t first_attempts;
    uint64_t extra_attempts;
    uint64_t reserved_tokens;  /* charged to limits by estimate, not yet settled */
    uint64_t charged_attempts; /* of these, paid from the retry budget */
};
struct ub_brain_facts ub_brain_facts(const struct ub_brain *brain);

/* Checks every invariant of the block (counters against lists, indices in range); for tests.
 * NULL when all hold, else words. */
const char *ub_brain_check(const struct ub_brain *brain);

#endif

/* world.h - the second body: the same brain in virtual time, against model upstreams.
 *
 * The world carries out actions as the gateway does, but nothing takes longer than the models say,
 * and the same options and calls give the same trace. A story reads:
 *
 *     struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
 *     ub_world_upstream(world, "near", 200 * UB_MS);
 *     ub_world_upstream(world, "far", 900 * UB_MS);
 *     ub_world_hang(world, "near", 5500 * UB_MS);
 *     ub_world_request(world, 0);
 *     UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on near (balanced)\n" ...);
 *
 * Instants that a caller gives or gets are durations since the world's beginning. The routes are
 * made from the upstreams' fields (tier, models, concurrency, removed) and told to the brain before
 * the first event and by ub_world_reload. Everything runs on ub_malloc; a world that got no memory
 * says so as a broken promise.
 */
#ifndef UB_SIM_WORLD_H
#define UB_SIM_WORLD_H

#include "base/random.h"
#include "base/test.h"
#include "policy/brain.h"
#include "sim/upstream.h"

struct ub_flight;
struct ub_world;

#define UB_WORLD_MODELS    8
#define UB_WORLD_TENANTS   8
#define UB_WORLD_ANSWER_NS UB_SECOND /* default time from the first to the last token */

struct ub_world_options {
    double draw;         /* in (0, 1): the first draw of every event; 0: chance, from `seed` */
    uint64_t seed;       /* of the models, and of the events when `draw` is 0 */
    ub_ns origin;        /* the clock at the beginning; 0 = one hour */
    uint16_t workers;    /* 0 = 1 */
    uint16_t hold;       /* actions drained for one hold of the lock; 0 = 32 */
    ub_ns wake_late_ns;  /* WOKEN comes up to this much late */
    ub_ns late_words_ns; /* words of a cancelled attempt that are due within this still come */
    struct ub_brain_limits limits; /* zeros: small defaults */
    bool quiet;                    /* keep no trace */
    bool no_idle_slots;            /* see ub_checker_no_idle_slots */
    bool check_brain;              /* ub_brain_check after every step */
    struct ub_flight *flight;      /* told everything, or NULL */
};

struct ub_world *ub_world_new(struct ub_world_options options);
void ub_world_free(struct ub_world *world);

/* Upstreams are found by name again. Pointers stay until the world ends. A new one is in tier 0 of
 * model 0 with `first_ns` to the first payload and UB_WORLD_ANSWER_NS for the rest. */
struct ub_sim_upstream *ub_world_upstream(struct ub_world *world, const char *name, ub_ns first_ns);
struct ub_sim_upstream *ub_world_upstream_named(struct ub_world *world, const char *name);

/* So much of what this upstream allows all gateways together is ours from now on. */
void ub_world_part(struct ub_world *world, const char *name, uint32_t concurrency);
void ub_world_tenant_part(struct ub_world *world, uint32_t tenant, uint32_t part);

/* From now on an engine with this profile says how long things take; and others use it as well. */
struct ub_engine_profile;
void ub_world_engine(struct ub_world *world, const char *name,
                     const struct ub_engine_profile *profile, uint32_t waiting_max);
void ub_world_others(struct ub_world *world, const char *name, uint32_t count,
                     uint32_t prompt_tokens, uint32_t answer_tokens);

/* The next first payload of this upstream comes only after this long. */
void ub_world_hang(struct ub_world *world, const char *name, ub_ns first_ns);
/* Killed: running attempts are reset, connections refused; until it is started again. */
void ub_world_kill(struct ub_world *world, const char *name);
void ub_world_restart(struct ub_world *world, const char *name);

/* What the next routes say. */
struct ub_model_policy *ub_world_policy(struct ub_world *world, uint32_t model);
void ub_world_models(struct ub_world *world, uint32_t count); /* 1 at first */
/* From 1, as in ub_ask; there are as many as the highest that was asked for here. Of the standard
 * class and without limits at first. */
struct ub_tenant_spec *ub_world_tenant(struct ub_world *world, uint32_t tenant);
/* What this tenant may ask of that model; no limits at first. */
struct ub_quota *ub_world_share(struct ub_world *world, uint32_t tenant, uint32_t model);
struct ub_quota *ub_world_quota(struct ub_world *world, uint32_t model); /* all tenants together */
void ub_world_queue_size(struct ub_world *world, uint32_t size);         /* 1000 at first */
void ub_world_queue_bytes(struct ub_world *world, uint64_t bytes);       /* no bound at first */
/* A model's ladder, empty at first; MODEL names one of the world's models. */
void ub_world_step(struct ub_world *world, uint32_t model, enum ub_step_kind kind, uint32_t value);
void ub_world_no_steps(struct ub_world *world, uint32_t model);
uint32_t ub_world_level(const struct ub_world *world, uint32_t model); /* now */
/* Now. NULL, or why the brain refuses these routes; then nothing has changed. */
const char *ub_world_reload(struct ub_world *world);
void ub_world_drain(struct ub_world *world); /* now */

/* A request to come. Zeros are sensible: model 0, at the beginning, 50 tokens of answer. */
struct ub_ask {
    ub_ns at;
    uint32_t model;         /* index; a model that is not in the routes is "unknown" */
    uint32_t tenant;        /* 0 = none */
    uint8_t class;          /* ub_traffic + 1; 0 = the tenant's own, standard without one */
    uint8_t retry;          /* how often the client has tried before */
    uint32_t bytes;         /* of the body */
    uint32_t prompt_tokens; /* 0 = 100 */
    uint32_t max_tokens;
    uint32_t answer_tokens; /* 0 = 50 */
    bool whole;             /* not streamed */
    bool no_heartbeat;
    bool no_retry;         /* the body cannot be sent again */
    bool resume;           /* broken after its commit point, it may be continued... */
    bool sealed;           /* ...but what was said by then forbids it */
    bool no_message;       /* a plain message is no answer to it */
    bool stale;            /* the cache has an old answer to it... */
    ub_ns look_ns;         /* ...and says so after this long; UB_NEVER: it hangs */
    ub_ns client_deadline; /* since the world's beginning; 0 = none */
    ub_ns leaves_after_ns; /* 0 = stays */
    bool leaves_slow;      /* CLIENT_SLOW instead of CLIENT_GONE */
    uint8_t returns;  /* comes back this often when it may, when it is told to: as the SDKs do */
    bool stubborn;    /* it does so by its own clock, whatever it is told */
    uint8_t returned; /* how often it has come back already */
    uint64_t cookie_key, header_hash, client_hash;
    uint32_t prefix_count;
    const uint64_t *prefix; /* borrowed until the request is over */
    const uint32_t *prefix_tokens;
};

/* Returns the request's number, 1 for the first. */
uint32_t ub_world_ask(struct ub_world *world, struct ub_ask ask);
uint32_t ub_world_request(struct ub_world *world, ub_ns at);

void ub_world_run_until(struct ub_world *world, ub_ns at);
/* Until every request has its outcome and no model has anything more to say. */
void ub_world_run(struct ub_world *world);
ub_ns ub_world_now(const struct ub_world *world);

/* For storms. Something that a body may do and a story never does, drawn by chance; and a body that
 * was stopped for a while: everything that is due comes late. */
void ub_world_mischief(struct ub_world *world, struct ub_random *random);
void ub_world_sleep(struct ub_world *world, ub_ns sleep_ns);

struct ub_brain *ub_world_brain(struct ub_world *world);
uint16_t ub_world_slot(const struct ub_world *world, const char *name);
/* What this tenant (0 = none) may still ask of the model now. */
struct ub_allowance ub_world_allowance(const struct ub_world *world, uint32_t tenant,
                                       uint32_t model);
/* Facts of an upstream for model 0; all zero when it has none. */
struct ub_target_facts ub_world_facts(const struct ub_world *world, const char *name);

enum ub_sim_outcome {
    UB_SIM_PENDING,
    UB_SIM_FINISHED,
    UB_SIM_ANSWERED, /* by the gateway itself, with `error` */
    UB_SIM_CUT,
    UB_SIM_STOOD_IN, /* by what a step of the ladder holds */
    UB_SIM_DROPPED,
    UB_SIM_NO_ROOM, /* the house was full */
};

struct ub_sim_result {
    enum ub_sim_outcome outcome;
    enum ub_error error;
    enum ub_reason reason;
    ub_ns arrived, forwarded, over; /* since the beginning; 0 = never */
    uint32_t attempts;
    uint32_t heartbeats;
    uint8_t degraded;  /* steps that the last attempt, or the answer, stands on */
    bool should_retry; /* what the client was told with an error... */
    ub_ns retry_after_ns;
    uint32_t returned_as; /* ...and the number of the request that it came back with; 0 = none */
    const struct ub_sim_upstream *upstream; /* of the last attempt */
};
struct ub_sim_result ub_world_result(const struct ub_world *world, uint32_t number);
uint32_t ub_world_asked(const struct ub_world *world);

/* The text since the last call of this or of ub_world_forget; owned by the world. */
const char *ub_world_trace(struct ub_world *world);
void ub_world_forget(struct ub_world *world);

/* NULL: every promise of the brain was kept; else the first one that was not. After the run. */
const char *ub_world_broken(struct ub_world *world);

#define UB_CHECK_TRACE(world, want)                                                             \
    (ub_world_run(world),                                                                       \
     ub_test_text(ub_world_trace(world), (want), __FILE__, __LINE__, "the trace is the story"), \
     UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept: %s",                     \
              ub_world_broken(world) == NULL ? "" : ub_world_broken(world)))

#endif

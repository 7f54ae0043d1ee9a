/* world_inside.h - what the files of the world share. */
#ifndef UB_SIM_WORLD_INSIDE_H
#define UB_SIM_WORLD_INSIDE_H

#include "base/buf.h"
#include "base/random.h"
#include "sim/agenda.h"
#include "sim/checker.h"
#include "sim/engine.h"
#include "sim/words.h"
#include "sim/world.h"

enum ub_happening {                 /* ub_entry.what; `who` is... */
                    UB_HAP_ARRIVAL, /* ...a request */
                    UB_HAP_LEAVING, /* ...a request */
                    UB_HAP_WORD,    /* ...an attempt */
                    UB_HAP_PROBED,  /* ...an upstream */
                    UB_HAP_LOOKED,  /* ...a request */
                    UB_HAP_ENGINE,  /* ...an upstream whose engine ends a step */
                    UB_HAP_LOAD,    /* ...an upstream whose engine is asked for its load */
};

enum ub_stage { /* what an attempt's next entry is */
                UB_STAGE_FREE,
                UB_STAGE_CONNECTED,
                UB_STAGE_WAITS,  /* waits at the upstream, which will say so */
                UB_STAGE_QUEUED, /* the same; no entry */
                UB_STAGE_SILENT, /* no entry either */
                UB_STAGE_ENGINE, /* nor this: the upstream's engine speaks for it */
                UB_STAGE_FIRST,
                UB_STAGE_MARK,
                UB_STAGE_ANSWERED, /* all is said */
                UB_STAGE_OVER,
};

struct ub_sim_attempt {
    struct ub_request_id id;
    uint32_t request; /* index */
    uint32_t serial;
    uint32_t next; /* in the upstream's queue, or of the free ones */
    uint16_t upstream;
    uint8_t number;
    uint8_t stage;
    uint8_t fault;
    uint8_t error; /* said at its end */
    bool running;  /* holds a slot of the upstream */
    bool cancelled;
    bool hurt; /* its fault has had its moment */
    ub_ns cancelled_at;
    ub_ns due;      /* instant of the entry */
    ub_ns stall_ns; /* forwarded: silence for this long counts as a stall */
    ub_ns body_end; /* when the last token is there */
    ub_engine_id sequence;
    uint32_t produced; /* tokens, of an engine */
    ub_ns marked_at;
};

struct ub_sim_request {
    struct ub_ask ask;
    struct ub_request_id id;
    struct ub_sim_result result;
    uint32_t running[2]; /* attempts, UB_SIM_NOBODY = none */
    uint16_t worker;
    bool alive;
};

struct ub_world {
    struct ub_world_options options;
    const char *broken;
    char broken_words[160];
    ub_ns now;
    struct ub_random events_random;
    struct ub_random models_random;
    uint64_t pinned_seed;
    struct ub_brain *brain;
    void *block;
    struct ub_checker *checker;
    struct ub_agenda agenda;
    struct ub_buf trace;
    struct ub_names names;

    struct ub_sim_upstream *upstream; /* limits.upstreams of them */
    uint32_t upstream_count;
    uint16_t *by_slot; /* brain's slot -> index in `upstream` */
    uint32_t model_count;
    struct ub_model_policy policy[UB_WORLD_MODELS];
    struct ub_quota quota[UB_WORLD_MODELS];
    uint32_t steps[UB_WORLD_MODELS];
    struct ub_step step[UB_WORLD_MODELS][UB_STEPS_MAX];
    uint32_t tenant_count;
    struct ub_tenant_spec tenant[UB_WORLD_TENANTS];
    struct ub_quota share[UB_WORLD_TENANTS][UB_WORLD_MODELS];
    uint32_t queue_size;
    uint64_t queue_bytes;
    bool routed;

    struct ub_sim_request *request;
    uint32_t request_count, request_cap;
    uint32_t *by_request_slot; /* brain's request slot -> index in `request` */
    struct ub_sim_attempt *attempt;
    uint32_t attempt_count, attempt_cap, attempt_free;
    uint32_t pending;    /* requests without an outcome, those to come included */
    uint32_t speaking;   /* attempts with an entry */
    ub_ns spoke_at;      /* instant of the latest event */
    uint32_t idle_wakes; /* WOKEN in a row at one instant that moved nothing */
};

/* world.c */
void ub_world_say(struct ub_world *world, struct ub_event *event);
void ub_world_fail(struct ub_world *world, const char *words);
uint64_t ub_world_model_key(uint32_t model);
uint64_t ub_world_tenant_key(uint32_t tenant);

/* world_request.c */
void ub_world_arrive(struct ub_world *world, uint32_t request);
void ub_world_leave(struct ub_world *world, uint32_t request);
void ub_world_look(struct ub_world *world, const struct ub_action *action);
void ub_world_looked(struct ub_world *world, uint32_t request);
void ub_world_request_over(struct ub_world *world, struct ub_sim_request *request,
                           enum ub_sim_outcome outcome, const struct ub_action *action);

/* world_engine.c: the attempt goes to the upstream's engine; false: its queue is full. */
bool ub_world_engine_add(struct ub_world *world, struct ub_sim_attempt *attempt);
void ub_world_engine_step(struct ub_world *world, uint32_t upstream);
void ub_world_engine_load(struct ub_world *world, uint32_t upstream);

/* world_attempt.c */
void ub_world_attempt_start(struct ub_world *world, const struct ub_action *action);
/* The request's attempt of this number while it runs, or NULL. */
struct ub_sim_attempt *ub_world_attempt_running(struct ub_world *world,
                                                const struct ub_sim_request *request,
                                                uint8_t number);
void ub_world_attempt_forward(struct ub_world *world, const struct ub_action *action);
void ub_world_attempt_cancel(struct ub_world *world, const struct ub_action *action);
uint32_t ub_world_said(const struct ub_world *world, uint32_t attempt); /* tokens so far */
void ub_world_attempt_word(struct ub_world *world, const struct ub_entry *entry);
void ub_world_attempts_reset(struct ub_world *world, uint32_t upstream);
void ub_world_attempt_say(struct ub_world *world, struct ub_sim_attempt *attempt,
                          enum ub_event_type type);
void ub_world_attempt_done(struct ub_world *world, uint32_t attempt);

#endif

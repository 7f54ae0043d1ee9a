/* upstream.h - a model of one upstream: how fast it is, how much fits, and what goes wrong.
 *
 * A story sets the fields by hand, a storm draws them. Only latencies and faults are modelled, not
 * an engine's inside: slots with a queue before them, a time to the first payload that may depend
 * on the prompt, and a steady time per token afterwards.
 */
#ifndef UB_SIM_UPSTREAM_H
#define UB_SIM_UPSTREAM_H

#include "base/random.h"
#include "base/time.h"
#include "sim/fault.h"
#include <stdbool.h>
#include <stdint.h>

#define UB_SIM_NOBODY UINT32_MAX

enum ub_latency_kind { UB_LATENCY_FIXED, UB_LATENCY_EXPONENTIAL, UB_LATENCY_LOGNORMAL };

struct ub_latency {
    enum ub_latency_kind kind;
    ub_ns mean_ns;
    double sigma; /* LOGNORMAL: of the logarithm */
};

ub_ns ub_latency_draw(const struct ub_latency *latency, struct ub_random *random);

struct ub_engine;

struct ub_sim_upstream {
    char name[24];
    uint64_t key;

    /* What the routes say about it. */
    uint32_t tier;
    uint32_t models; /* bit n: serves the world's n-th model */
    uint32_t concurrency;
    bool learns;  /* the brain learns it when it is 0 */
    bool shared;  /* with other gateways: ub_world_part says how much is ours */
    bool removed; /* not in the next routes */

    /* When all is well. */
    ub_ns connect_ns;
    ub_ns refuse_ns; /* from the connection to a refusal */
    struct ub_latency first;
    ub_ns prefill_ns; /* per prompt token, on top of `first` */
    ub_ns token_ns;   /* per token of the answer */
    uint32_t slots;   /* 0 = no end */
    uint32_t queue_max;
    ub_ns keep_alive_ns; /* who waits there is told so after this long; 0 = hears nothing */
    enum ub_fault when_full;
    uint32_t context_tokens; /* longer prompts are refused; 0 = no limit */

    struct ub_engine *engine; /* tells the times instead of the above; NULL: none */
    ub_ns engine_at;          /* end of its step, in the agenda */
    bool tells_load;          /* it has a page about its load */
    uint32_t kv_tokens;

    /* What goes wrong: `fault` with this share of attempts (0 = all of them), for the next
     * `fault_left` attempts (0 = for ever), only during episodes when there are any. */
    enum ub_fault fault;
    double fault_share;
    uint32_t fault_left;
    ub_ns pause_ns; /* instead of the fault's own; 0 = that one */
    ub_ns retry_after_ns;
    ub_ns bad_from; /* instant of the first episode */
    ub_ns bad_every_ns;
    ub_ns bad_for_ns;           /* 0 = no episodes */
    bool down;                  /* killed: refuses connections */
    enum ub_error when_resumed; /* what it says when it is to continue an answer; OK: it does */

    /* How it is. */
    uint32_t running;
    uint32_t waiting;
    uint32_t first_waiting; /* attempts, linked in the world */
    uint32_t last_waiting;
    uint64_t started; /* attempts so far */
    uint32_t running_max;
    double busy_ns; /* running x time */
    ub_ns busy_until;
};

/* The fault of an attempt that begins now. */
enum ub_fault ub_sim_upstream_fault(struct ub_sim_upstream *upstream, uint32_t prompt_tokens,
                                    ub_ns now, struct ub_random *random);

ub_ns ub_sim_upstream_pause(const struct ub_sim_upstream *upstream, enum ub_fault fault);

/* Adds `by` to the running attempts; keeps the account of `busy_ns`. */
void ub_sim_upstream_run(struct ub_sim_upstream *upstream, int by, ub_ns now);

#endif

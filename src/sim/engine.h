/* engine.h - how long a model server with continuous batching takes, token by token.
 *
 * Pure: time is an argument, nothing is drawn. The mock drives it with the real clock, the
 * simulator with its own.
 *
 * The server works in steps. Every step serves all running sequences at once and takes
 *
 *     A + B n + C (context tokens of those that decode) + D p + E (p x context before it)
 *
 * with n sequences, of which some are fed p prompt tokens in all. Scheduling is vLLM's: running
 * sequences first, in order of admission, then waiting ones; at most `step_tokens` tokens in a step
 * (long prompts are fed in chunks) and `seqs_max` sequences. When the KV memory is used up, the
 * sequence admitted last is thrown out and computed again later. Fitted on real vLLM runs and
 * checked against others (engine_test.c; PERFORMANCE figures are in the table of profiles).
 *
 * Use: add sequences; at ub_engine_wake_at call ub_engine_run, then take every token out with
 * ub_engine_next. All memory is taken in ub_engine_new.
 */
#ifndef UB_SIM_ENGINE_H
#define UB_SIM_ENGINE_H

#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

struct ub_engine_profile {
    const char *name;
    const char *words;
    double step_ns;          /* A */
    double sequence_ns;      /* B */
    double context_ns;       /* C */
    double prefill_ns;       /* D */
    double prefill_cross_ns; /* E */
    uint32_t step_tokens;    /* token budget of one step */
    uint32_t seqs_max;       /* running at once */
    uint32_t kv_tokens;      /* context tokens that fit into the KV memory; 0 = no bound */
};

/* The known profiles; the list ends with a NULL name. */
extern const struct ub_engine_profile ub_engine_profiles[];
const struct ub_engine_profile *ub_engine_profile_find(const char *name);

/* Names a sequence: 0 is nobody. A name is not used again for 2^32 sequences. */
typedef uint64_t ub_engine_id;

struct ub_engine_token {
    ub_engine_id id;
    void *user;
    ub_ns began_at; /* begin of its first step */
    uint32_t index; /* 1 = the first token of the answer */
    bool last;
};

struct ub_engine_load {
    uint32_t running;
    uint32_t waiting;
    uint64_t kv_tokens;
    uint64_t preemptions; /* since the start, as the following */
    uint64_t prompt_tokens;
    uint64_t answer_tokens;
    uint64_t steps;
};

struct ub_engine;

/* `waiting_max` bounds the queue. NULL without memory. */
struct ub_engine *ub_engine_new(const struct ub_engine_profile *profile, uint32_t waiting_max);
void ub_engine_free(struct ub_engine *engine);

/* A prompt of `prompt` tokens (>= 1), of which the first `cached` (< prompt) need no prefill, and
 * an answer of `answer` tokens (>= 1). Returns 0 when the queue is full. */
ub_engine_id ub_engine_add(struct ub_engine *engine, void *user, uint32_t prompt, uint32_t cached,
                           uint32_t answer, ub_ns now);

/* The client left: its place is free at once. Nothing happens when the sequence has ended. */
void ub_engine_cancel(struct ub_engine *engine, ub_engine_id id);

/* Does it wait for its first step? */
bool ub_engine_is_waiting(const struct ub_engine *engine, ub_engine_id id);

/* When the running step ends; UB_NEVER: nothing to do. */
ub_ns ub_engine_wake_at(const struct ub_engine *engine);

/* Ends the step that is over at `now`, if one is, and begins the next. At most one step a call, so
 * a caller that is late by less than 100 ms calls again and loses nothing; steps follow each other
 * without a gap. */
void ub_engine_run(struct ub_engine *engine, ub_ns now);

/* The tokens of the step that ended, one by one; false: no more. Sequences may be added and
 * cancelled between calls. */
bool ub_engine_next(struct ub_engine *engine, struct ub_engine_token *token);

struct ub_engine_load ub_engine_load(const struct ub_engine *engine);

#endif

/* world_engine.c - upstreams that are engines with continuous batching, token by token. Others may use
 * the same engine: their sequences belong to nobody here. */
#include "sim/world_inside.h"

static void ask_for_load(struct ub_world *w, uint32_t upstream, ub_ns at)
{
    struct ub_entry entry = {.at = at, .what = UB_HAP_LOAD, .who = upstream};
    if (!ub_agenda_add(&w->agenda, entry)) {
        ub_world_fail(w, "no memory for the agenda");
    }
}

void ub_world_engine(struct ub_world *w, const char *name, const struct ub_engine_profile *profile,
                     uint32_t waiting_max)
{
    struct ub_sim_upstream *u = ub_world_upstream_named(w, name);
    u->engine = ub_engine_new(profile, waiting_max);
    u->engine_at = UB_NEVER;
    u->kv_tokens = profile->kv_tokens;
    if (u->engine == NULL) {
        ub_world_fail(w, "no memory for an engine");
        return;
    }
    ask_for_load(w, (uint32_t)(u - w->upstream), w->now);
}

/* The end of its running step goes into the agenda, once. */
static void plan(struct ub_world *w, struct ub_sim_upstream *u)
{
    ub_ns at = ub_engine_wake_at(u->engine);
    if (at == UB_NEVER || at >= u->engine_at) {
        return;
    }
    u->engine_at = at;
    struct ub_entry entry = {.at = at, .what = UB_HAP_ENGINE, .who = (uint32_t)(u - w->upstream)};
    if (!ub_agenda_add(&w->agenda, entry)) {
        ub_world_fail(w, "no memory for the agenda");
    }
}

bool ub_world_engine_add(struct ub_world *w, struct ub_sim_attempt *a)
{
    struct ub_sim_upstream *u = &w->upstream[a->upstream];
    const struct ub_ask *ask = &w->request[a->request].ask;
    uintptr_t number = (uintptr_t)(a - w->attempt) + 1;
    a->sequence =
        ub_engine_add(u->engine, (void *)number, ask->prompt_tokens, 0, ask->answer_tokens, w->now);
    if (a->sequence == 0) {
        return false;
    }
    a->stage = UB_STAGE_ENGINE;
    a->marked_at = w->now;
    a->running = true;
    ub_sim_upstream_run(u, 1, w->now);
    plan(w, u);
    return true;
}

void ub_world_others(struct ub_world *w, const char *name, uint32_t count, uint32_t prompt_tokens,
                     uint32_t answer_tokens)
{
    struct ub_sim_upstream *u = ub_world_upstream_named(w, name);
    for (uint32_t i = 0; i < count; i++) {
        ub_engine_add(u->engine, NULL, prompt_tokens, 0, answer_tokens, w->now);
    }
    plan(w, u);
}

/* Words of an attempt: the first token, a mark now and then, the end. */
static void speak(struct ub_world *w, const struct ub_engine_token *token)
{
    uint32_t index = (uint32_t)((uintptr_t)token->user - 1);
    struct ub_sim_attempt *a = &w->attempt[index];
    const struct ub_ask *ask = &w->request[a->request].ask;
    if (a->stage != UB_STAGE_ENGINE || a->sequence != token->id) {
        return;
    }
    a->produced = token->index;
    if (token->last) {
        ub_world_attempt_done(w, index);
        return;
    }
    bool mark = w->now - a->marked_at >= w->policy[ask->model].stall_ns / 4;
    if (!ask->whole && (token->index == 1 || mark)) {
        a->marked_at = w->now;
        ub_world_attempt_say(w, a, token->index == 1 ? UB_EV_FIRST_PAYLOAD : UB_EV_PROGRESS);
    }
}

void ub_world_engine_step(struct ub_world *w, uint32_t upstream)
{
    struct ub_sim_upstream *u = &w->upstream[upstream];
    u->engine_at = UB_NEVER;
    ub_engine_run(u->engine, w->now);
    struct ub_engine_token token;
    while (w->broken == NULL && ub_engine_next(u->engine, &token)) {
        if (token.user != NULL) {
            speak(w, &token);
        }
    }
    plan(w, u);
}

/* What the gateway reads on its /metrics page, as often. */
void ub_world_engine_load(struct ub_world *w, uint32_t upstream)
{
    const struct ub_sim_upstream *u = &w->upstream[upstream];
    uint16_t slot = ub_brain_upstream(w->brain, u->key);
    struct ub_engine_load load = ub_engine_load(u->engine);
    if (u->tells_load && slot != UB_NO_UPSTREAM) {
        struct ub_event event = {.type = UB_EV_LOAD};
        event.load.upstream = slot;
        event.load.running = load.running;
        event.load.waiting = load.waiting;
        event.load.kv = u->kv_tokens == 0 ? 0 : (double)load.kv_tokens / u->kv_tokens;
        ub_world_say(w, &event);
    }
    ask_for_load(w, upstream, w->now + UB_LOAD_PERIOD_NS);
}

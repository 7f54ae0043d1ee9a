/* degrade.c - answering with less when nobody can answer: the ladder of a model, step by step.
 *
 * A request that would be refused because every upstream is busy or failing takes the next step of its
 * model's ladder instead, in the order of the list and each one once: it asks the cache for a stale
 * answer, goes to another model, asks for a shorter answer, or is answered with a message. What is the
 * client's fault, does not fit, or is over a limit never comes here; nor what has begun to be answered.
 * Its deadline stays; when that has passed, only the message is left.
 *
 * A step that was needed raises the model's level to it, and the level falls by one step whenever the
 * step that it stands on has not been needed for ten seconds. Up to the level, who cannot start at once
 * takes the steps at once, and new arrivals are shortened: that is what lets a crowd through, instead of
 * having each one wait all of its time first. Behind the level it waits as usual.
 *
 * Another model's ladder does not follow: who came for this one has this one's. What another model
 * thinks of the request, that it does not fit for example, is never told to the client.
 *
 * A request is moved by its timer and not where it was refused, as that may be in the middle of a walk
 * through the line.
 */
#include "policy/steps.h"

#include <assert.h>

#define HOLD_NS (10 * UB_SECOND)
#define KEPT    4u            /* attempts for each model that the ladder still leads to */
#define LOOK_NS (250 * UB_MS) /* a cache that takes longer has nothing */

uint32_t level_of(const struct model *model, ub_ns now)
{
    ub_ns fallen = (now - model->level_at) / HOLD_NS;
    return fallen >= model->level ? 0 : model->level - (uint32_t)fallen;
}

static void need(struct model *model, uint32_t level, ub_ns now)
{
    if (level >= level_of(model, now)) {
        model->level = level;
        model->level_at = now;
    }
}

uint32_t kept_for_ladder(const struct ub_brain *brain, const struct request *request)
{
    const struct route *home = route_of(brain, request->home);
    uint32_t kept = 0;
    for (uint32_t i = request->step; i < home->steps; i++) {
        kept += home->step[i].kind == UB_STEP_MODEL ? KEPT : 0;
    }
    return kept < UB_ATTEMPTS_MAX / 2 ? kept : UB_ATTEMPTS_MAX / 2;
}

/* A model that was changed since the request came has other upstreams than its body knows of. */
static bool may_move(const struct ub_brain *brain, const struct request *request,
                     const struct step *step)
{
    const struct model *other = model_of(brain, step->model);
    return other->key == step->key && other->route != 0 &&
           route_of(brain, other->route)->since <= request->routes &&
           (request->attempt == 0 || request->can_retry) && request->attempt < UB_ATTEMPTS_MAX;
}

static bool is_open(const struct ub_brain *brain, const struct request *request,
                    const struct step *step, ub_ns now)
{
    bool in_time = now < request->deadline;
    switch ((enum ub_step_kind)step->kind) {
    case UB_STEP_STALE:
        return in_time;
    case UB_STEP_MODEL:
        return in_time && may_move(brain, request, step);
    case UB_STEP_MAX_TOKENS: /* whoever finds fault with it as it is will do so again */
        return in_time && (request->max_tokens == 0 || request->max_tokens > step->max_tokens) &&
               ub_error_class((enum ub_error)request->last_error) != UB_CLASS_CLIENT;
    case UB_STEP_MESSAGE:
        return request->takes_message;
    case UB_STEP_KINDS:
        break;
    }
    return false;
}

/* The next one that can be taken; behind the last: none. */
static uint32_t next_step(const struct ub_brain *brain, const struct request *request, ub_ns now)
{
    const struct route *home = route_of(brain, request->home);
    uint32_t step = request->step;
    while (step < home->steps && !is_open(brain, request, &home->step[step], now)) {
        step++;
    }
    return step;
}

static void begin(struct ub_brain *brain, struct request *request, bool early,
                  enum ub_reason reason, ub_ns now)
{
    request->early = early;
    request->looks = false;
    request->refused_for = (uint8_t)reason;
    request->wait_until = now;
    set_state(brain, request, REQUEST_DEGRADING);
}

bool degrade(struct ub_brain *brain, struct request *request, enum ub_reason reason, ub_ns now)
{
    const struct route *home = route_of(brain, request->home);
    if (home->steps == 0 || next_step(brain, request, now) == home->steps) {
        return false;
    }
    begin(brain, request, false, reason, now);
    return true;
}

/* The next step, when it is not above the model's level. */
static bool is_usual(const struct ub_brain *brain, const struct request *request, ub_ns now)
{
    const struct route *home = route_of(brain, request->home);
    uint32_t step = next_step(brain, request, now);
    return step < home->steps && step < level_of(model_of(brain, home->model), now);
}

bool degrade_early(struct ub_brain *brain, struct request *request, ub_ns now)
{
    bool asks = route_of(brain, request->home)->steps > 0 && !request->committed &&
                !request->waits_in_line && is_usual(brain, request, now);
    if (asks) {
        begin(brain, request, true, UB_WHY_NONE, now);
    }
    return asks;
}

static void shorten(const struct ub_brain *brain, struct request *request, uint32_t step)
{
    uint32_t tokens = route_of(brain, request->home)->step[step].max_tokens;
    uint64_t own = (uint64_t)request->prompt_tokens + tokens;
    request->max_tokens = tokens;
    request->own_tokens = own < request->own_tokens ? (uint32_t)own : request->own_tokens;
    request->degraded |= (uint8_t)(1u << step);
}

void degrade_arrived(struct ub_brain *brain, struct request *request, ub_ns now)
{
    const struct route *home = route_of(brain, request->home);
    uint32_t level = home->steps == 0 ? 0 : level_of(model_of(brain, home->model), now);
    for (uint32_t i = 0; i < home->steps && i < level; i++) {
        if (home->step[i].kind == UB_STEP_MAX_TOKENS &&
            is_open(brain, request, &home->step[i], now)) {
            shorten(brain, request, i);
        }
    }
}

void leave_ladder(struct ub_brain *brain, struct request *request)
{
    if (request->route != request->home) {
        release_route(brain, request->route);
        request->route = request->home;
    }
}

static void move(struct ub_brain *brain, struct request *request, uint32_t step)
{
    const struct route *home = route_of(brain, request->home);
    uint16_t route = model_of(brain, home->step[step].model)->route;
    route_of(brain, route)->refs++;
    leave_flow(brain, request);
    request->flow = request->charged = 0;
    request->settled = false;
    leave_ladder(brain, request);
    request->route = route;
    request->refusals = 0;
    request->attempts_before = request->attempt; /* as many tries as a new one */
    request->failures = 0;
    request->slot_wait_ns = policy_of(brain, request)->slot_wait_ns;
    request->beyond = false;
    for (uint32_t i = 0; i < home->steps; i++) {
        if (home->step[i].kind == UB_STEP_MODEL) {
            request->degraded &= (uint8_t) ~(1u << i);
        }
    }
    request->degraded |= (uint8_t)(1u << step);
}

static void stand_in(struct ub_brain *brain, struct request *request, uint32_t step)
{
    set_state(brain, request, REQUEST_OVER);
    queue_action(brain, request,
                 (struct action){.type = UB_ACT_STAND_IN,
                                 .reason = UB_WHY_DEGRADED,
                                 .attempt = request->attempt,
                                 .degraded = (uint8_t)(request->degraded | 1u << step),
                                 .upstream = UB_NO_UPSTREAM});
}

static void look(struct ub_brain *brain, struct request *request, uint32_t step, ub_ns now)
{
    request->looks = true;
    request->wait_until = ub_ns_min(ub_ns_after(now, LOOK_NS), request->deadline);
    queue_action(brain, request,
                 (struct action){.type = UB_ACT_LOOK,
                                 .reason = UB_WHY_DEGRADED,
                                 .attempt = request->attempt,
                                 .degraded = (uint8_t)(request->degraded | 1u << step),
                                 .upstream = UB_NO_UPSTREAM});
}

static void take(struct ub_brain *brain, struct request *request, uint32_t step, ub_ns now,
                 struct ub_random *random)
{
    const struct route *home = route_of(brain, request->home);
    request->step = (uint8_t)(step + 1);
    need(model_of(brain, home->model), step + 1, now);
    new_round(request);
    request->line_until = request->wait_until = UB_NEVER;
    switch ((enum ub_step_kind)home->step[step].kind) {
    case UB_STEP_STALE:
        look(brain, request, step, now);
        break;
    case UB_STEP_MODEL:
        move(brain, request, step);
        seek(brain, request, UB_WHY_DEGRADED, now, random);
        break;
    case UB_STEP_MAX_TOKENS: /* worth one try more; a slot is a slot, and it has waited for one */
        if (attempts_left(brain, request) == 0) {
            request->attempts_before++;
        }
        shorten(brain, request, step);
        seek(brain, request, UB_WHY_DEGRADED, now, random);
        break;
    case UB_STEP_MESSAGE:
        stand_in(brain, request, step);
        break;
    case UB_STEP_KINDS:
        assert(false);
    }
}

void degrade_woken(struct ub_brain *brain, struct request *request, ub_ns now,
                   struct ub_random *random)
{
    if (now < request->wait_until) {
        return;
    }
    const struct route *home = route_of(brain, request->home);
    uint32_t step = next_step(brain, request, now);
    request->looks = false;
    if (request->early && now >= request->deadline) {
        give_up(brain, request, UB_WHY_OUT_OF_TIME, now, random);
    } else if (request->early && !is_usual(brain, request, now)) {
        seek(brain, request, request->attempt == 0 ? UB_WHY_NONE : UB_WHY_BACKED_OFF, now, random);
    } else if (step == home->steps) {
        give_up(brain, request, (enum ub_reason)request->refused_for, now, random);
    } else {
        take(brain, request, step, now, random);
    }
}

void life_looked(struct ub_brain *brain, struct request *request, bool found, ub_ns now,
                 struct ub_random *random)
{
    if (request->state != REQUEST_DEGRADING || !request->looks) {
        return;
    }
    if (found) {
        stand_in(brain, request, request->step - 1u);
    } else {
        request->wait_until = now;
        degrade_woken(brain, request, now, random);
    }
    arm(brain, request);
}

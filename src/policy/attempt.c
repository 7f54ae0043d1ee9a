/* attempt.c - attempts begin and end, and what they teach about their target. */
#include "policy/steps.h"

#include <assert.h>

#define ERROR_GAIN  0.1
#define REST_MAX_NS UB_MINUTE /* a longer Retry-After is cut to this */

void set_state(struct ub_brain *brain, struct request *request, enum request_state state)
{
    brain->facts.backing_off += state == REQUEST_BACKING_OFF;
    brain->facts.backing_off -= request->state == REQUEST_BACKING_OFF;
    request->state = (uint8_t)state;
    if (state == REQUEST_OVER) {
        settle(brain, request);
        tenant_leaves(brain, request);
    }
}

/* One order for all requests: a START that uses a slot must not overtake the CANCEL that freed it.
 * At most CANCEL and START from a late attempt, a heartbeat, then CANCEL and DROP when the client
 * leaves before these are drained: timers do not move a request whose actions still wait. */
void queue_action(struct ub_brain *brain, struct request *request, struct action action)
{
    assert(request->action_count < ACTIONS_MAX);
    uint32_t place = (request->first_action + request->action_count) % ACTIONS_MAX;
    uint32_t number = index_of(brain, request) * ACTIONS_MAX + place;
    action.next = 0;
    request->action[place] = action;
    request->action_count++;
    *(brain->last_action == 0 ? &brain->first_action
                              : &action_at(brain, brain->last_action)->next) = number;
    brain->last_action = number;
    brain->facts.ready++;
}

static ub_ns first_deadline(const struct ub_brain *brain, const struct request *request,
                            const struct target *target, ub_ns now)
{
    const struct ub_model_policy *policy = &route_of(brain, request->route)->policy;
    ub_ns wait_ns;
    if (!request->stream) {
        wait_ns = ub_pace_whole_deadline(&target->pace, request->prompt_tokens, request->max_tokens,
                                         policy->first_token_min_ns, request->deadline - now);
    } else {
        wait_ns = ub_pace_deadline(&target->pace, request->prompt_tokens,
                                   policy->first_token_min_ns, policy->first_token_max_ns);
    }
    return ub_ns_after(now, wait_ns);
}

void start_attempt(struct ub_brain *brain, struct request *request, struct choice choice,
                   enum ub_reason reason, ub_ns now)
{
    struct target *target = target_of(brain, choice.target);
    struct upstream *upstream = upstream_of(brain, target->upstream);
    assert(has_slot(upstream));
    assert(request->attempt < UB_ATTEMPTS_MAX);

    upstream->inflight++;
    target->inflight++;
    target->tokens += request->own_tokens;
    target->started_at = now;
    if (upstream->learns) {
        ub_gradient_started(&upstream->gradient);
    }
    if (choice.trial) {
        ub_breaker_trial(&target->breaker);
    }
    brain->facts.first_attempts += request->attempt == 0;
    brain->facts.extra_attempts += request->attempt > 0;
    brain->facts.running++;

    struct run *run = &request->run[request->run[0].target != 0];
    assert(run->target == 0);
    request->attempt++;
    *run = (struct run){.target = choice.target,
                        .number = request->attempt,
                        .trial = choice.trial,
                        .started_at = now,
                        .deadline = first_deadline(brain, request, target, now)};
    run->race_at = race_after(brain, request, run);
    set_state(brain, request, REQUEST_TRYING);
    if (run == request->run) { /* of two, the one that wins */
        remember_prefix(brain, request, choice.target);
    }
    queue_action(brain, request,
                 (struct action){.type = UB_ACT_START,
                                 .reason = (uint8_t)reason,
                                 .attempt = run->number,
                                 .resume = request->committed,
                                 .degraded = request->degraded,
                                 .upstream = (uint16_t)(target->upstream - 1),
                                 .when = run->deadline});
}

void end_attempt(struct ub_brain *brain, struct request *request, struct run *run)
{
    struct target *target = target_of(brain, run->target);
    struct upstream *upstream = upstream_of(brain, target->upstream);
    assert(upstream->inflight > 0 && target->inflight > 0);
    assert(target->tokens >= request->own_tokens);
    upstream->inflight--;
    target->inflight--;
    target->tokens -= request->own_tokens;
    brain->facts.running--;
    if (run->trial) {
        ub_breaker_trial_void(&target->breaker);
    }
    if (run == &request->run[0]) {
        request->run[0] = request->run[1];
    }
    request->run[1] = (struct run){0};
}

void cancel_attempt(struct ub_brain *brain, struct request *request, struct run *run,
                    enum ub_error error, enum ub_reason reason)
{
    const struct target *target = target_of(brain, run->target);
    queue_action(brain, request,
                 (struct action){.type = UB_ACT_CANCEL,
                                 .reason = (uint8_t)reason,
                                 .attempt = run->number,
                                 .error = (uint8_t)error,
                                 .upstream = (uint16_t)(target->upstream - 1)});
    end_attempt(brain, request, run);
}

void count_error(struct target *target, double failed, ub_ns now)
{
    double share = error_share_of(target, now);
    target->error_share = share + ERROR_GAIN * (failed - share);
    target->error_at = now;
}

/* Those who came before the failure may go on well while everybody new is refused. */
void learn_served(struct target *target, ub_ns started_at)
{
    if (started_at > target->bad_at) {
        target->bad_at = 0;
    }
}

void learn_success(struct ub_brain *brain, struct run *run, ub_ns now)
{
    struct target *target = target_of(brain, run->target);
    count_error(target, 0.0, now);
    learn_served(target, run->started_at);
    bool was_open = target->breaker.open_until != 0;
    ub_breaker_good(&target->breaker, run->trial, now);
    run->trial = false;
    if (was_open && target->breaker.open_until == 0) {
        ub_gradient_back(&upstream_of(brain, target->upstream)->gradient, now);
    }
}

bool learn_wait(struct ub_brain *brain, const struct request *request, const struct run *run,
                bool came, ub_ns now)
{
    const struct target *target = target_of(brain, run->target);
    struct upstream *upstream = upstream_of(brain, target->upstream);
    if (!upstream->learns) {
        return false;
    }
    ub_ns wait_ns = ub_pace_wait(&target->pace, request->prompt_tokens, now - run->started_at);
    double before = upstream->gradient.limit;
    (came ? ub_gradient_first : ub_gradient_late)(&upstream->gradient, wait_ns, run->started_at,
                                                  upstream->inflight, now);
    double after = upstream->gradient.limit;
    return before != 0 && (after == 0 || after > before);
}

static void learn_refusal(struct ub_brain *brain, const struct run *run, ub_ns now)
{
    struct upstream *upstream = upstream_of(brain, target_of(brain, run->target)->upstream);
    if (target_of(brain, run->target)->breaker.open_until != 0) {
        ub_gradient_out(&upstream->gradient, now);
    } else if (upstream->learns) {
        ub_gradient_refused(&upstream->gradient, run->started_at, upstream->inflight, now);
    }
}

static void note_tried(struct request *request, uint16_t target, enum ub_error error)
{
    assert(request->tried_count < UB_ATTEMPTS_MAX);
    request->tried[request->tried_count++] =
        (struct tried){.target = target, .error = (uint8_t)error, .this_round = true};
    request->last_error = (uint8_t)error;
    if (ub_error_is_refusal(error)) {
        request->refusals++;
    }
}

void learn_failure(struct ub_brain *brain, struct request *request, struct run *run,
                   enum ub_error error, ub_ns not_before, ub_ns now, struct ub_random *random)
{
    struct target *target = target_of(brain, run->target);
    note_tried(request, run->target, error);
    if (!ub_error_blames(error)) {
        return;
    }
    count_error(target, 1.0, now);
    target->bad_at = now;
    ub_breaker_bad(&target->breaker, error, run->trial, now, ub_random_unit(random));
    run->trial = false;
    if (ub_breaker_wants_probe(&target->breaker)) {
        plan_probe(brain, now);
    }
    if (error == UB_ERR_LATE && request->stream) {
        ub_pace_late(&target->pace, request->prompt_tokens, now - run->started_at, now);
        learn_wait(brain, request, run, false, now);
    }
    if (error == UB_ERR_THROTTLED || error == UB_ERR_UPSTREAM_BUSY) {
        learn_refusal(brain, run, now);
    }
    if (ub_error_class(error) == UB_CLASS_BUSY && not_before > now) {
        target->rest_until =
            ub_ns_max(target->rest_until, ub_ns_min(not_before, now + REST_MAX_NS));
    }
}

bool could_take(const struct ub_brain *brain, const struct request *request, uint16_t index,
                ub_ns now)
{
    const struct target *target = target_of(brain, index);
    const struct ub_retry_policy *retry = &policy_of(brain, request)->retry;
    return !runs_at(request, index) && !is_ruled_out(request, index) && target->rest_until <= now &&
           has_room(brain, request, target) &&
           ub_budget_has(&upstream_of(brain, target->upstream)->budget, retry, now) &&
           ub_breaker_says(&target->breaker, now) != UB_BREAKER_STOP;
}

/* Could this request do something else than go on waiting for its present attempt? */
bool has_alternative(const struct ub_brain *brain, const struct request *request, ub_ns now)
{
    const struct route *route = route_of(brain, request->route);
    const struct ub_retry_policy *retry = &route->policy.retry;
    if (request->run[1].target != 0) {
        return true;
    }
    if (!request->can_retry || attempts_left(brain, request) == 0 ||
        !ub_budget_has(&model_of(brain, route->model)->budget, retry, now)) {
        return false;
    }
    struct walk walk = {0};
    for (uint16_t t; (t = next_target(route, &walk)) != 0;) {
        if (could_take(brain, request, t, now)) {
            return true;
        }
    }
    return false;
}

/* The attempt is over: its slot may serve somebody who waits, and a breaker that it closed may
 * serve the whole line. */
void after_attempt(struct ub_brain *brain, uint16_t target, bool closed, ub_ns now,
                   struct ub_random *random)
{
    if (closed) {
        serve_whole_upstream(brain, target_of(brain, target)->upstream, now, random);
    } else {
        serve_upstream(brain, target_of(brain, target)->upstream, now, random);
    }
}

/* Every attempt that runs is given up; writes them to `ended` and returns how many. */
uint32_t cancel_all(struct ub_brain *brain, struct request *request, enum ub_error error,
                    enum ub_reason reason, struct run ended[RUNS_MAX])
{
    uint32_t count = 0;
    while (request->run[0].target != 0) {
        ended[count++] = request->run[0];
        cancel_attempt(brain, request, &request->run[0], error, reason);
    }
    return count;
}

void after_attempts(struct ub_brain *brain, const struct run *ended, uint32_t count, ub_ns now,
                    struct ub_random *random)
{
    for (uint32_t i = 0; i < count; i++) {
        after_attempt(brain, ended[i].target, false, now, random);
    }
}

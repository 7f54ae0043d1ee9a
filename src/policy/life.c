/* life.c - the life of one request, event by event. */
#include "policy/steps.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define OUT_TOKENS      256.0 /* reserved for an answer before any was seen */
#define OUT_TOKENS_GAIN 0.05

/* Between the last finish reason and [DONE] lies one more event, the usage, which costs an engine a
 * millisecond; two seconds are room for a bad network. */
#define END_GRACE_NS (2 * UB_SECOND)

static void answer(struct ub_brain *brain, struct request *request, enum ub_error error,
                   enum ub_reason reason, bool should_retry)
{
    set_state(brain, request, REQUEST_OVER);
    queue_action(brain, request,
                 (struct action){.type = UB_ACT_ANSWER,
                                 .reason = (uint8_t)reason,
                                 .error = (uint8_t)error,
                                 .should_retry = should_retry,
                                 .upstream = UB_NO_UPSTREAM,
                                 .when = should_retry ? UB_SECOND : 0});
}

static struct request *take_slot(struct ub_brain *brain, struct ub_request_id id)
{
    struct ub_request_id next = ub_brain_next_id(brain);
    assert(id.generation != 0 && id.slot == next.slot && id.generation == next.generation);
    struct request *request = request_of(brain, id.slot);
    if (brain->request_free == id.slot) {
        brain->request_free = request->next;
    } else {
        brain->requests_used = id.slot;
    }
    /* All but the prefixes, which are counted. */
    memset(request, 0, offsetof(struct request, prefix));
    request->generation = id.generation;
    brain->facts.requests++;
    return request;
}

static uint32_t reserved_tokens(const struct model *model, const struct ub_arrival *arrival)
{
    double out = model->tokens_out > 0 ? model->tokens_out : OUT_TOKENS;
    if (arrival->max_tokens > 0 && (double)arrival->max_tokens < out) {
        out = (double)arrival->max_tokens;
    }
    uint64_t sum = (uint64_t)arrival->prompt_tokens + (uint64_t)out;
    return sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

static void fill(struct ub_brain *brain, struct request *request, const struct ub_arrival *arrival,
                 ub_ns now)
{
    const struct ub_model_policy *policy = policy_of(brain, request);
    request->arrived_at = now;
    request->deadline = ub_ns_after(now, policy->total_ns);
    if (arrival->client_deadline != 0) {
        request->deadline = ub_ns_min(request->deadline, arrival->client_deadline);
    }
    bool beats = arrival->heartbeat && policy->heartbeat_after_ns > 0;
    request->heartbeat_at = beats ? ub_ns_after(now, policy->heartbeat_after_ns) : UB_NEVER;
    request->line_until = UB_NEVER;
    request->slot_wait_ns = policy->slot_wait_ns;
    request->wait_until = UB_NEVER;
    request->stream = arrival->stream;
    request->can_retry = arrival->can_retry;
    request->can_resume = arrival->can_resume;
    request->takes_message = arrival->takes_message;
    request->bytes = arrival->bytes;
    request->prompt_tokens = arrival->prompt_tokens;
    request->max_tokens = arrival->max_tokens;
    request->own_tokens =
        reserved_tokens(model_of(brain, route_of(brain, request->route)->model), arrival);
    degrade_arrived(brain, request, now);
    request->cookie_key = arrival->cookie_key;
    request->header_hash = arrival->header_hash;
    request->client_hash = arrival->client_hash;
    assert(arrival->prefix_count <= UB_PREFIX_MARKS);
    request->prefix_count = arrival->prefix_count;
    memcpy(request->prefix, arrival->prefix, arrival->prefix_count * sizeof arrival->prefix[0]);
    memcpy(request->prefix_tokens, arrival->prefix_tokens,
           arrival->prefix_count * sizeof arrival->prefix_tokens[0]);
}

void life_arrived(struct ub_brain *brain, const struct ub_event *event, struct ub_random *random)
{
    const struct ub_arrival *arrival = &event->arrived;
    struct request *request = take_slot(brain, event->request);
    assert(event->worker < brain->limits.workers);
    request->worker = (uint8_t)event->worker;

    uint32_t model = arrival->model == UB_NO_MODEL ? 0 : arrival->model + 1u;
    uint16_t route =
        model == 0 || model > brain->models_used ? 0 : model_of(brain, (uint16_t)model)->route;
    if (brain->draining) {
        answer(brain, request, UB_ERR_DRAINING, UB_WHY_DRAINING, true);
        return;
    }
    if (route == 0) {
        answer(brain, request, UB_ERR_NO_ROUTE, UB_WHY_UNKNOWN_MODEL, false);
        return;
    }
    request->route = request->home = route;
    request->routes = brain->routes;
    route_of(brain, route)->refs++;
    tenant_enters(brain, request, arrival);
    fill(brain, request, arrival, event->now);
    if (event->now >= request->deadline) {
        give_up(brain, request, UB_WHY_OUT_OF_TIME, event->now, random);
        return;
    }
    if (admit(brain, request, arrival, event->now)) {
        seek(brain, request, UB_WHY_NONE, event->now, random);
        arm(brain, request);
    }
}

void finish(struct ub_brain *brain, struct request *request, const struct run *run,
            enum ub_action_type type, enum ub_error error, enum ub_reason reason)
{
    set_state(brain, request, REQUEST_OVER);
    uint16_t upstream = run == NULL ? 0 : target_of(brain, run->target)->upstream;
    queue_action(
        brain, request,
        (struct action){.type = (uint8_t)type,
                        .reason = (uint8_t)reason,
                        .attempt = run == NULL ? request->attempt : run->number,
                        .error = (uint8_t)error,
                        .upstream = (uint16_t)(upstream == 0 ? UB_NO_UPSTREAM : upstream - 1u)});
}

void life_first_payload(struct ub_brain *brain, struct request *request, struct run *run, ub_ns now,
                        struct ub_random *random)
{
    if (request->state != REQUEST_TRYING) {
        return;
    }
    struct target *target = target_of(brain, run->target);
    bool more = false;
    if (request->stream) {
        ub_pace_first(&target->pace, request->prompt_tokens, now - run->started_at, now);
        more = learn_wait(brain, request, run, true, now);
    }
    bool closes = run->trial;
    learn_served(target, run->started_at);
    if (closes) {
        learn_success(brain, run, now);
    }
    uint8_t number = run->number,
            reason = request->committed ? UB_WHY_RESUME : UB_WHY_FIRST_PAYLOAD;
    request->committed = false;
    uint16_t loser = race_won(brain, request, run, now);
    request->first_at = request->progress_at = now;
    stall_begin(brain, request, &request->run[0], now);
    set_state(brain, request, REQUEST_STREAMING);
    queue_action(brain, request,
                 (struct action){.type = UB_ACT_FORWARD,
                                 .reason = reason,
                                 .attempt = number,
                                 .when = request->stall_ns,
                                 .upstream = (uint16_t)(target->upstream - 1)});
    arm(brain, request);
    if (closes || more) {
        serve_whole_upstream(brain, target->upstream, now, random);
    }
    if (loser != 0) {
        after_attempt(brain, loser, false, now, random);
    }
}

/* What goes on has not ended, whatever it said. The timer stays where it is: when it goes off too
 * early, it is set anew. */
void life_progress(struct ub_brain *brain, struct request *request, const struct ub_event *event,
                   struct ub_random *random)
{
    request->progress_at = event->now;
    request->end_until = 0;
    if (request->state == REQUEST_STREAMING &&
        stall_crawls(brain, request, event->said, event->held, event->now)) {
        give_up_stream(brain, request, UB_ERR_CRAWLED, UB_WHY_CRAWL, event->now, random);
        arm(brain, request);
    }
}

void life_answered(struct ub_brain *brain, struct request *request, ub_ns now)
{
    if (request->state == REQUEST_STREAMING) {
        request->progress_at = now;
        request->end_until = ub_ns_after(now, END_GRACE_NS);
        arm(brain, request);
    }
}

void life_queued(struct ub_brain *brain, struct request *request, struct run *run, ub_ns now)
{
    if (request->state == REQUEST_TRYING && !run->queues) {
        race_queued(brain, request, run, now);
        arm(brain, request);
    }
}

static void learn_answer(struct ub_brain *brain, const struct request *request,
                         const struct run *run, const struct ub_ending *ending, ub_ns now)
{
    struct target *target = target_of(brain, run->target);
    struct model *model = model_of(brain, target->model);
    bool streamed = request->stream && request->first_at != 0;
    ub_ns generated_ns = streamed ? ub_ns_max(now - request->first_at, 1) : 0;
    ub_pace_done(&target->pace, request->prompt_tokens, ending->tokens_out, now - run->started_at,
                 generated_ns, now);
    if (ending->pause_ns > 0) {
        ub_pace_pause(&target->pace, ending->pause_ns);
    }
    if (ending->tokens_out > 0) {
        double gain = model->tokens_out == 0 ? 1.0 : OUT_TOKENS_GAIN;
        model->tokens_out += gain * ((double)ending->tokens_out - model->tokens_out);
    }
}

static void complete(struct ub_brain *brain, struct request *request, struct run *run,
                     const struct ub_ending *ending, ub_ns now, struct ub_random *random)
{
    const struct run winner = *run;
    learn_answer(brain, request, run, ending, now);
    learn_success(brain, run, now);
    uint16_t loser = race_won(brain, request, run, now);
    end_attempt(brain, request, &request->run[0]);
    bool told = ending->tokens_in > 0 || ending->tokens_out > 0;
    settle_flow(brain, request,
                told ? used_tokens(ending->tokens_in, ending->tokens_out) : request->charged);
    finish(brain, request, &winner, UB_ACT_FINISH, UB_ERR_OK, UB_WHY_COMPLETE);
    arm(brain, request);
    after_attempt(brain, winner.target, winner.trial, now, random);
    if (loser != 0) {
        after_attempt(brain, loser, false, now, random);
    }
}

/* Nothing of it was forwarded: another attempt, unseen by the client, unless one runs still, or it is the
 * client's fault. Where a broken answer is continued, a refusal is about how we asked. */
static void failed_unseen(struct ub_brain *brain, struct request *request, struct run *run,
                          const struct ub_ending *ending, ub_ns now, struct ub_random *random)
{
    learn_failure(brain, request, run, ending->error, ending->not_before, now, random);
    if (ending->error == UB_ERR_EMPTY_ANSWER) {
        request->empty_attempt = run->number;
    }
    end_attempt(brain, request, run);
    if (ending->error == UB_ERR_SEALED || (request->committed && ending->sealed)) {
        give_up(brain, request, UB_WHY_BROKE_AFTER_COMMIT, now, random);
    } else if (ub_error_class(ending->error) == UB_CLASS_CLIENT && !request->committed) {
        struct run others[RUNS_MAX];
        uint32_t count = cancel_all(brain, request, UB_ERR_OUTRUN, UB_WHY_CLIENTS_FAULT, others);
        give_up(brain, request, UB_WHY_CLIENTS_FAULT, now, random);
        after_attempts(brain, others, count, now, random);
    } else if (request->run[0].target == 0) {
        seek(brain, request, UB_WHY_RETRY_ELSEWHERE, now, random);
    }
}

/* All of the answer was said, and then nothing more. The client has every choice with its finish
 * reason: an error would make it throw away what is whole, and ask and pay again. So it gets a clean
 * end. The upstream has failed nevertheless: whoever forgets its [DONE] may as well be one that is
 * about to break, and its usage is lost. */
static bool only_end_missing(const struct request *request, enum ub_error error)
{
    return request->state == REQUEST_STREAMING && request->end_until != 0 &&
           (error == UB_ERR_TRUNCATED || error == UB_ERR_RESET);
}

void broke(struct ub_brain *brain, struct request *request, const struct run *ended,
           enum ub_reason reason, ub_ns now, struct ub_random *random)
{
    const struct ub_model_policy *policy = policy_of(brain, request);
    if (!request->can_resume || policy->stall_ns <= 0) {
        finish(brain, request, ended, UB_ACT_CUT, UB_ERR_BROKEN, reason);
        return;
    }
    request->committed = true;
    request->deadline = ub_ns_after(now, policy->stall_ns);
    request->slot_wait_ns = policy->slot_wait_ns;
    request->failures = 0;
    request->end_until = 0;
    if (request->heartbeat_at != UB_NEVER) {
        request->heartbeat_at =
            ub_ns_after(now, ub_ns_max(promised(brain, request)->heartbeat_after_ns,
                                       promised(brain, request)->heartbeat_every_ns));
    }
    seek(brain, request, UB_WHY_RESUME, now, random);
}

void life_ended(struct ub_brain *brain, struct request *request, struct run *run,
                const struct ub_ending *ending, ub_ns now, struct ub_random *random)
{
    const struct run ended = *run;
    if (ending->error == UB_ERR_OK) {
        complete(brain, request, run, ending, now, random);
        return;
    }
    if (request->state == REQUEST_STREAMING) {
        bool whole = only_end_missing(request, ending->error);
        new_round(request);
        learn_failure(brain, request, run, ending->error, ending->not_before, now, random);
        end_attempt(brain, request, run);
        request->can_resume &= !ending->sealed;
        if (whole) {
            finish(brain, request, &ended, UB_ACT_FINISH, UB_ERR_OK, UB_WHY_NO_END);
        } else {
            broke(brain, request, &ended, UB_WHY_BROKE_AFTER_COMMIT, now, random);
        }
    } else {
        failed_unseen(brain, request, run, ending, now, random);
    }
    arm(brain, request);
    after_attempt(brain, ended.target, false, now, random);
}

void life_client_left(struct ub_brain *brain, struct request *request, enum ub_error error,
                      ub_ns now, struct ub_random *random)
{
    struct run ended[RUNS_MAX];
    leave_line(brain, request);
    uint32_t count = cancel_all(brain, request, error, UB_WHY_CLIENT_LEFT, ended);
    finish(brain, request, count == 0 ? NULL : &ended[0], UB_ACT_DROP, error, UB_WHY_CLIENT_LEFT);
    arm(brain, request);
    after_attempts(brain, ended, count, now, random);
}

void life_slot_freed(struct ub_brain *brain, struct request *request, ub_ns now,
                     struct ub_random *random)
{
    seek(brain, request, UB_WHY_SLOT_FREED, now, random);
    arm(brain, request);
}

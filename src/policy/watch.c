/* watch.c - what time alone does to a request: deadlines, stalls, rivals, heartbeats, and the end of a
 * wait. */
#include "policy/steps.h"

#define LAST_TRY_NS UB_SECOND /* a refusal comes sooner than that, an answer may take longer */

static ub_ns first_deadline_of(const struct request *request)
{
    const struct run *run = request->run;
    return run[1].target == 0 ? run[0].deadline : ub_ns_min(run[0].deadline, run[1].deadline);
}

static ub_ns race_at(const struct request *request)
{
    return request->run[1].target == 0 ? request->run[0].race_at : UB_NEVER;
}

static ub_ns wake_of(const struct ub_brain *brain, const struct request *request)
{
    switch ((enum request_state)request->state) {
    case REQUEST_TRYING:
        return ub_ns_min(ub_ns_min(first_deadline_of(request), request->deadline),
                         ub_ns_min(race_at(request), request->heartbeat_at));
    case REQUEST_STREAMING:
        return ub_ns_min(ub_ns_after(request->progress_at, request->stall_ns),
                         request->end_until == 0 ? UB_NEVER : request->end_until);
    case REQUEST_WAITING:
        return ub_ns_min(ub_ns_min(request->wait_until, request->line_until),
                         ub_ns_min(request->deadline, request->heartbeat_at));
    case REQUEST_BACKING_OFF:
        return ub_ns_min(ub_ns_min(request->wait_until, request->deadline), request->heartbeat_at);
    case REQUEST_DEGRADING:
        return request->wait_until;
    case REQUEST_FREE:
    case REQUEST_OVER:
        break;
    }
    return UB_NEVER;
}

void arm(struct ub_brain *brain, struct request *request)
{
    ub_timers_set(timers_of(brain, request->worker), index_of(brain, request),
                  wake_of(brain, request));
}

/* The attempt is too late. While there is nobody else to ask, giving it up would help nobody: it
 * gets the longest time that the policy allows. */
static bool gets_more_time(struct ub_brain *brain, const struct request *request, struct run *run,
                           ub_ns now)
{
    if (has_alternative(brain, request, now)) {
        return false;
    }
    const struct ub_pace *pace = &target_of(brain, run->target)->pace;
    ub_ns longest_ns = ub_ns_after(policy_of(brain, request)->first_token_max_ns,
                                   ub_pace_prefill(pace, request->prompt_tokens));
    run->deadline = request->stream ? ub_ns_after(run->started_at, longest_ns) : request->deadline;
    return run->deadline > now;
}

/* The watchdog's verdict: the attempt is given up, and that speaks against its target. */
static void fail_attempt(struct ub_brain *brain, struct request *request, struct run *run,
                         enum ub_error error, enum ub_reason reason, ub_ns now,
                         struct ub_random *random)
{
    learn_failure(brain, request, run, error, 0, now, random);
    cancel_attempt(brain, request, run, error, reason);
}

static void too_late(struct ub_brain *brain, struct request *request, struct run *run, ub_ns now,
                     struct ub_random *random)
{
    uint16_t target = run->target;
    fail_attempt(brain, request, run, UB_ERR_LATE, UB_WHY_FIRST_TOKEN_DEADLINE, now, random);
    if (request->run[0].target == 0) {
        seek(brain, request, UB_WHY_RETRY_ELSEWHERE, now, random);
    }
    after_attempt(brain, target, false, now, random);
}

static void out_of_time(struct ub_brain *brain, struct request *request, ub_ns now,
                        struct ub_random *random)
{
    struct run ended[RUNS_MAX];
    uint32_t count = cancel_all(brain, request, UB_ERR_DEADLINE, UB_WHY_OUT_OF_TIME, ended);
    give_up(brain, request, UB_WHY_OUT_OF_TIME, now, random);
    after_attempts(brain, ended, count, now, random);
}

void give_up_stream(struct ub_brain *brain, struct request *request, enum ub_error error,
                    enum ub_reason reason, ub_ns now, struct ub_random *random)
{
    const struct run run = request->run[0];
    new_round(request);
    fail_attempt(brain, request, &request->run[0], error, reason, now, random);
    broke(brain, request, &run, reason, now, random);
    after_attempt(brain, run.target, false, now, random);
}

/* Silence, or nothing but comments: in the middle of an answer, or behind it (only_end_missing). */
static void stalled(struct ub_brain *brain, struct request *request, ub_ns now,
                    struct ub_random *random)
{
    const struct run run = request->run[0];
    if (request->end_until != 0) {
        fail_attempt(brain, request, &request->run[0], UB_ERR_STALLED, UB_WHY_NO_END, now, random);
        finish(brain, request, &run, UB_ACT_FINISH, UB_ERR_OK, UB_WHY_NO_END);
        after_attempt(brain, run.target, false, now, random);
    } else if (stall_is_final(brain, request, now)) {
        ub_pace_pause(&target_of(brain, run.target)->pace, 2 * (now - request->progress_at));
        give_up_stream(brain, request, UB_ERR_STALLED, UB_WHY_STALL, now, random);
    }
}

/* Everything has failed, and one try is left: when it will have had a moment to fail as quickly as
 * those before it. 0: it is not so. */
static ub_ns last_try_shows(const struct ub_brain *brain, const struct request *request)
{
    uint32_t left = attempts_left(brain, request);
    if (request->failures == 0) {
        return 0;
    }
    if (request->state == REQUEST_BACKING_OFF && left <= 1) {
        return ub_ns_after(request->wait_until, LAST_TRY_NS);
    }
    bool last_runs = request->state == REQUEST_TRYING && left == 0;
    return last_runs ? ub_ns_after(request->run[0].started_at, LAST_TRY_NS) : 0;
}

/* A comment keeps the connection alive but settles the status as 200, after which SDKs retry no
 * more: it is not begun when the time is nearly up, nor before the last try has shown itself. */
static void beat(struct ub_brain *brain, struct request *request, ub_ns now)
{
    ub_ns every_ns = promised(brain, request)->heartbeat_every_ns;
    if (request->deadline - now < every_ns && !request->heartbeat && !request->committed) {
        request->heartbeat_at = UB_NEVER;
        return;
    }
    ub_ns shows_at = last_try_shows(brain, request);
    if (shows_at > now && !request->heartbeat && !request->committed) {
        request->heartbeat_at = shows_at;
        return;
    }
    request->heartbeat = true;
    request->heartbeat_at = ub_ns_after(now, every_ns);
    struct outlook outlook = {0};
    if (request->waits_in_line) {
        outlook = outlook_of(brain, request);
    }
    queue_action(brain, request,
                 (struct action){.type = UB_ACT_HEARTBEAT,
                                 .reason = UB_WHY_WAITING,
                                 .attempt = request->attempt,
                                 .upstream = UB_NO_UPSTREAM,
                                 .position = outlook.position,
                                 .when = outlook.wait_ns});
}

/* Does a learned limit stand in the way? */
static bool lacks_learned(const struct ub_brain *brain, const struct request *request)
{
    struct walk walk = {0};
    const struct route *route = route_of(brain, request->route);
    for (uint16_t t; (t = next_target(route, &walk)) != 0;) {
        const struct upstream *upstream = upstream_of(brain, target_of(brain, t)->upstream);
        if (!is_ruled_out(request, t) && upstream->learns &&
            !ub_gradient_has_room(&upstream->gradient, upstream->inflight)) {
            return true;
        }
    }
    return false;
}

static void end_wait(struct ub_brain *brain, struct request *request, ub_ns now,
                     struct ub_random *random)
{
    if (!request->beyond && lacks_learned(brain, request)) {
        new_round(request);
        go_beyond(brain, request, now, random);
    }
    if (request->state == REQUEST_WAITING) {
        give_up(brain, request, UB_WHY_NO_SLOT, now, random);
    }
}

static void look_again(struct ub_brain *brain, struct request *request, ub_ns now,
                       struct ub_random *random)
{
    if (request->state == REQUEST_WAITING && now >= request->line_until) {
        end_wait(brain, request, now, random);
        return;
    }
    enum ub_reason reason = UB_WHY_SLOT_FREED;
    if (request->state == REQUEST_BACKING_OFF) {
        reason = request->more_tried ? UB_WHY_RETRY_SAME : UB_WHY_BACKED_OFF;
    } else if (request->line_until != UB_NEVER) {
        new_round(request);
        reason = request->attempt > 0 ? UB_WHY_BACKED_OFF : reason;
        request->tier =
            (uint8_t)(route_of(brain, request->route)->tiers - 1); /* patience is spent */
    }
    seek(brain, request, reason, now, random);
}

/* Those that are late, the latest first, so that the one that is left gets its chance; then a rival for
 * one that takes its time. */
static void watch_runs(struct ub_brain *brain, struct request *request, ub_ns now,
                       struct ub_random *random)
{
    for (uint32_t i = RUNS_MAX; i-- > 0;) {
        struct run *run = &request->run[i];
        if (run->target != 0 && now >= run->deadline && !gets_more_time(brain, request, run, now)) {
            too_late(brain, request, run, now, random);
        }
    }
    if (request->state == REQUEST_TRYING && now >= race_at(request)) {
        race(brain, request, now, random);
    }
}

void life_woken(struct ub_brain *brain, struct request *request, ub_ns now,
                struct ub_random *random)
{
    if (request->action_count > 0) {
        /* The body has not heard the last word yet. */
        ub_timers_set(timers_of(brain, request->worker), index_of(brain, request), now + 1);
        return;
    }
    if (request->state == REQUEST_STREAMING) {
        if (now >= wake_of(brain, request)) {
            stalled(brain, request, now, random);
        }
    } else if (request->state == REQUEST_DEGRADING) {
        degrade_woken(brain, request, now, random);
    } else if (now >= request->deadline) {
        out_of_time(brain, request, now, random);
    } else if (request->state == REQUEST_TRYING) {
        watch_runs(brain, request, now, random);
    } else if (now >= ub_ns_min(request->wait_until, request->line_until)) {
        look_again(brain, request, now, random);
    }
    bool waits = request->state == REQUEST_TRYING || request->state == REQUEST_WAITING ||
                 request->state == REQUEST_BACKING_OFF;
    if (waits && now >= request->heartbeat_at) {
        beat(brain, request, now);
    }
    arm(brain, request);
}

/* seek.c - what a request does next: another attempt, a place in the line, a pause, or giving up.
 *
 * Tiers are walked from the best down. Inside a tier another upstream comes first. Before it goes
 * down a tier a request may spend the model's patience on this one: waiting for a slot, or for one
 * more try after a single 500 or reset, or after a short Retry-After. When all tiers are exhausted
 * it waits for a slot if slots are what is missing, else it backs off with full jitter and starts a
 * new round.
 */
#include "policy/steps.h"

#include <assert.h>

#define PAUSE_MIN_NS  UB_MS /* also when the policy's base is nothing */
#define ADVICE_MIN_NS UB_SECOND
#define ADVICE_MAX_NS UB_MINUTE /* the Node SDK obeys no longer advice, API-FACTS 1.3 */

void new_round(struct request *request)
{
    for (uint8_t i = 0; i < request->tried_count; i++) {
        request->tried[i].this_round = false;
    }
    request->tier = 0;
    request->patience_until = 0;
    request->more_tried = false;
}

static bool is_about_line(enum ub_reason reason)
{
    return reason == UB_WHY_QUEUE_FULL || reason == UB_WHY_DISPLACED || reason == UB_WHY_NO_SLOT ||
           reason == UB_WHY_NOT_IN_SIGHT;
}

/* How soon it may be worth coming back: when those who wait now will have been served, if the line is
 * why; else the soonest instant at which a target lets calls through again. With up to a quarter on
 * top, so that those refused together do not return together. */
static ub_ns advice(const struct ub_brain *brain, const struct request *request,
                    enum ub_reason reason, ub_ns now, struct ub_random *random)
{
    ub_ns line_ns = is_about_line(reason) ? line_time(brain, request) : 0;
    if (line_ns > 0) {
        line_ns = ub_ns_clamp(line_ns, ADVICE_MIN_NS, ADVICE_MAX_NS / 5 * 4);
        return line_ns + (ub_ns)(0.25 * (double)line_ns * ub_random_unit(random));
    }
    ub_ns soonest = UB_NEVER;
    const struct route *route = route_of(brain, request->route);
    struct walk walk = {0};
    for (uint16_t t; (t = next_target(route, &walk)) != 0;) {
        const struct target *target = target_of(brain, t);
        ub_ns at = ub_ns_max(target->rest_until, target->breaker.open_until);
        soonest = ub_ns_min(soonest, ub_ns_max(at, now));
    }
    ub_ns wait_ns = ub_ns_clamp(soonest - now, ADVICE_MIN_NS, ADVICE_MAX_NS);
    wait_ns += (ub_ns)(0.25 * (double)wait_ns * ub_random_unit(random));
    return ub_ns_min(wait_ns, ADVICE_MAX_NS);
}

static bool is_hopeless(enum ub_error error)
{
    enum ub_error_class class = ub_error_class(error);
    return class == UB_CLASS_CLIENT || class == UB_CLASS_UNFIT || error == UB_ERR_KEY_REFUSED ||
           error == UB_ERR_NO_BALANCE || error == UB_ERR_MODEL_MISSING;
}

/* Is there nobody to answer, now or in time? A request of which nothing is known but that it takes
 * longer than its client waits for does not speak of that. */
static bool is_lack(const struct request *request, enum ub_error error)
{
    bool waits = request->state == REQUEST_WAITING || request->state == REQUEST_BACKING_OFF ||
                 request->state == REQUEST_DEGRADING;
    bool ours = error == UB_ERR_NO_MEMORY;
    return !is_hopeless(error) && !ours &&
           (error != UB_ERR_DEADLINE || waits || request->tried_count > 0);
}

/* The outcome that the client sees. Busy stays busy; what the upstream itself said is passed on
 * when it was about this request, and not about what another model makes of it. */
static enum ub_error outcome(const struct request *request, enum ub_reason reason)
{
    enum ub_error last = (enum ub_error)request->last_error;
    if (reason == UB_WHY_OUT_OF_TIME) {
        return UB_ERR_DEADLINE;
    }
    if (reason == UB_WHY_QUEUE_FULL || reason == UB_WHY_DISPLACED) {
        return UB_ERR_QUEUE_FULL;
    }
    if (reason == UB_WHY_NO_SLOT || reason == UB_WHY_NOT_IN_SIGHT) {
        return UB_ERR_QUEUE_TIMEOUT;
    }
    bool elsewhere = request->route != request->home && is_hopeless(last);
    if (request->tried_count == 0 || ub_error_class(last) == UB_CLASS_BUSY || elsewhere) {
        return UB_ERR_ALL_BUSY;
    }
    return last;
}

void give_up(struct ub_brain *brain, struct request *request, enum ub_reason reason, ub_ns now,
             struct ub_random *random)
{
    leave_line(brain, request);
    if (request->committed) {
        finish(brain, request, NULL, UB_ACT_CUT, UB_ERR_BROKEN, reason);
        return;
    }
    enum ub_error error = outcome(request, reason);
    uint8_t attempt = request->attempt;
    if (request->empty_attempt != 0) {
        error = UB_ERR_EMPTY_ANSWER;
        attempt = request->empty_attempt;
    }
    if (error == UB_ERR_ALL_BUSY && reason == UB_WHY_CLIENTS_FAULT) {
        reason = UB_WHY_NOBODY_LEFT; /* it was another model's opinion */
    }
    if (is_lack(request, error) && degrade(brain, request, reason, now)) {
        return;
    }
    enum ub_error_class class = ub_error_class(error);
    bool hopeless = is_hopeless(error);
    ub_ns come_back_ns = hopeless ? 0 : advice(brain, request, reason, now, random);
    bool again = !hopeless && reason != UB_WHY_OUT_OF_BUDGET && may_return(brain, request, now);
    set_state(brain, request, REQUEST_OVER);
    queue_action(brain, request,
                 (struct action){.type = UB_ACT_ANSWER,
                                 .reason = (uint8_t)reason,
                                 .attempt = attempt,
                                 .error = (uint8_t)error,
                                 .pass_on = class == UB_CLASS_CLIENT || class == UB_CLASS_UNFIT,
                                 .should_retry = again,
                                 .upstream = UB_NO_UPSTREAM,
                                 .when = come_back_ns});
}

/* An extra attempt takes from the model's budget and from the upstream's; choose() has left out those
 * whose own is spent. False: the model's is, and nothing was taken. */
static bool pays(struct ub_brain *brain, const struct request *request, const struct target *target,
                 ub_ns now)
{
    struct ub_budget *models = &model_for(brain, request)->budget;
    struct ub_budget *theirs = &upstream_of(brain, target->upstream)->budget;
    const struct ub_retry_policy *retry = &route_of(brain, request->route)->policy.retry;
    if (request->attempt == 0) {
        ub_budget_first(models, retry);
        ub_budget_first(theirs, retry);
        race_first(brain, request);
        return true;
    }
    if (is_free_of_charge(brain, request, target)) {
        return true;
    }
    if (!ub_budget_take(models, retry, now)) {
        return false;
    }
    bool taken = ub_budget_take(theirs, retry, now);
    assert(taken);
    (void)taken;
    brain->facts.charged_attempts++;
    return true;
}

static void go(struct ub_brain *brain, struct request *request, struct choice choice,
               enum ub_reason reason, ub_ns now, struct ub_random *random)
{
    if (!pays(brain, request, target_of(brain, choice.target), now)) {
        give_up(brain, request, UB_WHY_OUT_OF_BUDGET, now, random);
        return;
    }
    leave_line_served(brain, request, choice.target);
    bool first_choice = request->attempt == 0 && reason == UB_WHY_NONE;
    start_attempt(brain, request, choice, first_choice || choice.trial ? choice.reason : reason,
                  now);
}

static bool in_tier(const struct tier *tier, uint16_t target)
{
    for (uint32_t m = 0; m < tier->count; m++) {
        if (tier->target[m] == target) {
            return true;
        }
    }
    return false;
}

/* When this tried target deserves one more try before we go down a tier; UB_NEVER: it does not. */
static ub_ns second_chance(const struct ub_brain *brain, const struct request *request,
                           const struct tried *tried, ub_ns now, struct ub_random *random)
{
    const struct target *target = target_of(brain, tried->target);
    enum ub_error error = (enum ub_error)tried->error;
    if (ub_error_class(error) == UB_CLASS_BUSY && target->rest_until > now) {
        return target->rest_until;
    }
    bool slip = error == UB_ERR_UPSTREAM_ERROR || error == UB_ERR_RESET;
    if (!slip || target->breaker.in_a_row > 1 || target->breaker.open_until != 0) {
        return UB_NEVER;
    }
    return now + (ub_ns)(ub_random_unit(random) * (double)(request->patience_until - now));
}

static bool try_once_more(struct ub_brain *brain, struct request *request, ub_ns now,
                          struct ub_random *random)
{
    const struct tier *tier = &route_of(brain, request->route)->tier[request->tier];
    struct tried *best = NULL;
    ub_ns best_at = UB_NEVER;
    for (uint8_t i = 0; i < request->tried_count; i++) {
        struct tried *tried = &request->tried[i];
        if (!tried->this_round || !in_tier(tier, tried->target)) {
            continue;
        }
        ub_ns at = second_chance(brain, request, tried, now, random);
        if (at < best_at && at <= request->patience_until) {
            best = tried;
            best_at = at;
        }
    }
    if (best == NULL) {
        return false;
    }
    best->this_round = false;
    request->more_tried = true;
    request->wait_until = best_at;
    leave_line(brain, request);
    set_state(brain, request, REQUEST_BACKING_OFF);
    return true;
}

/* Nothing in this tier now: is it worth the patience? True: the request waits. */
static bool stays(struct ub_brain *brain, struct request *request, struct choice none, ub_ns now,
                  struct ub_random *random)
{
    const struct route *route = route_of(brain, request->route);
    if (request->tier + 1u >= route->tiers) {
        return false;
    }
    if (request->patience_until == 0) {
        request->patience_until = ub_ns_after(now, route->policy.patience_ns);
    }
    if (now >= request->patience_until) {
        return false;
    }
    if (!request->more_tried && try_once_more(brain, request, now, random)) {
        return true;
    }
    bool resting = none.until <= request->patience_until;
    /* Nobody is displaced for that: there is another tier. */
    if ((none.full || resting) && has_place(brain, request) &&
        enter_line(brain, request, now, random)) {
        request->line_until = UB_NEVER;
        request->wait_until = ub_ns_min(none.until, request->patience_until);
        return true;
    }
    return false;
}

/* Everybody who could be tried at all said that the request does not fit, or answered nothing. */
static bool is_about_us(const struct request *request)
{
    bool any = false;
    for (uint8_t i = 0; i < request->tried_count; i++) {
        any |= request->tried[i].this_round;
        if (request->tried[i].this_round &&
            ub_error_class((enum ub_error)request->tried[i].error) != UB_CLASS_UNFIT) {
            return false;
        }
    }
    return any;
}

/* Retry-After as a floor: the soonest instant at which one of the targets that are left is not
 * resting; UB_NEVER when nobody is left. */
static ub_ns floor_of(const struct ub_brain *brain, const struct request *request, ub_ns now)
{
    ub_ns floor = UB_NEVER;
    const struct route *route = route_of(brain, request->route);
    struct walk walk = {0};
    for (uint16_t t; (t = next_target(route, &walk)) != 0;) {
        if (!is_ruled_out(request, t)) {
            floor = ub_ns_min(floor, ub_ns_max(now, target_of(brain, t)->rest_until));
        }
    }
    return floor;
}

static void count_failure(struct request *request)
{
    if (request->failures < UINT8_MAX) {
        request->failures++;
    }
}

/* `not_before`: nothing can change sooner, as nobody could be tried at all; 0 = somebody was. */
static void back_off(struct ub_brain *brain, struct request *request, ub_ns not_before, ub_ns now,
                     struct ub_random *random)
{
    const struct ub_model_policy *policy = &route_of(brain, request->route)->policy;
    ub_ns floor = floor_of(brain, request, now);
    if (floor == UB_NEVER) {
        give_up(brain, request, UB_WHY_NOBODY_LEFT, now, random);
        return;
    }
    count_failure(request);
    if (request->refusals >= policy->retry.attempts) { /* ridden out by pauses, not by calls */
        uint8_t least = request->refusals > 2 ? (uint8_t)(request->refusals - 2) : 0;
        request->failures = request->failures > least ? request->failures : least;
    }
    bool throttled = request->last_error == UB_ERR_THROTTLED;
    ub_ns at = ub_retry_at(&policy->retry, request->failures, throttled, now,
                           ub_ns_max(floor, not_before), ub_random_unit(random));
    at = ub_ns_max(at, now + PAUSE_MIN_NS);
    if (at >= request->deadline) {
        give_up(brain, request, UB_WHY_NO_TIME_TO_RETRY, now, random);
        return;
    }
    if (attempts_left_at(brain, request, at) == 0) { /* by then there is no try left */
        give_up(brain, request, UB_WHY_OUT_OF_ATTEMPTS, now, random);
        return;
    }
    leave_line(brain, request);
    new_round(request);
    request->wait_until = at;
    set_state(brain, request, REQUEST_BACKING_OFF);
}

static bool tried_in_round(const struct request *request)
{
    for (uint8_t i = 0; i < request->tried_count; i++) {
        if (request->tried[i].this_round) {
            return true;
        }
    }
    return false;
}

/* What stands in the way in one tier more. */
static void add_up(struct choice *none, struct choice choice)
{
    none->full |= choice.full;
    none->soft |= choice.soft;
    none->spent |= choice.spent;
    none->until = ub_ns_min(none->until, choice.until);
}

/* Where only the retry budgets of upstreams are missing, a request pauses as after a failed round:
 * they fill again by the second. There are no more such rounds than attempts, so that an outage does
 * not gather a crowd. */
static bool may_pause(const struct ub_brain *brain, const struct request *request, ub_ns now)
{
    const struct ub_retry_policy *retry = &route_of(brain, request->route)->policy.retry;
    return request->failures < retry->attempts &&
           ub_budget_has(&model_for(brain, request)->budget, retry, now);
}

/* A place in the line for a slot. For a learned limit nobody waits longer than half of the time that
 * is left, nor for want of a place: then the limit does not hold for it. False: it cannot wait. */
static bool waits_for_slot(struct ub_brain *brain, struct request *request, struct choice none,
                           ub_ns now, struct ub_random *random)
{
    bool waited = request->waits_in_line && request->line_until != UB_NEVER;
    if (!enter_line(brain, request, now, random)) {
        return false;
    }
    if (!waited) {
        request->line_until = ub_ns_after(now, request->slot_wait_ns);
        request->wait_until = UB_NEVER;
    }
    if (none.soft) {
        ub_ns half_ns = (request->deadline - now) / 2;
        request->line_until = ub_ns_min(request->line_until, ub_ns_after(now, half_ns));
    }
    return true;
}

/* All tiers were walked and nobody could take the request. */
static void exhausted(struct ub_brain *brain, struct request *request, struct choice none,
                      ub_ns now, struct ub_random *random)
{
    const struct route *route = route_of(brain, request->route);
    bool tried = tried_in_round(request);
    for (uint32_t t = 0; t < route->tiers && !tried; t++) {
        struct choice choice = choose(brain, request, t, true, now, random);
        if (choice.target != 0) {
            request->tier = (uint8_t)t;
            go(brain, request, choice, UB_WHY_PANIC, now, random);
            return;
        }
        add_up(&none, choice);
    }
    if (request->empty_attempt != 0 || is_about_us(request)) {
        give_up(brain, request, UB_WHY_NOBODY_LEFT, now, random);
        return;
    }
    if (degrade_early(brain, request, now)) {
        return;
    }
    if (!none.full && none.spent && !may_pause(brain, request, now)) {
        give_up(brain, request, UB_WHY_OUT_OF_BUDGET, now, random);
        return;
    }
    if (!none.full) {
        bool at_once = tried || none.spent || none.until == UB_NEVER;
        back_off(brain, request, at_once ? 0 : none.until, now, random);
        return;
    }
    bool new_here = !request->waits_in_line || request->line_until == UB_NEVER;
    if (new_here && !tried && !none.soft && !is_in_sight(brain, request, now)) {
        give_up(brain, request, UB_WHY_NOT_IN_SIGHT, now, random);
        return;
    }
    if (!waits_for_slot(brain, request, none, now, random)) {
        if (none.soft) {
            go_beyond(brain, request, now, random);
        } else {
            give_up(brain, request, UB_WHY_QUEUE_FULL, now, random);
        }
        return;
    }
    /* Those that failed may work again before a slot is free: a new round after the usual pause. */
    if (tried && (request->wait_until == UB_NEVER || request->wait_until <= now)) {
        count_failure(request);
        request->wait_until = ub_retry_at(&route->policy.retry, request->failures, false, now, 0,
                                          ub_random_unit(random));
    }
    request->wait_until = tried ? ub_ns_min(none.until, request->wait_until) : none.until;
}

void go_beyond(struct ub_brain *brain, struct request *request, ub_ns now, struct ub_random *random)
{
    request->beyond = true;
    request->tier = 0;
    request->patience_until = now; /* it is spent */
    seek(brain, request, UB_WHY_BEYOND_LEARNED, now, random);
}

void seek(struct ub_brain *brain, struct request *request, enum ub_reason reason, ub_ns now,
          struct ub_random *random)
{
    const struct route *route = route_of(brain, request->route);
    if (attempts_left(brain, request) == 0) {
        give_up(brain, request, UB_WHY_OUT_OF_ATTEMPTS, now, random);
        return;
    }
    if (request->attempt > 0 && !request->can_retry) {
        give_up(brain, request, UB_WHY_CANNOT_RETRY, now, random);
        return;
    }
    struct choice none = {.until = UB_NEVER};
    for (uint32_t t = 0; t < route->tiers; t++) {
        struct choice choice = choose(brain, request, t, false, now, random);
        if (choice.target != 0) {
            go(brain, request, choice, reason, now, random);
            return;
        }
        add_up(&none, choice);
        if (t < request->tier) {
            continue; /* better tiers are only looked at in passing */
        }
        if (stays(brain, request, choice, now, random)) {
            return;
        }
        if (t + 1 < route->tiers) {
            request->tier = (uint8_t)(t + 1);
            request->patience_until = 0;
            request->more_tried = false;
            reason = UB_WHY_NEXT_TIER;
        }
    }
    exhausted(brain, request, none, now, random);
}

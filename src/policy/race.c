/* race.c - a second attempt beside the first: when it pays, and at whose cost.
 *
 * An upstream that has let a request in and then only says that it waits is busy without saying so
 * (DeepSeek's keep-alives): when it has taken twice as long as the best other one usually takes, that
 * one is asked as well, from the retry budget. One that says nothing at all is left the time in which
 * it brings 95 of 100 first tokens ("The Tail at Scale", CACM 2013); beyond that the hedge budget
 * pays. Whoever has the first payload wins, the other one is cancelled.
 */
#include "policy/steps.h"

#define SOONEST_NS  (50 * UB_MS)  /* no hedge comes earlier */
#define QUEUED_NS   (250 * UB_MS) /* nor a second one beside a queue */
#define UNKNOWN_NS  (500 * UB_MS) /* what an upstream takes of which nothing is known */
#define LOST_ERROR  0.5           /* how much of a failure it is to be hedged and lose */
#define WHOLE_SHARE 0.5           /* of its deadline that an answer in one piece has */
#define LOOK_SHARE  2             /* nobody was free: look again after half as long once more */

static bool may_race(const struct ub_brain *brain, const struct request *request)
{
    const struct ub_model_policy *policy = policy_of(brain, request);
    return policy->hedge_budget > 0 && request->can_retry && !request->committed &&
           request->run[1].target == 0 && attempts_left(brain, request) > 0;
}

/* What the hedges of a model may cost, in the form of a retry budget. */
static struct ub_retry_policy hedges(const struct ub_model_policy *policy)
{
    return (struct ub_retry_policy){.budget = policy->hedge_budget};
}

void race_first(struct ub_brain *brain, const struct request *request)
{
    const struct ub_model_policy *policy = policy_of(brain, request);
    if (policy->hedge_budget > 0) {
        const struct ub_retry_policy budget = hedges(policy);
        ub_budget_first(&model_of(brain, route_of(brain, request->route)->model)->hedges, &budget);
    }
}

ub_ns race_after(const struct ub_brain *brain, const struct request *request, const struct run *run)
{
    if (!may_race(brain, request)) {
        return UB_NEVER;
    }
    if (!request->stream) {
        double half_ns = WHOLE_SHARE * (double)(run->deadline - run->started_at);
        return ub_ns_after(run->started_at, (ub_ns)half_ns);
    }
    ub_ns usual_ns = ub_pace_95(&target_of(brain, run->target)->pace, request->prompt_tokens);
    return usual_ns == 0 ? UB_NEVER : ub_ns_after(run->started_at, ub_ns_max(usual_ns, SOONEST_NS));
}

/* The best of those that could be asked as well; UB_NEVER: nobody. */
static ub_ns best_elsewhere(const struct ub_brain *brain, const struct request *request, ub_ns now)
{
    ub_ns best = UB_NEVER;
    struct walk walk = {0};
    const struct route *route = route_of(brain, request->route);
    for (uint16_t t; (t = next_target(route, &walk)) != 0;) {
        if (could_take(brain, request, t, now)) {
            ub_ns expect_ns =
                ub_pace_expect(&target_of(brain, t)->pace, request->prompt_tokens, now);
            best = ub_ns_min(best, expect_ns == 0 ? UNKNOWN_NS : expect_ns);
        }
    }
    return best;
}

void race_queued(struct ub_brain *brain, struct request *request, struct run *run, ub_ns now)
{
    run->queues = true;
    if (!may_race(brain, request)) {
        return;
    }
    ub_ns best_ns = best_elsewhere(brain, request, now);
    ub_ns wait_ns = best_ns >= UB_NEVER / 2 ? QUEUED_NS : ub_ns_max(2 * best_ns, QUEUED_NS);
    run->race_at = ub_ns_min(run->race_at, ub_ns_after(run->started_at, wait_ns));
}

/* Somebody else who is well and has room. A hedge against mere silence goes down no tier. */
static struct choice second(struct ub_brain *brain, struct request *request, ub_ns now,
                            struct ub_random *random)
{
    uint32_t tiers = route_of(brain, request->route)->tiers;
    uint32_t last = request->run[0].queues ? tiers - 1 : request->tier;
    struct choice choice = {0};
    for (uint32_t t = 0; t <= last && choice.target == 0; t++) {
        choice = choose(brain, request, t, false, now, random);
        choice.target = choice.trial ? 0 : choice.target;
    }
    return choice;
}

/* An extra attempt, so the upstream's own budget pays as well. */
static bool pays(struct ub_brain *brain, const struct request *request, const struct target *target,
                 ub_ns now)
{
    const struct ub_model_policy *policy = policy_of(brain, request);
    const struct ub_retry_policy budget = hedges(policy);
    struct model *model = model_of(brain, route_of(brain, request->route)->model);
    struct ub_budget *theirs = &upstream_of(brain, target->upstream)->budget;
    if (!ub_budget_has(theirs, &policy->retry, now)) {
        return false;
    }
    bool queues = request->run[0].queues;
    if ((queues && ub_budget_take(&model->budget, &policy->retry, now)) ||
        ub_budget_take(&model->hedges, &budget, now)) {
        ub_budget_take(theirs, &policy->retry, now);
        brain->facts.charged_attempts++;
        return true;
    }
    return false;
}

void race(struct ub_brain *brain, struct request *request, ub_ns now, struct ub_random *random)
{
    struct run *run = &request->run[0];
    run->race_at = ub_ns_after(now, ub_ns_max((now - run->started_at) / LOOK_SHARE, SOONEST_NS));
    if (!may_race(brain, request)) {
        run->race_at = UB_NEVER;
        return;
    }
    struct choice choice = second(brain, request, now, random);
    if (choice.target != 0 && pays(brain, request, target_of(brain, choice.target), now)) {
        start_attempt(brain, request, choice, run->queues ? UB_WHY_QUEUED_THERE : UB_WHY_HEDGE,
                      now);
    }
}

/* Where the winner's rival stood still is not much better than its waiting time so far says. */
static void learn_lost(struct ub_brain *brain, const struct request *request, const struct run *run,
                       ub_ns now)
{
    struct target *target = target_of(brain, run->target);
    ub_ns waited_ns = now - run->started_at;
    ub_ns usual_ns = ub_pace_95(&target->pace, request->prompt_tokens);
    if (!request->stream) {
        return;
    }
    ub_pace_at_least(&target->pace, request->prompt_tokens, waited_ns, now);
    learn_wait(brain, request, run, false, now);
    if (!run->queues && usual_ns != 0 && waited_ns > usual_ns) {
        count_error(target, LOST_ERROR, now);
    }
}

uint16_t race_won(struct ub_brain *brain, struct request *request, const struct run *winner,
                  ub_ns now)
{
    if (request->run[1].target == 0) {
        return 0;
    }
    struct run *loser = &request->run[winner == &request->run[0]];
    uint16_t target = loser->target;
    if (loser == request->run) {
        remember_prefix(brain, request, winner->target);
    }
    learn_lost(brain, request, loser, now);
    cancel_attempt(brain, request, loser, UB_ERR_OUTRUN, UB_WHY_LOST_RACE);
    return target;
}

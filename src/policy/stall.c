/* stall.c - is a stream still moving? Two watchdogs: silence, and a crawl.
 *
 * Silence is judged by what an upstream's own streams have shown: the longest pause of an answer is
 * kept as a mean and a deviation, and several times of both is the limit, inside the model's `stall`. A
 * crawl is payload that comes at an eighth of the upstream's own pace for ten seconds: comments and a
 * token a second keep no stream alive.
 *
 * Both act only where somebody else can continue the answer; else a stream gets all of `stall`, and a
 * crawl is better than nothing.
 */
#include "policy/steps.h"

#define WINDOW_NS (5 * UB_SECOND) /* of the pace, at least; two in a row are a crawl */
#define SHARE     8

void stall_begin(const struct ub_brain *brain, struct request *request, const struct run *run,
                 ub_ns now)
{
    ub_ns longest_ns = policy_of(brain, request)->stall_ns;
    request->stall_ns = request->can_resume
                            ? ub_pace_stall(&target_of(brain, run->target)->pace, longest_ns)
                            : longest_ns;
    request->mark_at = now;
    request->mark_said = 0;
    request->slow = false;
}

bool stall_is_final(const struct ub_brain *brain, struct request *request, ub_ns now)
{
    ub_ns longest_ns = policy_of(brain, request)->stall_ns;
    if (request->stall_ns >= longest_ns ||
        (request->can_resume && has_alternative(brain, request, now))) {
        return true;
    }
    request->stall_ns = longest_ns;
    return false;
}

bool stall_crawls(const struct ub_brain *brain, struct request *request, uint32_t said, bool held,
                  ub_ns now)
{
    ub_ns per_token_ns = ub_pace_per_token(&target_of(brain, request->run[0].target)->pace);
    ub_ns passed_ns = now - request->mark_at;
    if (passed_ns < WINDOW_NS && !held) {
        return false;
    }
    uint64_t got = said > request->mark_said ? said - request->mark_said : 0;
    bool slow = !held && per_token_ns > 0 && got * SHARE < (uint64_t)(passed_ns / per_token_ns);
    bool crawls = slow && request->slow;
    request->slow = slow;
    request->mark_at = now;
    request->mark_said = said;
    return crawls && request->can_resume && has_alternative(brain, request, now);
}

/* choose.c - where the next attempt of a request may go: who may have it, and who gets it. */
#include "policy/state.h"

#include <assert.h>

#define PREFIX_SHARE  0.5  /* of the prompt must be known, as in SGLang's router */
#define EXPLORE_SHARE 0.01 /* of prefix matches go elsewhere, so that others stay warm (llm-d) */

/* Members that may have the request now, and what stands in the way of the others. */
struct field {
    uint32_t count;
    struct ub_candidate candidate[UB_TIER_MAX];
    uint16_t target[UB_TIER_MAX];
    uint16_t trial; /* a target that waits for a trial */
    uint32_t open;  /* breakers that let nothing through */
    bool full;
    ub_ns until;
    uint64_t inflight; /* of the whole tier */
};

static bool was_tried(const struct request *request, uint16_t target)
{
    for (uint8_t i = 0; i < request->tried_count; i++) {
        if (request->tried[i].target == target && request->tried[i].this_round) {
            return true;
        }
    }
    return false;
}

bool is_ruled_out(const struct request *request, uint16_t target)
{
    for (uint8_t i = 0; i < request->tried_count; i++) {
        enum ub_error error = (enum ub_error)request->tried[i].error;
        if (request->tried[i].target == target &&
            (error == UB_ERR_LATE || ub_error_class(error) == UB_CLASS_UNFIT)) {
            return true;
        }
    }
    return false;
}

bool has_room(const struct ub_brain *brain, const struct target *target)
{
    const struct upstream *upstream = upstream_of(brain, target->upstream);
    return upstream->concurrency == 0 || upstream->inflight < upstream->concurrency;
}

static ub_ns warm_since(const struct upstream *upstream, const struct target *target)
{
    return ub_ns_max(upstream->since, target->breaker.closed_at);
}

static struct ub_candidate candidate_of(const struct ub_brain *brain, const struct request *request,
                                        const struct target *target, uint32_t member, ub_ns now)
{
    const struct upstream *upstream = upstream_of(brain, target->upstream);
    return (struct ub_candidate){
        .member = member,
        .inflight = upstream->inflight,
        .tokens = target->tokens,
        .expect_ns = ub_pace_expect(&target->pace, request->prompt_tokens, now),
        .response_ns = target->pace.response_ns,
        .error_share = error_share_of(target, now),
        .warmth = ub_balance_warmth(warm_since(upstream, target), now),
    };
}

/* In panic, how many open breakers are ignored: at most half of a tier stays ejected. */
static bool pardoned(const struct ub_brain *brain, const struct tier *tier, uint32_t open,
                     const struct target *target)
{
    uint32_t stay = tier->count / 2;
    uint32_t earlier = 0;
    for (uint32_t m = 0; m < tier->count; m++) {
        const struct target *other = target_of(brain, tier->target[m]);
        bool ejected = other->breaker.open_until != 0;
        earlier += ejected &&
                   (other->breaker.open_until < target->breaker.open_until ||
                    (other->breaker.open_until == target->breaker.open_until && other < target));
    }
    return open > stay && earlier < open - stay;
}

static void survey(const struct ub_brain *brain, const struct request *request,
                   const struct tier *tier, bool panic, ub_ns now, struct field *field)
{
    /* Field by field: zeroing the whole of it would cost more than the choice. */
    field->count = field->open = 0;
    field->inflight = 0;
    field->trial = 0;
    field->full = false;
    field->until = UB_NEVER;
    for (uint32_t m = 0; m < tier->count; m++) {
        const struct target *target = target_of(brain, tier->target[m]);
        field->open += target->breaker.open_until != 0;
        field->inflight += upstream_of(brain, target->upstream)->inflight;
    }
    for (uint32_t m = 0; m < tier->count; m++) {
        uint16_t index = tier->target[m];
        const struct target *target = target_of(brain, index);
        if (was_tried(request, index) || is_ruled_out(request, index)) {
            continue;
        }
        if (target->rest_until > now) {
            field->until = ub_ns_min(field->until, target->rest_until);
            continue;
        }
        enum ub_breaker_says says = ub_breaker_says(&target->breaker, now);
        if (says == UB_BREAKER_STOP && !(panic && pardoned(brain, tier, field->open, target))) {
            if (target->breaker.open_until > now) {
                field->until = ub_ns_min(field->until, target->breaker.open_until);
            }
            continue;
        }
        if (!has_room(brain, target)) {
            field->full = true;
            continue;
        }
        if (says == UB_BREAKER_TRY && field->trial == 0) {
            field->trial = index;
        }
        if (says == UB_BREAKER_GO || panic) {
            field->target[field->count] = index;
            field->candidate[field->count++] = candidate_of(brain, request, target, m, now);
        }
    }
}

/* Position of this target among the candidates, or -1. */
static int position(const struct field *field, uint16_t target)
{
    for (uint32_t i = 0; i < field->count; i++) {
        if (field->target[i] == target) {
            return (int)i;
        }
    }
    return -1;
}

/* The sooner first token elsewhere against the prefill time that a warm cache saves here. */
static bool stays(const struct ub_brain *brain, const struct field *field, uint32_t at,
                  uint32_t saved_tokens)
{
    ub_ns here_ns = field->candidate[at].expect_ns;
    ub_ns best_ns = here_ns;
    for (uint32_t i = 0; i < field->count; i++) {
        if (field->candidate[i].expect_ns > 0) {
            best_ns = ub_ns_min(best_ns, field->candidate[i].expect_ns);
        }
    }
    const struct target *target = target_of(brain, field->target[at]);
    return ub_affinity_pays(here_ns - best_ns, ub_pace_prefill(&target->pace, saved_tokens));
}

static bool takes(const struct ub_brain *brain, const struct tier *tier, const struct field *field,
                  int at, uint32_t saved_tokens)
{
    return at >= 0 &&
           ub_affinity_fits(field->candidate[at].inflight, field->inflight, tier->count) &&
           stays(brain, field, (uint32_t)at, saved_tokens);
}

static int by_cookie(const struct ub_brain *brain, const struct request *request,
                     const struct field *field)
{
    for (uint32_t i = 0; i < field->count; i++) {
        const struct target *target = target_of(brain, field->target[i]);
        if (upstream_of(brain, target->upstream)->key == request->cookie_key) {
            return (int)i;
        }
    }
    return -1;
}

/* The first in the session's own order that takes it; those that are ejected or full are passed
 * over. */
static int by_session(const struct ub_brain *brain, const struct request *request,
                      const struct tier *tier, const struct field *field, uint64_t session)
{
    bool passed[UB_TIER_MAX] = {false};
    for (uint32_t round = 0; round < field->count; round++) {
        int best = -1;
        uint64_t best_score = 0;
        for (uint32_t i = 0; i < field->count; i++) {
            const struct target *target = target_of(brain, field->target[i]);
            uint64_t score = ub_affinity_score(session, upstream_of(brain, target->upstream)->key);
            if (!passed[i] && (best < 0 || score > best_score)) {
                best = (int)i;
                best_score = score;
            }
        }
        if (takes(brain, tier, field, best, request->prompt_tokens)) {
            return best;
        }
        passed[best] = true;
    }
    return -1;
}

static int by_prefix(struct ub_brain *brain, const struct request *request, const struct tier *tier,
                     const struct field *field, struct ub_random *random)
{
    if (ub_random_unit(random) < EXPLORE_SHARE) {
        return -1;
    }
    for (uint32_t i = request->prefix_count; i > 0; i--) {
        uint32_t tokens = request->prefix_tokens[i - 1];
        if ((double)tokens < PREFIX_SHARE * (double)request->prompt_tokens) {
            return -1;
        }
        uint16_t target = ub_prefix_find(prefixes_of(brain), request->prefix[i - 1]);
        int at = target == UB_PREFIX_NONE ? -1 : position(field, target);
        if (takes(brain, tier, field, at, tokens)) {
            return at;
        }
    }
    return -1;
}

/* Candidate that this request is drawn to, or -1. */
static int drawn_to(struct ub_brain *brain, const struct request *request, const struct tier *tier,
                    const struct field *field, struct ub_random *random)
{
    uint32_t kinds = route_of(brain, request->route)->policy.affinity;
    int at = -1;
    if ((kinds & UB_AFFINITY_COOKIE) != 0 && request->cookie_key != 0) {
        at = by_cookie(brain, request, field);
        at = takes(brain, tier, field, at, request->prompt_tokens) ? at : -1;
    }
    if (at < 0 && (kinds & UB_AFFINITY_HEADER) != 0 && request->header_hash != 0) {
        at = by_session(brain, request, tier, field, request->header_hash);
    }
    if (at < 0 && (kinds & UB_AFFINITY_PREFIX) != 0 && request->prefix_count > 0) {
        at = by_prefix(brain, request, tier, field, random);
    }
    if (at < 0 && (kinds & UB_AFFINITY_CLIENT) != 0 && request->client_hash != 0) {
        at = by_session(brain, request, tier, field, request->client_hash);
    }
    return at;
}

void remember_prefix(struct ub_brain *brain, const struct request *request, uint16_t target)
{
    if ((route_of(brain, request->route)->policy.affinity & UB_AFFINITY_PREFIX) == 0) {
        return;
    }
    for (uint32_t i = 0; i < request->prefix_count; i++) {
        ub_prefix_put(prefixes_of(brain), request->prefix[i], target);
    }
}

struct choice choose(struct ub_brain *brain, const struct request *request, uint32_t tier_index,
                     bool panic, ub_ns now, struct ub_random *random)
{
    struct route *route = route_of(brain, request->route);
    struct tier *tier = &route->tier[tier_index];
    struct field field;
    survey(brain, request, tier, panic, now, &field);

    /* A trial is for a first attempt that can still go elsewhere; in need, for anybody. */
    bool may_lose = request->attempt == 0 && request->can_retry;
    if (field.trial != 0 && (field.count == 0 || (may_lose && !panic))) {
        return (struct choice){.target = field.trial, .reason = UB_WHY_TRIAL, .trial = true};
    }
    if (field.count == 0) {
        return (struct choice){.full = field.full, .until = field.until};
    }
    int at = field.count == 1 ? 0 : drawn_to(brain, request, tier, &field, random);
    enum ub_reason reason = field.count == 1 ? UB_WHY_ONLY_ONE : UB_WHY_AFFINITY;
    if (at < 0) {
        at = (int)ub_balance_pick(route->policy.balance, field.candidate, field.count,
                                  request->own_tokens, route->policy.slow_over_ns, &tier->turns,
                                  random);
        reason = UB_WHY_BALANCED;
    }
    uint16_t target = field.target[at];
    bool open = target_of(brain, target)->breaker.open_until != 0;
    bool trial = ub_breaker_says(&target_of(brain, target)->breaker, now) == UB_BREAKER_TRY;
    return (struct choice){
        .target = target,
        .reason = trial  ? UB_WHY_TRIAL
                  : open ? UB_WHY_PANIC
                         : reason,
        .trial = trial,
    };
}

/* choose.c - where the next attempt of a request may go: who may have it, and who gets it. */
#include "policy/steps.h"

#include <assert.h>

#define PREFIX_SHARE  0.5 /* of the prompt must be known, as in SGLang's router */
#define DUE_AFTER_NS  (5 * UB_SECOND)
#define DUE_MEMORY_NS UB_MINUTE /* after this long without a failure nobody is due any more */
#define DUE_ERRORS    0.01
#define KV_FULL       0.8  /* as llm-d; beyond, the expected time grows up to twice as long */
#define EXPLORE_SHARE 0.01 /* of prefix matches go elsewhere, so that others stay warm (llm-d) */

/* Members that may have the request now, and what stands in the way of the others. */
struct field {
    const struct request *request;
    const struct tier *tier;
    ub_ns now;
    uint32_t count;
    uint16_t target[UB_TIER_MAX];
    uint32_t member[UB_TIER_MAX];
    uint32_t looked; /* those that are compared: all or a sample, as indices into the above */
    uint32_t looked_at[UB_TIER_MAX];
    uint16_t trial; /* a target that waits for a trial */
    uint16_t due;   /* one that was bad and has not been tried for a while */
    uint32_t open;  /* breakers that let nothing through */
    bool full;
    bool soft;  /* of the full ones, some lack but a learned limit */
    bool spent; /* the retry budget of one that had room */
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

/* A silent or late route, one that the request does not fit, and one that refuses our key, our balance or
 * the model would only say the same again; also one that refuses to continue a broken answer. */
static bool is_final(enum ub_error error)
{
    return error == UB_ERR_LATE || error == UB_ERR_KEY_REFUSED || error == UB_ERR_NO_BALANCE ||
           error == UB_ERR_MODEL_MISSING || ub_error_class(error) == UB_CLASS_UNFIT ||
           ub_error_class(error) == UB_CLASS_CLIENT;
}

bool is_ruled_out(const struct request *request, uint16_t target)
{
    for (uint8_t i = 0; i < request->tried_count; i++) {
        if (request->tried[i].target == target &&
            is_final((enum ub_error)request->tried[i].error)) {
            return true;
        }
    }
    return false;
}

bool has_room(const struct ub_brain *brain, const struct request *request,
              const struct target *target)
{
    const struct upstream *upstream = upstream_of(brain, target->upstream);
    if (target->breaker.open_until != 0) {
        return has_slot(upstream); /* what it said when it was ejected is no limit */
    }
    return has_slot(upstream) &&
           (request->beyond
                ? ub_gradient_has_room_beyond(&upstream->gradient, upstream->inflight, brain->now)
                : ub_gradient_has_room(&upstream->gradient, upstream->inflight));
}

/* Free slots are known where the limit is known or learned and somebody was served since the last
 * failure. When everybody refuses, the way from one to the next must not cost nothing. */
bool is_free_of_charge(const struct ub_brain *brain, const struct request *request,
                       const struct target *target)
{
    const struct upstream *upstream = upstream_of(brain, target->upstream);
    return request->tried_count > 0 && ub_error_is_quick((enum ub_error)request->last_error) &&
           target->bad_at == 0 &&
           (upstream->concurrency > 0 ||
            (upstream->learns && ub_gradient_knows_room(&upstream->gradient, upstream->inflight)));
}

static bool is_affordable(const struct ub_brain *brain, const struct field *field,
                          const struct target *target)
{
    const struct request *request = field->request;
    return request->attempt == 0 || is_free_of_charge(brain, request, target) ||
           ub_budget_has(&upstream_of(brain, target->upstream)->budget,
                         &route_of(brain, request->route)->policy.retry, field->now);
}

static ub_ns warm_since(const struct upstream *upstream, const struct target *target)
{
    return ub_ns_max(upstream->since, target->breaker.closed_at);
}

/* Of others we know the number only: each counts as much as this request does. A queue costs its
 * time, also before somebody of ours has stood in it; and where the memory is nearly full somebody is
 * about to be thrown out and computed again. */
static void add_load(struct ub_candidate *c, const struct load *load, const struct request *request,
                     const struct target *target)
{
    double wait_ns = load_wait_ns(load, target);
    c->tokens += (uint64_t)load->others * request->own_tokens;
    if (wait_ns > (double)c->expect_ns) {
        c->expect_ns = (ub_ns)wait_ns;
    }
    if (load->kv > KV_FULL) {
        c->expect_ns += (ub_ns)((double)c->expect_ns * (load->kv - KV_FULL) / (1.0 - KV_FULL));
    }
}

/* Only what the algorithm reads: the rest costs time. */
static struct ub_candidate candidate_of(const struct ub_brain *brain, const struct field *field,
                                        uint32_t at, enum ub_balance kind)
{
    const struct target *target = target_of(brain, field->target[at]);
    const struct upstream *upstream = upstream_of(brain, target->upstream);
    struct ub_candidate c = {.member = field->member[at]};
    if (kind == UB_BALANCE_ROUND_ROBIN) {
        return c;
    }
    const struct load *load = load_of(upstream, field->now);
    c.warmth = ub_balance_warmth(warm_since(upstream, target), field->now);
    c.inflight = load_with_others(upstream, field->now);
    if (kind == UB_BALANCE_LEAST_REQUEST) {
        return c;
    }
    c.tokens = target->tokens;
    c.response_ns = target->pace.response_ns;
    c.error_share = error_share_of(target, field->now);
    if (kind == UB_BALANCE_ADAPTIVE) {
        c.expect_ns = ub_pace_expect(&target->pace, field->request->prompt_tokens, field->now);
    }
    if (load != NULL) {
        add_load(&c, load, field->request, target);
    }
    return c;
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

/* With little traffic the cheapest gets every request, and who was bad would never show that it is well
 * again: it must be used within ten seconds of its return. */
static bool is_due(const struct target *target, ub_ns now)
{
    bool failed = target->error_share > DUE_ERRORS && now - target->error_at < DUE_MEMORY_NS;
    bool back = target->breaker.closed_at != 0 && now - target->breaker.closed_at < DUE_MEMORY_NS;
    return (failed || back) && now - target->started_at >= DUE_AFTER_NS;
}

/* The engine itself says so: there is nothing to find out. */
static bool has_queue(const struct upstream *upstream, ub_ns now)
{
    const struct load *load = load_of(upstream, now);
    return load != NULL && load->waiting > 0;
}

static void consider(const struct ub_brain *brain, struct field *field, uint32_t member, bool panic)
{
    uint16_t index = field->tier->target[member];
    const struct target *target = target_of(brain, index);
    if (runs_at(field->request, index) || was_tried(field->request, index) ||
        is_ruled_out(field->request, index)) {
        return;
    }
    if (target->rest_until > field->now) {
        field->until = ub_ns_min(field->until, target->rest_until);
        return;
    }
    enum ub_breaker_says says = ub_breaker_says(&target->breaker, field->now);
    if (says == UB_BREAKER_STOP && !(panic && pardoned(brain, field->tier, field->open, target))) {
        if (target->breaker.open_until > field->now) {
            field->until = ub_ns_min(field->until, target->breaker.open_until);
        }
        return;
    }
    if (!has_room(brain, field->request, target)) {
        field->full = true;
        field->soft |= has_slot(upstream_of(brain, target->upstream)) && !field->request->beyond;
        return;
    }
    if (!is_affordable(brain, field, target)) {
        field->spent = true;
        return;
    }
    if (says == UB_BREAKER_TRY && field->trial == 0) {
        field->trial = index;
    }
    if (says == UB_BREAKER_GO && field->due == 0 && is_due(target, field->now) &&
        !has_queue(upstream_of(brain, target->upstream), field->now)) {
        field->due = index;
    }
    if (says == UB_BREAKER_GO || panic) {
        field->target[field->count] = index;
        field->member[field->count++] = member;
    }
}

static void survey(const struct ub_brain *brain, struct field *field, bool panic)
{
    for (uint32_t m = 0; m < field->tier->count; m++) {
        const struct target *target = target_of(brain, field->tier->target[m]);
        field->open += target->breaker.open_until != 0;
        field->inflight += load_with_others(upstream_of(brain, target->upstream), field->now);
    }
    for (uint32_t m = 0; m < field->tier->count; m++) {
        consider(brain, field, m, panic);
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

static ub_ns expect_of(const struct ub_brain *brain, const struct field *field, uint32_t at)
{
    const struct target *target = target_of(brain, field->target[at]);
    return ub_pace_expect(&target->pace, field->request->prompt_tokens, field->now);
}

/* The sooner first token elsewhere against the prefill time that a warm cache saves here. */
static bool stays(const struct ub_brain *brain, const struct field *field, uint32_t at,
                  uint32_t saved_tokens)
{
    ub_ns here_ns = expect_of(brain, field, at);
    ub_ns best_ns = here_ns;
    for (uint32_t i = 0; i < field->looked; i++) {
        ub_ns expect_ns = expect_of(brain, field, field->looked_at[i]);
        best_ns = expect_ns > 0 ? ub_ns_min(best_ns, expect_ns) : best_ns;
    }
    const struct target *target = target_of(brain, field->target[at]);
    return ub_affinity_pays(here_ns - best_ns, ub_pace_prefill(&target->pace, saved_tokens));
}

static bool takes(const struct ub_brain *brain, const struct field *field, int at,
                  uint32_t saved_tokens)
{
    if (at < 0) {
        return false;
    }
    const struct target *target = target_of(brain, field->target[at]);
    uint32_t inflight = load_with_others(upstream_of(brain, target->upstream), field->now);
    return ub_affinity_fits(inflight, field->inflight, field->tier->count) &&
           stays(brain, field, (uint32_t)at, saved_tokens);
}

static int by_cookie(const struct ub_brain *brain, const struct field *field)
{
    for (uint32_t i = 0; i < field->count; i++) {
        const struct target *target = target_of(brain, field->target[i]);
        if (upstream_of(brain, target->upstream)->key == field->request->cookie_key) {
            return (int)i;
        }
    }
    return -1;
}

/* The first in the session's own order that takes it; those that are ejected or full are passed
 * over. */
static int by_session(const struct ub_brain *brain, const struct field *field, uint64_t session)
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
        if (takes(brain, field, best, field->request->prompt_tokens)) {
            return best;
        }
        passed[best] = true;
    }
    return -1;
}

static int by_prefix(struct ub_brain *brain, const struct field *field, struct ub_random *random)
{
    const struct request *request = field->request;
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
        if (takes(brain, field, at, tokens)) {
            return at;
        }
    }
    return -1;
}

/* Where affinity draws this request: an index into the field, or -1. */
static int drawn_to(struct ub_brain *brain, const struct field *field, struct ub_random *random)
{
    const struct request *request = field->request;
    uint32_t kinds = route_of(brain, request->route)->policy.affinity;
    int at = -1;
    if ((kinds & UB_AFFINITY_COOKIE) != 0 && request->cookie_key != 0) {
        at = by_cookie(brain, field);
        at = takes(brain, field, at, request->prompt_tokens) ? at : -1;
    }
    if (at < 0 && (kinds & UB_AFFINITY_HEADER) != 0 && request->header_hash != 0) {
        at = by_session(brain, field, request->header_hash);
    }
    if (at < 0 && (kinds & UB_AFFINITY_PREFIX) != 0 && request->prefix_count > 0) {
        at = by_prefix(brain, field, random);
    }
    if (at < 0 && (kinds & UB_AFFINITY_CLIENT) != 0 && request->client_hash != 0) {
        at = by_session(brain, field, request->client_hash);
    }
    return at;
}

/* The algorithm's choice among those that are looked at: an index into the field. */
static uint32_t balanced(struct ub_brain *brain, const struct field *field, struct ub_turns *turns,
                         struct ub_random *random)
{
    const struct ub_model_policy *policy = &route_of(brain, field->request->route)->policy;
    struct ub_candidate candidates[UB_TIER_MAX];
    for (uint32_t i = 0; i < field->looked; i++) {
        candidates[i] = candidate_of(brain, field, field->looked_at[i], policy->balance);
    }
    uint32_t pick =
        ub_balance_pick(policy->balance, candidates, field->looked, field->request->own_tokens,
                        policy->slow_over_ns, turns, random);
    return field->looked_at[pick];
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

static struct choice pick(struct ub_brain *brain, struct field *field, struct ub_turns *turns,
                          struct ub_random *random)
{
    enum ub_balance kind = route_of(brain, field->request->route)->policy.balance;
    field->looked = ub_balance_look_at(kind, field->count, field->looked_at, random);
    enum ub_reason reason = field->count == 1 ? UB_WHY_ONLY_ONE : UB_WHY_AFFINITY;
    int at = field->count == 1 ? 0 : drawn_to(brain, field, random);
    if (at < 0) {
        at = (int)balanced(brain, field, turns, random);
        reason = UB_WHY_BALANCED;
    }
    const struct target *target = target_of(brain, field->target[at]);
    bool trial = ub_breaker_says(&target->breaker, field->now) == UB_BREAKER_TRY;
    bool open = target->breaker.open_until != 0;
    return (struct choice){
        .target = field->target[at],
        .reason = trial  ? UB_WHY_TRIAL
                  : open ? UB_WHY_PANIC
                         : reason,
        .trial = trial,
    };
}

struct choice choose(struct ub_brain *brain, const struct request *request, uint32_t tier_index,
                     bool panic, ub_ns now, struct ub_random *random)
{
    struct route *route = route_of(brain, request->route);
    struct tier *tier = &route->tier[tier_index];
    struct field field;
    /* One by one: zeroing the arrays would cost more than the choice. */
    field.request = request;
    field.tier = tier;
    field.now = now;
    field.count = field.open = field.looked = 0;
    field.trial = field.due = 0;
    field.full = field.soft = field.spent = false;
    field.until = UB_NEVER;
    field.inflight = 0;
    survey(brain, &field, panic);

    /* A trial is for a first attempt that can still go elsewhere; in need, for anybody. */
    bool may_lose = request->attempt == 0 && request->can_retry;
    if (field.trial != 0 && (field.count == 0 || (may_lose && !panic))) {
        return (struct choice){.target = field.trial, .reason = UB_WHY_TRIAL, .trial = true};
    }
    if (field.due != 0 && may_lose) {
        return (struct choice){.target = field.due, .reason = UB_WHY_DUE};
    }
    if (field.count == 0) {
        return (struct choice){
            .full = field.full, .soft = field.soft, .spent = field.spent, .until = field.until};
    }
    return pick(brain, &field, &tier->turns, random);
}

/* admit.c - the door: may this request come in now, and when may it try again; and what it used.
 *
 * Three levels are asked, the tenant, its share of the model, and the model for all tenants together,
 * each for requests and for tokens, beside the tenant's concurrency. All must agree, then all are
 * charged; who is refused takes from none. Tokens are an estimate at the door (the prompt and what
 * answers of this model usually have) and are corrected when the request has its outcome: that is
 * when it leaves the house, however it leaves, and once.
 */
#include "policy/steps.h"

#include <assert.h>

#define LEVELS        3
#define ADVICE_MIN_NS (100 * UB_MS)
#define ADVICE_MAX_NS UB_MINUTE /* the Node SDK obeys no longer advice, API-FACTS 1.3 */
#define STAY_GAIN     8         /* one part in so many of a new sample */

/* Retries of clients per first request of theirs, beside so many per second: a tenant whose clients
 * retry more than that is told not to. The figure is that of Finagle and Envoy for their own. */
static const struct ub_retry_policy returns = {.budget = 0.2, .budget_per_s = 2};

struct level {
    const struct ub_quota *quota;
    uint64_t tokens_most; /* at once, at all gateways together */
    struct meter *meter;
    enum ub_reason requests, tokens; /* why somebody is refused at it */
};

static bool is_limited(const struct ub_quota *quota)
{
    return quota->requests.amount != 0 || quota->tokens.amount != 0;
}

/* Those that limit anything. Either index may be 0. */
static uint32_t levels_of(const struct ub_brain *brain, uint16_t tenant_index, uint16_t model_index,
                          struct level out[LEVELS])
{
    uint32_t count = 0;
    struct tenant *tenant = tenant_of(brain, tenant_index);
    struct model *model = model_of(brain, model_index);
    if (tenant_index != 0 && is_limited(&tenant->quota)) {
        out[count++] = (struct level){&tenant->quota, tenant->whole.tokens.burst, &tenant->meter,
                                      UB_WHY_TENANT_REQUESTS, UB_WHY_TENANT_TOKENS};
    }
    uint16_t share_index = tenant_index == 0 ? 0 : find_share(brain, tenant, model_index);
    if (share_index != 0) {
        struct share *share = share_of(brain, share_index);
        out[count++] = (struct level){&share->quota, share->whole.tokens.burst, &share->meter,
                                      UB_WHY_SHARE_REQUESTS, UB_WHY_SHARE_TOKENS};
    }
    if (model_index != 0 && is_limited(&model->quota)) {
        out[count++] = (struct level){&model->quota, model->quota.tokens.burst, &model->meter,
                                      UB_WHY_MODEL_REQUESTS, UB_WHY_MODEL_TOKENS};
    }
    return count;
}

/* --- the verdict --- */

struct verdict {
    enum ub_reason reason; /* NONE: come in */
    ub_ns wait_ns;         /* exact; UB_NEVER: it never fits */
    struct ub_limit *limit;
    const struct ub_rate *rate;
    uint64_t cost;
};

/* The limit that takes longest is the one that counts. */
static void ask(struct verdict *verdict, struct ub_limit *limit, const struct ub_rate *rate,
                uint64_t cost, enum ub_reason reason, ub_ns now)
{
    if (rate->amount == 0) {
        return;
    }
    ub_ns wait_ns = ub_limit_wait(limit, rate, cost, now);
    if (wait_ns > verdict->wait_ns) {
        *verdict = (struct verdict){wait_ns == UB_NEVER ? UB_WHY_TOO_LARGE : reason, wait_ns, limit,
                                    rate, cost};
    }
}

/* A reserve for the answer never makes a request too large for a burst: what it uses beyond that,
 * the next one waits for. Nor does a small part of a shared limit. */
static uint64_t token_cost(const struct request *request, const struct level *level)
{
    uint64_t least = request->prompt_tokens, burst = level->quota->tokens.burst;
    uint64_t most = least > level->tokens_most ? least : burst;
    return request->own_tokens < most ? request->own_tokens : most;
}

static struct verdict judge(const struct request *request, const struct level *levels,
                            uint32_t count, ub_ns now)
{
    struct verdict verdict = {.reason = UB_WHY_NONE};
    for (uint32_t i = 0; i < count; i++) {
        const struct level *level = &levels[i];
        ask(&verdict, &level->meter->requests, &level->quota->requests, 1, level->requests, now);
        ask(&verdict, &level->meter->tokens, &level->quota->tokens, token_cost(request, level),
            level->tokens, now);
    }
    return verdict;
}

static void charge(struct ub_brain *brain, struct request *request, const struct level *levels,
                   uint32_t count, ub_ns now)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct level *level = &levels[i];
        if (level->quota->requests.amount != 0) {
            ub_limit_take(&level->meter->requests, &level->quota->requests, 1, now);
        }
        if (level->quota->tokens.amount != 0) {
            ub_limit_take(&level->meter->tokens, &level->quota->tokens, request->own_tokens, now);
            request->reserved = request->own_tokens;
        }
    }
    brain->facts.reserved_tokens += request->reserved;
}

/* --- clients that come again --- */

static struct ub_budget *returns_of(struct ub_brain *brain, const struct request *request)
{
    return request->tenant == 0 ? &brain->returns : &tenant_of(brain, request->tenant)->returns;
}

bool may_return(struct ub_brain *brain, const struct request *request, ub_ns now)
{
    return ub_budget_has(returns_of(brain, request), &returns, now);
}

static void count_return(struct ub_brain *brain, const struct request *request, uint8_t retry,
                         ub_ns now)
{
    if (retry == 0) {
        ub_budget_first(returns_of(brain, request), &returns);
    } else {
        ub_budget_take(returns_of(brain, request), &returns, now);
    }
}

/* --- the door --- */

static void refuse(struct ub_brain *brain, struct request *request, enum ub_reason reason,
                   ub_ns wait_ns, ub_ns now)
{
    bool again = wait_ns <= ADVICE_MAX_NS && may_return(brain, request, now);
    set_state(brain, request, REQUEST_OVER);
    queue_action(brain, request,
                 (struct action){.type = UB_ACT_ANSWER,
                                 .reason = (uint8_t)reason,
                                 .error = UB_ERR_OVER_LIMIT,
                                 .should_retry = again,
                                 .upstream = UB_NO_UPSTREAM,
                                 .when = again ? wait_ns : 0});
}

/* One of those inside will leave after about this long. */
static ub_ns place_free_in(const struct tenant *tenant)
{
    ub_ns mean_ns = tenant->stay_ns / (ub_ns)tenant->concurrency;
    return tenant->stay_ns == 0 ? UB_SECOND : ub_ns_clamp(mean_ns, ADVICE_MIN_NS, ADVICE_MAX_NS);
}

bool admit(struct ub_brain *brain, struct request *request, const struct ub_arrival *arrival,
           ub_ns now)
{
    struct tenant *tenant = tenant_of(brain, request->tenant);
    count_return(brain, request, arrival->retry, now);
    if (tenant->shared) {
        tenant->asked++;
        tenant->asked_tokens += request->own_tokens;
    }
    if (request->tenant != 0 && tenant->concurrency != 0 &&
        tenant->requests > tenant->concurrency) { /* itself included */
        refuse(brain, request, UB_WHY_TENANT_CONCURRENCY, place_free_in(tenant), now);
        return false;
    }
    struct level levels[LEVELS];
    uint16_t model = route_of(brain, request->route)->model;
    uint32_t count = levels_of(brain, request->tenant, model, levels);
    if (count == 0) {
        return true;
    }
    struct verdict verdict = judge(request, levels, count, now);
    if (verdict.reason == UB_WHY_NONE) {
        charge(brain, request, levels, count, now);
        return true;
    }
    ub_ns wait_ns = verdict.wait_ns;
    if (wait_ns <= ADVICE_MAX_NS) {
        wait_ns = ub_limit_tell(verdict.limit, verdict.rate, verdict.cost, now);
        wait_ns = ub_ns_min(wait_ns, ADVICE_MAX_NS);
    }
    refuse(brain, request, verdict.reason, wait_ns, now);
    return false;
}

/* --- what was used --- */

void note_usage(struct request *request, const struct ub_event *event)
{
    const struct ub_ending *ending = &event->ended;
    uint64_t estimate = (uint64_t)request->prompt_tokens + event->said;
    uint32_t capped = estimate > UINT32_MAX ? UINT32_MAX : (uint32_t)estimate;
    bool given = request->state == REQUEST_STREAMING;
    if (event->type == UB_EV_ENDED) {
        given |= ending->error == UB_ERR_OK || ending->error == UB_ERR_EMPTY_ANSWER;
        uint64_t reported = (uint64_t)ending->tokens_in + ending->tokens_out;
        if (given && reported != 0) {
            request->used = reported > UINT32_MAX ? UINT32_MAX : (uint32_t)reported;
            return;
        }
    }
    /* Somebody who leaves has had an upstream read the prompt at least. */
    given |= event->type == UB_EV_CLIENT_LEFT && request->run[0].target != 0;
    given |= event->type == UB_EV_FIRST_PAYLOAD;
    if (given && capped > request->used) {
        request->used = capped;
    }
}

void settle(struct ub_brain *brain, struct request *request)
{
    if (request->reserved == 0) {
        return;
    }
    struct level levels[LEVELS];
    uint32_t count =
        levels_of(brain, request->tenant, route_of(brain, request->home)->model, levels);
    for (uint32_t i = 0; i < count; i++) {
        if (levels[i].quota->tokens.amount != 0) {
            ub_limit_settle(&levels[i].meter->tokens, &levels[i].quota->tokens, request->reserved,
                            request->used, brain->now);
        }
    }
    brain->facts.reserved_tokens -= request->reserved;
    request->reserved = 0;
}

/* How long requests of a tenant stay, for those that find no place. */
void learn_stay(struct tenant *tenant, ub_ns stay_ns)
{
    tenant->stay_ns += tenant->stay_ns == 0 ? stay_ns : (stay_ns - tenant->stay_ns) / STAY_GAIN;
}

/* --- for the configuration and for whoever looks --- */

static bool same_quota(const struct ub_quota *a, const struct ub_quota *b)
{
    bool same = true;
#define X(kind, field) same &= a->field == b->field;
    UB_QUOTA(X)
#undef X
    return same;
}

void adopt_quota(struct ub_quota *quota, struct meter *meter, const struct ub_quota *next,
                 ub_ns now)
{
    if (!same_quota(quota, next)) {
        *quota = *next;
        ub_limit_adopt(&meter->requests, &quota->requests, now);
        ub_limit_adopt(&meter->tokens, &quota->tokens, now);
    }
}

/* The one that allows least. */
static void tighten(struct ub_allowance_part *part, const struct ub_limit *limit,
                    const struct ub_rate *rate, ub_ns now)
{
    if (rate->amount == 0) {
        return;
    }
    uint64_t left = ub_limit_left(limit, rate, now);
    if (part->limit == 0 || left < part->left) {
        *part = (struct ub_allowance_part){rate->burst, left, ub_limit_full_in(limit, now)};
    }
}

bool ub_brain_allowance(const struct ub_brain *brain, uint16_t tenant, uint16_t model, ub_ns now,
                        struct ub_allowance *out)
{
    struct level levels[LEVELS];
    uint32_t t = tenant == UB_NO_TENANT ? 0 : tenant + 1u;
    uint32_t m = model == UB_NO_MODEL ? 0 : model + 1u;
    *out = (struct ub_allowance){0};
    if (t > brain->tenants_used || m > brain->models_used) {
        return false;
    }
    uint32_t count = levels_of(brain, (uint16_t)t, (uint16_t)m, levels);
    for (uint32_t i = 0; i < count; i++) {
        const struct level *level = &levels[i];
        tighten(&out->requests, &level->meter->requests, &level->quota->requests, now);
        tighten(&out->tokens, &level->meter->tokens, &level->quota->tokens, now);
    }
    return count > 0;
}

/* checker_start.c - may this attempt begin, here and now? */
#include "sim/checker_inside.h"

static bool in_routes(const struct ub_checker *c, const struct request_kept *r, uint16_t upstream)
{
    for (uint32_t i = 0; i < r->serves->members; i++) {
        if (r->serves->slot[i] == upstream) {
            return r->serves->slot_key[i] == c->slot_key[upstream];
        }
    }
    return false;
}

static void check_place(struct ub_checker *c, const struct request_kept *r, uint16_t upstream)
{
    if (upstream >= c->limits.upstreams || !in_routes(c, r, upstream)) {
        ub_checker_fail(c, "START on upstream %u, which is not in the request's routes", upstream);
        return;
    }
    uint32_t most = c->concurrency[upstream] == UB_NO_SLOT ? 0 : c->concurrency[upstream];
    if (c->concurrency[upstream] != 0 && c->inflight[upstream] >= most) {
        ub_checker_fail(c, "START on upstream %u over its concurrency of %u", upstream, most);
    }
    for (uint32_t i = r->attempts_before; i < r->attempts && i < ATTEMPTS_KEPT; i++) {
        if (r->error[i] == UB_ERR_LATE && r->upstream_of[i] == upstream) {
            ub_checker_fail(c, "START on upstream %u, which was silent for this request before",
                            upstream);
        }
    }
}

/* A second attempt beside one that runs. That one may have ended while the action waited. */
static bool check_race(struct ub_checker *c, const struct request_kept *r,
                       const struct ub_action *action)
{
    if (action->reason != UB_WHY_HEDGE && action->reason != UB_WHY_QUEUED_THERE) {
        return false;
    }
    if ((r->running & (r->running - 1)) != 0 || r->serves->policy.hedge_budget <= 0) {
        ub_checker_fail(c, "START of one more attempt beside those that run");
    }
    for (uint32_t i = 0; i < r->attempts && i < ATTEMPTS_KEPT; i++) {
        if ((r->running & ub_checker_bit((uint8_t)(i + 1))) != 0 &&
            r->upstream_of[i] == action->upstream) {
            ub_checker_fail(c, "START on upstream %u, where an attempt of the request runs",
                            action->upstream);
        }
    }
    return true;
}

/* An attempt that continues the broken answer. */
static void check_resume(struct ub_checker *c, const struct request_kept *r)
{
    if (!r->committed || r->broke_at == 0 || !r->can_resume || r->sealed != 0) {
        ub_checker_fail(c, "START to continue an answer that %s",
                        r->broke_at == 0 ? "is not broken" : "cannot be continued");
    }
}

static void check_first(struct ub_checker *c, const struct request_kept *r,
                        const struct ub_action *action)
{
    if (r->running != 0) {
        ub_checker_fail(c, "START of attempt %u while others run", action->attempt);
    }
    if (r->complete != 0) {
        ub_checker_fail(c, "START of a request that is answered already");
    }
    if (r->attempts > r->attempts_before && !action->resume &&
        ub_error_class(r->error[(r->attempts - 1) % ATTEMPTS_KEPT]) == UB_CLASS_CLIENT) {
        ub_checker_fail(c, "START after the client's own fault");
    }
}

void ub_checker_start(struct ub_checker *c, struct request_kept *r, const struct ub_action *action,
                      ub_ns now)
{
    if (r->model == NULL) {
        ub_checker_fail(c, "START of a request whose model nobody knows");
        return;
    }
    if (action->attempt != r->attempts + 1) {
        ub_checker_fail(c, "START of attempt %u after %u attempts", action->attempt, r->attempts);
    }
    ub_checker_stands(c, r, action);
    bool races = check_race(c, r, action);
    if (!races) {
        check_first(c, r, action);
    }
    uint32_t refusals = 0; /* do not count, for a while */
    for (uint32_t i = 0; i < r->attempts && i < ATTEMPTS_KEPT; i++) {
        refusals += ub_error_is_refusal((enum ub_error)r->error[i]);
    }
    const struct ub_retry_policy *retry = &r->serves->policy.retry;
    if (retry->ride_out_ns == 0 || retry->attempts == 1) {
        refusals = 0;
    }
    if (r->attempts >= r->attempts_before + retry->attempts + refusals) {
        ub_checker_fail(c, "more attempts than the policy's %u", retry->attempts);
    }
    if (r->attempts > 0 && !r->can_retry) {
        ub_checker_fail(c, "START again of a body that cannot be sent again");
    }
    if (action->resume) {
        check_resume(c, r);
    } else if (r->committed) {
        ub_checker_fail(c, "START of a request whose answer has begun");
    }
    if (!r->committed && now > ub_ns_after(r->deadline, c->slack_ns)) {
        ub_checker_fail(c, "START after the request's deadline");
    }
    check_place(c, r, action->upstream);
    if (c->broken[0] != '\0') {
        return;
    }
    ub_checker_pay(c, r, action->upstream, races, now);
    ub_checker_slot(c, r, action->upstream, now);
    r->attempts++;
    r->running |= ub_checker_bit(action->attempt);
    r->upstream_of[(r->attempts - 1) % ATTEMPTS_KEPT] = action->upstream;
    c->inflight[action->upstream]++;
}

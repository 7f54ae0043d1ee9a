#include "sim/checker_inside.h"

#include "base/alloc.h"

#include <string.h>

#define SWEEP_EVERY 256 /* events between two looks at everybody's deadline */

struct ub_checker *ub_checker_new(const struct ub_brain_limits *limits, ub_ns slack_ns)
{
    struct ub_checker *c = ub_calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->limits = *limits;
    c->slack_ns = c->early_ns = slack_ns;
    c->request = ub_calloc(limits->requests + 1, sizeof *c->request);
    c->slot_key = ub_calloc(limits->upstreams + 1, sizeof *c->slot_key);
    c->inflight = ub_calloc(limits->upstreams + 1, sizeof *c->inflight);
    c->streak = ub_calloc(limits->upstreams + 1, sizeof *c->streak);
    c->concurrency = ub_calloc(limits->upstreams + 1, sizeof *c->concurrency);
    c->whole = ub_calloc(limits->upstreams + 1, sizeof *c->whole);
    c->next_concurrency = ub_calloc(limits->upstreams + 1, sizeof *c->next_concurrency);
    c->bad = ub_calloc(limits->upstreams + 1, sizeof *c->bad);
    c->served = ub_calloc(limits->upstreams + 1, sizeof *c->served);
    c->bad_new = ub_calloc(limits->upstreams + 1, sizeof *c->bad_new);
    if (c->whole == NULL || c->bad == NULL || c->bad_new == NULL || c->served == NULL ||
        c->next_concurrency == NULL || c->request == NULL || c->slot_key == NULL ||
        c->inflight == NULL || c->streak == NULL || c->concurrency == NULL) {
        ub_checker_free(c);
        return NULL;
    }
    return c;
}

void ub_checker_free(struct ub_checker *c)
{
    if (c == NULL) {
        return;
    }
    for (uint32_t i = 0; c->request != NULL && i < c->high; i++) {
        if (c->request[i].alive) {
            ub_checker_let_go(c->request[i].routes);
        }
    }
    ub_checker_let_go(c->routes);
    ub_free(c->budget);
    ub_free(c->request);
    ub_free(c->tenant);
    ub_free(c->slot_key);
    ub_free(c->inflight);
    ub_free(c->streak);
    ub_free(c->whole);
    ub_free(c->concurrency);
    ub_free(c->next_concurrency);
    ub_free(c->bad);
    ub_free(c->bad_new);
    ub_free(c->served);
    ub_free(c);
}

void ub_checker_no_idle_slots(struct ub_checker *c)
{
    c->no_idle_slots = true;
}

void ub_checker_slack(struct ub_checker *c, ub_ns more_ns)
{
    c->slack_ns = ub_ns_after(c->slack_ns, more_ns);
}

const char *ub_checker_broken(const struct ub_checker *c)
{
    return c->broken[0] == '\0' ? NULL : c->broken;
}

static void on_arrived(struct ub_checker *c, const struct ub_brain *brain,
                       const struct ub_event *event)
{
    struct request_kept *r = &c->request[event->request.slot];
    if (r->alive) {
        ub_checker_fail(c, "slot %u is offered for a new request while its old one lives",
                        event->request.slot);
        return;
    }
    if (event->request.generation == 0 || event->request.generation == r->generation) {
        ub_checker_fail(c, "slot %u is offered with a generation that was used",
                        event->request.slot);
    }
    *r = (struct request_kept){
        .alive = true,
        .generation = event->request.generation,
        .worker = event->worker,
        .arrived = event->now,
        .heartbeat = event->arrived.heartbeat,
        .can_retry = event->arrived.can_retry,
        .can_resume = event->arrived.can_resume,
        .takes_message = event->arrived.takes_message,
        .tenant = ub_checker_tenant_of(c, event->arrived.tenant),
        .class = ub_checker_class_of(c, &event->arrived),
        .deadline = UB_NEVER,
        .routes = c->routes,
    };
    c->high = event->request.slot + 1 > c->high ? event->request.slot + 1 : c->high;
    c->routes->holders++;
    for (uint32_t i = 0; i < c->routes->model_count; i++) {
        struct model_kept *m = &c->routes->model[i];
        if (event->arrived.model != UB_NO_MODEL &&
            ub_brain_model(brain, m->key) == event->arrived.model) {
            r->model = r->serves = m;
            r->deadline = ub_ns_after(event->now, m->policy.total_ns);
        }
    }
    if (event->arrived.client_deadline != 0) {
        /* One that has passed already is answered at once. */
        r->deadline = ub_ns_min(r->deadline, event->arrived.client_deadline);
        r->deadline = ub_ns_max(r->deadline, event->now);
    }
}

/* The request that the event is about, when it is about an attempt that runs. */
static struct request_kept *running_one(struct ub_checker *c, const struct ub_event *event)
{
    struct request_kept *r = &c->request[event->request.slot];
    bool same = r->alive && r->generation == event->request.generation;
    return same && (r->running & ub_checker_bit(event->attempt)) != 0 ? r : NULL;
}

static void stop_running(struct ub_checker *c, struct request_kept *r, uint8_t attempt,
                         enum ub_error error)
{
    uint16_t upstream = r->upstream_of[(attempt - 1) % ATTEMPTS_KEPT];
    ub_checker_hear(c, r, upstream, error);
    r->error[(attempt - 1) % ATTEMPTS_KEPT] = (uint8_t)error;
    r->running &= ~ub_checker_bit(attempt);
    c->inflight[upstream]--;
}

/* A broken answer is continued within the time of a stall, or cut. */
static ub_ns gap_until(const struct ub_checker *c, const struct request_kept *r)
{
    return ub_ns_after(ub_ns_after(r->broke_at, r->serves->policy.stall_ns), c->slack_ns);
}

static void note_broken(struct request_kept *r, uint8_t attempt, enum ub_error error, ub_ns now)
{
    if (r->committed && attempt == r->speaker && error != UB_ERR_OK && r->broke_at == 0) {
        r->broke_at = now;
    }
}

static void sweep(struct ub_checker *c, ub_ns now)
{
    for (uint32_t i = 0; i < c->high; i++) {
        const struct request_kept *r = &c->request[i];
        if (r->alive && !r->committed && now > ub_ns_after(r->deadline, c->slack_ns)) {
            ub_checker_fail(c, "request %u.%u is past its deadline and waits on", i, r->generation);
        }
        if (r->alive && r->broke_at != 0 && now > gap_until(c, r)) {
            ub_checker_fail(c, "request %u.%u is broken and nobody says so", i, r->generation);
        }
    }
}

void ub_checker_event(struct ub_checker *c, const struct ub_brain *brain,
                      const struct ub_event *event)
{
    c->began = c->began == 0 ? event->now : c->began;
    if (++c->events % SWEEP_EVERY == 0) {
        sweep(c, event->now);
    }
    struct request_kept *r;
    switch (event->type) {
    case UB_EV_ROUTES:
        ub_checker_routes(c, brain, event);
        break;
    case UB_EV_PART:
        ub_checker_part(c, event);
        break;
    case UB_EV_ARRIVED:
        on_arrived(c, brain, event);
        break;
    case UB_EV_FIRST_PAYLOAD:
        r = running_one(c, event);
        if (r != NULL) {
            r->first_said |= ub_checker_bit(event->attempt);
            /* for a trial that is the verdict */
            ub_checker_hear(c, r, r->upstream_of[(event->attempt - 1) % ATTEMPTS_KEPT], UB_ERR_OK);
        }
        break;
    case UB_EV_ANSWERED:
        r = running_one(c, event);
        if (r != NULL) {
            r->said_all |= r->first_said & ub_checker_bit(event->attempt);
        }
        break;
    case UB_EV_PROGRESS:
        r = running_one(c, event);
        if (r != NULL) {
            r->said_all &= ~ub_checker_bit(event->attempt);
        }
        break;
    case UB_EV_ENDED:
        r = running_one(c, event);
        if (r != NULL) {
            r->complete = event->ended.error == UB_ERR_OK ? event->attempt : r->complete;
            stop_running(c, r, event->attempt, event->ended.error);
            note_broken(r, event->attempt, event->ended.error, event->now);
            r->sealed = event->ended.sealed && r->committed ? event->attempt : r->sealed;
        }
        break;
    case UB_EV_LOOKED:
        r = &c->request[event->request.slot];
        r->found |= r->alive && r->generation == event->request.generation && event->found;
        break;
    case UB_EV_CLIENT_LEFT:
        r = &c->request[event->request.slot];
        r->left |= r->alive && r->generation == event->request.generation;
        break;
    default:
        break;
    }
}

/* Did the attempt that spoke say all and then break off, or nothing more? */
static bool only_end_missing(const struct request_kept *r)
{
    uint8_t error = r->speaker == 0 ? 0 : r->error[(r->speaker - 1) % ATTEMPTS_KEPT];
    return (r->said_all & ub_checker_bit(r->speaker)) != 0 &&
           (error == UB_ERR_TRUNCATED || error == UB_ERR_RESET || error == UB_ERR_STALLED);
}

static void on_terminal(struct ub_checker *c, struct request_kept *r,
                        const struct ub_action *action, ub_ns now)
{
    if (r->running != 0) {
        ub_checker_fail(c, "a request is over while attempts of it run");
    }
    if (!r->committed && now > ub_ns_after(r->deadline, c->slack_ns)) {
        ub_checker_fail(c, "an answer after the request's deadline");
    }
    switch (action->type) {
    case UB_ACT_FINISH:
        if (r->complete == 0 && !(r->committed && only_end_missing(r))) {
            ub_checker_fail(c, "FINISH without a complete answer");
        }
        break;
    case UB_ACT_ANSWER:
        if (r->committed || action->error == UB_ERR_OK) {
            ub_checker_fail(c, "ANSWER of a request whose answer has begun");
        }
        if (action->retry_after_ns < 0 || action->retry_after_ns > UB_MINUTE) {
            ub_checker_fail(c, "advice to come back in more than a minute");
        }
        if (action->pass_on && (action->attempt == 0 || action->attempt > r->attempts ||
                                r->error[(action->attempt - 1) % ATTEMPTS_KEPT] == UB_ERR_OK)) {
            ub_checker_fail(c, "pass on attempt %u, which brought no refusal", action->attempt);
        }
        break;
    case UB_ACT_STAND_IN:
        ub_checker_stand_in(c, r, action);
        break;
    case UB_ACT_CUT:
        if (r->broke_at != 0 && now > gap_until(c, r)) {
            ub_checker_fail(c, "CUT long after the answer broke");
        }
        if (!r->committed || r->complete != 0) {
            ub_checker_fail(c, "CUT of an answer that is %s",
                            r->committed ? "complete" : "not begun");
        }
        break;
    default:
        if (!r->left) {
            ub_checker_fail(c, "DROP of a client that is there");
        }
    }
    r->alive = false;
    ub_checker_goes(c, r);
    ub_checker_let_go(r->routes);
}

static void on_heartbeat(struct ub_checker *c, struct request_kept *r, ub_ns now)
{
    const struct ub_model_policy *policy = r->model == NULL ? NULL : &r->model->policy;
    bool speaks = r->committed && r->broke_at == 0;
    if (policy == NULL || !r->heartbeat || speaks || policy->heartbeat_after_ns == 0) {
        ub_checker_fail(c, "HEARTBEAT to a client that wants none");
        return;
    }
    ub_ns due = r->last_heartbeat == 0 ? r->arrived + policy->heartbeat_after_ns
                                       : r->last_heartbeat + policy->heartbeat_every_ns;
    if (now < due - c->early_ns) {
        ub_checker_fail(c, "HEARTBEAT too early");
    }
    r->last_heartbeat = now;
}

/* The attempt may have ended, even well, while the action waited to be drained: the brain did not
 * listen to it any more. */
static void on_cancel(struct ub_checker *c, struct request_kept *r, const struct ub_action *action,
                      ub_ns now)
{
    if (action->attempt == 0 || action->attempt > r->attempts) {
        ub_checker_fail(c, "CANCEL of attempt %u of %u", action->attempt, r->attempts);
        return;
    }
    uint16_t upstream = r->upstream_of[(action->attempt - 1) % ATTEMPTS_KEPT];
    if ((r->running & ub_checker_bit(action->attempt)) != 0) {
        stop_running(c, r, action->attempt, action->error);
    } else {
        ub_checker_hear(c, r, upstream, UB_ERR_OK); /* nobody listened to its end... */
        ub_checker_hear(c, r, upstream, action->error);
    }
    r->error[(action->attempt - 1) % ATTEMPTS_KEPT] = (uint8_t)action->error;
    r->complete = r->complete == action->attempt ? 0 : r->complete;
    r->sealed = r->sealed == action->attempt ? 0 : r->sealed;
    note_broken(r, action->attempt, action->error, now);
}

static void check_idle_slots(struct ub_checker *c, const struct ub_brain *brain)
{
    if (ub_brain_facts(brain).waiting == 0) {
        return;
    }
    for (uint32_t i = 0; i < c->limits.upstreams; i++) {
        if (c->slot_key[i] != 0 && c->concurrency[i] != UB_NO_SLOT &&
            c->inflight[i] < c->concurrency[i]) {
            ub_checker_fail(c, "somebody waits in line while upstream %u has a free slot", i);
        }
    }
}

void ub_checker_drained(struct ub_checker *c, const struct ub_brain *brain)
{
    for (uint32_t i = 0; i < c->limits.upstreams && c->routes_new; i++) {
        c->concurrency[i] = c->next_concurrency[i];
    }
    c->routes_new = false;
    struct ub_brain_facts facts = ub_brain_facts(brain);
    ub_checker_waiting(c, facts.waiting, facts.waiting_bytes);
    memset(c->bad_new, 0, c->limits.upstreams * sizeof *c->bad_new);
    if (c->no_idle_slots) {
        check_idle_slots(c, brain);
    }
}

void ub_checker_action(struct ub_checker *c, const struct ub_action *action, ub_ns now)
{
    if (action->reason == UB_WHY_NONE) {
        ub_checker_fail(c, "an action without a reason");
    }
    if (action->type == UB_ACT_PROBE) {
        if (action->upstream >= c->limits.upstreams || c->slot_key[action->upstream] == 0) {
            ub_checker_fail(c, "PROBE of upstream %u, which is nobody", action->upstream);
        }
        return;
    }
    struct request_kept *r =
        action->request.slot <= c->limits.requests ? &c->request[action->request.slot] : NULL;
    if (r == NULL || !r->alive || r->generation != action->request.generation) {
        ub_checker_fail(c, "an action for a request that is not alive: %u.%u", action->request.slot,
                        action->request.generation);
        return;
    }
    if (action->worker != r->worker) {
        ub_checker_fail(c, "an action in the mailbox of worker %u instead of %u", action->worker,
                        r->worker);
    }
    if (action->type == UB_ACT_START) {
        ub_checker_let_in(c, r, now);
    } else if (r->let_in && action->error == UB_ERR_OVER_LIMIT) {
        ub_checker_fail(c, "a request is turned away that was let in");
    }
    switch (action->type) {
    case UB_ACT_START:
        ub_checker_start(c, r, action, now);
        break;
    case UB_ACT_FORWARD:
        if ((r->committed && r->broke_at == 0) || action->attempt == 0 ||
            (r->first_said & ub_checker_bit(action->attempt)) == 0) {
            ub_checker_fail(c, "FORWARD of attempt %u without its first payload", action->attempt);
        }
        r->committed = true;
        r->broke_at = 0;
        r->speaker = action->attempt;
        /* It may have broken before we were asked to forward it. */
        note_broken(r, action->attempt, r->error[(action->attempt - 1) % ATTEMPTS_KEPT], now);
        break;
    case UB_ACT_HEARTBEAT:
        on_heartbeat(c, r, now);
        break;
    case UB_ACT_CANCEL:
        on_cancel(c, r, action, now);
        break;
    case UB_ACT_LOOK:
        ub_checker_look(c, r, action);
        break;
    default:
        on_terminal(c, r, action, now);
    }
}

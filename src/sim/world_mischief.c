/* world_mischief.c - what a body may do to the brain without breaking its word, and a story never
 * does: words about what is over, needless wake-ups, probes that nobody asked for, a body that
 * slept. */
#include "sim/world_inside.h"

static void needless_wake(struct ub_world *w, struct ub_random *random)
{
    struct ub_event event = {.type = UB_EV_WOKEN,
                             .worker = (uint16_t)ub_random_below(random, w->options.workers)};
    ub_world_say(w, &event);
}

static void unasked_probe(struct ub_world *w, struct ub_random *random)
{
    struct ub_event event = {.type = UB_EV_PROBED};
    event.probed.upstream = (uint16_t)ub_random_below(random, w->options.limits.upstreams);
    event.probed.ok = ub_random_below(random, 2) == 0;
    ub_world_say(w, &event);
}

static void wild_load(struct ub_world *w, struct ub_random *random)
{
    struct ub_event event = {.type = UB_EV_LOAD};
    event.load.upstream = (uint16_t)ub_random_below(random, w->options.limits.upstreams + 1);
    event.load.running = ub_random_below(random, 2) == 0 ? UINT32_MAX : ub_random_below(random, 9);
    event.load.waiting = ub_random_below(random, 2) == 0 ? UINT32_MAX : ub_random_below(random, 9);
    event.load.kv = 2 * ub_random_unit(random);
    ub_world_say(w, &event);
}

/* Others want more now, or less. */
static void wild_part(struct ub_world *w, struct ub_random *random)
{
    struct ub_event event = {.type = UB_EV_PART};
    event.part.upstream = (uint16_t)ub_random_below(random, w->options.limits.upstreams + 1);
    event.part.concurrency =
        ub_random_below(random, 8) == 0 ? UINT32_MAX : ub_random_below(random, 6);
    ub_world_say(w, &event);
}

static void wild_tenant_part(struct ub_world *w, struct ub_random *random)
{
    struct ub_event event = {.type = UB_EV_TENANT_PART};
    event.tenant_part.tenant = (uint16_t)ub_random_below(random, w->options.limits.tenants + 1);
    event.tenant_part.part = ub_random_below(random, UB_PART_WHOLE + UB_PART_WHOLE / 4);
    ub_world_say(w, &event);
}

/* A word about a request that is over, or about an attempt that is. */
static void late_word(struct ub_world *w, struct ub_random *random)
{
    if (w->request_count == 0) {
        return;
    }
    const struct ub_sim_request *r = &w->request[ub_random_below(random, w->request_count)];
    if (r->id.generation == 0 || r->result.attempts == 0) {
        return;
    }
    struct ub_event event = {.request = r->id,
                             .attempt = (uint8_t)(1 + ub_random_below(random, r->result.attempts))};
    if (ub_world_attempt_running(w, r, event.attempt) != NULL) {
        return;
    }
    switch (ub_random_below(random, r->alive ? 5 : 6)) {
    case 0:
        event.type = UB_EV_FIRST_PAYLOAD;
        break;
    case 1:
        event.type = UB_EV_PROGRESS;
        break;
    case 2:
        event.type = UB_EV_ANSWERED;
        break;
    case 3:
        event.type = UB_EV_QUEUED;
        break;
    case 4:
        event.type = UB_EV_ENDED;
        event.ended.error = (enum ub_error)ub_random_below(random, UB_ERR_COUNT);
        break;
    default:
        event.type = UB_EV_CLIENT_LEFT;
        event.left = UB_ERR_CLIENT_GONE;
    }
    ub_world_say(w, &event);
}

void ub_world_mischief(struct ub_world *w, struct ub_random *random)
{
    switch (ub_random_below(random, 7)) {
    case 0:
        needless_wake(w, random);
        break;
    case 1:
        unasked_probe(w, random);
        break;
    case 2:
        wild_load(w, random);
        break;
    case 3:
        wild_part(w, random);
        break;
    case 4:
        wild_tenant_part(w, random);
        break;
    default:
        late_word(w, random);
    }
}

void ub_world_sleep(struct ub_world *w, ub_ns sleep_ns)
{
    ub_world_run_until(w, ub_world_now(w)); /* it does not fall asleep with actions in its hands */
    w->now += sleep_ns;
    ub_checker_slack(w->checker, sleep_ns);
}

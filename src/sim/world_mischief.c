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

/* A word about a request that is over, or about an attempt that is. */
static void late_word(struct ub_world *w, struct ub_random *random)
{
    if (w->request_count == 0) {
        return;
    }
    const struct ub_sim_request *r = &w->request[ub_random_below(random, w->request_count)];
    uint32_t over = r->attempt == UB_SIM_NOBODY ? r->result.attempts : r->result.attempts - 1;
    if (r->id.generation == 0 || over == 0) {
        return;
    }
    struct ub_event event = {.request = r->id,
                             .attempt = (uint8_t)(1 + ub_random_below(random, over))};
    switch (ub_random_below(random, r->alive ? 4 : 5)) {
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
    switch (ub_random_below(random, 4)) {
    case 0:
        needless_wake(w, random);
        break;
    case 1:
        unasked_probe(w, random);
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

/* The door itself: ids, late words, snapshots, wake-ups. What the brain decides is told in
 * tests/stories. */
#include "policy/brain.h"

#include "base/alloc.h"
#include "base/test.h"
#include <stdlib.h>

static const struct ub_brain_limits limits = {.requests = 4,
                                              .upstreams = 4,
                                              .targets = 8,
                                              .models = 2,
                                              .routes = 4,
                                              .workers = 2,
                                              .prefixes = 64};

static struct ub_brain *fresh(void)
{
    void *block = aligned_alloc(64, (ub_brain_size(&limits) + 63) / 64 * 64);
    memset(block, 0, ub_brain_size(&limits));
    return ub_brain_init(block, &limits);
}

static void route(struct ub_brain *brain, uint32_t upstreams, uint32_t concurrency)
{
    struct ub_upstream_spec specs[4];
    struct ub_model_spec model = {.key = 100, .policy = ub_model_policy_default(), .tiers = 1};
    for (uint32_t i = 0; i < upstreams; i++) {
        specs[i] = (struct ub_upstream_spec){.key = i + 1, .concurrency = concurrency};
        model.tier[0].member[i] = (uint16_t)i;
    }
    model.tier[0].count = upstreams;
    const struct ub_routes routes = {.upstream_count = upstreams,
                                     .model_count = 1,
                                     .queue_size = 2,
                                     .upstreams = specs,
                                     .models = &model};
    ub_brain_step(brain, &(struct ub_event){.type = UB_EV_ROUTES, .now = 1, .routes = &routes});
}

static struct ub_request_id arrive(struct ub_brain *brain, ub_ns now)
{
    struct ub_event event = {.type = UB_EV_ARRIVED,
                             .now = now,
                             .seed = 7,
                             .request = ub_brain_next_id(brain),
                             .worker = 1,
                             .arrived = {.model = ub_brain_model(brain, 100),
                                         .stream = true,
                                         .heartbeat = true,
                                         .can_retry = true,
                                         .prompt_tokens = 10}};
    ub_brain_step(brain, &event);
    return event.request;
}

static struct ub_event about(enum ub_event_type type, struct ub_request_id id, uint8_t attempt,
                             ub_ns now)
{
    return (struct ub_event){.type = type, .now = now, .request = id, .attempt = attempt};
}

static bool nothing_left(struct ub_brain *brain)
{
    struct ub_action action;
    return !ub_brain_next(brain, &action) && ub_brain_check(brain) == NULL;
}

static void test_simple_life(void)
{
    struct ub_brain *brain = fresh();
    struct ub_action a;
    route(brain, 1, 0);
    struct ub_request_id id = arrive(brain, UB_SECOND);
    UB_CHECK(ub_brain_wake_at(brain, 0) == 0, "while actions wait, wake_at says now");
    UB_CHECK(ub_brain_next(brain, &a) && a.type == UB_ACT_START && a.attempt == 1 &&
                 a.upstream == 0,
             "an arrival starts an attempt");
    UB_CHECK(a.worker == 1 && a.reason == UB_WHY_ONLY_ONE, "for its worker, with a reason");
    UB_CHECK(ub_brain_wake_at(brain, 1) == 6 * UB_SECOND, "the worker is to wake at the deadline");
    UB_CHECK(ub_brain_wake_at(brain, 0) == UB_NEVER, "the other one is not");

    struct ub_event first = about(UB_EV_FIRST_PAYLOAD, id, 1, 2 * UB_SECOND);
    ub_brain_step(brain, &first);
    UB_CHECK(ub_brain_next(brain, &a) && a.type == UB_ACT_FORWARD,
             "the first payload is forwarded");
    ub_brain_step(brain, &first);
    UB_CHECK(nothing_left(brain), "once");

    struct ub_event ended = about(UB_EV_ENDED, id, 2, 3 * UB_SECOND);
    ub_brain_step(brain, &ended);
    UB_CHECK(nothing_left(brain), "the end of an attempt that does not exist is nothing");
    ended.attempt = 1;
    ub_brain_step(brain, &ended);
    UB_CHECK(ub_brain_next(brain, &a) && a.type == UB_ACT_FINISH, "the end finishes the request");
    ub_brain_step(brain, &ended);
    UB_CHECK(nothing_left(brain) && ub_brain_facts(brain).requests == 0,
             "and leaves nothing behind");
    UB_CHECK(ub_brain_next_id(brain).slot == id.slot &&
                 ub_brain_next_id(brain).generation == id.generation + 1,
             "the slot is used again under a new generation");
    arrive(brain, 4 * UB_SECOND);
    UB_CHECK(ub_brain_next(brain, &a) && a.type == UB_ACT_START, "for another request");
    ended.now = 5 * UB_SECOND;
    ub_brain_step(brain, &ended);
    UB_CHECK(nothing_left(brain) && ub_brain_facts(brain).requests == 1,
             "which late words about the old one do not end");
    free(brain);
}

/* An answer that seems to have said all, and then goes on. */
static void test_more_behind_the_end(void)
{
    struct ub_brain *brain = fresh();
    struct ub_action a;
    route(brain, 1, 0);
    struct ub_request_id id = arrive(brain, UB_SECOND);
    struct ub_event event = about(UB_EV_FIRST_PAYLOAD, id, 1, 2 * UB_SECOND);
    ub_brain_step(brain, &event);
    while (ub_brain_next(brain, &a)) {
    }
    event = about(UB_EV_ANSWERED, id, 1, 3 * UB_SECOND);
    ub_brain_step(brain, &event);
    UB_CHECK(ub_brain_wake_at(brain, 1) == 5 * UB_SECOND, "the end has two seconds");
    event = about(UB_EV_PROGRESS, id, 1, 4 * UB_SECOND);
    ub_brain_step(brain, &event);
    event = (struct ub_event){.type = UB_EV_WOKEN, .now = 5 * UB_SECOND, .worker = 1};
    ub_brain_step(brain, &event);
    UB_CHECK(nothing_left(brain) && ub_brain_wake_at(brain, 1) == 34 * UB_SECOND,
             "what is said takes them back: it may be silent as long as before");
    event = about(UB_EV_ENDED, id, 1, 6 * UB_SECOND);
    event.ended.error = UB_ERR_TRUNCATED;
    ub_brain_step(brain, &event);
    UB_CHECK(ub_brain_next(brain, &a) && a.type == UB_ACT_CUT && nothing_left(brain),
             "and then to break off is no good end");
    free(brain);
}

static void test_full_house(void)
{
    struct ub_brain *brain = fresh();
    struct ub_action a;
    route(brain, 1, 1);
    for (int i = 0; i < 4; i++) {
        arrive(brain, UB_SECOND);
    }
    UB_CHECK(ub_brain_next_id(brain).generation == 0, "a full house has no id to give");
    UB_CHECK(ub_brain_next(brain, &a) && a.type == UB_ACT_START, "one slot, one attempt");
    struct ub_request_id runner = a.request;
    UB_CHECK(ub_brain_next(brain, &a) && a.type == UB_ACT_ANSWER && a.error == UB_ERR_QUEUE_FULL,
             "two wait, the fourth is refused");
    UB_CHECK(nothing_left(brain) && ub_brain_facts(brain).waiting == 2, "nobody else moves");

    struct ub_event left = about(UB_EV_CLIENT_LEFT, runner, 0, 2 * UB_SECOND);
    left.left = UB_ERR_CLIENT_GONE;
    ub_brain_step(brain, &left);
    UB_CHECK(ub_brain_next(brain, &a) && a.type == UB_ACT_CANCEL, "a client that leaves: cancel");
    UB_CHECK(ub_brain_next(brain, &a) && a.type == UB_ACT_DROP, "and drop");
    UB_CHECK(ub_brain_next(brain, &a) && a.type == UB_ACT_START && a.reason == UB_WHY_SLOT_FREED,
             "its slot goes to the first in line");
    UB_CHECK(nothing_left(brain), "only to that one");
    free(brain);
}

/* The same events after a snapshot give the same actions. */
static void test_snapshot(void)
{
    struct ub_brain *brain = fresh();
    struct ub_action a, b;
    route(brain, 3, 1);
    struct ub_request_id id = arrive(brain, UB_SECOND);
    arrive(brain, UB_SECOND);
    ub_brain_next(brain, &a);

    size_t size = ub_brain_snapshot_size(brain);
    char *bytes = malloc(size);
    UB_CHECK(ub_brain_snapshot(brain, bytes) == size, "the snapshot is as long as announced");
    UB_CHECK(size < ub_brain_size(&limits), "and holds only what is used");
    void *block = aligned_alloc(64, (ub_brain_size(&limits) + 63) / 64 * 64);
    memset(block, 0, ub_brain_size(&limits));
    struct ub_brain *twin = ub_brain_restore(block, &limits, bytes, size);
    UB_CHECK(twin != NULL && ub_brain_check(twin) == NULL, "it comes back whole");

    struct ub_event ended = about(UB_EV_ENDED, id, 1, 2 * UB_SECOND);
    ended.ended.error = UB_ERR_UPSTREAM_BUSY;
    ub_brain_step(brain, &ended);
    ub_brain_step(twin, &ended);
    bool same = true;
    while (ub_brain_next(brain, &a)) {
        same &= ub_brain_next(twin, &b) && a.type == b.type && a.upstream == b.upstream &&
                a.attempt == b.attempt && a.reason == b.reason && a.deadline == b.deadline;
    }
    UB_CHECK(same && !ub_brain_next(twin, &b), "and decides the same");
    free(block);

    block = calloc(1, ub_brain_size(&limits) + 64);
    bytes[0] ^= 1;
    UB_CHECK(ub_brain_restore(block, &limits, bytes, size) == NULL,
             "other bytes are not a snapshot");
    bytes[0] ^= 1;
    UB_CHECK(ub_brain_restore(block, &limits, bytes, size - 1) == NULL, "nor are too few");
    free(block);
    free(bytes);
    free(brain);
}

/* A START that uses a slot is drained after the CANCEL that freed it, whoever's they are. */
static void test_order(void)
{
    struct ub_brain *brain = fresh();
    struct ub_action a;
    route(brain, 1, 1);
    arrive(brain, UB_SECOND);
    struct ub_request_id waiting = arrive(brain, UB_SECOND);
    while (ub_brain_next(brain, &a)) {
    }
    /* Heartbeats of both come due; the waiting one's action is then the older one. */
    struct ub_event woken = {.type = UB_EV_WOKEN, .now = 12 * UB_SECOND, .worker = 1};
    ub_brain_step(brain, &woken);
    struct ub_event left =
        about(UB_EV_CLIENT_LEFT, (struct ub_request_id){1, 1}, 0, 12 * UB_SECOND);
    left.left = UB_ERR_CLIENT_GONE;
    ub_brain_step(brain, &left);
    bool freed = false, in_order = false;
    while (ub_brain_next(brain, &a)) {
        freed |= a.type == UB_ACT_CANCEL;
        in_order |= a.type == UB_ACT_START && a.request.slot == waiting.slot && freed;
    }
    UB_CHECK(in_order && ub_brain_check(brain) == NULL,
             "actions come in the order of the decisions");
    free(brain);
}

static void test_refusals(void)
{
    struct ub_brain *brain = fresh();
    struct ub_upstream_spec specs[5] = {{1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}};
    struct ub_model_spec model = {.key = 100, .policy = ub_model_policy_default(), .tiers = 1};
    model.tier[0].count = 1;
    struct ub_routes routes = {
        .upstream_count = 5, .model_count = 1, .upstreams = specs, .models = &model};
    UB_CHECK(ub_brain_refuses(brain, &routes) != NULL, "more upstreams than fit");
    routes.upstream_count = 4;
    UB_CHECK(ub_brain_refuses(brain, &routes) == NULL, "as many as fit");
    model.tier[0].member[0] = 4;
    UB_CHECK(ub_brain_refuses(brain, &routes) != NULL, "a member that is not there");
    model.tier[0].member[0] = 0;
    model.policy.retry.attempts = 17;
    UB_CHECK(ub_brain_refuses(brain, &routes) != NULL, "too many attempts");
    model.policy = ub_model_policy_default();
    model.policy.heartbeat_every_ns = 0;
    UB_CHECK(ub_brain_refuses(brain, &routes) != NULL, "a heartbeat without a pause");
    model.policy = ub_model_policy_default();
    model.steps = 2;
    model.step[0] = (struct ub_step){UB_STEP_MODEL, 0};
    model.step[1] = (struct ub_step){UB_STEP_MESSAGE, 0};
    UB_CHECK(ub_brain_refuses(brain, &routes) != NULL, "a ladder that leads to its own model");
    model.step[0].value = 1;
    UB_CHECK(ub_brain_refuses(brain, &routes) != NULL, "or to one that is not there");
    model.step[0] = (struct ub_step){UB_STEP_MAX_TOKENS, 0};
    UB_CHECK(ub_brain_refuses(brain, &routes) != NULL, "or to nothing");
    model.step[0].value = 1;
    UB_CHECK(ub_brain_refuses(brain, &routes) == NULL, "one that leads somewhere");
    model.step[0] = model.step[1];
    UB_CHECK(ub_brain_refuses(brain, &routes) != NULL, "two messages");
    model.step[0].kind = UB_STEP_KINDS;
    UB_CHECK(ub_brain_refuses(brain, &routes) != NULL, "a step that nobody knows");
    model.steps = UB_STEPS_MAX + 1;
    UB_CHECK(ub_brain_refuses(brain, &routes) != NULL, "too many steps");
    model.steps = 0;
    model.tier[0].count = 2;
    model.tier[0].member[1] = 0;
    UB_CHECK(ub_brain_refuses(brain, &routes) != NULL, "a member that stands there twice");
    model.tier[0].member[1] = 1;
    specs[3].key = 1;
    UB_CHECK(ub_brain_refuses(brain, &routes) != NULL, "an upstream that stands there twice");
    free(brain);
}

int main(void)
{
    test_simple_life();
    test_more_behind_the_end();
    test_full_house();
    test_snapshot();
    test_order();
    test_refusals();
    return ub_test_done();
}

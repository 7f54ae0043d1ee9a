/* The checker can fail: each promise is broken once, by hand. A row is a little script of what the
 * brain was told and what it answered, and the words that the checker must find for it. */
#include "sim/checker.h"

#include "base/test.h"
#include <stdio.h>
#include <stdlib.h>

#define NOW       UB_HOUR
#define MODEL_KEY 100
#define LATE_NS   (10 * UB_MS) /* how late the body may be */

static const struct ub_brain_limits limits = {.requests = 4,
                                              .upstreams = 4,
                                              .targets = 8,
                                              .models = 2,
                                              .routes = 4,
                                              .workers = 2,
                                              .prefixes = 4,
                                              .tenants = 1};

/* Upstream 0 takes two at a time; two attempts, ten seconds, a retry budget of nothing.
 *   member  over                     an event: of a tenant that may have one at a time, two at once and
 *                                    one a second; an action: it is over its limit
 *   arrive  once  leave              events; the body of `once` cannot be sent again
 *   first:N  ok:N                    the attempt's first payload, its good end
 *   said:N  reset:N                  all of it was said; the connection breaks
 *   busy:N  fail:N  fault:N          429, 500 and 400 instead
 *   race:N@U                         the same as start, beside one that runs
 *   start:N@U  forward:N  cancel:N   actions; beat, finish, answer, pass:N, cut, drop as well
 *   late:N                           cancelled for its silence
 *   look:S  stand:S  less:N@U        actions: step S of the ladder (1 a stale answer, 2 a shorter one, 3 a
 *                                    message; 12 and 23 are two of them); an attempt that stands on step 2
 *   found                            the cache has it
 *   wait:MS                          time goes by
 *   other                            from here on of a second request
 *   many                             so much else happens that everybody is looked at
 *   mute                             from here on actions come without a reason
 *   paid                             from here on with one extra attempt for each first one
 *   drained                          no older action is to come
 *   quiet                            everything should be over */
static const struct {
    const char *name;
    const char *script;
    const char *broken; /* NULL: nothing is */
} rows[] = {
    {"a good life", "arrive start:1@0 first:1 forward:1 ok:1 finish", NULL},
    {"a retry where slots are known to be free",
     "arrive start:1@1 busy:1 start:2@0 first:2 forward:2 ok:2 finish", NULL},
    {"a client that leaves", "arrive start:1@0 leave cancel:1 drop", NULL},
    {"no outcome", "arrive start:1@0 ok:1 quiet", "has no outcome"},
    {"two outcomes", "arrive start:1@0 first:1 forward:1 ok:1 finish answer", "not alive"},
    {"an attempt after the end", "arrive answer start:1@0", "not alive"},
    {"an attempt that goes on after the end", "arrive start:1@0 answer",
     "while attempts of it run"},
    {"two attempts at a time", "arrive start:1@0 start:2@1", "while others run"},
    {"a rival at the same upstream", "arrive start:1@0 race:2@0",
     "where an attempt of the request"},
    {"a third beside two", "paid arrive start:1@1 other arrive start:1@0 race:2@1 race:3@1",
     "one more attempt beside"},
    {"a race",
     "paid arrive start:1@1 other arrive start:1@0 race:2@1 first:2 cancel:1 forward:2 ok:2 finish",
     NULL},
    {"a race whose loser runs on",
     "paid arrive start:1@1 other arrive start:1@0 race:2@1 first:2 forward:2 ok:2 finish",
     "while attempts of it run"},
    {"a rival that nobody paid for", "arrive start:1@0 race:2@1", "overspent"},
    {"a rival after the commit point", "arrive start:1@0 first:1 forward:1 race:2@1", "has begun"},
    {"a rival that speaks second", "arrive start:1@0 first:1 forward:1 first:2 forward:2",
     "FORWARD of attempt 2"},
    {"a number left out", "arrive start:2@0", "START of attempt 2 after 0"},
    {"more attempts than allowed", "arrive start:1@1 busy:1 start:2@0 busy:2 start:3@0",
     "more attempts than the policy's 2"},
    {"over the concurrency", "arrive start:1@0 other arrive start:1@0 third arrive start:1@0",
     "over its concurrency of 2"},
    {"an upstream of nobody's routes", "arrive start:1@3", "not in the request's routes"},
    {"once more where it was silent", "arrive start:1@0 late:1 start:2@0", "silent for this"},
    {"a retry of the client's own fault", "arrive start:1@0 fault:1 start:2@1", "own fault"},
    {"a body sent twice that is gone", "once start:1@1 busy:1 start:2@0", "cannot be sent again"},
    {"a retry that nobody paid for", "arrive start:1@0 fail:1 start:2@1",
     "budget of a model overspent"},
    {"a retry where nobody tried first", "paid arrive start:1@1 fail:1 start:2@0",
     "budget of an upstream overspent"},
    {"a retry where somebody tried first",
     "paid arrive start:1@0 ok:1 finish other arrive start:1@1 fail:1 start:2@0", NULL},
    {"from a refusal to one that has just refused as well",
     "arrive start:1@0 busy:1 drained other arrive start:1@1 busy:1 start:2@0",
     "budget of a model"},
    {"the same, decided before that refusal",
     "arrive start:1@0 busy:1 other arrive start:1@1 busy:1 start:2@0", NULL},
    {"the same, after a good word",
     "arrive start:1@0 busy:1 drained other arrive start:1@0 first:1 third arrive start:1@1 busy:1 "
     "start:2@0",
     NULL},
    {"an answer without its first payload", "arrive start:1@0 forward:1", "without its first"},
    {"a second beginning", "arrive start:1@0 first:1 forward:1 forward:1", "FORWARD of attempt 1"},
    {"a retry after the commit point", "arrive start:1@0 first:1 forward:1 busy:1 start:2@1",
     "has begun"},
    {"a good end of a broken answer", "arrive start:1@0 first:1 forward:1 fail:1 finish",
     "without a complete"},
    {"only the end is missing", "arrive start:1@0 first:1 forward:1 said:1 reset:1 finish", NULL},
    {"more was said behind the end",
     "arrive start:1@0 first:1 forward:1 said:1 more:1 reset:1 finish", "without a complete"},
    {"more than the end is missing", "arrive start:1@0 first:1 forward:1 reset:1 finish",
     "without a complete"},
    {"an error after the beginning", "arrive start:1@0 first:1 forward:1 fail:1 answer",
     "has begun"},
    {"a cut of what is whole", "arrive start:1@0 first:1 forward:1 ok:1 cut", "is complete"},
    {"a cut of what is not begun", "arrive start:1@0 fail:1 cut", "not begun"},
    {"a client dropped that is there", "arrive start:1@0 fail:1 drop", "that is there"},
    {"a refusal that nobody said", "arrive start:1@0 ok:1 pass:1", "no refusal"},
    {"an attempt after the deadline", "arrive wait:10020 start:1@0",
     "after the request's deadline"},
    {"an answer after the deadline", "arrive wait:10020 answer", "after the request's deadline"},
    {"in time, if only just", "arrive wait:10009 answer", NULL},
    {"a comment too early", "arrive start:1@0 wait:9000 beat", "too early"},
    {"the next one too early", "arrive start:1@0 wait:10000 beat wait:50 beat", "too early"},
    {"a comment in the answer", "arrive start:1@0 first:1 forward:1 wait:10000 beat", "wants none"},
    {"the cancelling of nothing", "arrive cancel:1", "CANCEL of attempt 1 of 0"},
    {"advice of more than a minute", "arrive advise", "more than a minute"},
    {"a tenant that keeps to its limits",
     "member start:1@0 ok:1 finish other member over third member start:1@0 ok:1 finish", NULL},
    {"more of a tenant than its concurrency", "member start:1@0 other member start:1@1",
     "2 requests of a tenant in the house that may have 1"},
    {"more of a tenant than its rate",
     "member start:1@0 ok:1 finish other member start:1@0 ok:1 finish third member start:1@0 ok:1 "
     "finish other member start:1@0",
     "4 requests of a tenant came in that may have 2"},
    {"a tenant's rate that time has filled",
     "member start:1@0 ok:1 finish other member start:1@0 ok:1 finish third member start:1@0 ok:1 "
     "finish wait:1000 other member start:1@0",
     NULL},
    {"turned away from inside", "member start:1@0 ok:1 over", "turned away that was let in"},
    {"a ladder", "arrive start:1@0 look:1 stand:3", "while an attempt runs"},
    {"the whole ladder", "paid arrive start:1@1 busy:1 look:1 less:2@0 busy:2 stand:23", NULL},
    {"a step back", "paid arrive start:1@1 busy:1 less:2@0 busy:2 look:12",
     "step 1 of the ladder after"},
    {"a step twice", "arrive start:1@1 busy:1 look:1 look:1", "step 1 of the ladder after step 1"},
    {"a step that does not hold", "paid arrive less:1@1 busy:1 start:2@0",
     "step 2 of the ladder is"},
    {"a step when the answer has begun", "arrive start:1@0 first:1 forward:1 fail:1 look:1",
     "when the answer has begun"},
    {"a step after the client's own fault", "arrive start:1@0 fault:1 stand:3", "own fault"},
    {"a stale answer that is there", "arrive look:1 found stand:1", NULL},
    {"a stale answer that is not", "arrive look:1 stand:1", "nobody has found"},
    {"a message to one that cannot read it", "once stand:3", "cannot read it"},
    {"a look for a message", "arrive look:3", "no stale answer"},
    {"a step that is not on the ladder", "arrive stand:4", "not on the ladder"},
    {"an attempt on a message", "arrive less:1@0 ok:1 stand:2", "no answer"},
    {"a wrong mailbox", "arrive misplace", "mailbox of worker 1"},
    {"no reason", "arrive mute start:1@0", "without a reason"},
    {"an occupied slot", "arrive arrive", "while its old one lives"},
    {"a used generation", "arrive answer arrive", "generation that was used"},
    {"nobody told in time", "arrive wait:10020 many", "past its deadline and waits on"},
    {"a refusal by somebody full, but nobody knows how many fit elsewhere",
     "arrive start:1@0 busy:1 start:2@1", "budget of a model overspent"},
    {"a probe of nobody", "probe", "which is nobody"},
    {"attempts that the brain does not count", "arrive start:1@0 busy:1 answer quiet",
     "the brain counts 0 first"},
};

struct play {
    struct ub_brain *brain;
    struct ub_checker *checker;
    ub_ns now;
    struct ub_request_id id;
    uint8_t attempt;
    enum ub_reason reason; /* of the actions */
};

static void act(struct play *p, struct ub_action action)
{
    action.request = p->id;
    action.reason = p->reason;
    ub_checker_action(p->checker, &action, p->now);
}

static void tell(struct play *p, struct ub_event event)
{
    event.now = p->now;
    event.request = p->id;
    event.attempt = p->attempt;
    ub_checker_event(p->checker, p->brain, &event);
}

static void end(struct play *p, enum ub_error error)
{
    tell(p, (struct ub_event){.type = UB_EV_ENDED, .ended = {.error = error}});
}

static void answer_error(struct play *p, enum ub_error error)
{
    act(p, (struct ub_action){.type = UB_ACT_ANSWER, .error = error});
}

static void answer(struct play *p, bool pass_on, ub_ns retry_after_ns, uint16_t worker)
{
    act(p, (struct ub_action){.type = UB_ACT_ANSWER,
                              .error = UB_ERR_ALL_BUSY,
                              .attempt = p->attempt,
                              .pass_on = pass_on,
                              .worker = worker,
                              .retry_after_ns = retry_after_ns});
}

static void arrive(struct play *p, bool can_retry, uint16_t tenant)
{
    tell(p, (struct ub_event){.type = UB_EV_ARRIVED,
                              .arrived = {.model = ub_brain_model(p->brain, MODEL_KEY),
                                          .tenant = tenant,
                                          .heartbeat = true,
                                          .can_retry = can_retry,
                                          .takes_message = can_retry}});
}

/* Words that stand for one action each, of the attempt that the word names. */
static const struct {
    const char *word;
    enum ub_action_type type;
    enum ub_error error;
} actions[] = {
    {"forward", UB_ACT_FORWARD, UB_ERR_OK},    {"cancel", UB_ACT_CANCEL, UB_ERR_CLIENT_GONE},
    {"late", UB_ACT_CANCEL, UB_ERR_LATE},      {"beat", UB_ACT_HEARTBEAT, UB_ERR_OK},
    {"finish", UB_ACT_FINISH, UB_ERR_OK},      {"cut", UB_ACT_CUT, UB_ERR_BROKEN},
    {"drop", UB_ACT_DROP, UB_ERR_CLIENT_GONE},
};

static const struct {
    const char *word;
    enum ub_error error;
} endings[] = {
    {"ok", UB_ERR_OK},       {"busy", UB_ERR_THROTTLED},    {"fail", UB_ERR_UPSTREAM_ERROR},
    {"reset", UB_ERR_RESET}, {"fault", UB_ERR_BAD_REQUEST},
};

static bool table_word(struct play *p, const char *word)
{
    for (size_t i = 0; i < UB_COUNT(actions); i++) {
        if (strcmp(word, actions[i].word) == 0) {
            act(p, (struct ub_action){
                       .type = actions[i].type, .error = actions[i].error, .attempt = p->attempt});
            return true;
        }
    }
    for (size_t i = 0; i < UB_COUNT(endings); i++) {
        if (strcmp(word, endings[i].word) == 0) {
            end(p, endings[i].error);
            return true;
        }
    }
    return false;
}

static void route(struct play *p, double budget)
{
    const struct ub_upstream_spec upstreams[] = {{.key = 1, .concurrency = 2}, {.key = 2}};
    struct ub_model_spec model = {
        .key = MODEL_KEY, .policy = ub_model_policy_default(), .tiers = 1};
    model.policy.retry.attempts = 2;
    model.policy.retry.ride_out_ns = 0;
    model.policy.retry.budget = budget;
    model.policy.retry.budget_per_s = 0;
    model.policy.hedge_budget = budget > 0 ? budget : 1e-9;
    model.policy.total_ns = 10 * UB_SECOND;
    model.steps = 3;
    model.step[0] = (struct ub_step){.kind = UB_STEP_STALE};
    model.step[1] = (struct ub_step){.kind = UB_STEP_MAX_TOKENS, .value = 10};
    model.step[2] = (struct ub_step){.kind = UB_STEP_MESSAGE};
    model.tier[0] = (struct ub_tier_spec){.count = 2, .member = {0, 1}};
    const struct ub_tenant_spec tenant = {
        .key = 1, .concurrency = 1, .quota = {.requests = {1, UB_SECOND, 2}}};
    const struct ub_routes routes = {.upstream_count = 2,
                                     .model_count = 1,
                                     .tenant_count = 1,
                                     .upstreams = upstreams,
                                     .models = &model,
                                     .tenants = &tenant};
    const struct ub_event event = {.type = UB_EV_ROUTES, .now = NOW, .routes = &routes};
    ub_brain_step(p->brain, &event);
    ub_checker_event(p->checker, p->brain, &event);
    ub_checker_drained(p->checker, p->brain);
}

static void play_word(struct play *p, const char *word, unsigned number, unsigned upstream)
{
    p->attempt = (uint8_t)number;
    if (table_word(p, word)) {
        return;
    }
    if (strcmp(word, "arrive") == 0 || strcmp(word, "once") == 0) {
        arrive(p, word[0] == 'a', UB_NO_TENANT);
    } else if (strcmp(word, "member") == 0) {
        arrive(p, true, 0);
    } else if (strcmp(word, "over") == 0) {
        answer_error(p, UB_ERR_OVER_LIMIT);
    } else if (strcmp(word, "start") == 0) {
        act(p, (struct ub_action){
                   .type = UB_ACT_START, .attempt = p->attempt, .upstream = (uint16_t)upstream});
    } else if (strcmp(word, "race") == 0) {
        p->reason = UB_WHY_HEDGE;
        act(p, (struct ub_action){
                   .type = UB_ACT_START, .attempt = p->attempt, .upstream = (uint16_t)upstream});
        p->reason = UB_WHY_BALANCED;
    } else if (strcmp(word, "less") == 0) {
        act(p, (struct ub_action){.type = UB_ACT_START,
                                  .attempt = p->attempt,
                                  .upstream = (uint16_t)upstream,
                                  .degraded = 2});
    } else if (strcmp(word, "look") == 0 || strcmp(word, "stand") == 0) {
        act(p, (struct ub_action){.type = word[0] == 'l' ? UB_ACT_LOOK : UB_ACT_STAND_IN,
                                  .degraded = (uint8_t)(number == 12   ? 3
                                                        : number == 23 ? 6
                                                                       : 1u << (number - 1))});
    } else if (strcmp(word, "found") == 0) {
        tell(p, (struct ub_event){.type = UB_EV_LOOKED, .found = true});
    } else if (strcmp(word, "first") == 0) {
        tell(p, (struct ub_event){.type = UB_EV_FIRST_PAYLOAD});
    } else if (strcmp(word, "said") == 0) {
        tell(p, (struct ub_event){.type = UB_EV_ANSWERED});
    } else if (strcmp(word, "more") == 0) {
        tell(p, (struct ub_event){.type = UB_EV_PROGRESS});
    } else if (strcmp(word, "leave") == 0) {
        tell(p, (struct ub_event){.type = UB_EV_CLIENT_LEFT, .left = UB_ERR_CLIENT_GONE});
    } else if (strcmp(word, "wait") == 0) {
        p->now += number * UB_MS;
    } else if (strcmp(word, "other") == 0 || strcmp(word, "third") == 0) {
        p->id.slot++;
    } else if (strcmp(word, "mute") == 0) {
        p->reason = UB_WHY_NONE;
    } else if (strcmp(word, "many") == 0) {
        for (int i = 0; i < 256; i++) {
            tell(p, (struct ub_event){.type = UB_EV_WOKEN});
        }
    } else if (strcmp(word, "paid") == 0) {
        route(p, 1);
    } else if (strcmp(word, "drained") == 0) {
        ub_checker_drained(p->checker, p->brain);
    } else if (strcmp(word, "quiet") == 0) {
        ub_checker_quiet(p->checker, p->brain);
    } else if (strcmp(word, "probe") == 0) {
        act(p, (struct ub_action){.type = UB_ACT_PROBE, .upstream = 3});
    } else if (strcmp(word, "answer") == 0) {
        answer(p, false, 0, 0);
    } else if (strcmp(word, "pass") == 0) {
        answer(p, true, 0, 0);
    } else if (strcmp(word, "advise") == 0) {
        answer(p, false, UB_MINUTE + 1, 0);
    } else if (strcmp(word, "misplace") == 0) {
        answer(p, false, 0, 1);
    } else {
        UB_CHECK(false, "no word '%s'", word);
    }
}

static void play(struct play *p, const char *script)
{
    char text[200];
    snprintf(text, sizeof text, "%s", script);
    char *rest = text;
    for (char *word; (word = strtok_r(rest, " ", &rest)) != NULL;) {
        unsigned number = 0, upstream = 0;
        char *colon = strchr(word, ':');
        if (colon != NULL) {
            *colon = '\0';
            sscanf(colon + 1, "%u@%u", &number, &upstream);
        }
        play_word(p, word, number, upstream);
    }
}

int main(void)
{
    size_t size = (ub_brain_size(&limits) + 63) / 64 * 64;
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        void *block = aligned_alloc(64, size);
        memset(block, 0, size);
        struct play p = {.brain = ub_brain_init(block, &limits),
                         .checker = ub_checker_new(&limits, LATE_NS),
                         .now = NOW,
                         .reason = UB_WHY_BALANCED,
                         .id = {.slot = 1, .generation = 1}};
        route(&p, 0);
        play(&p, rows[i].script);
        const char *broken = ub_checker_broken(p.checker);
        bool as_wanted = rows[i].broken == NULL
                             ? broken == NULL
                             : broken != NULL && strstr(broken, rows[i].broken) != NULL;
        UB_CHECK(as_wanted, "%s: %s", rows[i].name, broken == NULL ? "every promise kept" : broken);
        ub_checker_free(p.checker);
        free(block);
    }
    return ub_test_done();
}

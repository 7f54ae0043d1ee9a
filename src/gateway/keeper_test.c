/* The keeper: whose mailbox, in which order, and who is woken. */
#include "gateway/keeper.h"

#include "base/test.h"
#include <pthread.h>
#include <stdatomic.h>

static const char routes_id;
static atomic_uint wakes[8];

static void wake(void *user, uint16_t worker)
{
    atomic_fetch_add((atomic_uint *)user + worker, 1);
}

static struct ub_keeper *keeper_with(uint32_t workers, uint32_t requests, uint32_t concurrency)
{
    struct ub_keeper *keeper = ub_keeper_new(&(struct ub_keeper_options){
        .limits = {.requests = requests,
                   .upstreams = 4,
                   .targets = 8,
                   .models = 2,
                   .routes = 4,
                   .workers = workers,
                   .prefixes = 64},
        .wake = wake,
        .user = wakes,
    });
    struct ub_upstream_spec upstream = {.key = 1, .concurrency = concurrency};
    struct ub_model_spec model = {
        .key = 100, .policy = ub_model_policy_default(), .tiers = 1, .tier = {{.count = 1}}};
    const struct ub_routes routes = {.upstream_count = 1,
                                     .model_count = 1,
                                     .queue_size = requests,
                                     .upstreams = &upstream,
                                     .models = &model};
    uint16_t upstreams[1], models[1];
    ub_keeper_route(keeper, &routes, (struct ub_slots){upstreams, models, NULL}, &routes_id);
    for (size_t i = 0; i < UB_COUNT(wakes); i++) {
        wakes[i] = 0;
    }
    return keeper;
}

static enum ub_arrived arrive(struct ub_keeper *keeper, uint16_t worker, void *owner,
                              const void *routes, struct ub_event *event, struct ub_mailbag *bag)
{
    *event = (struct ub_event){.arrived = {.stream = true, .can_retry = true}};
    const struct ub_newcomer who = {.model_key = 100, .owner = owner, .routes_of = routes};
    return ub_keeper_arrive(keeper, worker, event, &who, bag);
}

static void end(struct ub_keeper *keeper, uint16_t worker, struct ub_request_id id,
                struct ub_mailbag *bag)
{
    struct ub_event event = {.type = UB_EV_ENDED, .request = id, .worker = worker, .attempt = 1};
    ub_keeper_step(keeper, worker, &event, bag);
}

static void one_request(void)
{
    struct ub_keeper *keeper = keeper_with(2, 1, 0);
    struct ub_mailbag bag;
    struct ub_event event, other;
    int owner;
    UB_CHECK(arrive(keeper, 0, &owner, &owner, &event, &bag) == UB_ARRIVED_STALE,
             "an arrival under other routes than the brain's is stale");
    UB_CHECK(arrive(keeper, 0, &owner, &routes_id, &event, &bag) == UB_ARRIVED_IN &&
                 bag.count == 1 && bag.mail[0].action.type == UB_ACT_START &&
                 bag.mail[0].owner == &owner,
             "its first attempt comes with the same hold of the lock");
    UB_CHECK(bag.wake_at != UB_NEVER && bag.wake_at > event.now, "and so does its deadline");
    UB_CHECK(arrive(keeper, 1, &owner, &routes_id, &other, &bag) == UB_ARRIVED_FULL,
             "a full house is told");
    end(keeper, 0, event.request, &bag);
    UB_CHECK(bag.count == 1 && bag.mail[0].action.type == UB_ACT_FINISH, "the end of the attempt");
    UB_CHECK(wakes[0] == 0, "nobody wakes who is awake");
    ub_keeper_free(keeper);
}

static void another_workers_request(void)
{
    struct ub_keeper *keeper = keeper_with(2, 8, 1);
    struct ub_mailbag bag;
    struct ub_event first, second;
    int mine, theirs;
    arrive(keeper, 0, &mine, &routes_id, &first, &bag);
    arrive(keeper, 1, &theirs, &routes_id, &second, &bag);
    UB_CHECK(bag.count == 0, "the second request waits for the only slot");
    end(keeper, 0, first.request, &bag);
    UB_CHECK(bag.count == 1 && bag.mail[0].owner == &mine, "a worker gets its own mail only");
    UB_CHECK(wakes[1] == 1, "the other one is woken for its own");
    ub_keeper_fetch(keeper, 1, &bag);
    UB_CHECK(bag.count == 1 && bag.mail[0].action.type == UB_ACT_START &&
                 bag.mail[0].owner == &theirs,
             "and finds the slot that was freed for it");
    end(keeper, 1, second.request, NULL);
    UB_CHECK(wakes[1] == 1, "mail that is fetched later wakes nobody");
    ub_keeper_fetch(keeper, 1, &bag);
    UB_CHECK(bag.count == 1 && bag.mail[0].action.type == UB_ACT_FINISH && !bag.more,
             "and waits in the box");
    ub_keeper_free(keeper);
}

static void more_than_a_bag(void)
{
    enum { REQUESTS = 600 }; /* more than a mailbox, too */
    struct ub_keeper *keeper = keeper_with(2, REQUESTS, REQUESTS);
    struct ub_mailbag bag;
    struct ub_event events[REQUESTS];
    int owner;
    for (int i = 0; i < REQUESTS; i++) {
        arrive(keeper, 1, &owner, &routes_id, &events[i], &bag);
    }
    int finished = 0;
    for (int i = 0; i < REQUESTS; i++) { /* worker 0 speaks for them, worker 1 sleeps */
        end(keeper, 0, events[i].request, &bag);
        finished += (int)bag.count;
    }
    UB_CHECK(finished == 0 && wakes[1] == 1, "a sleeper is woken once");
    int rounds = 0;
    do {
        ub_keeper_fetch(keeper, 1, &bag);
        finished += (int)bag.count;
        rounds++;
    } while (bag.more && rounds < 1000);
    UB_CHECK(finished == REQUESTS, "nothing is lost when the box is full");
    UB_CHECK(rounds >= REQUESTS / UB_DRAIN_MAX, "at most 32 for one hold of the lock");
    ub_keeper_free(keeper);
}

struct crowd {
    struct ub_keeper *keeper;
    uint16_t worker;
    int left;    /* to arrive */
    int running; /* arrived, no terminal action yet */
    int strange; /* mail that was not ours, or out of order */
};

struct person {
    struct crowd *crowd;
    struct ub_request_id id;
    bool started;
};

static void handle(struct crowd *crowd, const struct ub_mailbag *bag)
{
    for (uint32_t i = 0; i < bag->count; i++) {
        struct person *person = bag->mail[i].owner;
        const struct ub_action *action = &bag->mail[i].action;
        crowd->strange += person->crowd != crowd;
        if (action->type == UB_ACT_START) {
            crowd->strange += person->started;
            person->started = true;
            person->id = action->request;
            end(crowd->keeper, crowd->worker, action->request, NULL);
        } else {
            crowd->strange += !person->started || action->type != UB_ACT_FINISH;
            person->started = false;
            person->crowd = NULL;
            crowd->running--;
        }
    }
}

static void *live(void *user)
{
    struct crowd *crowd = user;
    struct person people[16] = {0};
    struct ub_mailbag bag;
    while (crowd->left > 0 || crowd->running > 0) {
        struct ub_event event;
        for (size_t i = 0; i < UB_COUNT(people) && crowd->left > 0; i++) {
            if (people[i].crowd == NULL) {
                people[i].crowd = crowd;
                if (arrive(crowd->keeper, crowd->worker, &people[i], &routes_id, &event, &bag) ==
                    UB_ARRIVED_IN) {
                    crowd->left--;
                    crowd->running++;
                    handle(crowd, &bag);
                } else {
                    people[i].crowd = NULL;
                }
            }
        }
        ub_keeper_fetch(crowd->keeper, crowd->worker, &bag);
        handle(crowd, &bag);
    }
    return NULL;
}

static void a_crowd(void)
{
    struct ub_keeper *keeper = keeper_with(4, 40, 3);
    struct crowd crowds[4];
    pthread_t threads[4];
    for (uint16_t i = 0; i < 4; i++) {
        crowds[i] = (struct crowd){.keeper = keeper, .worker = i, .left = 2000};
        pthread_create(&threads[i], NULL, live, &crowds[i]);
    }
    int strange = 0;
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        strange += crowds[i].strange;
    }
    struct ub_brain_facts facts = ub_keeper_facts(keeper);
    UB_CHECK(strange == 0, "with four threads everybody gets his own mail, in order");
    UB_CHECK(facts.requests == 0 && facts.running == 0 && facts.first_attempts == 8000,
             "and everybody gets his one outcome");
    ub_keeper_free(keeper);
}

int main(void)
{
    one_request();
    another_workers_request();
    more_than_a_bag();
    a_crowd();
    return ub_test_done();
}

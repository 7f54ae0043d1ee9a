/* steps.h - what the files of the brain do for each other, on the memory of state.h. */
#ifndef UB_POLICY_STEPS_H
#define UB_POLICY_STEPS_H

#include "policy/state.h"

/* The error share fades while nobody tries, so that a bad spell is forgotten. */
double error_share_of(const struct target *target, ub_ns now);

/* adopt.c: new routes take the place of the old; places by identity (0: none) and who holds them. */
void adopt_routes(struct ub_brain *brain, const struct ub_routes *routes, ub_ns now);
uint16_t find_upstream(const struct ub_brain *brain, uint64_t key, uint32_t hint);
uint16_t find_model(const struct ub_brain *brain, uint64_t key);
uint16_t find_target(const struct ub_brain *brain, uint16_t upstream, uint16_t model);
void release_upstream(struct ub_brain *brain, struct upstream *upstream);
void release_route(struct ub_brain *brain, uint16_t route);

/* degrade.c: of the attempts that a request may make at all, those that other models have to find left. */
uint32_t kept_for_ladder(const struct ub_brain *brain, const struct request *request);

/* How many more attempts the request may make. Quick refusals are not counted while it is young and not
 * too many others wait: so a moment in which everybody refuses is ridden out, and a long one is not
 * answered by a crowd. */
static inline uint32_t attempts_left_at(const struct ub_brain *brain, const struct request *request,
                                        ub_ns at)
{
    const struct ub_retry_policy *retry = &policy_of(brain, request)->retry;
    bool rides = retry->attempts > 1 && at - request->arrived_at < retry->ride_out_ns &&
                 brain->facts.backing_off + brain->facts.waiting < brain->queue_size;
    uint32_t counted = (uint32_t)request->attempts_before + (rides ? request->refusals : 0u);
    uint32_t used = request->attempt > counted ? request->attempt - counted : 0;
    uint32_t left = used < retry->attempts ? retry->attempts - used : 0;
    uint32_t most = UB_ATTEMPTS_MAX - kept_for_ladder(brain, request);
    uint32_t room = most > request->attempt ? most - request->attempt : 0;
    return left < room ? left : room;
}

static inline uint32_t attempts_left(const struct ub_brain *brain, const struct request *request)
{
    return attempts_left_at(brain, request, brain->now);
}

/* Does an attempt of the request run there? */
static inline bool runs_at(const struct request *request, uint16_t target)
{
    return request->run[0].target == target || request->run[1].target == target;
}

/* part.c: limits that several gateways share. */
void part_told(struct ub_brain *brain, const struct ub_event *event, struct ub_random *random);
/* The slots of a concurrency that is known. */
static inline uint32_t slots_known(const struct upstream *upstream)
{
    return upstream->shared ? upstream->part : upstream->concurrency;
}
static inline bool has_slot(const struct upstream *upstream)
{
    return upstream->concurrency == 0 || upstream->inflight < slots_known(upstream);
}

/* load.c: what engines say about themselves. Lately, else NULL: an old figure is worse than none. */
void load_told(struct ub_brain *brain, const struct ub_event *event);
const struct load *load_of(const struct upstream *upstream, ub_ns now);
/* Requests there, those of others included. */
static inline uint32_t load_with_others(const struct upstream *upstream, ub_ns now)
{
    const struct load *load = upstream->load.at == 0 ? NULL : load_of(upstream, now);
    uint64_t sum = upstream->inflight + (load == NULL ? 0ull : load->others);
    return sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}
/* What its queue will cost, at the pace at which `target` has answered; 0: nobody waits. */
double load_wait_ns(const struct load *load, const struct target *target);

/* choose.c: where the next attempt of a request may go. */
struct choice {
    uint16_t target; /* 0: nowhere now */
    enum ub_reason reason;
    bool trial;
    bool full;   /* nowhere because of missing slots: waiting helps */
    bool soft;   /* and learned limits are what some of them lack, not known ones */
    bool spent;  /* somebody was left out because of its retry budget */
    ub_ns until; /* nowhere, but this may change at that instant; UB_NEVER */
};
struct choice choose(struct ub_brain *brain, const struct request *request, uint32_t tier,
                     bool panic, ub_ns now, struct ub_random *random);
/* Did this target say something to this request that it would only say again? */
bool is_ruled_out(const struct request *request, uint16_t target);
/* A limit that was learned is soft: who has waited long enough, or finds no place in the line, goes
 * beyond it, up to twice as many. If the limit is too low it grows by that within a few answers, so
 * nobody is refused what an upstream could have taken. */
bool has_room(const struct ub_brain *brain, const struct request *request,
              const struct target *target);
/* Moving on from a quick refusal to known free slots costs no retry budget. */
bool is_free_of_charge(const struct ub_brain *brain, const struct request *request,
                       const struct target *target);
void remember_prefix(struct ub_brain *brain, const struct request *request, uint16_t target);

/* attempt.c: attempts begin and end, and what they teach. */
void set_state(struct ub_brain *brain, struct request *request, enum request_state state);
void queue_action(struct ub_brain *brain, struct request *request, struct action action);
void start_attempt(struct ub_brain *brain, struct request *request, struct choice choice,
                   enum ub_reason reason, ub_ns now);
/* The run is gone afterwards, and the one behind it takes its place. */
void end_attempt(struct ub_brain *brain, struct request *request, struct run *run);
void cancel_attempt(struct ub_brain *brain, struct request *request, struct run *run,
                    enum ub_error error, enum ub_reason reason);
/* The same for every attempt that runs; writes them to `ended` and returns how many. */
uint32_t cancel_all(struct ub_brain *brain, struct request *request, enum ub_error error,
                    enum ub_reason reason, struct run ended[RUNS_MAX]);
/* When all is settled with the request: others may have the slot, or the whole line a target whose
 * breaker has closed. */
void after_attempt(struct ub_brain *brain, uint16_t target, bool closed, ub_ns now,
                   struct ub_random *random);
void after_attempts(struct ub_brain *brain, const struct run *ended, uint32_t count, ub_ns now,
                    struct ub_random *random);
void learn_success(struct ub_brain *brain, struct run *run, ub_ns now);
void learn_served(struct target *target, ub_ns started_at);
/* The first payload of a stream came, or we wait for it no more. True: there is room for more now. */
bool learn_wait(struct ub_brain *brain, const struct request *request, const struct run *run,
                bool came, ub_ns now);
void learn_failure(struct ub_brain *brain, struct request *request, struct run *run,
                   enum ub_error error, ub_ns not_before, ub_ns now, struct ub_random *random);
void count_error(struct target *target, double failed, ub_ns now);
/* Is this one well, free, and not asked yet? */
bool could_take(const struct ub_brain *brain, const struct request *request, uint16_t target,
                ub_ns now);
bool has_alternative(const struct ub_brain *brain, const struct request *request, ub_ns now);

/* race.c: a second attempt beside the first. */
void race_first(struct ub_brain *brain, const struct request *request); /* earns its share */
/* When another one is asked beside this run if nothing more is heard; UB_NEVER. */
ub_ns race_after(const struct ub_brain *brain, const struct request *request,
                 const struct run *run);
void race_queued(struct ub_brain *brain, struct request *request, struct run *run, ub_ns now);
void race(struct ub_brain *brain, struct request *request, ub_ns now, struct ub_random *random);
/* Cancels the other run, if there is one; returns its target, 0 = none. The winner is run[0]
 * afterwards. */
uint16_t race_won(struct ub_brain *brain, struct request *request, const struct run *winner,
                  ub_ns now);

/* seek.c: the next attempt, or a place in the line, or a pause, or giving up. */
void seek(struct ub_brain *brain, struct request *request, enum ub_reason reason, ub_ns now,
          struct ub_random *random);
void new_round(struct request *request);
/* Once more, and learned limits do not hold for it any more. */
void go_beyond(struct ub_brain *brain, struct request *request, ub_ns now,
               struct ub_random *random);
void give_up(struct ub_brain *brain, struct request *request, enum ub_reason reason, ub_ns now,
             struct ub_random *random);

/* ladder.c: a model's steps as the routes have them, and where they lead when all models have their
 * places. */
bool ladder_is_same(const struct route *route, const struct ub_routes *routes,
                    const struct ub_model_spec *spec);
void ladder_adopt(struct route *route, const struct ub_routes *routes,
                  const struct ub_model_spec *spec);
void ladder_find(struct ub_brain *brain, struct route *route);
const char *ladder_refuses(const struct ub_routes *routes, uint32_t model);

/* degrade.c: answering with less. True: the request takes a step instead of being refused, instead of
 * waiting. */
bool degrade(struct ub_brain *brain, struct request *request, enum ub_reason reason, ub_ns now);
bool degrade_early(struct ub_brain *brain, struct request *request, ub_ns now);
uint32_t level_of(const struct model *model, ub_ns now);
void degrade_arrived(struct ub_brain *brain, struct request *request, ub_ns now);
void life_looked(struct ub_brain *brain, struct request *request, bool found, ub_ns now,
                 struct ub_random *random);
void degrade_woken(struct ub_brain *brain, struct request *request, ub_ns now,
                   struct ub_random *random);
void leave_ladder(struct ub_brain *brain, struct request *request); /* it is over */

/* life.c: the life of one request, event by event. */
void life_arrived(struct ub_brain *brain, const struct ub_event *event, struct ub_random *random);
void life_first_payload(struct ub_brain *brain, struct request *request, struct run *run, ub_ns now,
                        struct ub_random *random);
void life_progress(struct ub_brain *brain, struct request *request, const struct ub_event *event,
                   struct ub_random *random);
void life_answered(struct ub_brain *brain, struct request *request, ub_ns now);
void life_queued(struct ub_brain *brain, struct request *request, struct run *run, ub_ns now);
void life_ended(struct ub_brain *brain, struct request *request, struct run *run,
                const struct ub_ending *ending, ub_ns now, struct ub_random *random);
void life_client_left(struct ub_brain *brain, struct request *request, enum ub_error error,
                      ub_ns now, struct ub_random *random);
void life_slot_freed(struct ub_brain *brain, struct request *request, ub_ns now,
                     struct ub_random *random);
/* Its terminal action. `run` was the last attempt, as a copy; NULL when there never was one. */
void finish(struct ub_brain *brain, struct request *request, const struct run *run,
            enum ub_action_type type, enum ub_error error, enum ub_reason reason);

/* An attempt has failed after the commit point, by a copy: somebody continues the answer within the time
 * that a stall may take, or it is cut for `reason`. */
void broke(struct ub_brain *brain, struct request *request, const struct run *ended,
           enum ub_reason reason, ub_ns now, struct ub_random *random);

/* stall.c: is a stream still moving? From its first payload on; has silence lasted long enough (if not,
 * it gets all the time that the policy allows); does it crawl, and can that be helped? */
void stall_begin(const struct ub_brain *brain, struct request *request, const struct run *run,
                 ub_ns now);
bool stall_is_final(const struct ub_brain *brain, struct request *request, ub_ns now);
bool stall_crawls(const struct ub_brain *brain, struct request *request, uint32_t said, bool held,
                  ub_ns now);

/* watch.c: what time alone does to a request. */
void give_up_stream(struct ub_brain *brain, struct request *request, enum ub_error error,
                    enum ub_reason reason, ub_ns now, struct ub_random *random);
void arm(struct ub_brain *brain, struct request *request); /* its timer, for what comes next */
void life_woken(struct ub_brain *brain, struct request *request, ub_ns now,
                struct ub_random *random);

/* brain.c */
void plan_probe(struct ub_brain *brain, ub_ns now);

#endif

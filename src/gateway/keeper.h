/* keeper.h - keeps the one brain of the process: its block, its lock, and a mailbox per worker.
 *
 * Any worker may step the brain. The actions that come out belong to the worker that owns their
 * request, and are put into that worker's mailbox while the lock is held, so that their order for
 * one request is total. Wake-ups of other workers follow after the unlock. A worker gets its own
 * mail with the same hold of the lock that its event needed.
 *
 * A mailbox is a fixed ring. When one is full the brain is simply not drained any further: the
 * actions wait in there, and the owner of the full box goes on draining once it has emptied it. So
 * nothing here allocates after ub_keeper_new.
 *
 * Thread-safe, each worker with its own number.
 */
#ifndef UB_GATEWAY_KEEPER_H
#define UB_GATEWAY_KEEPER_H

#include "observe/flight.h"
#include "policy/brain.h"

#define UB_DRAIN_MAX 32         /* actions drained from the brain for one hold of the lock */
#define UB_OUTSIDE   UINT16_MAX /* the caller's number when it is no worker: it has no mail */

struct ub_keeper;

struct ub_keeper_options {
    struct ub_brain_limits limits;
    /* Make this worker's loop look at its mail soon. Called on any worker's thread, without the
     * lock. */
    void (*wake)(void *user, uint16_t worker);
    void *user;
    struct ub_flight *flight; /* records everything; NULL: off. Outlives the keeper */
};

/* One action and the request's owner pointer as given to ub_keeper_arrive (NULL for a PROBE). */
struct ub_mail {
    struct ub_action action;
    void *owner;
};

/* What a worker takes home from one hold of the lock. Carry out in order; when `more`, fetch again.
 */
struct ub_mailbag {
    uint32_t count;
    bool more;
    ub_ns wake_at; /* fetch again then; UB_NEVER: when woken */
    struct ub_mail mail[UB_DRAIN_MAX];
};

/* NULL without memory. */
struct ub_keeper *ub_keeper_new(const struct ub_keeper_options *options);
void ub_keeper_free(struct ub_keeper *keeper);

/* Steps the brain with `event` (request, type and data filled in; time and seed are set here). With
 * `bag` NULL the mail stays in the box and the worker fetches it later: for events that come up
 * while it carries out a bag. */
void ub_keeper_step(struct ub_keeper *keeper, uint16_t worker, struct ub_event *event,
                    struct ub_mailbag *bag);

/* The worker's mail; tells the brain WOKEN when its time has come. */
void ub_keeper_fetch(struct ub_keeper *keeper, uint16_t worker, struct ub_mailbag *bag);

enum ub_arrived {
    UB_ARRIVED_IN,    /* event->request holds the id from now on */
    UB_ARRIVED_FULL,  /* the house is full */
    UB_ARRIVED_STALE, /* `routes_of` is not what the brain goes by any more: take the new one */
};

/* Who comes in. */
struct ub_newcomer {
    uint64_t model_key;             /* resolved under the lock; 0: unknown */
    void *owner;                    /* comes back with each action, until the terminal one */
    const void *routes_of;          /* what the arrival was made for */
    struct ub_allowance *allowance; /* filled in: what is left of the limits; NULL: nobody asks */
};

/* A request comes in. */
enum ub_arrived ub_keeper_arrive(struct ub_keeper *keeper, uint16_t worker, struct ub_event *event,
                                 const struct ub_newcomer *who, struct ub_mailbag *bag);

/* Which slots the brain gave: as many as the routes have of each, in the same order. */
struct ub_slots {
    uint16_t *upstreams, *models, *tenants;
};

/* Gives the brain new routes and says for each upstream, model and tenant which slot it has. NULL, or words
 * when the routes do not fit (nothing has changed then). From now on arrivals must name
 * `routes_of`.
 */
const char *ub_keeper_route(struct ub_keeper *keeper, const struct ub_routes *routes,
                            struct ub_slots slots, const void *routes_of);

/* From now on new requests are refused; those that run go on. */
void ub_keeper_drain(struct ub_keeper *keeper);

/* Copies for metrics and pages. */
struct ub_brain_facts ub_keeper_facts(struct ub_keeper *keeper);
struct ub_flight_facts ub_keeper_flight_facts(struct ub_keeper *keeper);
bool ub_keeper_upstream(struct ub_keeper *keeper, uint64_t upstream_key,
                        struct ub_upstream_facts *out);
/* False: there is no such model. */
bool ub_keeper_model(struct ub_keeper *keeper, uint64_t model_key, struct ub_model_facts *out);
bool ub_keeper_tenant(struct ub_keeper *keeper, uint16_t tenant, struct ub_tenant_facts *out);
bool ub_keeper_target(struct ub_keeper *keeper, uint64_t upstream_key, uint64_t model_key,
                      struct ub_target_facts *out);

#endif

/* worker.h - one thread with its loop, its listeners, its connections to the upstreams, and the
 * requests that came in on it. Carries out the brain's actions for these.
 *
 * The gateway is what all workers share. Everything in a worker belongs to its thread; other
 * threads only wake it (ub_worker_wake), whereupon it looks at the gateway's present setup, at the
 * flags, and at its mail.
 */
#ifndef UB_GATEWAY_WORKER_H
#define UB_GATEWAY_WORKER_H

#include "base/random.h"
#include "base/stock.h"
#include "gateway/body.h"
#include "gateway/relay.h"
#include "gateway/view.h"
#include "net/loop.h"
#include "net/server.h"
#include "observe/access.h"
#include "observe/flight_writer.h"
#include "observe/metrics.h"
#include <pthread.h>

struct ub_worker;

struct ub_gateway {
    struct ub_keeper *keeper;
    struct ub_metrics *metrics;
    struct ub_access *access; /* NULL: off */
    struct ub_flight *flight; /* NULL: off */
    struct ub_flight_writer *flight_writer;
    struct ub_sharing *sharing; /* NULL: no limits are shared. Guarded by `setup_lock` */
    struct ub_budget budget;
    uint32_t worker_count;
    struct ub_worker *workers;
    pthread_mutex_t setup_lock; /* held while the brain gets new routes, so `setup` follows them */
    struct ub_setup *setup;
    atomic_bool draining; /* listeners are drained; a worker ends when nothing runs on it */
    atomic_bool hurry;    /* and now whatever still runs is cut */
    atomic_uint ended_count;
    void (*ended)(void *user); /* set before `draining` */
    void *ended_user;
};

struct ub_request;
struct ub_attempt;
struct ub_door;   /* a listener, see doors.h */
struct ub_lister; /* see listing.h */
struct ub_loads;  /* see loads.h */

struct ub_worker {
    uint16_t number;
    struct ub_gateway *gateway;
    struct ub_loop *loop;
    struct ub_view *view; /* the present one */
    struct ub_door *doors;
    const struct ub_metrics_shard *shard;
    struct ub_random random;               /* request ids, jitter */
    struct ub_slice parts[UB_RELAY_PARTS]; /* what one read brings a client */
    struct ub_stock request_stock, attempt_stock, scan_stock;
    struct ub_lister *lister;    /* NULL until somebody needs it */
    struct ub_loads *loads;      /* the first worker's; NULL without memory */
    struct ub_request *requests; /* all that live here */
    uint32_t request_count;
    uint32_t probe_count;
    uint32_t patient_count; /* requests that the tick has to look at */
    struct ub_timer brain_timer;
    ub_ns brain_at;
    struct ub_timer tick;
    struct ub_timer pulse;
    bool carrying; /* a bag is being carried out */
    bool more;     /* mail came up meanwhile */
    bool drain_begun;
    pthread_t thread;
    bool started;
};

/* False without memory. `gateway` has its setup. Nothing runs yet. */
bool ub_worker_init(struct ub_worker *worker, struct ub_gateway *gateway, uint16_t number);
/* Its thread has ended, or was never started. */
void ub_worker_close(struct ub_worker *worker);

bool ub_worker_start(struct ub_worker *worker); /* the thread */
void ub_worker_join(struct ub_worker *worker);
void ub_worker_wake(struct ub_worker *worker); /* from any thread */

/* --- on the worker's own thread -------------------------------------------------------------- */

/* Tells the brain, and carries out what comes of it for this worker before it returns, unless it is
 * called from inside such a carrying out: then it follows afterwards. */
void ub_worker_tell(struct ub_worker *worker, struct ub_event *event);

/* Lets the request in; its actions are carried out as by ub_worker_tell. */
enum ub_arrived ub_worker_arrive(struct ub_worker *worker, struct ub_event *event,
                                 uint64_t model_key, struct ub_request *request,
                                 const struct ub_setup *setup);

/* Goes by the gateway's present setup from now on. False without memory: the old one stays. */
bool ub_worker_adopt(struct ub_worker *worker);

/* While draining: ends the thread when nothing is left. */
void ub_worker_end_when_idle(struct ub_worker *worker);

/* The tick runs while somebody is patient (see request.h). */
void ub_worker_patient(struct ub_worker *worker, int by);

#endif

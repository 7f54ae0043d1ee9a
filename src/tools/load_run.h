/* load_run.h - carries a load plan out: workers on loops of their own, each with its share of it.
 *
 * Open loop: a request is sent when its time has come, whether or not earlier ones were answered.
 * The one exception is `streams`, which keeps that many open: who has ended is followed by the next
 * at once.
 *
 * Every worker computes the whole schedule and takes each `threads`-th entry of it, so that the
 * number of threads changes nothing but the capacity.
 */
#ifndef UB_TOOLS_LOAD_RUN_H
#define UB_TOOLS_LOAD_RUN_H

#include "http/head.h"
#include "net/call.h"
#include "net/loop.h"
#include "tools/arrival.h"
#include "tools/load_answer.h"
#include "tools/load_prompt.h"
#include "tools/load_result.h"
#include "tools/trace.h"
#include <pthread.h>
#include <stdatomic.h>

#define UB_LOAD_FIELDS_MAX 24

/* How many at once, over all workers. */
struct ub_load_gauge {
    atomic_uint_fast64_t now;
    atomic_uint_fast64_t most;
};

struct ub_load_gauges {
    struct ub_load_gauge open;    /* sent, and not ended */
    struct ub_load_gauge talking; /* of these, with a first token */
};

/* Constant while it runs, but for the gauges; shared by all workers. */
struct ub_load_plan {
    struct ub_load_gauges *gauges;
    struct ub_origin_options origin;
    const char *target; /* "/v1/chat/completions" */
    struct ub_http_field field[UB_LOAD_FIELDS_MAX];
    uint32_t fields;
    const char *model;
    enum ub_load_endpoint endpoint;
    bool stream;
    bool exact;
    struct ub_lengths prompt;
    struct ub_lengths answer;
    double rate; /* per second, when there is neither a trace nor streams */
    double cv;
    const struct ub_trace *trace; /* NULL: none */
    double speedup;
    uint32_t streams;
    ub_ns ramp_ns; /* the first of each stream are spread over this */
    ub_ns duration_ns;
    uint64_t requests; /* at most so many */
    ub_ns timeout_ns;  /* of one request, from its intended time */
    uint32_t open_max; /* in each worker */
    uint32_t threads;
    uint64_t seed;
};

struct ub_load_worker {
    const struct ub_load_plan *plan;
    uint32_t id;
    pthread_t thread;
    bool started;
    struct ub_loop *loop;
    struct ub_origin *origin;
    struct ub_timer due;
    struct ub_arrivals arrivals;
    ub_ns started_at;
    uint64_t index;             /* of the next entry of the schedule */
    ub_ns next_at;              /* its time since the start; UB_NEVER: no more */
    uint32_t owed;              /* streams: so many have ended and were not followed yet */
    bool over;                  /* nothing more is to be sent */
    struct ub_load_shot *shots; /* that are open */
    atomic_bool stop;
    atomic_bool finished;
    pthread_mutex_t lock; /* guards result: the progress line reads it */
    struct ub_load_result result;
};

/* False without memory or threads. */
bool ub_load_worker_start(struct ub_load_worker *worker, const struct ub_load_plan *plan,
                          uint32_t id, ub_ns started_at);
/* Sends nothing more and gives up what is open; from any thread. */
void ub_load_worker_stop(struct ub_load_worker *worker);
/* Waits for its end and closes all but the result. */
void ub_load_worker_join(struct ub_load_worker *worker);

#endif

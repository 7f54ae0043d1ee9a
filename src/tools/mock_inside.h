/* mock_inside.h - the parts of the mock, for its own files only.
 *
 *   mock_server.c   threads, listeners, engines and their clock
 *   mock_serve.c    an exchange: body in, page chosen
 *   mock_job.c      the life of an answer: place, tokens, end
 *   mock_wire.c     answers that break HTTP
 *   mock_say.c      the JSON of answers and events      mock_error.c   of errors
 *   mock_pages.c    models, metrics, statistics, control
 *
 * Ownership: a job belongs to its exchange and ends with `gone`. Workers share `struct ub_mock`;
 * what changes there is either atomic or guarded by `lock`.
 */
#ifndef UB_TOOLS_MOCK_INSIDE_H
#define UB_TOOLS_MOCK_INSIDE_H

#include "base/buf.h"
#include "base/histogram.h"
#include "net/exchange.h"
#include "net/loop.h"
#include "net/server.h"
#include "tools/mock.h"
#include "tools/mock_ask.h"
#include "tools/mock_talk.h"
#include <pthread.h>
#include <stdatomic.h>

#define UB_MOCK_BODY_MAX  ((size_t)64 * 1024 * 1024)
#define UB_MOCK_LAST_MAX  ((size_t)256 * 1024) /* bytes of the last request kept for tests */
#define UB_MOCK_CACHE_MAX 65536                /* blocks in the prefix cache; a power of two */

#define UB_MOCK_DRAINS_MAX 8 /* former listeners with answers still running */

/* How a request ended; pranks count by their own names besides. */
#define UB_MOCK_OUTCOMES(X)                                                    \
    X(COMPLETE, "complete")   /* a whole answer, whatever it said */           \
    X(PRANK, "prank")         /* ended by a prank */                           \
    X(BUSY, "busy")           /* refused: no slot and no place in the queue */ \
    X(REFUSED, "refused")     /* the client's fault */                         \
    X(WAITED, "waited")       /* closed after waiting too long */              \
    X(CANCELLED, "cancelled") /* the client left */                            \
    X(DROPPED, "dropped")     /* the client broke the protocol or was too slow */

enum ub_mock_outcome {
#define X(name, slug) UB_MOCK_ENDED_##name,
    UB_MOCK_OUTCOMES(X)
#undef X
        UB_MOCK_OUTCOME_COUNT
};

struct ub_mock_worker {
    struct ub_mock *mock;
    pthread_t thread;
    bool started;
    struct ub_loop *loop;
    struct ub_listener *listener; /* NULL while connections are refused */
    struct ub_listener *draining[UB_MOCK_DRAINS_MAX];
    struct ub_engine **engine;
    struct ub_timer tick; /* the next end of a step, change of speed, or end of a refusal */
    unsigned settings_seen;
    ub_ns refuse_until;
    ub_ns real_at;   /* the engines' clock: `engine_at` at this instant of ours, */
    ub_ns engine_at; /* running at `speed` */
    double speed;
    ub_ns speed_until; /* when an episode begins or ends */
    atomic_uint_fast64_t running;
    atomic_uint_fast64_t waiting;
    atomic_uint_fast64_t kv_tokens;
    atomic_uint_fast64_t preemptions;
    pthread_mutex_t lock; /* guards the histograms: the page of metrics reads them elsewhere */
    struct ub_histogram first_token;
    struct ub_histogram between_tokens;
    struct ub_histogram whole;
    struct ub_histogram queued;
};

struct ub_mock {
    struct ub_mock_options options; /* pranks, episodes, speed: guarded by lock */
    char *host;
    uint16_t port;
    ub_ns started_at; /* pranks count from here */
    uint32_t slots;   /* answers at once, with the queue: more are refused */
    atomic_uint in_flight;
    atomic_uint in_flight_max;
    atomic_uint_fast64_t requests;
    atomic_uint_fast64_t prompt_tokens;
    atomic_uint_fast64_t answer_tokens;
    atomic_uint_fast64_t cache_queries; /* tokens */
    atomic_uint_fast64_t cache_hits;
    atomic_uint_fast64_t outcome[UB_MOCK_OUTCOME_COUNT];
    atomic_uint_fast64_t prank_count[UB_PRANK_COUNT];
    atomic_uint settings;    /* counts changes of speed and refusals, so that workers look */
    _Atomic uint64_t *cache; /* hashes of blocks, direct-mapped; NULL: off */
    pthread_mutex_t lock;
    ub_ns refuse_until; /* guarded by lock */
    struct ub_buf last; /* JSON of the last request: head and body; guarded by lock */
    uint32_t workers;
    struct ub_mock_worker worker[];
};

enum ub_mock_job_state {
    UB_JOB_BODY,    /* its request is arriving */
    UB_JOB_WAITING, /* no token yet */
    UB_JOB_TALKING,
    UB_JOB_SILENT, /* nothing more happens until the client leaves */
    UB_JOB_ENDED,
};

/* One exchange. */
struct ub_mock_job {
    struct ub_mock_worker *worker;
    struct ub_exchange *exchange;
    enum ub_mock_job_state state;
    enum ub_mock_outcome outcome;
    uint64_t number; /* of the request, from 1 */
    struct ub_buf body;
    bool is_post;
    char target[256];   /* without the query; longer ones are cut, and then found nowhere */
    struct ub_buf head; /* the request's line and fields as JSON, for the statistics */
    struct ub_prank_rule prank;
    bool has_key;   /* the client's key is right */
    bool is_chosen; /* the script was asked about it, and hears of its end */
    uint64_t question;
    bool is_request; /* for an answer; else for one of our own pages */
    bool has_begun;  /* asks to continue a partial answer */

    enum ub_mock_endpoint endpoint;
    bool stream;
    bool include_usage;
    bool responded;
    bool holds_place; /* counted in in_flight */
    bool paused;      /* the client does not read fast enough */
    struct ub_engine *engine;
    ub_engine_id sequence;
    struct ub_timer timer; /* first token's delay, keep-alives, drip, pieces */
    ub_ns arrived_at;
    ub_ns token_at; /* the last token; 0 = none yet */
    ub_ns keep_alive_at;
    ub_ns keep_alive_ns;
    ub_ns drip_at; /* UB_PRANK_DRIP: the next token */
    ub_ns first_not_before;
    ub_ns wait_until; /* end of patience in the queue */

    char model[256];
    uint64_t talk; /* seed of what it says */
    struct ub_talk_place place;
    uint32_t n;
    uint32_t reasoning; /* tokens that are thought, not said */
    uint32_t answer;    /* tokens in all */
    uint32_t produced;  /* by the engine */
    uint32_t sent;
    uint32_t prompt_tokens;
    uint32_t cached_tokens;
    bool length; /* finish_reason length */
    char call[64];
    uint32_t inputs;
    uint32_t dimensions;
    bool base64;
    uint64_t *input_hash;
    struct ub_buf open;  /* the part of an event before its text, the same for each token */
    struct ub_buf out;   /* scratch */
    struct ub_buf queue; /* UB_PRANK_SPLIT: what goes out bit by bit */
    bool closing;        /* end the exchange once `queue` is empty */
};

/* mock_server.c */
void ub_mock_tick_soon(struct ub_mock_worker *worker); /* an engine has got work */
ub_ns ub_mock_engine_now(const struct ub_mock_worker *worker, ub_ns now);
bool ub_mock_is_bad(struct ub_mock *mock); /* in an episode? takes the lock */
void ub_mock_refuse(struct ub_mock *mock, ub_ns for_ns);
void ub_mock_settings_changed(struct ub_mock *mock);

/* mock_serve.c */
extern const struct ub_exchange_handler ub_mock_handler;
/* A page with a known body. */
void ub_mock_answer(struct ub_mock_job *job, int status, const char *type, struct ub_slice body);
enum ub_ask_begun ub_mock_begun(const struct ub_mock_job *job); /* by its dialect and target */

/* mock_job.c */
void ub_mock_job_start(struct ub_mock_job *job);
void ub_mock_job_token(struct ub_mock_job *job, const struct ub_engine_token *token, ub_ns now);
void ub_mock_job_pump(struct ub_mock_job *job); /* sends what may be sent */
void ub_mock_job_leave(
    struct ub_mock_job *job); /* gives slot and place back; several times is fine */
void ub_mock_job_end(struct ub_mock_job *job, enum ub_mock_outcome outcome);   /* properly */
void ub_mock_job_abort(struct ub_mock_job *job, enum ub_mock_outcome outcome); /* cut */
void ub_mock_job_respond(struct ub_mock_job *job, int64_t length);             /* 200 */
void ub_mock_job_wake(struct ub_mock_job *job, ub_ns at);         /* no later than at */
void ub_mock_job_gone(struct ub_mock_job *job, enum ub_gone why); /* and frees it */

/* mock_prank.c: true when the prank has taken over and nothing else is to be done now */
bool ub_mock_prank_instead(struct ub_mock_job *job);
bool ub_mock_prank_before_token(struct ub_mock_job *job, ub_ns now);
bool ub_mock_prank_plain(struct ub_mock_job *job); /* `out` has the whole answer, not streamed */
bool ub_mock_prank_end(struct ub_mock_job *job);
bool ub_mock_prank_timer(struct ub_mock_job *job, ub_ns now);

/* mock_say.c */
void ub_say_begin(struct ub_mock_job *job);                      /* prepares `open` */
bool ub_say_token(struct ub_mock_job *job, uint32_t index);      /* an event; false: stop for now */
void ub_say_first(struct ub_mock_job *job);                      /* the role-only event */
void ub_say_finish(struct ub_mock_job *job, const char *reason); /* last event, usage, [DONE] */
void ub_say_whole(struct ub_mock_job *job, struct ub_buf *out, uint32_t tokens, const char *reason);
void ub_say_event(struct ub_mock_job *job, struct ub_slice json); /* in the form asked for */
void ub_say_comment(struct ub_mock_job *job, const char *text);
const char *ub_say_reason(const struct ub_mock_job *job);

/* mock_error.c */
struct ub_mock_trouble {
    int status;
    const char *message;
    const char *type;
    const char *param;
    const char *code;
};
struct ub_mock_trouble ub_mock_trouble_of(enum ub_prank prank, enum ub_mock_dialect dialect);
void ub_mock_trouble_write(const struct ub_mock_trouble *trouble, enum ub_mock_dialect dialect,
                           struct ub_buf *out);
void ub_mock_refuse_with(struct ub_mock_job *job, const struct ub_mock_trouble *trouble,
                         ub_ns retry_after_ns);

/* mock_pages.c */
bool ub_mock_page(struct ub_mock_job *job); /* true: the target was a page, and is answered */

#endif

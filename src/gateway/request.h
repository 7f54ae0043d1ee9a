/* request.h - one request of one client, from its head to its settlement.
 *
 *     READING   the exchange brings head and body; nothing is known to the brain
 *     RUNNING   the brain has it (`id`); its actions are carried out here
 *     OVER      it has its outcome; the response is being written out, or the client is gone
 *
 * When it is OVER and the exchange is gone it is settled (metrics, log line: exactly once, whatever
 * happened), and as soon as no call of its attempts runs any more it is buried: by a task, so that
 * nobody up the stack still holds it.
 *
 * Belongs to its worker's thread.
 */
#ifndef UB_GATEWAY_REQUEST_H
#define UB_GATEWAY_REQUEST_H

#include "base/buf.h"
#include "gateway/endpoint.h"
#include "gateway/refusal.h"
#include "gateway/worker.h"
#include "http/delivered.h"
#include "http/scan.h"
#include "net/exchange.h"

#define UB_REQUEST_NAME  40 /* bytes of an x-request-id, zero included */
#define UB_PASSED_FIELDS 4  /* client fields that upstreams get to see */

enum ub_request_phase { UB_REQUEST_READING, UB_REQUEST_RUNNING, UB_REQUEST_OVER };

/* An upstream's own words that may be passed on when nobody does better. */
struct ub_kept {
    uint8_t attempt; /* 0: none */
    uint16_t site;
    int status;
    bool stream; /* `bytes` are events */
    struct ub_openai_usage usage;
    struct ub_buf bytes;
    size_t charged; /* of it, to the budget for bodies */
};

/* What the log says about an attempt. */
struct ub_try {
    uint16_t site; /* index in the setup */
    uint8_t reason;
    uint8_t error;
    bool running;
    uint32_t start_ms;
    uint32_t ms;
};

struct ub_request {
    struct ub_worker *worker;
    struct ub_view *view;         /* held */
    struct ub_exchange *exchange; /* NULL: gone */
    struct ub_request *prev, *next;
    struct ub_task burial;
    struct ub_request_id id;
    enum ub_endpoint endpoint;
    enum ub_request_phase phase;

    /* What was asked. */
    char name[UB_REQUEST_NAME]; /* x-request-id */
    char client[48];
    const struct ub_http_head *head; /* READING only */
    struct ub_scan *scan;            /* until the answer is settled on: no attempt follows then */
    char model_name[64];             /* as asked, for the log */
    struct ub_body body;
    struct ub_slice body_bytes;
    struct ub_http_field passed[UB_PASSED_FIELDS];
    uint32_t passed_count;
    char *passed_text;
    const struct ub_tenant_config *tenant; /* NULL: none configured */
    enum ub_traffic class;                 /* the tenant's, or a lower one that was asked for */
    int32_t model;                         /* index in the setup's configuration, -1 = none */
    struct ub_allowance allowance;         /* what was left of its limits after it */
    bool stream;
    bool wants_usage; /* the client asked for the usage chunk itself */
    uint64_t cookie_key;
    uint32_t choices;       /* that a chat answer has; 0 = not known */
    uint32_t prompt_tokens; /* estimate */

    /* Reading goes wrong: everything that comes is thrown away, then this is the answer. */
    bool spoilt;
    bool settled;
    struct ub_refusal refusal; /* its words are static, or the scan's */

    /* What is being answered. */
    struct ub_attempt *attempts;
    uint32_t calls;              /* of attempts, that are not over: they need `body` */
    struct ub_attempt *speaker;  /* the one that was committed to */
    const struct ub_site *spoke; /* who the answer is from */
    uint8_t degraded;            /* steps of its model's ladder that it stands on */
    uint8_t labelled;            /* of these, what the client has been told */
    bool responded;              /* the head is out */
    bool is_broken;              /* the response ended in an error event or a cut */
    bool full;                   /* the client reads too slowly: its attempt is paused */
    bool patient;                /* the tick looks at it: full, or its body waits for memory */
    ub_ns patient_since;
    struct ub_kept refused;
    struct ub_kept empty;
    enum ub_resume_bar bar;          /* NONE: attempts keep what they say */
    struct ub_delivered delivered;   /* what the client has of a stream that broke */
    size_t delivered_charged;        /* of it, to the budget for bodies */
    const struct ub_kept *passed_on; /* one of these, when it became the answer */
    bool lists;                      /* wants the list of models that an upstream has (listing.h) */
    bool waits_for_list;
    struct ub_request *next_waiting; /* for it, too */

    /* For the settlement. */
    ub_ns began_at; /* head */
    ub_ns wall_at;
    ub_ns arrived_at; /* body complete; 0 = never */
    ub_ns started_at; /* first attempt; 0 = none */
    ub_ns payload_at; /* first payload sent; 0 = none */
    ub_ns over_at;
    enum ub_error outcome;
    enum ub_reason why;
    int status;
    uint32_t tries;
    struct ub_try tried[UB_ACCESS_ATTEMPTS];
    uint64_t bytes_in, bytes_out;
};

/* What listeners are opened with. */
extern const struct ub_exchange_handler ub_request_handler;

/* The brain has let it in under this id. */
void ub_request_arrived(struct ub_request *request, struct ub_request_id id);

/* One of its actions. */
void ub_request_carry(struct ub_request *request, const struct ub_action *action);

void ub_request_tick(struct ub_request *request);
static inline struct ub_request *ub_request_next(const struct ub_request *request)
{
    return request->next;
}

/* It waits for something that only the tick sees, or not any more. */
void ub_request_set_patient(struct ub_request *request, bool patient);

/* OVER with this outcome. */
void ub_request_end(struct ub_request *request, enum ub_error outcome, enum ub_reason why);

/* A call of its attempts is over. */
void ub_request_call_over(struct ub_request *request);

#endif

#include "gateway/listing.h"

#include "base/alloc.h"
#include "gateway/reply.h"
#include "http/openai.h"
#include "net/call.h"
#include <assert.h>

#define ALL_TIMES   2 /* as long for all upstreams together as for this many that hang */
#define GOOD_NS     (10 * UB_SECOND) /* a list is passed on without asking again */
#define LIST_MAX    ((size_t)1024 * 1024)
#define WAITING_MAX 100u /* each one that leaves is looked for among these */

ub_ns ub_listing_each_ns = 5 * UB_SECOND;

enum state { IDLE, ASKING, GOOD, BAD };

/* One worker's. What it knows is known for the one view that it was asked for. */
struct ub_lister {
    struct ub_worker *worker;
    enum state state;
    struct ub_view *view; /* held, but for IDLE */
    const struct ub_model_spec *model;
    const struct ub_site *site; /* who is asked, or was */
    struct ub_call call;
    struct ub_timer timer; /* ASKING: too late; GOOD and BAD: to be forgotten */
    ub_ns until;
    uint32_t tier, member; /* who is next */
    char name[UB_REQUEST_NAME];
    int status;
    struct ub_buf held; /* counts against no budget: LIST_MAX for each worker is the bound */
    struct ub_request *waiting;
    uint32_t waiting_count;
    bool answers; /* those who waited, one by one: nothing may change meanwhile */
};

static void set_timer(struct ub_lister *lister, ub_ns after_ns)
{
    ub_timer_start(lister->worker->loop, &lister->timer,
                   ub_loop_now(lister->worker->loop) + after_ns);
}

static void forget(struct ub_lister *lister)
{
    if (lister->state == ASKING) {
        ub_call_cancel(&lister->call);
    }
    lister->state = IDLE;
    ub_timer_stop(lister->worker->loop, &lister->timer);
    ub_buf_free(&lister->held);
    ub_view_release(lister->view);
    lister->view = NULL;
}

/* --- clients --------------------------------------------------------------------------------- */

static void refuse(struct ub_request *request, enum ub_error outcome)
{
    struct ub_refusal refusal = ub_refusal_for_now(outcome);
    ub_reply_refuse(request, &refusal);
    ub_request_end(request, outcome, UB_WHY_NOBODY_LEFT);
}

static void answer(const struct ub_lister *lister, struct ub_request *request)
{
    if (lister->state != GOOD) {
        refuse(request, UB_ERR_ALL_BUSY);
        return;
    }
    request->spoke = lister->site;
    ub_reply_json(request, 200, ub_buf_slice(&lister->held));
    ub_request_end(request, UB_ERR_OK, UB_WHY_COMPLETE);
}

static void settle_on(struct ub_lister *lister, enum state state)
{
    lister->state = state;
    set_timer(lister, state == GOOD ? GOOD_NS : 0); /* the view may be in use up the stack */
    lister->answers = true;
    while (lister->waiting != NULL) {
        struct ub_request *request = lister->waiting;
        lister->waiting = request->next_waiting;
        lister->waiting_count--;
        request->waits_for_list = false;
        answer(lister, request);
    }
    lister->answers = false;
}

/* --- upstreams ------------------------------------------------------------------------------- */

/* The next upstream of the route, or NULL when all were asked. */
static const struct ub_site *next_site(struct ub_lister *lister)
{
    while (lister->tier < lister->model->tiers) {
        const struct ub_tier_spec *tier = &lister->model->tier[lister->tier];
        if (lister->member < tier->count) {
            return &lister->view->setup->sites[tier->member[lister->member++]];
        }
        lister->tier++;
        lister->member = 0;
    }
    return NULL;
}

static void ask_next(struct ub_lister *lister)
{
    ub_ns left_ns = lister->until - ub_loop_now(lister->worker->loop);
    const struct ub_site *site = left_ns > 0 ? next_site(lister) : NULL;
    if (site == NULL) {
        settle_on(lister, BAD);
        return;
    }
    const struct ub_http_field name = {UB_LIT("X-Request-Id"), ub_slice_of(lister->name)};
    const struct ub_call_request ask = {
        .method = UB_LIT("GET"),
        .target = site->target[UB_ENDPOINT_MODELS],
        .lines = ub_buf_slice(&site->lines[false]),
        .fields = &name,
        .field_count = 1,
        .connect_by_ns = lister->view->setup->config->connect_time_ns,
    };
    lister->site = site;
    lister->status = 0;
    ub_buf_clear(&lister->held);
    set_timer(lister, ub_ns_min(left_ns, ub_listing_each_ns));
    ub_call_start(&lister->call, ub_view_origin(lister->view, site), &ask);
}

static void on_head(struct ub_call *call, const struct ub_http_head *head)
{
    struct ub_lister *lister = call->user;
    lister->status = head->status;
}

static void on_body(struct ub_call *call, struct ub_slice chunk)
{
    struct ub_lister *lister = call->user;
    ub_buf_add_slice(&lister->held, chunk); /* too long a list has failed */
}

static bool is_good(const struct ub_lister *lister)
{
    struct ub_openai_chunk chunk;
    return lister->status == 200 && !lister->held.failed &&
           ub_openai_answer(ub_buf_slice(&lister->held), lister->site->config->dialect, &chunk) ==
               UB_ERR_OK;
}

static void on_ended(struct ub_call *call, enum ub_error error, const char *words)
{
    struct ub_lister *lister = call->user;
    if (error == UB_ERR_OK && is_good(lister)) {
        settle_on(lister, GOOD);
    } else {
        ask_next(lister);
    }
}

static void timer_fired(struct ub_timer *timer)
{
    struct ub_lister *lister = timer->user;
    if (lister->state == ASKING) {
        ub_call_cancel(&lister->call);
        ask_next(lister);
    } else {
        forget(lister);
    }
}

static const struct ub_call_handler handler = {.head = on_head, .body = on_body, .ended = on_ended};

/* --- the door -------------------------------------------------------------------------------- */

static struct ub_lister *lister_of(struct ub_worker *worker)
{
    struct ub_lister *lister = worker->lister;
    if (lister != NULL) {
        return lister;
    }
    lister = worker->lister = ub_malloc(sizeof *lister);
    if (lister != NULL) {
        *lister = (struct ub_lister){.worker = worker,
                                     .call = {.handler = &handler, .user = lister},
                                     .timer = {.fire = timer_fired, .user = lister}};
    }
    return lister;
}

static void begin(struct ub_lister *lister, struct ub_request *request, uint32_t model)
{
    forget(lister); /* what was known for another view */
    lister->state = ASKING;
    lister->view = ub_view_hold(request->view);
    lister->model = &request->view->setup->config->routes.models[model];
    lister->until = ub_loop_now(request->worker->loop) + ALL_TIMES * ub_listing_each_ns;
    lister->tier = lister->member = 0;
    lister->held.max = LIST_MAX;
    memcpy(lister->name, request->name, sizeof lister->name);
}

void ub_listing_start(struct ub_request *request, uint32_t model)
{
    struct ub_lister *lister = lister_of(request->worker);
    if (lister == NULL) {
        refuse(request, UB_ERR_NO_MEMORY);
        return;
    }
    bool same = lister->view == request->view;
    if (same && lister->state != ASKING) {
        answer(lister, request);
        return;
    }
    bool begins = !same && lister->state != ASKING && !lister->answers;
    if ((!same && !begins) || lister->waiting_count >= WAITING_MAX) {
        refuse(request, UB_ERR_ALL_BUSY);
        return;
    }
    request->lists = request->waits_for_list = true;
    request->next_waiting = lister->waiting;
    lister->waiting = request;
    lister->waiting_count++;
    if (begins) {
        begin(lister, request, model);
        ask_next(lister);
    }
}

void ub_listing_stop(struct ub_request *request)
{
    if (!request->waits_for_list) {
        return;
    }
    struct ub_lister *lister = request->worker->lister;
    struct ub_request **at = &lister->waiting;
    while (*at != request) {
        at = &(*at)->next_waiting;
    }
    *at = request->next_waiting;
    request->waits_for_list = false;
    if (--lister->waiting_count == 0 && lister->state == ASKING) {
        forget(lister);
    }
}

void ub_lister_free(struct ub_lister *lister)
{
    if (lister != NULL) {
        assert(lister->waiting == NULL);
        forget(lister);
        ub_free(lister);
    }
}

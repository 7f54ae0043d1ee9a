#include "gateway/listing.h"

#include "base/alloc.h"
#include "gateway/reply.h"
#include "http/openai.h"
#include "net/call.h"

#define EACH_NS  (5 * UB_SECOND) /* for one upstream, all together */
#define LIST_MAX ((size_t)1024 * 1024)

struct ub_listing {
    struct ub_call call;
    struct ub_request *request;
    const struct ub_model_spec *model;
    const struct ub_site *site; /* who is asked */
    struct ub_timer late;
    uint32_t tier, member; /* who is next */
    bool runs;
    int status;
    struct ub_buf held;
};

/* The next upstream of the route, or NULL when all were asked. */
static const struct ub_site *next_site(struct ub_listing *listing)
{
    while (listing->tier < listing->model->tiers) {
        const struct ub_tier_spec *tier = &listing->model->tier[listing->tier];
        if (listing->member < tier->count) {
            return &listing->request->view->setup->sites[tier->member[listing->member++]];
        }
        listing->tier++;
        listing->member = 0;
    }
    return NULL;
}

static void refuse(struct ub_request *request, enum ub_error outcome)
{
    struct ub_refusal refusal = ub_refusal_of(outcome);
    refusal.advice = UB_ADVICE_RETRY;
    refusal.retry_after_ns = UB_SECOND;
    ub_reply_refuse(request, &refusal);
    ub_request_end(request, outcome, UB_WHY_NOBODY_LEFT);
}

static void ask_next(struct ub_listing *listing)
{
    struct ub_request *request = listing->request;
    const struct ub_site *site = listing->site = next_site(listing);
    if (site == NULL) {
        refuse(request, UB_ERR_ALL_BUSY);
        return;
    }
    const struct ub_http_field name = {UB_LIT("X-Request-Id"), ub_slice_of(request->name)};
    const struct ub_call_request ask = {
        .method = UB_LIT("GET"),
        .target = site->target[UB_ENDPOINT_MODELS],
        .lines = ub_buf_slice(&site->lines[false]),
        .fields = &name,
        .field_count = 1,
        .connect_by_ns = request->view->setup->config->connect_time_ns,
    };
    ub_buf_clear(&listing->held);
    listing->status = 0;
    listing->runs = true;
    request->calls++;
    ub_timer_start(request->worker->loop, &listing->late,
                   ub_loop_now(request->worker->loop) + EACH_NS);
    ub_call_start(&listing->call, ub_view_origin(request->view, site), &ask);
}

static void over(struct ub_listing *listing)
{
    listing->runs = false;
    ub_timer_stop(listing->request->worker->loop, &listing->late);
    ub_request_call_over(listing->request);
}

static void on_head(struct ub_call *call, const struct ub_http_head *head)
{
    struct ub_listing *listing = call->user;
    listing->status = head->status;
}

static void on_body(struct ub_call *call, struct ub_slice chunk)
{
    struct ub_listing *listing = call->user;
    ub_buf_add_slice(&listing->held, chunk); /* too long a list has failed */
}

static bool is_good(const struct ub_listing *listing)
{
    struct ub_openai_chunk chunk;
    return listing->status == 200 && !listing->held.failed &&
           ub_openai_answer(ub_buf_slice(&listing->held), listing->site->config->dialect, &chunk) ==
               UB_ERR_OK;
}

static void on_ended(struct ub_call *call, enum ub_error error, const char *words)
{
    struct ub_listing *listing = call->user;
    struct ub_request *request = listing->request;
    over(listing);
    if (error != UB_ERR_OK || !is_good(listing)) {
        ask_next(listing);
        return;
    }
    request->spoke = listing->site;
    ub_reply_json(request, 200, ub_buf_slice(&listing->held));
    ub_request_end(request, UB_ERR_OK, UB_WHY_COMPLETE);
}

static void too_late(struct ub_timer *timer)
{
    struct ub_listing *listing = timer->user;
    ub_call_cancel(&listing->call);
    over(listing);
    ask_next(listing);
}

void ub_listing_start(struct ub_request *request, uint32_t model)
{
    static const struct ub_call_handler handler = {
        .head = on_head, .body = on_body, .ended = on_ended};
    struct ub_listing *listing = request->listing = ub_calloc(1, sizeof *listing);
    if (listing == NULL) {
        refuse(request, UB_ERR_NO_MEMORY);
        return;
    }
    listing->call = (struct ub_call){.handler = &handler, .user = listing};
    listing->late = (struct ub_timer){.fire = too_late, .user = listing};
    listing->request = request;
    listing->model = &request->view->setup->config->routes.models[model];
    listing->held.max = LIST_MAX;
    ask_next(listing);
}

void ub_listing_stop(struct ub_listing *listing)
{
    if (listing != NULL && listing->runs) {
        ub_call_cancel(&listing->call);
        over(listing);
    }
}

void ub_listing_free(struct ub_listing *listing)
{
    if (listing != NULL) {
        ub_buf_free(&listing->held);
        ub_free(listing);
    }
}

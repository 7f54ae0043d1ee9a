#include "gateway/hold.h"

static void change(struct ub_request *request, size_t *charged, size_t cap)
{
    if (cap != *charged) { /* all threads share the budget */
        atomic_fetch_add(&request->worker->gateway->budget.memory, (uint64_t)cap - *charged);
        *charged = cap;
    }
}

void ub_hold_charge(struct ub_attempt *attempt)
{
    change(attempt->request, &attempt->charged, attempt->held.cap + attempt->kept_bytes);
}

void ub_hold_charge_request(struct ub_request *request)
{
    change(request, &request->delivered_charged, ub_delivered_bytes(&request->delivered));
}

void ub_hold_let_go(struct ub_attempt *attempt)
{
    ub_buf_free(&attempt->held);
    ub_hold_charge(attempt);
}

static void drop(struct ub_request *request, struct ub_kept *kept)
{
    ub_buf_free(&kept->bytes);
    change(request, &kept->charged, 0);
}

void ub_hold_keep(struct ub_kept *kept, struct ub_attempt *attempt, bool stream)
{
    drop(attempt->request, kept);
    change(attempt->request, &attempt->charged, attempt->held.cap);
    *kept = (struct ub_kept){
        .attempt = attempt->number,
        .site = (uint16_t)(attempt->site - attempt->request->view->setup->sites),
        .status = attempt->status,
        .stream = stream,
        .usage = attempt->relay.usage,
        .bytes = attempt->held,
        .charged = attempt->held.cap,
    };
    attempt->held = (struct ub_buf){0};
    attempt->charged = 0;
    ub_hold_charge(attempt);
}

void ub_hold_drop(struct ub_request *request)
{
    drop(request, &request->refused);
    drop(request, &request->empty);
}

/* ask.h - what an upstream is sent for a request: a head that we wrote, and the client's body with
 * the upstream's name of the model and the wish for usage put in.
 *
 * The client's Authorization never leaves; of its head only a few fields do (intake.c).
 */
#ifndef UB_GATEWAY_ASK_H
#define UB_GATEWAY_ASK_H

#include "gateway/request.h"
#include "http/splice.h"
#include "net/call.h"

#define UB_ASK_FIELDS (1 + UB_PASSED_FIELDS)

struct ub_ask {
    struct ub_call_request request; /* points into the rest, and into the request's body */
    struct ub_http_field fields[UB_ASK_FIELDS];
    struct ub_slice parts[UB_SPLICE_PARTS];
};

/* What the model that was asked for is called there. */
struct ub_slice ub_ask_model(const struct ub_request *request, const struct ub_site *site);

/* The parts stay valid as long as the request's body, the setup and `shorter` do; they are sent later. */
void ub_ask_write(struct ub_ask *ask, struct ub_request *request, const struct ub_site *site,
                  struct ub_shorter *shorter);

#endif

#include "gateway/models.h"

#include "gateway/auth.h"
#include "gateway/reply.h"
#include <stdio.h>

static void write_model(struct ub_buf *out, struct ub_slice name)
{
    ub_buf_add_text(out, "{\"id\":");
    ub_buf_add_json(out, name);
    ub_buf_add_text(out, ",\"object\":\"model\",\"created\":0,\"owned_by\":\"unbusy\"}");
}

/* A model called "*" stands for names that we do not know, so it is in no list. */
static bool is_listed(const struct ub_request *request, struct ub_slice name)
{
    return !ub_slice_is(name, "*") &&
           (request->tenant == NULL || ub_auth_allows(request->tenant, name));
}

static void write_list(const struct ub_request *request, struct ub_buf *out)
{
    const struct ub_config *config = request->view->setup->config;
    const char *between = "";
    ub_buf_add_text(out, "{\"object\":\"list\",\"data\":[");
    for (uint32_t i = 0; i < config->model_count; i++) {
        struct ub_slice name = ub_slice_of(config->models[i].name);
        if (is_listed(request, name)) {
            ub_buf_add_text(out, between);
            write_model(out, name);
            between = ",";
        }
    }
    ub_buf_add_text(out, "]}");
}

static void refuse(struct ub_request *request, enum ub_error outcome, struct ub_refusal refusal)
{
    ub_reply_refuse(request, &refusal);
    ub_request_end(request, outcome, UB_WHY_NONE);
}

void ub_models_answer(struct ub_request *request, struct ub_slice name)
{
    const struct ub_config *config = request->view->setup->config;
    struct ub_buf body = {0};
    if (name.len == 0) {
        write_list(request, &body);
    } else if (ub_config_model(config, name) >= 0 && is_listed(request, name)) {
        write_model(&body, name);
    } else {
        char words[256];
        snprintf(words, sizeof words, "the model \"%.*s\" does not exist here",
                 (int)(name.len < 200 ? name.len : 200), name.ptr);
        refuse(request, UB_ERR_NO_ROUTE,
               (struct ub_refusal){.status = 404,
                                   .code = "model_not_found",
                                   .param = "model",
                                   .message = ub_slice_of(words)});
        return;
    }
    if (body.failed) {
        refuse(request, UB_ERR_NO_MEMORY, ub_refusal_of(UB_ERR_NO_MEMORY));
    } else {
        ub_reply_json(request, 200, ub_buf_slice(&body));
        ub_request_end(request, UB_ERR_OK, UB_WHY_COMPLETE);
    }
    ub_buf_free(&body);
}

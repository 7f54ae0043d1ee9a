#include "gateway/models.h"

#include "base/alloc.h"
#include "gateway/auth.h"
#include "gateway/listing.h"
#include "gateway/reply.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_model(struct ub_buf *out, struct ub_slice name)
{
    ub_buf_add_text(out, "{\"id\":");
    ub_buf_add_json(out, name);
    ub_buf_add_text(out, ",\"object\":\"model\",\"created\":0,\"owned_by\":\"unbusy\"}");
}

/* A model called "*" stands for names that we do not know: not for one to list. */
static bool is_listed(const struct ub_request *request, struct ub_slice name)
{
    return !ub_slice_is(name, "*") &&
           (request->tenant == NULL || ub_auth_allows(request->tenant, name));
}

static int by_text(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

static uint32_t names_of(const struct ub_config *config, const struct ub_model_spec *model,
                         const char **out)
{
    uint32_t count = 0;
    for (uint32_t t = 0; t < model->tiers; t++) {
        for (uint32_t m = 0; m < model->tier[t].count; m++) {
            const struct ub_upstream_config *upstream =
                &config->upstreams[model->tier[t].member[m]];
            for (uint32_t i = 0; i < upstream->name_count; i++, count++) {
                if (out != NULL) {
                    out[count] = upstream->names[i].public_name;
                }
            }
        }
    }
    return count;
}

/* The names that upstreams behind "*" are configured to have, each once. False without memory. */
static bool find_more(const struct ub_config *config, int any, const char ***names, uint32_t *count)
{
    *names = NULL;
    *count = any < 0 ? 0 : names_of(config, &config->routes.models[any], NULL);
    if (*count == 0) {
        return true;
    }
    const char **list = *names = ub_malloc(*count * sizeof *list);
    if (list == NULL) {
        return false;
    }
    names_of(config, &config->routes.models[any], list);
    qsort(list, *count, sizeof *list, by_text);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++) {
        if ((kept == 0 || strcmp(list[kept - 1], list[i]) != 0) &&
            ub_config_model(config, ub_slice_of(list[i])) == any) { /* no model of its own */
            list[kept++] = list[i];
        }
    }
    *count = kept;
    return true;
}

static void list_one(const struct ub_request *request, struct ub_buf *out, const char *name,
                     uint32_t *listed)
{
    if (is_listed(request, ub_slice_of(name))) {
        ub_buf_add_text(out, *listed == 0 ? "" : ",");
        write_model(out, ub_slice_of(name));
        ++*listed;
    }
}

/* Returns how many are in it. */
static uint32_t write_list(const struct ub_request *request, int any, struct ub_buf *out)
{
    const struct ub_config *config = request->view->setup->config;
    const char **more;
    uint32_t more_count, listed = 0;
    out->failed |= !find_more(config, any, &more, &more_count);
    ub_buf_add_text(out, "{\"object\":\"list\",\"data\":[");
    for (uint32_t i = 0; i < config->model_count; i++) {
        list_one(request, out, config->models[i].name, &listed);
    }
    for (uint32_t i = 0; more != NULL && i < more_count; i++) {
        list_one(request, out, more[i], &listed);
    }
    ub_buf_add_text(out, "]}");
    ub_free(more);
    return listed;
}

/* Nobody has told us any name, but the client may use all that there are: upstreams know them. */
static bool may_ask(const struct ub_request *request)
{
    return request->tenant == NULL || ub_auth_allows(request->tenant, UB_LIT("")); /* a "*" alone */
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
        int any = ub_config_model(config, UB_LIT("*"));
        if (write_list(request, any, &body) == 0 && any >= 0 && may_ask(request)) {
            ub_buf_free(&body);
            ub_listing_start(request, (uint32_t)any);
            return;
        }
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

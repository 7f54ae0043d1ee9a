#include "base/nearest.h"
#include "gateway/auth.h"
#include "gateway/config_build.h"
#include <string.h>

/* Without a burst, what one unit of time allows may come at once: 60 of `60/min`. */
static struct ub_rate rate_of(const struct ub_conf_rate *from)
{
    struct ub_rate rate = from->rate;
    if (rate.amount != 0) {
        rate.burst = from->burst != 0 ? from->burst : from->whole;
    }
    return rate;
}

struct ub_quota ub_conf_quota(const struct ub_conf_rate *requests,
                              const struct ub_conf_rate *tokens)
{
    return (struct ub_quota){rate_of(requests), rate_of(tokens)};
}

static bool allows_more(const struct ub_rate *a, const struct ub_rate *b)
{
    return (double)a->amount * (double)b->per_ns > (double)b->amount * (double)a->per_ns;
}

/* A limit inside another one that is lower can never be reached. */
static void check_inside(struct ub_conf_builder *b, const struct ub_conf_rate *at,
                         const struct ub_rate *inner, const struct ub_rate *outer, const char *key,
                         const char *whose)
{
    if (inner->amount != 0 && outer->amount != 0 && allows_more(inner, outer)) {
        ub_conf_problem(b->problems, at->at, "'%s' allows more than %s own '%s'", key, whose, key);
    }
}

static void check_share(struct ub_conf_builder *b, const struct ub_conf_share *from,
                        const struct ub_quota *share, const struct ub_quota *tenant,
                        const struct ub_quota *model)
{
    check_inside(b, &from->requests, &share->requests, &tenant->requests, "requests",
                 "the tenant's");
    check_inside(b, &from->tokens, &share->tokens, &tenant->tokens, "tokens", "the tenant's");
    check_inside(b, &from->requests, &share->requests, &model->requests, "requests", "the model's");
    check_inside(b, &from->tokens, &share->tokens, &model->tokens, "tokens", "the model's");
    if (share->requests.amount == 0 && share->tokens.amount == 0 && from->requests.at.line == 0 &&
        from->tokens.at.line == 0) {
        ub_conf_problem(b->problems, from->at, "limits nothing: it needs 'requests' or 'tokens'");
    }
}

/* Index of the model of exactly this name, or -1 after saying so. */
static int find_model(struct ub_conf_builder *b, const struct ub_conf_text *name)
{
    struct ub_nearest nearest = {.text = ub_slice_of(name->shown)};
    for (uint32_t i = 0; i < b->config->model_count; i++) {
        if (b->config->models[i].name != NULL &&
            strcmp(b->config->models[i].name, name->text) == 0) {
            return (int)i;
        }
        ub_nearest_offer(&nearest, b->models_shown[i]);
    }
    ub_conf_problem(b->problems, name->at, "no model is called '%s'%s%s%s", name->shown,
                    nearest.word != NULL ? ", did you mean '" : "",
                    nearest.word != NULL ? nearest.word : "", nearest.word != NULL ? "'?" : "");
    return -1;
}

/* The brain wants them in the order of the models. */
static void insert(struct ub_routes *routes, struct ub_share_spec *list, struct ub_share_spec spec)
{
    uint32_t place = routes->share_count++;
    while (place > 0 && list[place - 1].tenant == spec.tenant &&
           list[place - 1].model > spec.model) {
        list[place] = list[place - 1];
        place--;
    }
    list[place] = spec;
}

static bool is_there(const struct ub_routes *routes, const struct ub_share_spec *list,
                     uint32_t tenant, int model)
{
    for (uint32_t i = routes->share_count; i > 0 && list[i - 1].tenant == tenant; i--) {
        if (list[i - 1].model == model) {
            return true;
        }
    }
    return false;
}

static void build_shares(struct ub_conf_builder *b, uint32_t tenant, struct ub_share_spec *list)
{
    const struct ub_conf_tenant *from =
        &((const struct ub_conf_tenant *)b->root->tenants.list)[tenant];
    const struct ub_conf_share *shares = from->limits.list;
    struct ub_routes *routes = &b->config->routes;
    for (uint32_t i = 0; i < from->limits.count; i++) {
        const struct ub_conf_share *share = &shares[i];
        int model = share->model.text == NULL ? -1 : find_model(b, &share->model);
        if (model < 0) {
            continue;
        }
        if (is_there(routes, list, tenant, model)) {
            ub_conf_problem(b->problems, share->model.at, "the model '%s' is here twice",
                            share->model.shown);
            continue;
        }
        if (!ub_auth_allows(&b->config->tenants[tenant], ub_slice_of(share->model.text))) {
            ub_conf_problem(b->problems, share->model.at,
                            "'models' of this tenant does not let it use '%s'", share->model.shown);
        }
        struct ub_quota quota = ub_conf_quota(&share->requests, &share->tokens);
        check_share(b, share, &quota, &routes->tenants[tenant].quota, &routes->models[model].quota);
        insert(routes, list, (struct ub_share_spec){(uint16_t)tenant, (uint16_t)model, quota});
    }
}

void ub_conf_build_limits(struct ub_conf_builder *b)
{
    const struct ub_conf_tenant *from = b->root->tenants.list;
    uint32_t count = 0;
    for (uint32_t i = 0; i < b->config->tenant_count; i++) {
        count += from[i].limits.count;
        if (from[i].concurrency > b->config->requests_max) {
            ub_conf_problem(b->problems, from[i].at,
                            "'concurrency' is more than 'limits.requests', which is %u",
                            b->config->requests_max);
        }
    }
    struct ub_share_spec *list = ub_arena_array(b->arena, count, sizeof *list);
    b->config->routes.shares = list;
    for (uint32_t i = 0; i < b->config->tenant_count && list != NULL; i++) {
        build_shares(b, i, list);
    }
}

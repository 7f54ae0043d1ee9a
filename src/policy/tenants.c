/* tenants.c - who comes in for whom: tenants and their shares over reloads, and their requests.
 *
 * A tenant keeps its slot by identity. One that is taken out keeps it until its last request has its
 * outcome, so that what it used is still counted. Shares hang on their tenant and end with the routes
 * that name them.
 */
#include "policy/steps.h"

#include <assert.h>

/* `hint` is where it usually is. */
uint16_t find_tenant(const struct ub_brain *brain, uint64_t key, uint32_t hint)
{
    if (hint >= 1 && hint <= brain->tenants_used && tenant_of(brain, (uint16_t)hint)->key == key) {
        return (uint16_t)hint;
    }
    for (uint32_t i = 1; i <= brain->tenants_used; i++) {
        if (tenant_of(brain, (uint16_t)i)->key == key) {
            return (uint16_t)i;
        }
    }
    return 0;
}

static uint16_t tenant_index(const struct ub_brain *brain, const struct tenant *tenant)
{
    return (uint16_t)(tenant - tenant_of(brain, 0));
}

static void release_tenant(struct ub_brain *brain, struct tenant *tenant)
{
    if (tenant->listed || tenant->requests > 0 || tenant->key == 0) {
        return;
    }
    assert(tenant->first_share == 0);
    *tenant = (struct tenant){.next_free = brain->tenant_free};
    brain->tenant_free = tenant_index(brain, tenant);
}

static uint16_t spare_tenant(struct ub_brain *brain)
{
    uint16_t index = brain->tenant_free;
    if (index == 0) {
        assert(brain->tenants_used < brain->limits.tenants);
        return (uint16_t)++brain->tenants_used;
    }
    brain->tenant_free = tenant_of(brain, index)->next_free;
    return index;
}

static uint16_t spare_share(struct ub_brain *brain)
{
    uint16_t index = brain->share_free;
    if (index == 0) {
        assert(brain->shares_used < brain->limits.shares);
        return (uint16_t)++brain->shares_used;
    }
    brain->share_free = share_of(brain, index)->next_free;
    return index;
}

uint16_t find_share(const struct ub_brain *brain, const struct tenant *tenant, uint16_t model)
{
    uint16_t index = tenant->first_share;
    while (index != 0 && share_of(brain, index)->model != model) {
        index = share_of(brain, index)->next_of_tenant;
    }
    return index;
}

/* Where the parts of a share are. Shares come in the order of their tenants, and these mostly in that
 * of their slots, so that looking behind the last one finds nearly all at once. */
struct pair {
    uint32_t named; /* the tenant in the routes, from 1 */
    uint16_t tenant, model;
};

static void find_pair(const struct ub_brain *brain, const struct ub_routes *routes,
                      const struct ub_share_spec *spec, struct pair *pair)
{
    if (pair->named != spec->tenant + 1u) {
        pair->named = spec->tenant + 1u;
        pair->tenant = find_tenant(brain, routes->tenants[spec->tenant].key, pair->tenant + 1u);
    }
    uint64_t key = routes->models[spec->model].key;
    uint16_t guess = (uint16_t)(spec->model + 1);
    bool there = guess <= brain->models_used && model_of(brain, guess)->key == key;
    pair->model = there ? guess : find_model(brain, key);
}

/* Those that are not listed any more. */
static void release_shares(struct ub_brain *brain)
{
    for (uint32_t i = 1; i <= brain->shares_used; i++) {
        struct share *share = share_of(brain, (uint16_t)i);
        if (share->listed || share->tenant == 0) {
            continue;
        }
        uint16_t *link = &tenant_of(brain, share->tenant)->first_share;
        while (*link != i) {
            link = &share_of(brain, *link)->next_of_tenant;
        }
        *link = share->next_of_tenant;
        *share = (struct share){.next_free = brain->share_free};
        brain->share_free = (uint16_t)i;
    }
}

static void adopt_share(struct ub_brain *brain, const struct pair *pair,
                        const struct ub_quota *quota, ub_ns now)
{
    struct tenant *tenant = tenant_of(brain, pair->tenant);
    uint16_t index = find_share(brain, tenant, pair->model);
    if (index == 0) {
        index = spare_share(brain);
        *share_of(brain, index) = (struct share){
            .tenant = pair->tenant, .model = pair->model, .next_of_tenant = tenant->first_share};
        tenant->first_share = index;
    }
    struct share *share = share_of(brain, index);
    share->listed = true;
    share->whole = *quota;
    struct ub_quota part = quota_part(quota, tenant->part);
    adopt_quota(&share->quota, &share->meter, &part, now);
}

static void list_tenants(struct ub_brain *brain, const struct ub_routes *routes, ub_ns now)
{
    uint16_t before = 0;
    for (uint32_t i = 1; i <= brain->tenants_used; i++) {
        tenant_of(brain, (uint16_t)i)->listed = false;
    }
    for (uint32_t i = 0; i < routes->tenant_count; i++) {
        const struct ub_tenant_spec *spec = &routes->tenants[i];
        uint16_t index = find_tenant(brain, spec->key, before + 1u);
        if (index == 0) {
            index = spare_tenant(brain);
            *tenant_of(brain, index) = (struct tenant){.key = spec->key, .part = UB_PART_WHOLE};
        }
        struct tenant *tenant = tenant_of(brain, index);
        tenant->listed = true;
        tenant->class = spec->class;
        tenant->shared = spec->shared;
        tenant->part = spec->shared ? tenant->part : UB_PART_WHOLE;
        tenant->whole_concurrency = spec->concurrency;
        tenant->whole = spec->quota;
        tenant->concurrency = concurrency_part(spec->concurrency, tenant->part);
        struct ub_quota part = quota_part(&spec->quota, tenant->part);
        adopt_quota(&tenant->quota, &tenant->meter, &part, now);
        before = index;
    }
}

/* After the models, whose slots the shares name. What is gone goes first: its place may be needed. */
void adopt_tenants(struct ub_brain *brain, const struct ub_routes *routes, ub_ns now)
{
    for (uint32_t i = 1; i <= brain->shares_used; i++) {
        share_of(brain, (uint16_t)i)->listed = false;
    }
    struct pair pair = {0};
    for (uint32_t i = 0; i < routes->share_count; i++) {
        find_pair(brain, routes, &routes->shares[i], &pair);
        uint16_t known = find_share(brain, tenant_of(brain, pair.tenant), pair.model);
        share_of(brain, known)->listed = known != 0;
    }
    release_shares(brain);
    list_tenants(brain, routes, now);
    for (uint32_t i = 1; i <= brain->tenants_used; i++) {
        release_tenant(brain, tenant_of(brain, (uint16_t)i));
    }
    pair = (struct pair){0};
    for (uint32_t i = 0; i < routes->share_count; i++) {
        find_pair(brain, routes, &routes->shares[i], &pair);
        adopt_share(brain, &pair, &routes->shares[i].quota, now);
    }
}

static const char *refuse_rate(const struct ub_rate *rate)
{
    if (rate->amount == 0) {
        return NULL;
    }
    bool sane = rate->amount <= UB_RATE_AMOUNT_MAX && rate->burst >= 1 &&
                rate->burst <= UB_RATE_AMOUNT_MAX && rate->per_ns >= UB_MS &&
                rate->per_ns <= UB_RATE_PER_MAX;
    return sane ? NULL : "a rate is 1 to a million million per 1ms to 1000h, and so is its burst";
}

static const char *refuse_quota(const struct ub_quota *quota)
{
    const char *words = refuse_rate(&quota->requests);
    return words != NULL ? words : refuse_rate(&quota->tokens);
}

static const char *refuse_shares(const struct ub_routes *routes)
{
    uint32_t before = 0;
    for (uint32_t i = 0; i < routes->share_count; i++) {
        const struct ub_share_spec *spec = &routes->shares[i];
        uint32_t order = ((uint32_t)spec->tenant << 16 | spec->model) + 1;
        if (spec->tenant >= routes->tenant_count || spec->model >= routes->model_count) {
            return "a share names a tenant or a model that is not there";
        }
        if (order <= before) {
            return "shares stand in the order of their tenants and models, none twice";
        }
        before = order;
        const char *words = refuse_quota(&spec->quota);
        if (words != NULL) {
            return words;
        }
    }
    return NULL;
}

static const char *refuse_tenant(const struct ub_routes *routes, uint32_t index)
{
    const struct ub_tenant_spec *spec = &routes->tenants[index];
    if (spec->key == 0 || spec->class >= UB_TRAFFIC_CLASSES) {
        return "a tenant needs a key and one of the four classes";
    }
    for (uint32_t i = 0; i < index; i++) {
        if (routes->tenants[i].key == spec->key) {
            return "a tenant stands there twice";
        }
    }
    return refuse_quota(&spec->quota);
}

/* Those that are gone but still have requests in the house keep their places. */
static bool tenants_fit(const struct ub_brain *brain, const struct ub_routes *routes)
{
    uint32_t count = 0;
    uint16_t before = 0;
    for (uint32_t i = 1; i <= brain->tenants_used; i++) {
        count += tenant_of(brain, (uint16_t)i)->requests > 0;
    }
    for (uint32_t i = 0; i < routes->tenant_count; i++) {
        uint16_t index = find_tenant(brain, routes->tenants[i].key, before + 1u);
        count += index == 0 || tenant_of(brain, index)->requests == 0;
        before = index;
    }
    return count <= brain->limits.tenants;
}

const char *refuse_tenants(const struct ub_brain *brain, const struct ub_routes *routes)
{
    for (uint32_t i = 0; i < routes->model_count; i++) {
        const char *words = refuse_quota(&routes->models[i].quota);
        if (words != NULL) {
            return words;
        }
    }
    for (uint32_t i = 0; i < routes->tenant_count; i++) {
        const char *words = refuse_tenant(routes, i);
        if (words != NULL) {
            return words;
        }
    }
    if (!tenants_fit(brain, routes)) {
        return "too many tenants, those included that still have requests in the house";
    }
    if (routes->share_count > brain->limits.shares) {
        return "too many pairs of tenant and model with limits of their own";
    }
    return refuse_shares(routes);
}

void tenant_enters(struct ub_brain *brain, struct request *request,
                   const struct ub_arrival *arrival)
{
    uint8_t lowest = UB_TRAFFIC_CLASSES - 1;
    request->class = arrival->class < lowest ? arrival->class : lowest;
    uint32_t index = arrival->tenant == UB_NO_TENANT ? 0 : arrival->tenant + 1u;
    if (index == 0 || index > brain->tenants_used || !tenant_of(brain, (uint16_t)index)->listed) {
        return;
    }
    struct tenant *tenant = tenant_of(brain, (uint16_t)index);
    request->tenant = (uint16_t)index;
    request->class = tenant->class > request->class ? tenant->class : request->class;
    tenant->requests++;
}

void tenant_leaves(struct ub_brain *brain, struct request *request)
{
    if (request->tenant == 0) {
        return;
    }
    struct tenant *tenant = tenant_of(brain, request->tenant);
    assert(tenant->requests > 0);
    tenant->requests--;
    if (brain->now > request->arrived_at) { /* else it was turned away */
        learn_stay(tenant, brain->now - request->arrived_at);
    }
    request->tenant = 0;
    release_tenant(brain, tenant);
}

/* Tenants and their shares over reloads: who keeps a slot, who gives one back. */
#include "policy/brain.h"

#include "base/test.h"
#include <stdlib.h>

static const struct ub_brain_limits limits = {.requests = 8,
                                              .upstreams = 1,
                                              .targets = 4,
                                              .models = 2,
                                              .routes = 8,
                                              .workers = 1,
                                              .prefixes = 4,
                                              .tenants = 3,
                                              .shares = 2};
static const struct ub_quota ten_a_second = {.requests = {10, UB_SECOND, 10}};

static ub_ns clock_ns = UB_SECOND; /* goes on with every event */

static struct ub_brain *fresh(void)
{
    void *block = aligned_alloc(64, (ub_brain_size(&limits) + 63) / 64 * 64);
    memset(block, 0, ub_brain_size(&limits));
    return ub_brain_init(block, &limits);
}

/* Routes with one upstream and two models, and the tenants with these keys. */
static const char *route(struct ub_brain *brain, const char *keys, uint32_t share_count,
                         const struct ub_share_spec *shares)
{
    struct ub_upstream_spec upstream = {.key = 1};
    struct ub_model_spec model[2];
    for (uint32_t i = 0; i < 2; i++) {
        model[i] = (struct ub_model_spec){.key = 100 + i,
                                          .policy = ub_model_policy_default(),
                                          .tiers = 1,
                                          .tier = {{.count = 1}}};
    }
    struct ub_tenant_spec tenant[8];
    struct ub_routes routes = {.upstream_count = 1,
                               .model_count = 2,
                               .share_count = share_count,
                               .upstreams = &upstream,
                               .models = model,
                               .tenants = tenant,
                               .shares = shares};
    for (; *keys != '\0'; keys++) {
        tenant[routes.tenant_count++] =
            (struct ub_tenant_spec){.key = (uint64_t)*keys, .class = UB_TRAFFIC_STANDARD};
    }
    const char *words = ub_brain_refuses(brain, &routes);
    if (words == NULL) {
        ub_brain_step(
            brain, &(struct ub_event){.type = UB_EV_ROUTES, .now = clock_ns++, .routes = &routes});
    }
    return words;
}

static struct ub_request_id arrive(struct ub_brain *brain, uint16_t tenant)
{
    struct ub_action action;
    struct ub_event event = {.type = UB_EV_ARRIVED,
                             .now = clock_ns++,
                             .request = ub_brain_next_id(brain),
                             .arrived = {.tenant = tenant, .stream = true}};
    ub_brain_step(brain, &event);
    while (ub_brain_next(brain, &action)) {
    }
    return event.request;
}

static void leave(struct ub_brain *brain, struct ub_request_id id)
{
    struct ub_action action;
    struct ub_event event = {.type = UB_EV_CLIENT_LEFT, .now = clock_ns++, .request = id};
    event.left = UB_ERR_CLIENT_GONE;
    ub_brain_step(brain, &event);
    while (ub_brain_next(brain, &action)) {
    }
}

static uint32_t requests_of(const struct ub_brain *brain, uint16_t tenant)
{
    struct ub_tenant_facts facts = {0};
    return ub_brain_tenant_facts(brain, tenant, &facts) ? facts.requests : UINT32_MAX;
}

static void test_slots(void)
{
    struct ub_brain *brain = fresh();
    UB_CHECK(route(brain, "ab", 0, NULL) == NULL && ub_brain_tenant(brain, 'a') == 0 &&
                 ub_brain_tenant(brain, 'b') == 1,
             "tenants get slots");
    UB_CHECK(ub_brain_tenant(brain, 'c') == UB_NO_TENANT, "others have none");
    struct ub_request_id id = arrive(brain, 0);
    arrive(brain, UB_NO_TENANT);
    arrive(brain, 7);
    UB_CHECK(requests_of(brain, 0) == 1 && requests_of(brain, 1) == 0,
             "a request counts for its tenant, and one of nobody for nobody");

    UB_CHECK(route(brain, "cb", 0, NULL) == NULL && ub_brain_tenant(brain, 'b') == 1,
             "a tenant keeps its slot over a reload, wherever it stands");
    UB_CHECK(ub_brain_tenant(brain, 'a') == UB_NO_TENANT && requests_of(brain, 0) == 1 &&
                 ub_brain_tenant(brain, 'c') == 2,
             "one that is gone keeps it while it has a request in the house");
    UB_CHECK(arrive(brain, 0).generation != 0 && requests_of(brain, 0) == 1,
             "but nobody comes in for it");
    UB_CHECK(route(brain, "cbd", 0, NULL) != NULL, "so a third new one does not fit");
    leave(brain, id);
    UB_CHECK(requests_of(brain, 0) == UINT32_MAX, "and gives it back with the last one");
    UB_CHECK(route(brain, "cbd", 0, NULL) == NULL && ub_brain_tenant(brain, 'd') == 0,
             "which then is another's");
    UB_CHECK(ub_brain_check(brain) == NULL, "%s",
             ub_brain_check(brain) == NULL ? "all is well" : ub_brain_check(brain));
    free(brain);
}

static void test_shares(void)
{
    struct ub_brain *brain = fresh();
    const struct ub_share_spec first[] = {{0, 0, ten_a_second}, {1, 1, ten_a_second}};
    const struct ub_share_spec other[] = {{0, 1, ten_a_second}, {1, 0, ten_a_second}};
    UB_CHECK(route(brain, "ab", 2, first) == NULL && ub_brain_check(brain) == NULL,
             "shares hang on their tenants");
    UB_CHECK(route(brain, "ab", 2, other) == NULL && ub_brain_check(brain) == NULL,
             "new ones take the places of old ones in the same reload");
    UB_CHECK(route(brain, "b", 0, NULL) == NULL && ub_brain_check(brain) == NULL,
             "and they go with their tenants");
    free(brain);
}

static void test_refusals(void)
{
    struct ub_brain *brain = fresh();
    const struct ub_quota none_at_once = {.tokens = {10, UB_SECOND, 0}};
    const struct {
        const char *name;
        const char *tenants;
        uint32_t count;
        struct ub_share_spec shares[3];
    } rows[] = {
        {"a tenant that stands there twice", "aba", 0, {{0}}},
        {"more tenants than fit", "abcd", 0, {{0}}},
        {"a share of a tenant that is not there", "a", 1, {{1, 0, ten_a_second}}},
        {"a share of a model that is not there", "a", 1, {{0, 2, ten_a_second}}},
        {"a share that stands there twice", "a", 2, {{0, 1, ten_a_second}, {0, 1, ten_a_second}}},
        {"more shares than fit",
         "ab",
         3,
         {{0, 0, ten_a_second}, {0, 1, ten_a_second}, {1, 0, ten_a_second}}},
        {"a rate of which nothing may come at once", "a", 1, {{0, 0, none_at_once}}},
    };
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        UB_CHECK(route(brain, rows[i].tenants, rows[i].count, rows[i].shares) != NULL, "%s",
                 rows[i].name);
    }
    free(brain);
}

int main(void)
{
    test_slots();
    test_shares();
    test_refusals();
    return ub_test_done();
}

/* A tenant whose limits are those of several gateways: a part of them is ours. A part that grows lets
 * nobody in by itself, and a small one turns nobody away for being too large. */
#include "sim/world.h"

static struct ub_world *world_with(struct ub_quota quota, uint32_t concurrency)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "a", 200 * UB_MS);
    struct ub_tenant_spec *tenant = ub_world_tenant(world, 1);
    tenant->quota = quota;
    tenant->concurrency = concurrency;
    tenant->shared = true;
    return world;
}

/* How many of so many that come at this moment are let in. */
static uint32_t let_in(struct ub_world *world, uint32_t count, ub_ns at, uint32_t prompt_tokens)
{
    struct ub_brain_facts before = ub_brain_facts(ub_world_brain(world));
    for (uint32_t i = 0; i < count; i++) {
        ub_world_ask(world, (struct ub_ask){.at = at, .tenant = 1, .prompt_tokens = prompt_tokens});
    }
    ub_world_run_until(world, at);
    return (uint32_t)(ub_brain_facts(ub_world_brain(world)).first_attempts - before.first_attempts);
}

static void test_requests(void)
{
    struct ub_world *world = world_with((struct ub_quota){.requests = {10, UB_SECOND, 10}}, 0);
    ub_world_ask(world, (struct ub_ask){.at = 0});
    ub_world_run_until(world, 0);
    ub_world_tenant_part(world, 1, 500);
    UB_CHECK(let_in(world, 20, UB_MS, 10) == 5, "half of the burst");
    ub_world_tenant_part(world, 1, 1000);
    UB_CHECK(let_in(world, 20, 2 * UB_MS, 10) == 0, "the other half brings no burst with it");
    UB_CHECK(let_in(world, 20, 502 * UB_MS, 10) == 5, "but its rate");
    ub_world_tenant_part(world, 1, 200);
    UB_CHECK(let_in(world, 20, 1502 * UB_MS, 10) == 2, "a fifth of the rate");
    ub_world_reload(world);
    UB_CHECK(let_in(world, 20, 2502 * UB_MS, 10) == 2, "a part is kept over a reload");
    ub_world_tenant_part(world, 1, 0);
    UB_CHECK(let_in(world, 20, 10 * UB_SECOND, 10) <= 1, "a part of nothing lets hardly one in");
    ub_world_tenant(world, 1)->shared = false;
    ub_world_reload(world);
    UB_CHECK(let_in(world, 20, 12 * UB_SECOND, 10) == 10, "not shared any more: the whole");
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept: %s", ub_world_broken(world));
    ub_world_free(world);
}

static void test_large_prompts(void)
{
    struct ub_world *world = world_with((struct ub_quota){.tokens = {10000, UB_MINUTE, 10000}}, 0);
    ub_world_ask(world, (struct ub_ask){.at = 0});
    ub_world_run_until(world, 0);
    ub_world_tenant_part(world, 1, 100);
    UB_CHECK(let_in(world, 3, UB_MS, 5000) == 1, "a prompt that is larger than the part comes in");
    UB_CHECK(let_in(world, 3, 10 * UB_SECOND, 10) == 0, "and the next ones wait for it");
    ub_world_free(world);
}

static void test_concurrency(void)
{
    struct ub_world *world = world_with((struct ub_quota){{0}, {0}}, 10);
    ub_world_ask(world, (struct ub_ask){.at = 0});
    ub_world_run_until(world, 0);
    ub_world_tenant_part(world, 1, 300);
    UB_CHECK(let_in(world, 20, UB_MS, 10) == 3, "three of ten places");
    ub_world_tenant_part(world, 1, 800);
    UB_CHECK(let_in(world, 20, 2 * UB_MS, 10) == 5, "five more");
    ub_world_tenant_part(world, 1, 100);
    UB_CHECK(let_in(world, 20, 3 * UB_MS, 10) == 0, "those inside stay");
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept: %s", ub_world_broken(world));
    ub_world_free(world);
}

int main(void)
{
    test_requests();
    test_large_prompts();
    test_concurrency();
    return ub_test_done();
}

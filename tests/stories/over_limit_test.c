/* Who is over a limit is turned away at once, and told when to come again: behind those who were told
 * before. Whoever comes when told is let in. */
#include "sim/world.h"

static struct ub_world *world_with(const char *upstream)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, upstream, 200 * UB_MS);
    return world;
}

static void requests(void)
{
    struct ub_world *world = world_with("a");
    ub_world_tenant(world, 1)->quota.requests = (struct ub_rate){2, UB_SECOND, 2};
    for (int i = 0; i < 5; i++) {
        ub_world_ask(world, (struct ub_ask){.at = 0, .tenant = i < 4 ? 1 : 0});
    }
    ub_world_ask(world, (struct ub_ask){.at = 500 * UB_MS, .tenant = 1});
    ub_world_ask(world, (struct ub_ask){.at = 999 * UB_MS, .tenant = 1});
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on a (only candidate)\n"
                   "[     0 ms] r2 arrived: start 1 on a (only candidate)\n"
                   "[     0 ms] r3 arrived: answer 429 rate_limit_exceeded, come back in 500 ms "
                   "(tenant's request rate)\n"
                   "[     0 ms] r4 arrived: answer 429 rate_limit_exceeded, come back in 1000 ms "
                   "(tenant's request rate)\n"
                   "[     0 ms] r5 arrived: start 1 on a (only candidate)\n"
                   "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[   200 ms] r2 first token 1: forward 1 (first payload)\n"
                   "[   200 ms] r5 first token 1: forward 1 (first payload)\n"
                   "[   500 ms] r6 arrived: start 1 on a (only candidate)\n"
                   "[   700 ms] r6 first token 1: forward 1 (first payload)\n"
                   "[   999 ms] r7 arrived: answer 429 rate_limit_exceeded, come back in 501 ms "
                   "(tenant's request rate)\n"
                   "[  1200 ms] r1 ended 1 ok: finish (complete)\n"
                   "[  1200 ms] r2 ended 1 ok: finish (complete)\n"
                   "[  1200 ms] r5 ended 1 ok: finish (complete)\n"
                   "[  1700 ms] r6 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Each limit says for itself that it was the one. */
static void each_level(void)
{
    struct ub_world *world = world_with("a");
    ub_world_upstream_named(world, "a")->models = 7;
    ub_world_models(world, 3);
    ub_world_tenant(world, 1);
    ub_world_share(world, 1, 0)->requests = (struct ub_rate){1, UB_SECOND, 1};
    ub_world_quota(world, 1)->requests = (struct ub_rate){1, UB_MINUTE, 1};
    ub_world_tenant(world, 2)->quota.tokens = (struct ub_rate){6000, UB_MINUTE, 1000};
    struct ub_ask ask = {.tenant = 1};
    ub_world_ask(world, ask);
    ub_world_ask(world, ask);
    ask.tenant = 2; /* the other tenant has no share, and another model has no such limit */
    ub_world_ask(world, ask);
    ask.model = 1;
    ub_world_ask(world, (struct ub_ask){.model = 1, .tenant = 1});
    ub_world_ask(world, (struct ub_ask){.model = 1});
    ub_world_ask(world, (struct ub_ask){.model = 2, .tenant = 2, .prompt_tokens = 800});
    ub_world_ask(world, (struct ub_ask){.model = 2, .tenant = 2, .prompt_tokens = 1001});
    ub_world_run_until(world, 0);
    UB_CHECK(ub_test_text(ub_world_trace(world),
                          "[     0 ms] r1 arrived: start 1 on a (only candidate)\n"
                          "[     0 ms] r2 arrived: answer 429 rate_limit_exceeded, come back in "
                          "1000 ms (tenant's requests to the model)\n"
                          "[     0 ms] r3 arrived: start 1 on a (only candidate)\n"
                          "[     0 ms] r4 arrived: start 1 on a (only candidate)\n"
                          "[     0 ms] r5 arrived: answer 429 rate_limit_exceeded, come back in "
                          "60000 ms (model's request rate)\n"
                          "[     0 ms] r6 arrived: answer 429 rate_limit_exceeded, come back in "
                          "3560 ms (tenant's token rate)\n"
                          "[     0 ms] r7 arrived: answer 429 rate_limit_exceeded, do not come "
                          "back (more tokens than fit at once)\n",
                          __FILE__, __LINE__, "each level refuses in its own words"),
             "all in one instant");
    ub_world_run(world);
    ub_world_free(world);
}

/* A wait of more than a minute is no advice that SDKs obey: they are told not to try. */
static void too_long(void)
{
    struct ub_world *world = world_with("a");
    ub_world_tenant(world, 1)->quota.requests = (struct ub_rate){1, 61 * UB_SECOND, 1};
    ub_world_ask(world, (struct ub_ask){.tenant = 1, .leaves_after_ns = UB_MS});
    ub_world_ask(world, (struct ub_ask){.tenant = 1});
    ub_world_ask(world, (struct ub_ask){.at = 2 * UB_SECOND, .tenant = 1});
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on a (only candidate)\n"
                   "[     0 ms] r2 arrived: answer 429 rate_limit_exceeded, do not come back "
                   "(tenant's request rate)\n"
                   "[     1 ms] r1 client left client_gone: cancel 1 (client left), drop "
                   "client_gone (client left)\n"
                   "[  2000 ms] r3 arrived: answer 429 rate_limit_exceeded, come back in 59000 ms "
                   "(tenant's request rate)\n");
    ub_world_free(world);
}

/* A reload keeps what was used; another rate makes nobody wait for more than its burst. */
static void reload(void)
{
    struct ub_world *world = world_with("a");
    struct ub_rate *rate = &ub_world_tenant(world, 1)->quota.requests;
    *rate = (struct ub_rate){1, UB_MINUTE, 1};
    ub_world_ask(world, (struct ub_ask){.tenant = 1, .leaves_after_ns = UB_MS});
    ub_world_run(world);
    ub_world_reload(world);
    UB_CHECK(ub_world_allowance(world, 1, 0).requests.left == 0, "a reload gives nothing back");
    *rate = (struct ub_rate){2, UB_SECOND, 2};
    ub_world_reload(world);
    UB_CHECK(ub_world_allowance(world, 1, 0).requests.limit == 2 &&
                 ub_world_allowance(world, 1, 0).requests.full_ns == UB_SECOND,
             "under a new rate nobody owes more than the burst");
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

int main(void)
{
    requests();
    each_level();
    too_long();
    reload();
    return ub_test_done();
}

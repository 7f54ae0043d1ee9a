/* Clients that retry more than a fifth of what they ask are told not to: x-should-retry is false until
 * they have asked enough again. Other tenants are not meant. */
#include "sim/world.h"

static void over_a_limit(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_policy(world, 0)->retry.ride_out_ns = 0;
    ub_world_upstream(world, "a", 200 * UB_MS);
    ub_world_tenant(world, 1)->quota.requests = (struct ub_rate){1, UB_MINUTE, 1};
    ub_world_tenant(world, 2)->quota.requests = (struct ub_rate){1, UB_MINUTE, 1};
    struct ub_ask ask = {.tenant = 1, .leaves_after_ns = UB_MS};
    ub_world_ask(world, ask);
    ub_world_ask(world, (struct ub_ask){.tenant = 2, .leaves_after_ns = UB_MS});
    ask.at = UB_SECOND;
    ask.retry = 1;
    for (int i = 0; i < 3; i++) {
        ub_world_ask(world, ask);
    }
    ub_world_ask(world, (struct ub_ask){.at = UB_SECOND, .tenant = 2});
    ask.at = 2 * UB_SECOND;
    ask.retry = 0;
    ub_world_ask(world, ask);
    ub_world_run_until(world, 999 * UB_MS);
    ub_world_forget(world);
    UB_CHECK_TRACE(world,
                   "[  1000 ms] r3 arrived: answer 429 rate_limit_exceeded, come back in 59000 ms "
                   "(tenant's request rate)\n"
                   "[  1000 ms] r4 arrived: answer 429 rate_limit_exceeded, do not come back "
                   "(tenant's request rate)\n"
                   "[  1000 ms] r5 arrived: answer 429 rate_limit_exceeded, do not come back "
                   "(tenant's request rate)\n"
                   "[  1000 ms] r6 arrived: answer 429 rate_limit_exceeded, come back in 59000 ms "
                   "(tenant's request rate)\n"
                   "[  2000 ms] r7 arrived: answer 429 rate_limit_exceeded, come back in 60000 ms "
                   "(tenant's request rate)\n");
    ub_world_free(world);
}

/* The same for clients without a tenant, and whatever it is that refuses them. */
static void everybody_busy(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_policy(world, 0)->retry.ride_out_ns = 0;
    ub_world_upstream(world, "a", 200 * UB_MS)->fault = UB_FAULT_BUSY_503;
    ub_world_policy(world, 0)->retry.attempts = 1;
    ub_world_ask(world, (struct ub_ask){.retry = 1});
    ub_world_ask(world, (struct ub_ask){.at = 100 * UB_MS, .retry = 2});
    ub_world_ask(world, (struct ub_ask){.at = 1200 * UB_MS});
    UB_CHECK_TRACE(
        world, "[     0 ms] r1 arrived: start 1 on a (only candidate)\n"
               "[    10 ms] r1 ended 1 upstream_busy: answer 503 all_busy, come back in 1172 ms "
               "(out of attempts)\n"
               "[   100 ms] r2 arrived: start 1 on a (only candidate)\n"
               "[   110 ms] r2 ended 1 upstream_busy: answer 503 all_busy, come back in 1172 ms, "
               "do not come back (out of attempts)\n"
               "[  1200 ms] r3 arrived: start 1 on a (only candidate)\n"
               "[  1210 ms] r3 ended 1 upstream_busy: answer 503 all_busy, come back in 1172 ms "
               "(out of attempts)\n");
    ub_world_free(world);
}

int main(void)
{
    over_a_limit();
    everybody_busy();
    return ub_test_done();
}

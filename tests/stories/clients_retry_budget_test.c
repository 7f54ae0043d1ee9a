/* Clients that retry more than a fifth of what they ask are told not to: x-should-retry is false until
 * they have asked enough again. Other tenants are not meant. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
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
    return ub_test_done();
}

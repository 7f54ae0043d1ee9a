/* A tenant has no more requests in the house than its share, those that wait included; its place is
 * free at the true end, however that comes, and once. */
#include "sim/world.h"

static void in_flight_and_waiting(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "a", 200 * UB_MS)->concurrency = 1;
    ub_world_tenant(world, 1)->concurrency = 2;
    ub_world_ask(world, (struct ub_ask){.tenant = 1});
    ub_world_ask(world, (struct ub_ask){.tenant = 1, .leaves_after_ns = 300 * UB_MS});
    ub_world_ask(world, (struct ub_ask){.tenant = 1});
    ub_world_ask(world, (struct ub_ask){.at = 299 * UB_MS, .tenant = 1});
    ub_world_ask(world, (struct ub_ask){.at = 301 * UB_MS, .tenant = 1});
    ub_world_ask(world, (struct ub_ask){.at = 400 * UB_MS, .tenant = 1});
    UB_CHECK_TRACE(world,
                   "[     0 ms] r1 arrived: start 1 on a (only candidate)\n"
                   "[     0 ms] r2 arrived: nothing\n"
                   "[     0 ms] r3 arrived: answer 429 rate_limit_exceeded, come back in 1000 ms "
                   "(tenant's concurrency)\n"
                   "[   200 ms] r1 first token 1: forward 1 (first payload)\n"
                   "[   299 ms] r4 arrived: answer 429 rate_limit_exceeded, come back in 1000 ms "
                   "(tenant's concurrency)\n"
                   "[   300 ms] r2 client left client_gone: drop client_gone (client left)\n"
                   "[   301 ms] r5 arrived: nothing\n"
                   "[   400 ms] r6 arrived: answer 429 rate_limit_exceeded, come back in 150 ms "
                   "(tenant's concurrency)\n"
                   "[  1200 ms] r1 ended 1 ok: finish (complete), r5 start 1 on a (slot freed)\n"
                   "[  1400 ms] r5 first token 1: forward 1 (first payload)\n"
                   "[  2400 ms] r5 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

int main(void)
{
    in_flight_and_waiting();
    return ub_test_done();
}

/* Nobody waits past a deadline: the model's total, or the client's own when that is sooner. */
#include "sim/world.h"

static struct ub_world *silent(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    for (int i = 0; i < 3; i++) {
        const char *const names[] = {"a", "b", "c"};
        ub_world_upstream(world, names[i], 200 * UB_MS)->fault = UB_FAULT_SILENT;
    }
    return world;
}

int main(void)
{
    struct ub_world *world = silent();
    ub_world_policy(world, 0)->total_ns = 12 * UB_SECOND;
    ub_world_request(world, 0);
    UB_CHECK_TRACE(
        world,
        "[     0 ms] r1 arrived: start 1 on a (balanced)\n"
        "[  5000 ms] woken: r1 cancel 1 (first token deadline), r1 start 2 on b (retry elsewhere)\n"
        "[ 10000 ms] woken: r1 cancel 2 (first token deadline), r1 start 3 on c (retry elsewhere)\n"
        "[ 12000 ms] woken: r1 cancel 3 (out of time), r1 answer 504 deadline, come back in 1125 "
        "ms (out of time)\n");
    ub_world_free(world);

    world = silent();
    ub_world_ask(world, (struct ub_ask){.client_deadline = 7 * UB_SECOND});
    UB_CHECK_TRACE(
        world,
        "[     0 ms] r1 arrived: start 1 on a (balanced)\n"
        "[  5000 ms] woken: r1 cancel 1 (first token deadline), r1 start 2 on b (retry elsewhere)\n"
        "[  7000 ms] woken: r1 cancel 2 (out of time), r1 answer 504 deadline, come back in 1125 "
        "ms (out of time)\n");
    ub_world_free(world);

    /* A client that would wait longer than the model's total does not. */
    world = silent();
    ub_world_policy(world, 0)->total_ns = 4 * UB_SECOND;
    ub_world_ask(world, (struct ub_ask){.client_deadline = UB_MINUTE});
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on a (balanced)\n"
                          "[  4000 ms] woken: r1 cancel 1 (out of time), r1 answer 504 deadline, "
                          "come back in 1125 ms (out of time)\n");
    ub_world_free(world);

    /* A deadline that has passed already costs no attempt. */
    world = silent();
    ub_world_ask(world, (struct ub_ask){.at = 2 * UB_SECOND, .client_deadline = UB_SECOND});
    UB_CHECK_TRACE(
        world, "[  2000 ms] r1 arrived: answer 504 deadline, come back in 1125 ms (out of time)\n");
    ub_world_free(world);

    /* The total is until the commit point: a stream may then go on for longer. */
    world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "slow", UB_SECOND)->token_ns = 100 * UB_MS;
    ub_world_policy(world, 0)->total_ns = 2 * UB_SECOND;
    ub_world_policy(world, 0)->stall_ns = 1500 * UB_MS; /* the watchdog looks in between */
    ub_world_request(world, 0);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on slow (only candidate)\n"
                          "[  1000 ms] r1 first token 1: forward 1 (first payload)\n"
                          "[  6000 ms] r1 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
    return ub_test_done();
}

/* Who would not get a slot in time is refused at once, and told when it would have had one; who has
 * room in its time waits. Before the first answer nobody knows, and everybody may wait. */
#include "sim/world.h"

/* One slot; answers take two seconds, and one has ended by 2 s. */
static struct ub_world *known(ub_ns slot_wait_ns)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    struct ub_sim_upstream *only = ub_world_upstream(world, "only", UB_SECOND);
    only->concurrency = 1;
    ub_world_policy(world, 0)->slot_wait_ns = slot_wait_ns;
    ub_world_request(world, 0);
    ub_world_run_until(world, 3 * UB_SECOND);
    ub_world_forget(world);
    return world;
}

/* Places are 1, 3 and 5 seconds away; advice has an eighth on top. */
static void test_queue_wait(void)
{
    struct ub_world *world = known(4 * UB_SECOND);
    for (int i = 0; i < 4; i++) {
        ub_world_request(world, (3000 + i * 10) * UB_MS);
    }
    UB_CHECK_TRACE(world,
                   "[  3000 ms] r2 arrived: start 1 on only (only candidate)\n"
                   "[  3010 ms] r3 arrived: nothing\n"
                   "[  3020 ms] r4 arrived: nothing\n"
                   "[  3030 ms] r5 arrived: answer 503 queue_timeout, come back in 5625 ms (no "
                   "slot in sight in time)\n"
                   "[  4000 ms] r2 first token 1: forward 1 (first payload)\n"
                   "[  5000 ms] r2 ended 1 ok: finish (complete), r3 start 1 on only (slot freed)\n"
                   "[  6000 ms] r3 first token 1: forward 1 (first payload)\n"
                   "[  7000 ms] r3 ended 1 ok: finish (complete), r4 start 1 on only (slot freed)\n"
                   "[  8000 ms] r4 first token 1: forward 1 (first payload)\n"
                   "[  9000 ms] r4 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* The client's own deadline is as good a reason. */
static void test_deadline(void)
{
    struct ub_world *world = known(UB_MINUTE);
    ub_world_request(world, 3000 * UB_MS);
    ub_world_request(world, 3010 * UB_MS);
    ub_world_ask(world, (struct ub_ask){.at = 3020 * UB_MS, .client_deadline = 5500 * UB_MS});
    ub_world_ask(world, (struct ub_ask){.at = 3030 * UB_MS, .client_deadline = 9000 * UB_MS});
    UB_CHECK_TRACE(world,
                   "[  3000 ms] r2 arrived: start 1 on only (only candidate)\n"
                   "[  3010 ms] r3 arrived: nothing\n"
                   "[  3020 ms] r4 arrived: answer 503 queue_timeout, come back in 3375 ms (no "
                   "slot in sight in time)\n"
                   "[  3030 ms] r5 arrived: nothing\n"
                   "[  4000 ms] r2 first token 1: forward 1 (first payload)\n"
                   "[  5000 ms] r2 ended 1 ok: finish (complete), r3 start 1 on only (slot freed)\n"
                   "[  6000 ms] r3 first token 1: forward 1 (first payload)\n"
                   "[  7000 ms] r3 ended 1 ok: finish (complete), r5 start 1 on only (slot freed)\n"
                   "[  8000 ms] r5 first token 1: forward 1 (first payload)\n"
                   "[  9000 ms] r5 ended 1 ok: finish (complete)\n");
    ub_world_free(world);
}

/* Nobody of a higher class is refused for those below it, and advice is never more than a minute. */
static void test_classes_and_advice(void)
{
    struct ub_world *world = known(UB_HOUR);
    for (int i = 0; i < 100; i++) {
        ub_world_request(world, 3 * UB_SECOND);
    }
    ub_world_run_until(world, 3 * UB_SECOND);
    ub_world_policy(world, 0)->slot_wait_ns = 10 * UB_SECOND;
    ub_world_reload(world);
    ub_world_forget(world);
    ub_world_ask(world, (struct ub_ask){.at = 3010 * UB_MS});
    ub_world_ask(world, (struct ub_ask){.at = 3020 * UB_MS, .class = 1 + UB_TRAFFIC_INTERACTIVE});
    ub_world_run_until(world, 6 * UB_SECOND);
    UB_CHECK_TEXT(
        ub_world_trace(world),
        "[  3010 ms] r102 arrived: answer 503 queue_timeout, come back in 54000 ms (no "
        "slot in sight in time)\n"
        "[  3020 ms] r103 arrived: nothing\n"
        "[  4000 ms] r2 first token 1: forward 1 (first payload)\n"
        "[  5000 ms] r2 ended 1 ok: finish (complete), r103 start 1 on only (slot freed)\n"
        "[  6000 ms] r103 first token 1: forward 1 (first payload)\n",
        "a higher class has nobody before it");
    ub_world_free(world);
}

/* Two models share the slot: each has half of it. */
static void test_shared(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_models(world, 2);
    struct ub_sim_upstream *only = ub_world_upstream(world, "only", UB_SECOND);
    only->models = 3;
    only->concurrency = 1;
    ub_world_policy(world, 1)->slot_wait_ns = 1500 * UB_MS;
    ub_world_ask(world, (struct ub_ask){.model = 1}); /* two seconds */
    ub_world_run_until(world, 3 * UB_SECOND);
    ub_world_request(world, 3 * UB_SECOND);
    ub_world_ask(world, (struct ub_ask){.at = 3 * UB_SECOND, .model = 1, .leaves_after_ns = 1});
    ub_world_request(world, 3010 * UB_MS);
    ub_world_ask(world, (struct ub_ask){.at = 3020 * UB_MS, .model = 1});
    ub_world_run(world);
    UB_CHECK(ub_world_result(world, 3).outcome == UB_SIM_DROPPED, "one second may be waited");
    UB_CHECK(ub_world_result(world, 5).reason == UB_WHY_NOT_IN_SIGHT,
             "not two, because the other model takes turns");
    ub_world_free(world);
}

int main(void)
{
    test_queue_wait();
    test_deadline();
    test_classes_and_advice();
    test_shared();
    return ub_test_done();
}

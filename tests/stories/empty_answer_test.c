/* An empty answer is tried elsewhere; when everybody's answer is empty, the last one is passed on. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "empty", 100 * UB_MS)->fault = UB_FAULT_EMPTY;
    struct ub_sim_upstream *other = ub_world_upstream(world, "other", 100 * UB_MS);
    other->tier = 1;
    ub_world_request(world, 0);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on empty (only candidate)\n"
                          "[   100 ms] r1 ended 1 empty_answer: start 2 on other (next tier)\n"
                          "[   200 ms] r1 first token 2: forward 2 (first payload)\n"
                          "[  1200 ms] r1 ended 2 ok: finish (complete)\n");

    ub_world_forget(world);
    other->fault = UB_FAULT_EMPTY;
    ub_world_request(world, 10 * UB_SECOND);
    UB_CHECK_TRACE(world, "[ 10000 ms] r2 arrived: start 1 on empty (only candidate)\n"
                          "[ 10100 ms] r2 ended 1 empty_answer: start 2 on other (next tier)\n"
                          "[ 10200 ms] r2 ended 2 empty_answer: pass on 2, empty_answer, do not "
                          "come back (nobody left to try)\n");
    ub_world_free(world);

    /* An empty answer is an answer: when the others fail it is passed on at once. */
    world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "empty", 100 * UB_MS)->fault = UB_FAULT_EMPTY;
    other = ub_world_upstream(world, "busy", 100 * UB_MS);
    other->fault = UB_FAULT_BUSY_503;
    other->tier = 1;
    ub_world_request(world, 0);
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on empty (only candidate)\n"
                          "[   100 ms] r1 ended 1 empty_answer: start 2 on busy (next tier)\n"
                          "[   110 ms] r1 ended 2 upstream_busy: pass on 1, empty_answer, do not "
                          "come back (nobody left to try)\n");
    ub_world_free(world);
    return ub_test_done();
}

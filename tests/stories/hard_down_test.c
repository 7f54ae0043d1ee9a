/* A refused key, an empty balance or a missing model does not get better with the next request: the upstream is left
 * alone at once, and the request goes elsewhere. */
#include "sim/world.h"

static void test_fault(enum ub_fault fault, const char *want)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "broke", 100 * UB_MS)->fault = fault;
    ub_world_upstream(world, "other", 100 * UB_MS)->tier = 1;
    ub_world_request(world, 0);
    ub_world_request(world, 500 * UB_MS);
    UB_CHECK_TRACE(world, want);
    ub_world_free(world);
}

/* With nobody else the client hears it after one call, not after four of the same. */
static void test_alone(enum ub_fault fault, const char *want)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "broke", 100 * UB_MS)->fault = fault;
    ub_world_request(world, 0);
    UB_CHECK_TRACE(world, want);
    ub_world_free(world);
}

int main(void)
{
    test_alone(UB_FAULT_NO_BALANCE,
               "[     0 ms] r1 arrived: start 1 on broke (only candidate)\n"
               "[    10 ms] r1 ended 1 no_balance: answer 502 no_balance, do not come back (nobody "
               "left to try)\n");
    test_alone(UB_FAULT_KEY_REFUSED,
               "[     0 ms] r1 arrived: start 1 on broke (only candidate)\n"
               "[    10 ms] r1 ended 1 key_refused: answer 502 key_refused, do not come back "
               "(nobody left to try)\n");
    test_alone(UB_FAULT_MODEL_MISSING,
               "[     0 ms] r1 arrived: start 1 on broke (only candidate)\n"
               "[    10 ms] r1 ended 1 model_missing: answer 404 model_missing, do not come back "
               "(nobody left to try)\n");
    test_fault(UB_FAULT_MODEL_MISSING,
               "[     0 ms] r1 arrived: start 1 on broke (only candidate)\n"
               "[    10 ms] r1 ended 1 model_missing: start 2 on other (next tier)\n"
               "[   110 ms] r1 first token 2: forward 2 (first payload)\n"
               "[   500 ms] r2 arrived: start 1 on other (next tier)\n"
               "[   600 ms] r2 first token 1: forward 1 (first payload)\n"
               "[  1110 ms] r1 ended 2 ok: finish (complete)\n"
               "[  1600 ms] r2 ended 1 ok: finish (complete)\n");
    test_fault(UB_FAULT_KEY_REFUSED,
               "[     0 ms] r1 arrived: start 1 on broke (only candidate)\n"
               "[    10 ms] r1 ended 1 key_refused: start 2 on other (next tier)\n"
               "[   110 ms] r1 first token 2: forward 2 (first payload)\n"
               "[   500 ms] r2 arrived: start 1 on other (next tier)\n"
               "[   600 ms] r2 first token 1: forward 1 (first payload)\n"
               "[  1110 ms] r1 ended 2 ok: finish (complete)\n"
               "[  1600 ms] r2 ended 1 ok: finish (complete)\n");
    test_fault(UB_FAULT_NO_BALANCE,
               "[     0 ms] r1 arrived: start 1 on broke (only candidate)\n"
               "[    10 ms] r1 ended 1 no_balance: start 2 on other (next tier)\n"
               "[   110 ms] r1 first token 2: forward 2 (first payload)\n"
               "[   500 ms] r2 arrived: start 1 on other (next tier)\n"
               "[   600 ms] r2 first token 1: forward 1 (first payload)\n"
               "[  1110 ms] r1 ended 2 ok: finish (complete)\n"
               "[  1600 ms] r2 ended 1 ok: finish (complete)\n");
    return ub_test_done();
}

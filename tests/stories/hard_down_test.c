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

/* A model that is missing there takes the upstream away from that model, not from the others. */
static void test_one_model(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_models(world, 2);
    struct ub_sim_upstream *u = ub_world_upstream(world, "u", 100 * UB_MS);
    u->models = 3;
    u->fault = UB_FAULT_MODEL_MISSING;
    u->fault_left = 1;
    ub_world_ask(world, (struct ub_ask){.model = 1});
    ub_world_ask(world, (struct ub_ask){.at = 50 * UB_MS});
    UB_CHECK_TRACE(world, "[     0 ms] r1 arrived: start 1 on u (only candidate)\n"
                          "[    10 ms] r1 ended 1 model_missing: answer 404 model_missing, do not "
                          "come back (nobody left to try)\n"
                          "[    50 ms] r2 arrived: start 1 on u (only candidate)\n"
                          "[   150 ms] r2 first token 1: forward 1 (first payload)\n"
                          "[  1150 ms] r2 ended 1 ok: finish (complete)\n");
    struct ub_target_facts facts[2];
    for (uint16_t m = 0; m < 2; m++) {
        ub_brain_target(ub_world_brain(world), ub_world_slot(world, "u"), m, UB_HOUR, &facts[m]);
    }
    UB_CHECK(facts[0].state == UB_UPSTREAM_UP && facts[1].state == UB_UPSTREAM_EJECTED,
             "it is ejected for the one and up for the other");
    ub_world_free(world);
}

int main(void)
{
    test_one_model();
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

/* A reload is one event. Statistics survive; what is taken out drains; a running request keeps the
 * routes that it started with; a slot is used again only when nothing runs there any more. */
#include "sim/world.h"

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "old", 500 * UB_MS);
    ub_world_upstream(world, "stays", 300 * UB_MS)->tier = 1;
    ub_world_policy(world, 0)->patience_ns = 0;
    ub_world_request(world, 0);
    ub_world_run_until(world, 3 * UB_SECOND);
    ub_ns learned_ns = ub_world_facts(world, "old").first_payload_ns;
    UB_CHECK(learned_ns > 0, "something is learned");

    ub_world_reload(world);
    UB_CHECK(ub_world_facts(world, "old").first_payload_ns == learned_ns, "statistics survive");

    /* "old" is taken out while a request runs there, and "new" comes. */
    ub_world_forget(world);
    ub_world_request(world, 3 * UB_SECOND);
    ub_world_run_until(world, 3200 * UB_MS);
    uint16_t old_slot = ub_world_slot(world, "old");
    ub_world_upstream_named(world, "old")->removed = true;
    ub_world_upstream(world, "new", 100 * UB_MS);
    ub_world_reload(world);
    UB_CHECK(ub_world_slot(world, "old") == UB_NO_UPSTREAM, "it is not in the routes any more");
    UB_CHECK(ub_world_slot(world, "new") != old_slot, "its slot is not used while it drains");
    ub_world_request(world, 3300 * UB_MS);
    UB_CHECK_TRACE(world, "[  3000 ms] r2 arrived: start 1 on old (only candidate)\n"
                          "[  3200 ms] routes\n"
                          "[  3300 ms] r3 arrived: start 1 on new (only candidate)\n"
                          "[  3400 ms] r3 first token 1: forward 1 (first payload)\n"
                          "[  3500 ms] r2 first token 1: forward 1 (first payload)\n"
                          "[  4400 ms] r3 ended 1 ok: finish (complete)\n"
                          "[  4500 ms] r2 ended 1 ok: finish (complete)\n");

    ub_world_upstream(world, "newer", 100 * UB_MS);
    ub_world_reload(world);
    UB_CHECK(ub_world_slot(world, "newer") == old_slot,
             "when it has drained its slot is used again");
    UB_CHECK(ub_world_facts(world, "newer").first_payload_ns == 0, "and nothing of it is left");
    ub_world_free(world);
    return ub_test_done();
}

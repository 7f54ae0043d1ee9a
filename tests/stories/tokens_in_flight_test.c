/* The load that a request puts on an upstream is its prompt and what it may answer: its max_tokens,
 * or the model's usual answer when that is shorter or nothing was said. */
#include "sim/world.h"

static uint64_t reserved(struct ub_world *world, uint32_t prompt, uint32_t max)
{
    ub_ns at = ub_world_now(world);
    ub_world_ask(
        world,
        (struct ub_ask){.at = at, .prompt_tokens = prompt, .max_tokens = max, .answer_tokens = 40});
    ub_world_run_until(world, at + UB_MS);
    uint64_t tokens = ub_world_facts(world, "u").tokens_inflight;
    ub_world_run(world);
    return tokens;
}

int main(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5, .quiet = true});
    ub_world_upstream(world, "u", 100 * UB_MS);
    UB_CHECK(reserved(world, 1000, 0) == 1256, "256 before anything is known");
    UB_CHECK(ub_world_facts(world, "u").tokens_inflight == 0, "and nothing is left of it");
    UB_CHECK(reserved(world, 1000, 0) == 1040, "then what the answers were");
    UB_CHECK(reserved(world, 500, 4000) == 540, "also when much more is allowed");
    UB_CHECK(reserved(world, 500, 10) == 510, "but not more than is allowed");
    ub_world_free(world);
    return ub_test_done();
}

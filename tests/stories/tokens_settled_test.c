/* Tokens are charged by estimate at the door and settled once, at the end: by what was reported, else
 * by what was said, however the request ended. */
#include "sim/world.h"

#define LIMIT 100000 /* a minute, and at once */

static struct ub_world *world_with(enum ub_fault fault)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5, .quiet = true});
    ub_world_upstream(world, "a", 200 * UB_MS)->fault = fault;
    ub_world_policy(world, 0)->retry.attempts = 1;
    ub_world_tenant(world, 1)->quota.tokens = (struct ub_rate){LIMIT, 24 * UB_HOUR, LIMIT};
    return world;
}

/* A prompt of 1000, and 50 tokens of answer in one second from 200 ms on. */
static const struct {
    const char *name;
    enum ub_fault fault;
    struct ub_ask ask;
    uint32_t door, end; /* tokens charged */
} rows[] = {
    {"a complete answer costs what was reported", UB_FAULT_NONE, {0}, 1256, 1050},
    {"the reserve is no more than was asked for", UB_FAULT_NONE, {.max_tokens = 20}, 1020, 1050},
    {"a whole answer, too", UB_FAULT_NONE, {.whole = true}, 1256, 1050},
    {"an answer that is cut costs what was said", UB_FAULT_CUT, {0}, 1256, 1025},
    {"one that nobody gave costs nothing", UB_FAULT_ERROR_500, {0}, 0, 0},
    {"a client that leaves midway pays what was said",
     UB_FAULT_NONE,
     {.leaves_after_ns = 600 * UB_MS},
     1256,
     1020},
    {"one that leaves while an upstream reads the prompt pays the prompt",
     UB_FAULT_NONE,
     {.leaves_after_ns = 100 * UB_MS},
     1256,
     1000},
};

static uint32_t used(const struct ub_world *world)
{
    return LIMIT - (uint32_t)ub_world_allowance(world, 1, 0).tokens.left;
}

static void each_end(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_world *world = world_with(rows[i].fault);
        struct ub_ask ask = rows[i].ask;
        ask.tenant = 1;
        ask.prompt_tokens = 1000;
        ub_world_ask(world, ask);
        ub_world_run_until(world, 50 * UB_MS);
        uint32_t door = used(world);
        ub_world_run(world);
        /* A token comes back every 864 ms. */
        UB_CHECK(door == rows[i].door && used(world) <= rows[i].end &&
                     used(world) + 2 >= rows[i].end,
                 "%s: %u, then %u", rows[i].name, door, used(world));
        UB_CHECK(ub_brain_facts(ub_world_brain(world)).reserved_tokens == 0 &&
                     ub_world_broken(world) == NULL,
                 "and nothing stays reserved");
        ub_world_free(world);
    }
}

/* More than was there: those who come next wait for it. */
static void surcharge(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.draw = 0.5});
    ub_world_upstream(world, "a", 200 * UB_MS);
    ub_world_tenant(world, 1)->quota.tokens = (struct ub_rate){60000, UB_MINUTE, 1000};
    ub_world_ask(world, (struct ub_ask){.tenant = 1, .max_tokens = 10, .answer_tokens = 9000});
    ub_world_run(world);
    ub_world_forget(world);
    ub_world_ask(world, (struct ub_ask){.at = ub_world_now(world), .tenant = 1});
    /* The bucket was full again; then 8990 more than charged were taken from it. What an answer
     * usually has would be reserved now, but no more than a burst. */
    UB_CHECK_TRACE(world, "[180200 ms] r2 arrived: answer 429 rate_limit_exceeded, come back in "
                          "8990 ms (tenant's token rate)\n");
    ub_world_free(world);
}

int main(void)
{
    each_end();
    surcharge();
    return ub_test_done();
}

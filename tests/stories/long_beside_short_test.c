/* The article's case: long text requests of 2.3 s beside short ones of 0.8 s. Round robin meets an
 * alternating mix in the worst way, one node is at 92 % and the other at about a third; every other
 * balancing evens the same mix out. */
#include "sim/world.h"

#define NODES_MAX 3
#define WARM_UP   (30 * UB_SECOND)
#define MEASURED  (300 * UB_SECOND)
#define SLOTS     10.0 /* what a node can run at the same time: the measure of 100 % */

struct loads {
    double share[NODES_MAX]; /* of the slots, mean over the time */
    double max, mean;
};

static void ask_mix(struct ub_world *world, ub_ns every_ns, bool alternating)
{
    struct ub_random random = {11};
    int i = 0;
    for (ub_ns at = 0; at < WARM_UP + MEASURED; at += every_ns, i++) {
        bool is_long = alternating ? i % 2 == 0 : ub_random_below(&random, 2) == 0;
        ub_world_ask(world, (struct ub_ask){.at = at,
                                            .prompt_tokens = is_long ? 1500 : 200,
                                            .answer_tokens = is_long ? 100 : 25});
    }
}

static struct loads measure(enum ub_balance balance, int nodes, bool alternating)
{
    const char *const names[NODES_MAX] = {"a", "b", "c"};
    struct ub_world *world = ub_world_new((struct ub_world_options){.seed = 2, .quiet = true});
    ub_world_policy(world, 0)->balance = balance;
    for (int i = 0; i < nodes; i++) {
        ub_world_upstream(world, names[i], 300 * UB_MS); /* and 20 ms for each token */
    }
    ask_mix(world, 250 * UB_MS / nodes, alternating);
    ub_world_run_until(world, WARM_UP);
    double before[NODES_MAX];
    for (int i = 0; i < nodes; i++) {
        struct ub_sim_upstream *u = ub_world_upstream_named(world, names[i]);
        before[i] = u->busy_ns;
    }
    ub_world_run_until(world, WARM_UP + MEASURED);
    struct loads loads = {0};
    for (int i = 0; i < nodes; i++) {
        struct ub_sim_upstream *u = ub_world_upstream_named(world, names[i]);
        loads.share[i] = (u->busy_ns - before[i]) / (double)MEASURED / SLOTS;
        loads.mean += loads.share[i] / nodes;
        loads.max = loads.share[i] > loads.max ? loads.share[i] : loads.max;
    }
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
    return loads;
}

int main(void)
{
    struct loads rr = measure(UB_BALANCE_ROUND_ROBIN, 2, true);
    UB_CHECK(rr.share[0] > 0.90 && rr.share[1] < 0.36, "round robin: %.0f %% and %.0f %%",
             100 * rr.share[0], 100 * rr.share[1]);
    static const struct {
        enum ub_balance balance;
        const char *name;
    } rows[] = {
        {UB_BALANCE_ADAPTIVE, "adaptive"},
        {UB_BALANCE_LEAST_REQUEST, "least_request"},
        {UB_BALANCE_DYNAMIC_WEIGHT, "dynamic_weight"},
    };
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct loads two = measure(rows[i].balance, 2, true);
        UB_CHECK(two.max / two.mean <= 1.25, "%s evens it out: %.0f %% and %.0f %%", rows[i].name,
                 100 * two.share[0], 100 * two.share[1]);
        struct loads three = measure(rows[i].balance, 3, false);
        UB_CHECK(three.max / three.mean <= 1.25, "%s, three nodes, mixed: %.0f, %.0f and %.0f %%",
                 rows[i].name, 100 * three.share[0], 100 * three.share[1], 100 * three.share[2]);
    }
    return ub_test_done();
}

/* An upstream that comes back, or joins, gets a growing share of the work for a minute, not the
 * whole crowd at once. */
#include "sim/world.h"

static double share(struct ub_world *world, struct ub_sim_upstream *a, struct ub_sim_upstream *b,
                    ub_ns until)
{
    uint64_t a_before = a->started, b_before = b->started;
    ub_world_run_until(world, until);
    uint64_t a_got = a->started - a_before, b_got = b->started - b_before;
    return (double)b_got / (double)(a_got + b_got);
}

static void test_balance(enum ub_balance balance, const char *name)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.seed = 2, .quiet = true});
    ub_world_policy(world, 0)->balance = balance;
    struct ub_sim_upstream *old = ub_world_upstream(world, "old", 300 * UB_MS);
    for (int i = 0; i < 6000; i++) {
        ub_world_request(world, i * 30 * UB_MS); /* forty or so at the same time */
    }
    ub_world_run_until(world, 30 * UB_SECOND);
    struct ub_sim_upstream *new = ub_world_upstream(world, "new", 300 * UB_MS);
    ub_world_reload(world);
    double at_once = share(world, old, new, 35 * UB_SECOND);
    double middle = share(world, old, new, 60 * UB_SECOND);
    share(world, old, new, 100 * UB_SECOND);
    double after = share(world, old, new, 160 * UB_SECOND);
    UB_CHECK(at_once > 0.01 && at_once < 0.3, "%s: %.0f %% in the first five seconds", name,
             100 * at_once);
    UB_CHECK(middle > at_once && middle < 0.45, "%s: %.0f %% in the next 25", name, 100 * middle);
    UB_CHECK(after > 0.45 && after < 0.55, "%s: half of it in the end, %.0f %%", name, 100 * after);
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

/* The same after an outage. */
static void test_back(void)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){.seed = 2, .quiet = true});
    ub_world_policy(world, 0)->balance = UB_BALANCE_LEAST_REQUEST;
    struct ub_sim_upstream *stays = ub_world_upstream(world, "stays", 300 * UB_MS);
    struct ub_sim_upstream *back = ub_world_upstream(world, "back", 300 * UB_MS);
    for (int i = 0; i < 4000; i++) {
        ub_world_request(world, i * 30 * UB_MS);
    }
    ub_world_run_until(world, 10 * UB_SECOND);
    ub_world_kill(world, "back");
    ub_world_run_until(world, 15 * UB_SECOND);
    ub_world_restart(world, "back");
    ub_ns at = 15 * UB_SECOND;
    while (ub_world_facts(world, "back").state != UB_UPSTREAM_UP && at < 30 * UB_SECOND) {
        at += 50 * UB_MS;
        ub_world_run_until(world, at);
    }
    double at_once = share(world, stays, back, at + 5 * UB_SECOND);
    share(world, stays, back, at + 70 * UB_SECOND);
    double after = share(world, stays, back, at + 100 * UB_SECOND);
    UB_CHECK(at_once > 0.01 && at_once < 0.3, "back: %.0f %% in the first five seconds",
             100 * at_once);
    UB_CHECK(after > 0.45 && after < 0.55, "and half of it in the end, %.0f %%", 100 * after);
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

int main(void)
{
    test_back();
    test_balance(UB_BALANCE_ADAPTIVE, "adaptive");
    test_balance(UB_BALANCE_LEAST_REQUEST, "least_request");
    test_balance(UB_BALANCE_DYNAMIC_WEIGHT, "dynamic_weight");
    return ub_test_done();
}

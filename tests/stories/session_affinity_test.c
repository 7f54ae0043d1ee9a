/* Requests of one session go to one upstream - by cookie, by header, by client address - and go
 * elsewhere when it is ejected or its learned delay is worse than what the cache saves. */
#include "sim/world.h"

enum key { COOKIE, HEADER, CLIENT };

static struct ub_world *four(uint32_t affinity)
{
    const char *const names[] = {"a", "b", "c", "d"};
    struct ub_world *world = ub_world_new((struct ub_world_options){.seed = 6, .quiet = true});
    ub_world_policy(world, 0)->affinity = affinity;
    for (int i = 0; i < 4; i++) {
        ub_world_upstream(world, names[i], 300 * UB_MS);
    }
    ub_world_run_until(world, 0);
    return world;
}

static struct ub_ask ask_of(struct ub_world *world, enum key key, uint32_t session, ub_ns at)
{
    const char *const names[] = {"a", "b", "c", "d"};
    struct ub_ask ask = {.at = at, .prompt_tokens = 2000};
    if (key == COOKIE) {
        ask.cookie_key = ub_world_upstream_named(world, names[session % 4])->key;
    } else if (key == HEADER) {
        ask.header_hash = ub_mix64(session + 1);
    } else {
        ask.client_hash = ub_mix64(session + 1);
    }
    return ask;
}

/* 20 sessions, one after the other and again and again. */
static void test_stays(enum key key, uint32_t affinity, const char *name)
{
    struct ub_world *world = four(affinity);
    for (uint32_t i = 0; i < 400; i++) {
        ub_world_ask(world, ask_of(world, key, i % 20, i * 500 * UB_MS));
    }
    ub_world_run(world);
    uint32_t moved = 0;
    for (uint32_t i = 20; i < 400; i++) {
        moved +=
            ub_world_result(world, i + 1).upstream != ub_world_result(world, i + 1 - 20).upstream;
    }
    UB_CHECK(moved <= 40, "%s: a session stays, but for the load bound: %u of 380 moved", name,
             moved);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

/* What the model's affinity does not name draws nobody, whatever the others are. */
static void test_off(enum key key, uint32_t affinity, const char *name)
{
    const uint32_t all =
        UB_AFFINITY_COOKIE | UB_AFFINITY_HEADER | UB_AFFINITY_CLIENT | UB_AFFINITY_PREFIX;
    struct ub_world *world = four(all & ~affinity);
    uint32_t first[4] = {0};
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t number = ub_world_ask(world, ask_of(world, key, 1, i * 2 * UB_SECOND));
        ub_world_run(world);
        first[ub_world_result(world, number).upstream->name[0] - 'a']++;
    }
    for (int i = 0; i < 4; i++) {
        UB_CHECK(first[i] > 20, "%s not asked for: %u of 200 go to %c", name, first[i], 'a' + i);
    }
    ub_world_free(world);
}

/* Its upstream dies, later it becomes slow. */
static void test_breaks(enum key key, uint32_t affinity, const char *name)
{
    struct ub_world *world = four(affinity);
    uint32_t first = ub_world_ask(world, ask_of(world, key, 3, 0));
    ub_world_run(world);
    const struct ub_sim_upstream *home = ub_world_result(world, first).upstream;

    ub_world_kill(world, home->name);
    ub_ns at = ub_world_now(world);
    uint32_t last = 0;
    for (int i = 0; i < 20; i++) {
        last = ub_world_ask(world, ask_of(world, key, 3, at + i * 2 * UB_SECOND));
    }
    ub_world_run(world);
    UB_CHECK(ub_world_result(world, last).upstream != home, "%s: not to an ejected one", name);
    ub_world_restart(world, home->name);
    at = ub_world_now(world);
    for (int i = 0; i < 60; i++) {
        last = ub_world_ask(world, ask_of(world, key, 3, at + i * 2 * UB_SECOND));
    }
    ub_world_run(world);
    UB_CHECK(ub_world_result(world, last).upstream == home, "%s: back home when it is well", name);

    ub_world_upstream_named(world, home->name)->first.mean_ns = 4 * UB_SECOND;
    at = ub_world_now(world);
    for (int i = 0; i < 40; i++) {
        last = ub_world_ask(world, ask_of(world, key, 3, at + i * 2 * UB_SECOND));
    }
    ub_world_run(world);
    UB_CHECK(ub_world_result(world, last).upstream != home,
             "%s: not to one that is four seconds slower than the cache is worth", name);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

/* Everybody is in the same session: it must not flood one upstream. */
static void test_load_bound(enum key key, uint32_t affinity, const char *name)
{
    struct ub_world *world = four(affinity);
    for (uint32_t i = 0; i < 2000; i++) {
        ub_world_ask(world, ask_of(world, key, 1, i * 20 * UB_MS)); /* 65 at the same time */
    }
    ub_world_run_until(world, 40 * UB_SECOND);
    double sum = 0, max = 0;
    const char *const names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) {
        struct ub_sim_upstream *u = ub_world_upstream_named(world, names[i]);
        sum += u->busy_ns;
        max = u->busy_ns > max ? u->busy_ns : max;
    }
    UB_CHECK(max / (sum / 4) <= 1.3, "%s: one session floods nobody, max/mean %.2f", name,
             max / (sum / 4));
    UB_CHECK(max / (sum / 4) >= 1.15, "%s: but it leans to its own", name);
    ub_world_run(world);
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
}

int main(void)
{
    static const struct {
        enum key key;
        uint32_t affinity;
        const char *name;
    } rows[] = {
        {COOKIE, UB_AFFINITY_COOKIE, "cookie"},
        {HEADER, UB_AFFINITY_HEADER, "header"},
        {CLIENT, UB_AFFINITY_CLIENT, "client"},
    };
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        test_stays(rows[i].key, rows[i].affinity, rows[i].name);
        test_off(rows[i].key, rows[i].affinity, rows[i].name);
        test_breaks(rows[i].key, rows[i].affinity, rows[i].name);
        test_load_bound(rows[i].key, rows[i].affinity, rows[i].name);
    }
    return ub_test_done();
}

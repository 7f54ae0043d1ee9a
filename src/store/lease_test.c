/* Leases on a real redis-server: the sum never exceeds the limit, whoever asks when and whatever
 * gets lost; needs are met; the dead hold nothing; a new Redis gives nothing away. */
#include "store/lease.h"

#include "base/random.h"
#include "base/test.h"
#include "net/peer.h"
#include "policy/share.h"
#include "store/real_redis.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static struct ub_loop *loop;
static struct ub_redis *redis;

struct gateway {
    struct ub_lease lease;
    char name[16];
    uint32_t wanted, used, have;
    struct ub_lease_grant grant;
    enum ub_redis_error error;
    bool told;
};

static void on_done(struct ub_lease *lease, enum ub_redis_error error,
                    const struct ub_lease_grant *grant, const char *words)
{
    (void)words;
    struct gateway *gateway = lease->user;
    gateway->error = error;
    gateway->told = true;
    if (error == UB_REDIS_OK) {
        gateway->grant = *grant;
    }
}

/* Asks; what was granted is not taken yet. */
static bool ask(struct gateway *gateway, const char *key, uint32_t limit)
{
    struct ub_lease_terms terms = {
        ub_slice_of(key), ub_slice_of(gateway->name), limit, gateway->wanted, gateway->used,
        gateway->have};
    gateway->lease = (struct ub_lease){.done = on_done, .user = gateway};
    gateway->told = false;
    gateway->error = ub_lease_ask(&gateway->lease, redis, &terms);
    return gateway->error == UB_REDIS_OK && UB_UNTIL(loop, gateway->told) &&
           gateway->error == UB_REDIS_OK;
}

static void take(struct gateway *gateway)
{
    gateway->have = gateway->grant.part;
}

static void wait_ms(int ms)
{
    ub_ns until = ub_clock_now() + ms * UB_MS;
    while (ub_clock_now() < until) {
        ub_loop_turn(loop, UB_MS);
    }
}

/* Everybody asks and takes, this many times. */
static void rounds(struct gateway *gateways, int count, const char *key, uint32_t limit, int times)
{
    for (int i = 0; i < times; i++) {
        for (int g = 0; g < count; g++) {
            ask(&gateways[g], key, limit);
            take(&gateways[g]);
        }
    }
}

static void name_them(struct gateway *gateways, int count)
{
    for (int g = 0; g < count; g++) {
        gateways[g] = (struct gateway){0};
        snprintf(gateways[g].name, sizeof gateways[g].name, "g%d", g);
    }
}

/* Past the moment in which nobody gets more than it has. */
static void settle(struct gateway *gateways, int count, const char *key, uint32_t limit)
{
    for (int i = 0; i < 4; i++) {
        rounds(gateways, count, key, limit, 1);
        wait_ms(400);
    }
}

static const struct {
    const char *name;
    uint32_t limit;
    uint32_t wanted[3], part[3];
} rows[] = {
    {"nobody wants any: equal parts", 30, {0, 0, 0}, {10, 10, 10}},
    {"one wants all: it gets all but one each", 30, {99, 0, 0}, {28, 1, 1}},
    {"two want all: half of the rest", 30, {99, 99, 0}, {15, 14, 1}},
    {"all want all", 30, {99, 99, 99}, {10, 10, 10}},
    {"small wants are met, large ones get the rest", 30, {5, 99, 8}, {5, 17, 8}},
    {"what is left over is divided", 30, {6, 3, 0}, {12, 9, 7}},
    {"one slot goes to who wants it", 1, {0, 0, 1}, {0, 0, 1}},
};

static void test_parts(void)
{
    struct gateway g[3];
    const char *key = "t:{share}:parts";
    name_them(g, 3);
    settle(g, 3, key, 30);
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        for (int n = 0; n < 3; n++) {
            g[n].wanted = rows[i].wanted[n];
        }
        rounds(g, 3, key, rows[i].limit, 3);
        bool good = g[0].grant.nodes == 3;
        for (int n = 0; n < 3; n++) {
            good = good && g[n].have + 1 >= rows[i].part[n] && g[n].have <= rows[i].part[n] + 1;
        }
        UB_CHECK(good && g[0].have + g[1].have + g[2].have <= rows[i].limit, "%s: %u %u %u",
                 rows[i].name, g[0].have, g[1].have, g[2].have);
    }
}

static void test_given_up_first(void)
{
    struct gateway g[2];
    const char *key = "t:{share}:given";
    name_them(g, 2);
    settle(g, 1, key, 10);
    g[0].wanted = 99;
    rounds(g, 1, key, 10, 2);
    UB_CHECK(g[0].have == 10, "one alone gets all of it");
    g[0].used = 10;
    g[1].wanted = 99;
    ask(&g[1], key, 10);
    UB_CHECK(g[1].grant.part == 0, "another one gets nothing that is still held");
    ask(&g[0], key, 10);
    UB_CHECK(g[0].grant.part == 5, "the first is told to go down");
    ask(&g[1], key, 10);
    UB_CHECK(g[1].grant.part == 0, "it may not have heard that yet");
    take(&g[0]);
    ask(&g[0], key, 10);
    ask(&g[1], key, 10);
    UB_CHECK(g[1].grant.part == 0, "it has, but its requests run on");
    g[0].used = 7;
    ask(&g[0], key, 10);
    ask(&g[1], key, 10);
    UB_CHECK(g[1].grant.part == 3, "what they leave is free");
}

static void test_the_dead(void)
{
    struct gateway g[2];
    const char *key = "t:{share}:dead";
    name_them(g, 2);
    settle(g, 2, key, 10);
    g[0].wanted = g[1].wanted = 99;
    rounds(g, 2, key, 10, 3);
    UB_CHECK(g[0].have == 5 && g[1].have == 5, "two share");
    ub_ns died_at = ub_clock_now();
    UB_CHECK(UB_UNTIL(loop, ask(&g[0], key, 10) && g[0].grant.part == 10),
             "one dies, the other gets its part");
    ub_ns took_ns = ub_clock_now() - died_at;
    UB_CHECK(took_ns > 900 * UB_MS && took_ns < 1500 * UB_MS, "after its lease, %.0f ms",
             (double)took_ns / (double)UB_MS);
}

static void test_new_redis(struct ub_real_redis *server)
{
    struct gateway g[3];
    const char *key = "t:{share}:new";
    name_them(g, 3);
    uint64_t connections = ub_redis_counts(redis).connections;
    ub_real_redis_restart(server);
    UB_UNTIL(loop, ub_redis_counts(redis).connections > connections);
    for (int n = 0; n < 3; n++) {
        g[n].wanted = n == 0 ? 99 : 0;
        g[n].have = 10; /* a fair part, while Redis was away */
    }
    UB_CHECK(ask(&g[0], key, 30) && g[0].grant.part == 10,
             "a new Redis does not give away what others may have");
    wait_ms(700);
    rounds(g + 1, 2, key, 30, 1);
    UB_CHECK(g[1].have == 1 && g[2].have == 1, "they come, and give up what they do not want");
    settle(g, 3, key, 30);
    UB_CHECK(g[0].have == 28, "then it is shared out as ever: %u", g[0].have);
}

/* Gateways ask in any order, use what they have, lose answers. */
static void test_sum(void)
{
    enum { COUNT = 5, LIMIT = 17 };
    struct gateway g[COUNT];
    struct ub_random random = {7};
    const char *key = "t:{share}:sum";
    name_them(g, COUNT);
    settle(g, COUNT, key, LIMIT);
    uint32_t worst = 0, most_used = 0;
    for (int i = 0; i < 6000; i++) {
        struct gateway *one = &g[ub_random_below(&random, COUNT)];
        uint32_t sum = 0, used = 0;
        one->wanted = ub_random_below(&random, 3) == 0 ? ub_random_below(&random, 30) : one->wanted;
        one->used = one->used > one->have ? one->used - ub_random_below(&random, 2)
                                          : ub_random_below(&random, one->have + 1);
        ask(one, key, LIMIT);
        if (ub_random_below(&random, 4) > 0) {
            take(one);
        }
        for (int n = 0; n < COUNT; n++) {
            used += g[n].used;
            sum += g[n].have > g[n].used ? g[n].have : g[n].used;
        }
        worst = sum > worst ? sum : worst;
        most_used = used > most_used ? used : most_used;
    }
    UB_CHECK(worst <= LIMIT, "of %d together never more than that is held: %u", LIMIT, worst);
    UB_CHECK(most_used > LIMIT / 2, "and it is of use: up to %u", most_used);
}

static void test_nonsense(void)
{
    struct gateway g[1];
    const char *key = "t:{share}:bad";
    name_them(g, 1);
    UB_CHECK(ask(g, key, 5), "a key of our own");
    char huge[600];
    memset(huge, 'k', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    UB_CHECK(!ask(g, huge, 5) && g[0].error == UB_REDIS_FULL, "a key that is too long is refused");
}

int main(void)
{
    struct ub_real_redis server;
    signal(SIGPIPE, SIG_IGN);
    if (!ub_real_redis_start(&server, NULL)) {
        ub_test_skip("there is no redis-server");
        return ub_test_done();
    }
    loop = ub_loop_new();
    struct ub_redis_options options = {.url = {.host = "127.0.0.1", .port = server.port},
                                       .timeout_ns = 300 * UB_MS,
                                       .commands_max = 100,
                                       .output_max = 1 << 20,
                                       .reply_max = 1 << 16};
    redis = ub_redis_new(loop, &options);
    UB_UNTIL(loop, ub_redis_counts(redis).state == UB_REDIS_READY);
    test_parts();
    test_given_up_first();
    test_the_dead();
    test_sum();
    test_new_redis(&server);
    test_nonsense();
    UB_CHECK(ub_redis_counts(redis).errors[UB_REDIS_NOSCRIPT] >= 1,
             "its name came first each time");
    ub_redis_free(redis);
    ub_loop_free(loop);
    ub_real_redis_end(&server);
    return ub_test_done();
}

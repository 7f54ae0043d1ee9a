/* A storm-like world is recorded and replayed: from its beginning, from a snapshot in its middle,
 * with damage. */
#include "sim/replay.h"

#include "base/alloc.h"
#include "base/test.h"
#include "sim/world.h"

#include <string.h>
#include <xxhash.h>

#define RING (8u << 20)

static const struct ub_brain_limits limits = {.requests = 64,
                                              .upstreams = 8,
                                              .targets = 16,
                                              .models = 4,
                                              .routes = 16,
                                              .workers = 2,
                                              .prefixes = 64,
                                              .tenants = 2,
                                              .shares = 2};

static void add_all(struct ub_buf *file, struct ub_flight *flight)
{
    size_t took;
    do {
        char *room = ub_buf_reserve(file, 4096);
        took = room == NULL ? 0 : ub_flight_take(flight, room, 4096);
        file->len += took;
    } while (took > 0);
}

static struct ub_world *stormy_world(struct ub_flight *flight)
{
    struct ub_world *world = ub_world_new((struct ub_world_options){
        .seed = 5, .workers = 2, .limits = limits, .quiet = true, .flight = flight, .hold = 3});
    ub_world_upstream(world, "good", 300 * UB_MS)->concurrency = 3;
    struct ub_sim_upstream *bad = ub_world_upstream(world, "bad", 500 * UB_MS);
    bad->fault = UB_FAULT_BUSY_503;
    bad->fault_share = 0.5;
    ub_world_upstream(world, "spare", 900 * UB_MS)->tier = 1;
    ub_world_tenant(world, 2)->class = UB_TRAFFIC_BATCH;
    ub_world_share(world, 2, 0)->requests = (struct ub_rate){100, UB_SECOND, 100};
    for (int i = 0; i < 400; i++) {
        ub_world_ask(world, (struct ub_ask){.at = i * 50 * UB_MS,
                                            .tenant = (uint32_t)i % 3,
                                            .header_hash = (uint64_t)i % 7,
                                            .leaves_after_ns = i % 9 == 0 ? UB_SECOND : 0});
    }
    return world;
}

static struct ub_buf record(void)
{
    struct ub_buf file = {0};
    struct ub_flight *flight = ub_flight_new(&limits, RING);
    struct ub_world *world = stormy_world(flight);
    ub_world_run_until(world, 5 * UB_SECOND);
    UB_CHECK(ub_flight_snapshot(flight, ub_world_brain(world)), "a snapshot in the middle");
    ub_world_upstream_named(world, "bad")->removed = true;
    ub_world_reload(world);
    ub_world_run(world);
    ub_flight_end(flight);
    add_all(&file, flight);
    UB_CHECK(ub_world_broken(world) == NULL && ub_flight_facts(flight).dropped == 0,
             "everything was recorded");
    ub_world_free(world);
    ub_flight_free(flight);
    return file;
}

static struct ub_replay_result replay(struct ub_buf *file, size_t size, uint64_t from)
{
    struct ub_replay_options options = {.from = from};
    return ub_replay(file->ptr, size, &options);
}

static void test_same(struct ub_buf *file)
{
    struct ub_buf trace = {0};
    struct ub_replay_options options = {.to = &trace};
    struct ub_replay_result all = ub_replay(file->ptr, file->len, &options);
    UB_CHECK(all.end == UB_REPLAY_SAME && all.events > 500 && all.actions > 400,
             "the same decisions from the beginning: %s", all.words);
    UB_CHECK(strstr(trace.ptr, "start 1 on u1 (balanced)") != NULL, "the decisions are shown");
    struct ub_replay_result half = replay(file, file->len, all.event);
    UB_CHECK(half.end == UB_REPLAY_SAME && half.event == all.event && half.events < all.events &&
                 half.events > all.events / 4,
             "the same decisions from the snapshot in the middle");
    ub_buf_free(&trace);
}

static void test_damage(struct ub_buf *file)
{
    size_t missed = 0, tried = 0;
    for (size_t at = 0; at < file->len; at += 1 + file->len / 400) {
        for (int bit = 0; bit < 8; bit += 3) {
            file->ptr[at] = (char)(file->ptr[at] ^ (1 << bit));
            missed += replay(file, file->len, 0).end <= UB_REPLAY_OPEN;
            file->ptr[at] = (char)(file->ptr[at] ^ (1 << bit));
            tried++;
        }
    }
    UB_CHECK(missed == 0 && tried > 1000, "every flipped bit is found");

    missed = 0;
    size_t torn = 0;
    for (size_t size = file->len - 1; size > file->len - 600; size--) {
        struct ub_replay_result r = replay(file, size, 0);
        missed += r.end != UB_REPLAY_TORN && r.end != UB_REPLAY_OPEN;
        torn += r.end == UB_REPLAY_TORN;
    }
    UB_CHECK(missed == 0 && torn > 500, "a torn end is found, wherever it is torn");
    UB_CHECK(replay(file, 0, 0).end == UB_REPLAY_STRANGE, "an empty file is no flight record");
    char text[] = "listen: 127.0.0.1:8080\nupstreams: []\n";
    struct ub_buf other = {.ptr = text, .len = sizeof text};
    UB_CHECK(replay(&other, other.len, 0).end == UB_REPLAY_STRANGE, "nor is some text");
}

/* The header is good but for its version: kind, eight magic bytes, version. */
static void test_other_version(struct ub_buf *file)
{
    uint8_t *head = (uint8_t *)file->ptr;
    uint32_t length;
    memcpy(&length, head, sizeof length);
    head[8 + 9]--;
    uint32_t check = (uint32_t)XXH3_64bits_withSeed(head + 8, length, 0);
    memcpy(head + 4, &check, sizeof check);
    UB_CHECK(replay(file, file->len, 0).end == UB_REPLAY_STRANGE,
             "a record of an older version is none of ours");
}

/* Another decision is found: the record of a world with one more draw. */
static void test_divergence(void)
{
    struct ub_flight *flight = ub_flight_new(&limits, RING);
    struct ub_world *world = stormy_world(flight);
    ub_world_run_until(world, 2 * UB_SECOND);
    struct ub_action wrong = {.type = UB_ACT_FORWARD, .attempt = 1};
    ub_flight_action(flight, &wrong); /* an action that the brain did not ask for */
    ub_world_run_until(world, 3 * UB_SECOND);
    struct ub_buf file = {0};
    add_all(&file, flight);
    UB_CHECK(replay(&file, file.len, 0).end == UB_REPLAY_DIVERGED, "another decision is found");
    ub_buf_free(&file);
    ub_world_free(world);
    ub_flight_free(flight);
}

/* The writer does not keep up: events are dropped and counted, a new snapshot closes the gap. */
static void test_gap(void)
{
    struct ub_buf file = {0};
    struct ub_flight *flight = ub_flight_new(&limits, 128u << 10);
    struct ub_world *world = stormy_world(flight);
    ub_world_run(world);
    UB_CHECK(ub_flight_facts(flight).dropped > 0, "a full ring drops and counts");
    UB_CHECK(!ub_flight_wants_snapshot(flight), "no snapshot while it is full");
    add_all(&file, flight);
    UB_CHECK(ub_flight_wants_snapshot(flight), "a snapshot is wanted when there is room");
    UB_CHECK(ub_flight_snapshot(flight, ub_world_brain(world)), "and fits");
    ub_world_request(world, 0);
    ub_world_run(world);
    ub_flight_end(flight);
    add_all(&file, flight);
    struct ub_replay_result r = replay(&file, file.len, 0);
    UB_CHECK(r.end == UB_REPLAY_SAME && r.dropped > 0, "the replay goes on after the gap: %d %s",
             (int)r.end, r.words);
    ub_buf_free(&file);
    ub_world_free(world);
    ub_flight_free(flight);
}

static void test_allocation_failures(struct ub_buf *file)
{
    bool good = true;
    for (int64_t nth = 1; nth < 6; nth++) {
        ub_alloc_fail_nth(nth);
        struct ub_replay_result r = replay(file, file->len, 0);
        good &= r.end == UB_REPLAY_SAME || r.end == UB_REPLAY_NO_MEMORY;
        struct ub_flight *flight = ub_flight_new(&limits, RING);
        ub_flight_free(flight);
    }
    ub_alloc_fail_nth(0);
    UB_CHECK(good, "without memory the replay says so");
}

int main(void)
{
    struct ub_buf file = record();
    test_same(&file);
    test_damage(&file);
    test_divergence();
    test_gap();
    test_allocation_failures(&file);
    test_other_version(&file);
    ub_buf_free(&file);
    return ub_test_done();
}

/* storm.c - many small storms: chance draws topology, load and faults, the promises must hold.
 *
 *     storm [FROM COUNT]       runs COUNT seeds from FROM on; a failing seed is printed
 *     storm --seed N [-v]      exactly that one again, with its trace
 */
#include "draw.h"
#include "sim/replay.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SEEDS_PER_CHECK 500
#define RECORD_EVERY    8 /* seeds; their flight record is replayed */
#define RING            (2u << 20)
#define CHUNK           (64u << 10)
#define FAILURES_MAX    3
#define RECOVERY_NS     (12 * UB_SECOND)
#define CALM_REQUESTS   6

static volatile uint64_t running_seed;

/* An assertion of the brain ends the process; its seed must not be lost. */
static void say_seed(int signal_number)
{
    char text[80];
    int len = snprintf(text, sizeof text, "# seed %" PRIu64 " ended by signal %d\n",
                       (uint64_t)running_seed, signal_number);
    if (len < 0 || write(STDOUT_FILENO, text, (size_t)len) < 0) {
        _exit(1);
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void act(struct ub_storm *s, const struct ub_storm_act *a)
{
    struct ub_sim_upstream *u = ub_storm_upstream(s, a->upstream);
    switch (a->type) {
    case UB_STORM_RELOAD:
        ub_storm_reshape(s);
        ub_world_reload(s->world);
        break;
    case UB_STORM_EMPTY:
        for (uint32_t i = 0; i < s->upstreams; i++) {
            ub_storm_upstream(s, i)->removed = true;
        }
        ub_world_reload(s->world);
        break;
    case UB_STORM_KILL:
        ub_world_kill(s->world, u->name);
        break;
    case UB_STORM_RESTART:
        ub_world_restart(s->world, u->name);
        break;
    case UB_STORM_SICKEN:
        ub_storm_sicken(s, u);
        break;
    case UB_STORM_SNAPSHOT:
        if (s->flight != NULL) {
            ub_flight_snapshot(s->flight, ub_world_brain(s->world));
        }
        break;
    case UB_STORM_MISCHIEF:
        for (int i = 0; i < 20; i++) {
            ub_world_mischief(s->world, &s->random);
        }
        break;
    case UB_STORM_SLEEP:
        ub_world_sleep(s->world, (ub_ns)(ub_random_unit(&s->random) * 30 * (double)UB_SECOND));
        break;
    case UB_STORM_DRAINS:
        ub_world_drain(s->world);
        break;
    default:
        break;
    }
}

/* The storm is over and everybody is well again: after the recovery time everything must be
 * answered, or something was left behind. */
static const char *calm(struct ub_storm *s)
{
    for (uint32_t i = 0; i < s->upstreams; i++) {
        struct ub_sim_upstream *u = ub_storm_upstream(s, i);
        ub_world_restart(s->world, u->name);
        u->fault = UB_FAULT_NONE;
        u->first = (struct ub_latency){.mean_ns = 50 * UB_MS};
        u->prefill_ns = u->connect_ns = 0;
        u->token_ns = UB_MS;
        u->slots = u->context_tokens = u->concurrency = 0;
        u->removed = false;
        u->models = 1;
    }
    ub_world_models(s->world, 1);
    *ub_world_policy(s->world, 0) = ub_model_policy_default();
    *ub_world_quota(s->world, 0) = (struct ub_quota){0};
    if (ub_world_reload(s->world) != NULL) {
        return "there is no room for routes when nothing runs";
    }
    ub_ns from = ub_world_now(s->world) + RECOVERY_NS;
    ub_world_run_until(s->world, from);
    uint32_t first = 0;
    for (uint32_t i = 0; i < CALM_REQUESTS; i++) {
        uint32_t number = ub_world_request(s->world, from + (ub_ns)i * 200 * UB_MS);
        first = i == 0 ? number : first;
    }
    ub_world_run(s->world);
    for (uint32_t i = 0; i < CALM_REQUESTS && ub_world_broken(s->world) == NULL; i++) {
        if (ub_world_result(s->world, first + i).outcome != UB_SIM_FINISHED) {
            return "a request after the storm was not answered";
        }
    }
    return ub_world_broken(s->world);
}

static const char *run(struct ub_storm *s)
{
    bool drained = false;
    for (uint32_t i = 0; i < s->acts; i++) {
        ub_world_run_until(s->world, s->act[i].at);
        act(s, &s->act[i]);
        drained |= s->act[i].type == UB_STORM_DRAINS;
    }
    ub_world_run(s->world);
    const char *broken = ub_world_broken(s->world);
    return broken != NULL || drained ? broken : calm(s);
}

static const char *replayed(struct ub_buf *file, uint64_t from, bool to_the_end)
{
    struct ub_replay_options options = {.from = from};
    struct ub_replay_result result = ub_replay(file->ptr, file->len, &options);
    bool same = result.end == UB_REPLAY_SAME || (!to_the_end && result.end == UB_REPLAY_OPEN);
    return same ? NULL : result.words;
}

/* The flight record of the storm gives the same decisions, from its beginning and from the last
 * snapshot in its middle. */
static const char *same_again(struct ub_flight *flight)
{
    struct ub_buf file = {0};
    ub_flight_end(flight);
    size_t took;
    do {
        char *room = ub_buf_reserve(&file, CHUNK);
        took = room == NULL ? 0 : ub_flight_take(flight, room, CHUNK);
        file.len += took;
    } while (took > 0);
    bool whole = ub_flight_facts(flight).dropped == 0; /* else up to where the ring was full */
    const char *broken = file.failed ? "no memory" : replayed(&file, 0, whole);
    broken = broken != NULL ? broken : replayed(&file, UINT64_MAX, whole);
    ub_buf_free(&file);
    return broken;
}

/* True: every promise was kept. */
static bool storm(uint64_t seed, bool trace)
{
    running_seed = seed;
    struct ub_storm s = {0};
    const char *broken = "no memory";
    struct ub_brain_limits limits = ub_storm_limits(seed);
    struct ub_flight *flight = seed % RECORD_EVERY == 0 ? ub_flight_new(&limits, RING) : NULL;
    if (ub_storm_draw(&s, seed, trace, flight)) {
        broken = run(&s);
        if (broken == NULL && flight != NULL) {
            broken = same_again(flight);
        }
    }
    ub_flight_free(flight);
    if (trace && s.world != NULL) {
        fputs(ub_world_trace(s.world), stdout);
    }
    if (broken != NULL) {
        printf("# seed %" PRIu64 ": %s\n", seed, broken);
    }
    ub_world_free(s.world);
    return broken == NULL;
}

int main(int argc, char **argv)
{
    signal(SIGABRT, say_seed);
    signal(SIGSEGV, say_seed);
    if (argc >= 3 && strcmp(argv[1], "--seed") == 0) {
        bool good = storm(strtoull(argv[2], NULL, 10), argc > 3);
        puts(good ? "every promise was kept" : "failed");
        return !good;
    }
    uint64_t from = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000;
    int failures = 0;
    for (uint64_t done = 0; done < count && failures < FAILURES_MAX; done += SEEDS_PER_CHECK) {
        int before = failures;
        uint64_t last = done + SEEDS_PER_CHECK < count ? done + SEEDS_PER_CHECK : count;
        for (uint64_t i = done; i < last && failures < FAILURES_MAX; i++) {
            failures += !storm(from + i, false);
        }
        UB_CHECK(failures == before, "seeds %" PRIu64 " to %" PRIu64, from + done, from + last - 1);
    }
    return ub_test_done();
}

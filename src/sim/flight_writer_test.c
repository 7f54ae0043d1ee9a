/* A world's flight record on disk: files of a bounded size, each of which can be replayed alone.
 * (Here and not in observe, because a world is needed to have something to record.) */
#include "observe/flight_writer.h"

#include "base/test.h"
#include "sim/replay.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct ub_brain_limits limits = {.requests = 64,
                                              .upstreams = 8,
                                              .targets = 16,
                                              .models = 4,
                                              .routes = 16,
                                              .workers = 1,
                                              .prefixes = 64,
                                              .tenants = 2,
                                              .shares = 2};

static struct ub_replay_result replay_file(const char *path)
{
    struct ub_replay_result result = {.end = UB_REPLAY_NO_MEMORY, .words = "no file"};
    struct ub_buf bytes = {0};
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return result;
    }
    size_t got;
    do {
        char *room = ub_buf_reserve(&bytes, 65536);
        got = room == NULL ? 0 : fread(room, 1, 65536, file);
        bytes.len += got;
    } while (got > 0);
    fclose(file);
    result = ub_replay(bytes.ptr, bytes.len, &(struct ub_replay_options){0});
    ub_buf_free(&bytes);
    return result;
}

static off_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : -1;
}

static void run(struct ub_world *world, struct ub_flight *flight, int seconds)
{
    ub_ns from = ub_world_now(world);
    for (int i = 0; i < 10 * seconds; i++) {
        ub_world_request(world, from + i * 100 * UB_MS);
        ub_world_run_until(world, from + i * 100 * UB_MS);
        if (ub_flight_wants_snapshot(flight)) { /* as the gateway does after each event */
            ub_flight_snapshot(flight, ub_world_brain(world));
        }
    }
    ub_world_run(world);
}

static void test_rotation(const char *path, const char *old_path)
{
    struct ub_flight *flight = ub_flight_new(&limits, 1u << 20);
    struct ub_world *world = ub_world_new(
        (struct ub_world_options){.draw = 0.5, .limits = limits, .quiet = true, .flight = flight});
    ub_world_upstream(world, "only", 300 * UB_MS);
    const char *words = NULL;
    struct ub_flight_writer *writer = ub_flight_writer_open(path, flight, 64u << 10, &words);
    if (!UB_CHECK(writer != NULL, "the writer opens")) {
        return;
    }
    /* Real time passes here: the writer looks ten times a second, and gets no more than it takes. */
    for (int rounds = 0; rounds < 200 && size_of(old_path) <= 0; rounds++) {
        off_t before = size_of(path);
        run(world, flight, 10);
        UB_AWAIT(size_of(path) != before);
    }
    UB_CHECK(size_of(old_path) > 0 && UB_AWAIT(size_of(path) >= 0),
             "a new file is begun when the old one is full");
    run(world, flight, 10);
    ub_flight_end(flight);
    ub_flight_writer_close(writer);
    struct ub_replay_result old = replay_file(old_path);
    UB_CHECK(old.end == UB_REPLAY_SAME && old.events > 200, "the old one replays: %s", old.words);
    struct ub_replay_result now = replay_file(path);
    UB_CHECK(now.end == UB_REPLAY_SAME && now.events > 100, "and the new one, alone: %s",
             now.words);
    UB_CHECK(size_of(old_path) < (4 << 20), "the files are bounded");
    UB_CHECK(ub_flight_facts(flight).dropped == 0, "nothing was dropped");
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_world_free(world);
    ub_flight_free(flight);
}

static void test_refused(void)
{
    struct ub_flight *flight = ub_flight_new(&limits, 1u << 16);
    const char *words = NULL;
    UB_CHECK(ub_flight_writer_open("/nowhere/flight", flight, 0, &words) == NULL && words != NULL,
             "a file that cannot be made is said at once");
    ub_flight_free(flight);
}

int main(void)
{
    char folder[] = "/tmp/unbusy-flight-XXXXXX";
    if (mkdtemp(folder) == NULL) {
        ub_test_skip("no temporary folder");
        return ub_test_done();
    }
    char path[64], old_path[64];
    snprintf(path, sizeof path, "%s/record", folder);
    snprintf(old_path, sizeof old_path, "%s/record.1", folder);
    test_rotation(path, old_path);
    test_refused();
    unlink(path);
    unlink(old_path);
    rmdir(folder);
    return ub_test_done();
}

#include "observe/access.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/test.h"
#include "observe/access_private.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char text[4 << 20];

static const char *in_folder(const char *name)
{
    static char path[4][128];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

static size_t read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    size_t len = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    text[len] = '\0';
    if (file != NULL) {
        fclose(file);
    }
    return len;
}

static bool exists(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0;
}

static int count_lines(const char *what)
{
    int lines = 0;
    for (const char *at = what; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    return lines;
}

/* Waits until the log has written so many lines in all; false after ten seconds. */
static bool await_written(const struct ub_access *access, uint64_t lines)
{
    for (int i = 0; i < 1000; i++) {
        if (ub_access_facts(access).written >= lines) {
            return true;
        }
        poll(NULL, 0, 10);
    }
    return false;
}

static bool log_one(struct ub_access *access, uint32_t worker, const char *id)
{
    struct ub_access_record *record = ub_access_begin(access, worker);
    if (record == NULL) {
        return false;
    }
    UB_ACCESS_TEXT(record->id, ub_slice_of(id));
    ub_access_commit(access, worker);
    return true;
}

static struct ub_access_record whole_record(void)
{
    struct ub_access_record record = {
        .wall_ns = 1795536256 * UB_SECOND + 7 * UB_MS,
        .endpoint = "chat",
        .status = 200,
        .outcome = UB_ERR_OK,
        .why = UB_WHY_COMPLETE,
        .class = "batch",
        .upstream = "far",
        .zone = "dc1",
        .usage = "reported",
        .cost_nanos = 12000000034,
        .stream = true,
        .attempts = 2,
        .attempt =
            {{.upstream = "near", .reason = UB_WHY_BALANCED, .error = UB_ERR_THROTTLED, .ms = 12},
             {.upstream = "far",
              .reason = UB_WHY_RETRY_ELSEWHERE,
              .error = UB_ERR_OK,
              .start_ms = 13,
              .ms = 900}},
        .queue_ns = 20 * UB_US,
        .first_token_ns = 350 * UB_MS + 5 * UB_US,
        .total_ns = 913 * UB_MS,
        .tokens_in = 10,
        .tokens_out = 4000000000u,
        .bytes_out = 5000000000u,
    };
    UB_ACCESS_TEXT(record.id, UB_LIT("req-1"));
    UB_ACCESS_TEXT(record.client, UB_LIT("::1"));
    UB_ACCESS_TEXT(record.model, UB_LIT("a \"model\"\n\xff"));
    return record;
}

static void test_line(void)
{
    const struct ub_access_record record = whole_record();
    struct ub_buf out = {0};
    struct ub_access_clock clock = {0};
    ub_access_add_line(&out, &record, &clock);
    ub_buf_add(&out, "", 1);
    UB_CHECK_TEXT(
        out.ptr,
        "{\"time\":\"2026-11-24T16:04:16.007Z\",\"id\":\"req-1\",\"client\":\"::1\",\"tenant\":"
        "\"\",\"class\":\"batch\","
        "\"endpoint\":\"chat\",\"model\":\"a \\\"model\\\"\\n\xef\xbf\xbd\",\"stream\":true,"
        "\"status\":200,\"outcome\":\"ok\",\"reason\":\"complete\","
        "\"upstream\":\"far\",\"zone\":\"dc1\",\"attempts\":["
        "{\"upstream\":\"near\",\"reason\":\"balanced\",\"error\":\"throttled\",\"start_ms\":0,"
        "\"ms\":12},{\"upstream\":\"far\",\"reason\":\"retry elsewhere\",\"error\":\"ok\","
        "\"start_ms\":13,\"ms\":900}],\"attempts_total\":2,\"queue_ms\":0.020,"
        "\"first_token_ms\":350.005,\"total_ms\":913.000,\"tokens_in\":10,"
        "\"tokens_out\":4000000000,\"tokens_cached\":0,\"usage\":\"reported\",\"cost\":12."
        "000000034,"
        "\"bytes_in\":0,\"bytes_out\":5000000000}\n",
        "a line with everything");

    struct ub_access_record worst;
    memset(&worst, 1, sizeof worst); /* bytes that take six in JSON, and no zero byte anywhere */
    worst.endpoint = "completions";
    worst.class = "interactive";
    worst.usage = "estimated";
    worst.attempts = 255;
    worst.stream = true;
    ub_buf_clear(&out);
    ub_access_add_line(&out, &worst, &clock);
    UB_CHECK(out.len < UB_ACCESS_LINE && out.len > 2000, "the longest line stays in its bound");
    UB_CHECK(memchr(out.ptr, '\n', out.len) == out.ptr + out.len - 1, "and is one line");
    ub_buf_free(&out);

    char small[4];
    UB_ACCESS_TEXT(small, UB_LIT("abcdef"));
    UB_CHECK_TEXT(small, "abc", "text that is too long is cut");
    UB_ACCESS_TEXT(small, ((struct ub_slice){NULL, 0}));
    UB_CHECK_TEXT(small, "", "no text is an empty one");
}

static void test_rotation(void)
{
    const char *words;
    const char *path = in_folder("access.log");
    struct ub_access *access = ub_access_open(path, 1, &words);
    log_one(access, 0, "before");
    UB_CHECK(await_written(access, 1), "a line is written soon after its request");

    rename(path, in_folder("access.log.1"));
    ub_access_reopen(access);
    log_one(access, 0, "asked");
    UB_CHECK(await_written(access, 2), "and one after the file was moved away");
    read_file(in_folder("access.log.1"));
    UB_CHECK(strstr(text, "before") != NULL && strstr(text, "asked") == NULL,
             "the old file is left");
    read_file(path);
    UB_CHECK(strstr(text, "asked") != NULL, "on request a new file is there at once");

    unlink(path);
    uint64_t lines = 2;
    for (int i = 0; i < 100 && !exists(path); i++) {
        log_one(access, 0, "noticed");
        await_written(access, ++lines);
        poll(NULL, 0, 20);
    }
    read_file(path);
    UB_CHECK(strstr(text, "noticed") != NULL, "without being asked, it is noticed");
    UB_CHECK(ub_access_facts(access).dropped == 0, "and nothing was dropped");
    ub_access_close(access);
}

/* A pipe that nobody reads stands for every reader or disk that cannot keep up. */
static void test_slow_reader(void)
{
    const char *path = in_folder("pipe");
    mkfifo(path, 0600);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    const char *words;
    struct ub_access *access = ub_access_open(path, 1, &words);
    const uint64_t sent = 20000;
    uint64_t dropped = 0;
    for (uint64_t i = 0; i < sent; i++) {
        dropped += !log_one(access, 0, "abcdefghijklmnopqrstuvwxyz");
        if (i % 256 == 0) {
            poll(NULL, 0, 1);
        }
    }
    UB_CHECK(dropped > 0, "a full ring drops");
    UB_CHECK(ub_access_facts(access).dropped >= dropped, "and counts");
    ub_ns begin = ub_clock_now();
    ub_access_close(access);
    UB_CHECK(ub_clock_now() - begin < 5 * UB_SECOND, "closing does not wait for the reader");
    close(reader);
}

/* /dev/full refuses every write like a disk without room. */
static void test_full_disk(void)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC) != 0) {
        UB_CHECK(false, "a pipe for the log");
        return;
    }
    ub_log_set_file(pipe_fds[1]);
    const char *path = in_folder("full");
    if (symlink("/dev/full", path) != 0) {
        UB_CHECK(false, "a link to /dev/full");
    }
    const char *words;
    struct ub_access *access = ub_access_open(path, 1, &words);
    uint64_t dropped = 0;
    for (int i = 0; i < 5000; i++) {
        dropped += !log_one(access, 0, "lost");
        if (i % 250 == 0) {
            poll(NULL, 0, 5);
        }
    }
    UB_CHECK(ub_access_facts(access).written == 0, "nothing is written to a full disk");
    UB_CHECK(dropped > 0 && ub_access_facts(access).dropped == dropped, "the loss is counted");
    ssize_t len = read(pipe_fds[0], text, sizeof text - 1);
    text[len < 0 ? 0 : len] = '\0';
    UB_CHECK(count_lines(text) == 1 && strstr(text, "lines are dropped") != NULL,
             "it is said once in words");

    unlink(path);
    uint64_t kept = 5000 - dropped;
    UB_CHECK(await_written(access, kept), "with room again, what was kept is written");
    log_one(access, 0, "after");
    UB_CHECK(await_written(access, kept + 1), "and so is what comes");
    read_file(path);
    UB_CHECK((uint64_t)count_lines(text) == kept + 1 && text[0] == '{', "all of it in whole lines");
    len = read(pipe_fds[0], text, sizeof text - 1);
    text[len < 0 ? 0 : len] = '\0';
    UB_CHECK(strstr(text, "written again") != NULL, "which is said, too");
    ub_access_close(access);
    ub_log_set_file(STDERR_FILENO);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

struct producer {
    struct ub_access *access;
    uint32_t worker;
    uint64_t committed;
};

static void *produce(void *argument)
{
    struct producer *producer = argument;
    for (int i = 0; i < 3000; i++) {
        char id[40];
        snprintf(id, sizeof id, "w%u-%d", producer->worker, i);
        producer->committed += log_one(producer->access, producer->worker, id);
        if (i % 100 == 0) {
            poll(NULL, 0, 1);
        }
    }
    return NULL;
}

static void test_threads(void)
{
    const char *words;
    const char *path = in_folder("threads.log");
    struct producer producers[3];
    pthread_t threads[3];
    struct ub_access *access = ub_access_open(path, 3, &words);
    for (uint32_t i = 0; i < 3; i++) {
        producers[i] = (struct producer){.access = access, .worker = i};
        pthread_create(&threads[i], NULL, produce, &producers[i]);
    }
    uint64_t committed = 0;
    for (uint32_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        committed += producers[i].committed;
    }
    uint64_t dropped = ub_access_facts(access).dropped;
    ub_access_close(access);
    read_file(path);
    UB_CHECK((uint64_t)count_lines(text) == committed, "closing writes all that was committed");
    UB_CHECK(committed + dropped == 9000, "every record is written or counted as dropped");
    UB_CHECK(strstr(text, "\"id\":\"w0-0\"") != NULL && strstr(text, "\"id\":\"w2-0\"") != NULL,
             "of every worker");
}

static void test_refusals(void)
{
    const char *words = NULL;
    UB_CHECK(ub_access_open(in_folder("no/such/folder/log"), 1, &words) == NULL,
             "a file that cannot be opened is refused");
    UB_CHECK_TEXT(words, "No such file or directory", "with the reason");
    for (int64_t nth = 1; nth <= 4; nth++) {
        ub_alloc_fail_nth(nth);
        struct ub_access *access = ub_access_open(in_folder("memory.log"), 1, &words);
        ub_alloc_fail_nth(0);
        UB_CHECK(access == NULL, "without memory (allocation %d) there is no log", (int)nth);
        ub_access_close(access);
    }
    struct ub_access *access = ub_access_open(in_folder("memory.log"), 1, &words);
    ub_alloc_fail_nth(1);
    log_one(access, 0, "lost");
    for (int i = 0; i < 1000 && ub_access_facts(access).dropped == 0; i++) {
        poll(NULL, 0, 10);
    }
    ub_alloc_fail_nth(0);
    UB_CHECK(ub_access_facts(access).dropped == 1, "a line without memory is counted as dropped");
    log_one(access, 0, "kept");
    UB_CHECK(await_written(access, 1), "and the next one is written");
    ub_access_close(access);
    ub_access_close(NULL);
}

int main(void)
{
    snprintf(folder, sizeof folder, "%s/unbusy-access-XXXXXX",
             getenv("TMPDIR") == NULL ? "/tmp" : getenv("TMPDIR"));
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        return 1;
    }
    test_line();
    test_rotation();
    test_slow_reader();
    test_full_disk();
    test_threads();
    test_refusals();
    static const char *const files[] = {"access.log", "access.log.1", "pipe",
                                        "full",       "threads.log",  "memory.log"};
    for (size_t i = 0; i < UB_COUNT(files); i++) {
        unlink(in_folder(files[i]));
    }
    rmdir(folder);
    return ub_test_done();
}

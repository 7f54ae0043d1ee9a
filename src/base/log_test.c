#include "base/log.h"

#include "base/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int pipe_fds[2];
static char said[1 << 18];

/* What was written since the last call. */
static const char *take(void)
{
    ssize_t len = read(pipe_fds[0], said, sizeof said - 1);
    said[len < 0 ? 0 : len] = '\0';
    return said;
}

static int count(const char *text, const char *what)
{
    int found = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
        found++;
    }
    return found;
}

static void say_gone(int n)
{
    UB_LOG(WARN, "upstream gone n=%d", n);
}

static void test_a_line(void)
{
    UB_LOG(INFO, "listening address=%s", "127.0.0.1:8080");
    const char *line = take();
    UB_CHECK(strlen(line) > 24 && line[10] == 'T' && line[23] == 'Z',
             "the time comes first, in UTC");
    UB_CHECK_TEXT(line + 24, " info  listening address=127.0.0.1:8080\n",
                  "then level, words, fields");

    UB_LOG(WARN, "bad name=%s", "a\nforged\x1b[2J line");
    line = take();
    UB_CHECK_TEXT(line + 24, " warn  bad name=a?forged?[2J line\n", "values cannot forge lines");

    char *longer = malloc(3 * UB_LOG_LINE);
    memset(longer, 'x', 3 * UB_LOG_LINE - 1);
    longer[3 * UB_LOG_LINE - 1] = '\0';
    UB_LOG(WARN, "%s", longer);
    free(longer);
    line = take();
    UB_CHECK(strlen(line) <= UB_LOG_LINE && line[strlen(line) - 1] == '\n', "a long line is cut");
}

static void test_levels(void)
{
    UB_LOG(DEBUG, "not shown");
    UB_CHECK_TEXT(take(), "", "debug is silent at first");
    ub_log_set_level(UB_LOG_DEBUG);
    UB_LOG(DEBUG, "shown");
    UB_CHECK(count(take(), "debug shown") == 1, "and can be switched on");
    ub_log_set_level(UB_LOG_INFO);
}

static void test_repeats(void)
{
    uint64_t before = ub_log_lines(UB_LOG_WARN);
    for (int i = 0; i < 1000; i++) {
        say_gone(i);
    }
    const char *text = take();
    UB_CHECK(count(text, "upstream gone") == UB_LOG_BURST, "repetitions are held back");
    UB_CHECK(ub_log_lines(UB_LOG_WARN) - before == 1000, "and counted");
    for (int i = 0; i < 100; i++) {
        UB_LOG(INFO, "n=%d", i);
    }
    UB_CHECK(count(take(), "info  n=") == 100, "information is not limited");

    /* The window is over: time is not ours, so the site is. */
    static struct ub_log_site site;
    site.window_ends = 1;
    site.said = 900;
    site.held_back = 895;
    ub_log_write(&site, UB_LOG_ERROR, "again");
    ub_log_write(&site, UB_LOG_ERROR, "and again");
    text = take();
    UB_CHECK(strstr(text, "again repeats=895\n") != NULL, "the next line says how many there were");
    UB_CHECK(count(text, "repeats=") == 1, "once");
}

static void *many(void *unused)
{
    for (int i = 0; i < 200; i++) {
        UB_LOG(INFO, "thread says abcdefghijklmnopqrstuvwxyz");
        say_gone(i);
    }
    return unused;
}

static void test_threads(void)
{
    pthread_t threads[4];
    for (size_t i = 0; i < UB_COUNT(threads); i++) {
        pthread_create(&threads[i], NULL, many, NULL);
    }
    for (size_t i = 0; i < UB_COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    UB_CHECK(count(take(), "info  thread says abcdefghijklmnopqrstuvwxyz\n") == 800,
             "lines of several threads stay whole");
}

int main(void)
{
    if (pipe2(pipe_fds, O_NONBLOCK) != 0 || fcntl(pipe_fds[1], F_SETPIPE_SZ, 1 << 18) < 0) {
        perror("pipe");
        return 1;
    }
    ub_log_set_file(pipe_fds[1]);
    test_a_line();
    test_levels();
    test_repeats();
    test_threads();
    return ub_test_done();
}

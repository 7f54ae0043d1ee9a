#include "observe/flight_writer.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHUNK    (256u << 10)
#define FILE_MAX (256ull << 20)
#define LOOK_MS  100
#define RETRY_NS (10 * UB_SECOND)

struct ub_flight_writer {
    struct ub_flight *flight;
    char *path;
    char *old_path;
    uint8_t *chunk;
    uint64_t file_max;
    uint64_t written; /* into the present file */
    int fd;           /* -1: bytes up to the next cut are lost */
    bool cut_asked;
    ub_ns retry_at;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ends; /* under the lock */
};

static int open_file(struct ub_flight_writer *w)
{
    if (rename(w->path, w->old_path) != 0 && errno != ENOENT) {
        return -1;
    }
    w->written = 0;
    return open(w->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static void give_file_up(struct ub_flight_writer *w)
{
    UB_LOG(ERROR, "flight record cannot be written file=%s error=%s", w->path, strerror(errno));
    if (w->fd >= 0) {
        close(w->fd);
    }
    w->fd = -1;
    w->retry_at = ub_clock_now() + RETRY_NS;
}

static void put(struct ub_flight_writer *w, size_t size)
{
    for (size_t done = 0; done < size && w->fd >= 0;) {
        ssize_t n = write(w->fd, w->chunk + done, size - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n < 0 && errno != EINTR) {
            give_file_up(w);
        }
    }
    w->written += size;
}

static void next_file(struct ub_flight_writer *w)
{
    w->cut_asked = false;
    if (w->fd >= 0) {
        close(w->fd);
    }
    w->fd = open_file(w);
    if (w->fd < 0) {
        give_file_up(w);
    }
}

/* Everything that is there; a new file where one begins. */
static void write_all(struct ub_flight_writer *w)
{
    for (;;) {
        size_t size = ub_flight_take(w->flight, w->chunk, CHUNK);
        if (size > 0) {
            put(w, size);
        } else if (ub_flight_pass_cut(w->flight)) {
            next_file(w);
        } else {
            return;
        }
    }
}

static void ask_for_cut(struct ub_flight_writer *w)
{
    bool full = w->fd >= 0 && w->written >= w->file_max;
    bool again = w->fd < 0 && ub_clock_now() >= w->retry_at;
    if (!w->cut_asked && (full || again)) {
        w->cut_asked = true;
        ub_flight_ask_cut(w->flight);
    }
}

static bool wait_a_little(struct ub_flight_writer *w)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&w->lock);
    if (!w->ends) {
        pthread_cond_timedwait(&w->wake, &w->lock, &until);
    }
    bool ends = w->ends;
    pthread_mutex_unlock(&w->lock);
    return !ends;
}

static void *write_record(void *user)
{
    struct ub_flight_writer *w = user;
    bool goes_on;
    do {
        goes_on = wait_a_little(w);
        write_all(w);
        ask_for_cut(w);
    } while (goes_on);
    return NULL;
}

static bool start_thread(struct ub_flight_writer *w)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    bool started = ub_process_start_thread(&w->thread, "flight-record", write_record, w);
    if (!started) {
        pthread_cond_destroy(&w->wake);
        pthread_mutex_destroy(&w->lock);
    }
    return started;
}

static void free_writer(struct ub_flight_writer *w)
{
    if (w->fd >= 0) {
        close(w->fd);
    }
    ub_free(w->path);
    ub_free(w->old_path);
    ub_free(w->chunk);
    ub_free(w);
}

struct ub_flight_writer *ub_flight_writer_open(const char *path, struct ub_flight *flight,
                                               uint64_t file_max, const char **words)
{
    struct ub_flight_writer *w = ub_calloc(1, sizeof *w);
    *words = "no memory";
    if (w == NULL) {
        return NULL;
    }
    w->fd = -1;
    w->flight = flight;
    w->file_max = file_max == 0 ? FILE_MAX : file_max;
    size_t len = strlen(path);
    w->path = ub_strndup(path, len);
    w->old_path = ub_malloc(len + 3);
    w->chunk = ub_malloc(CHUNK);
    if (w->path == NULL || w->old_path == NULL || w->chunk == NULL) {
        free_writer(w);
        return NULL;
    }
    memcpy(w->old_path, path, len);
    memcpy(w->old_path + len, ".1", 3);
    w->fd = open_file(w);
    if (w->fd < 0) {
        *words = strerror(errno);
        free_writer(w);
        return NULL;
    }
    if (!start_thread(w)) {
        *words = "no thread for it";
        free_writer(w);
        return NULL;
    }
    return w;
}

void ub_flight_writer_close(struct ub_flight_writer *w)
{
    if (w == NULL) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->ends = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free_writer(w);
}

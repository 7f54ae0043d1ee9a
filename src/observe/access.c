/* Rings, the writing thread, and the file.
 *
 * A record travels: worker fills its ring's next slot and moves `head`; the thread renders the
 * slots up to `head` into `text`, moves `tail`, and writes `text`. The thread sleeps on an eventfd.
 * A worker pays for waking it only when it sleeps, and after waking it collects for COLLECT_NS
 * before it looks, so a busy log costs some fifty wake-ups a second and not one per line.
 */
#include "observe/access.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/process.h"
#include "observe/access_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COLLECT_NS (20 * UB_MS)
#define LOOK_NS    UB_SECOND            /* how often to look whether the file was moved away */
#define TEXT_MAX   ((size_t)256 * 1024) /* lines rendered and not written yet */
#define CLOSE_NS   UB_SECOND

/* Single producer (the worker), single consumer (the thread). Positions only grow. */
struct ring {
    struct ub_access_record *records; /* UB_ACCESS_RING of them */
    _Atomic uint32_t head;            /* written by the worker */
    _Atomic uint64_t dropped;         /* by the worker */
    char apart[64];                   /* two threads, two cache lines */
    _Atomic uint32_t tail;            /* written by the thread */
    char apart_too[64];
};

struct ub_access {
    char *path; /* NULL: stdout */
    uint32_t workers;
    struct ring *rings;
    pthread_t thread;
    int wake_fd;
    _Atomic bool sleeping;
    _Atomic bool reopen;
    _Atomic bool closing;
    _Atomic uint64_t written;
    _Atomic uint64_t lost; /* rendered, but never written */

    /* The thread's own. */
    int fd;
    bool is_pipe; /* or a socket or terminal: a write may have to wait */
    bool failing;
    struct stat opened; /* which file `fd` is */
    ub_ns look_at;
    struct ub_buf text;
    struct ub_access_clock clock;
    bool inside_line; /* the text's first line is partly in the file */
};

/* --- workers ------------------------------------------------------------------------------------
 */

struct ub_access_record *ub_access_begin(struct ub_access *access, uint32_t worker)
{
    assert(worker < access->workers);
    struct ring *ring = &access->rings[worker];
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (head - atomic_load_explicit(&ring->tail, memory_order_acquire) == UB_ACCESS_RING) {
        ring->dropped++;
        return NULL;
    }
    struct ub_access_record *record = &ring->records[head % UB_ACCESS_RING];
    memset(record, 0, sizeof *record);
    record->queue_ns = record->first_token_ns = -1;
    return record;
}

static void wake(struct ub_access *access)
{
    const uint64_t one = 1;
    ssize_t ignored = write(access->wake_fd, &one, sizeof one); /* full = already awake */
    (void)ignored;
}

void ub_access_commit(struct ub_access *access, uint32_t worker)
{
    struct ring *ring = &access->rings[worker];
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    /* Sequentially consistent on both sides: either the thread sees the new head before it sleeps,
     * or we see it sleeping. */
    atomic_store(&ring->head, head + 1);
    if (atomic_load(&access->sleeping) && atomic_exchange(&access->sleeping, false)) {
        wake(access);
    }
}

void ub_access_text(char *array, size_t size, struct ub_slice text)
{
    size_t len = text.len < size ? text.len : size - 1;
    if (len > 0) {
        memcpy(array, text.ptr, len);
    }
    array[len] = '\0';
}

void ub_access_reopen(struct ub_access *access)
{
    access->reopen = true;
    wake(access);
}

/* --- the file -----------------------------------------------------------------------------------
 */

static bool open_file(struct ub_access *access)
{
    int fd = access->path == NULL
                 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
                 : open(access->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0 || fstat(fd, &access->opened) != 0) {
        int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        errno = error;
        return false;
    }
    if (access->fd >= 0) {
        close(access->fd);
    }
    access->fd = fd;
    access->is_pipe = !S_ISREG(access->opened.st_mode);
    return true;
}

static bool was_moved(const struct ub_access *access)
{
    struct stat now;
    return stat(access->path, &now) != 0 || now.st_ino != access->opened.st_ino ||
           now.st_dev != access->opened.st_dev;
}

static void drop_first_line(struct ub_access *access)
{
    const char *end = memchr(access->text.ptr, '\n', access->text.len);
    ub_buf_drop(&access->text, (size_t)(end - access->text.ptr) + 1);
    access->lost++;
    access->inside_line = false;
}

static void keep_open(struct ub_access *access)
{
    bool asked = atomic_exchange(&access->reopen, false);
    ub_ns now = ub_clock_now();
    if (access->path == NULL || (!asked && now < access->look_at)) {
        return;
    }
    access->look_at = now + LOOK_NS;
    if (!asked && !was_moved(access)) {
        return;
    }
    if (!open_file(access)) {
        UB_LOG(ERROR,
               "access log cannot be opened anew, going on with the old file file=%s error=%s",
               access->path, strerror(errno));
    } else if (access->inside_line) {
        drop_first_line(access); /* its beginning is in the old file */
    }
}

static uint64_t lines_in(struct ub_slice text)
{
    uint64_t lines = 0;
    const char *end = text.ptr + text.len;
    for (const char *at = text.ptr; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
        lines++;
    }
    return lines;
}

/* Writes what can be written now. A part that was written stays the prefix of what comes next, so a
 * disk that was full for a while leaves no torn line. */
static void write_text(struct ub_access *access)
{
    while (access->text.len > 0) {
        size_t len = access->text.len;
        if (access->is_pipe) {
            /* After POLLOUT a pipe takes PIPE_BUF bytes without blocking, if not always more. */
            struct pollfd ready = {.fd = access->fd, .events = POLLOUT};
            if (poll(&ready, 1, 100) <= 0) {
                return;
            }
            len = len < PIPE_BUF ? len : PIPE_BUF;
        }
        ssize_t done = write(access->fd, access->text.ptr, len);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            if (!access->failing) {
                UB_LOG(ERROR, "access log cannot be written, lines are dropped error=%s",
                       strerror(errno));
            }
            access->failing = true;
            return;
        }
        access->written += lines_in((struct ub_slice){access->text.ptr, (size_t)done});
        access->inside_line = access->text.ptr[done - 1] != '\n';
        ub_buf_drop(&access->text, (size_t)done);
        if (access->failing) {
            UB_LOG(WARN, "access log is written again dropped=%llu",
                   (unsigned long long)ub_access_facts(access).dropped);
        }
        access->failing = false;
    }
}

/* --- the thread ---------------------------------------------------------------------------------
 */

/* Renders what is in the rings. With the text full, records wait in the rings, and then the workers
 * drop. */
static void render(struct ub_access *access)
{
    for (uint32_t w = 0; w < access->workers; w++) {
        struct ring *ring = &access->rings[w];
        uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
        while (tail != atomic_load(&ring->head)) {
            if (access->text.len + UB_ACCESS_LINE > TEXT_MAX) {
                return;
            }
            size_t before = access->text.len;
            ub_access_add_line(&access->text, &ring->records[tail % UB_ACCESS_RING],
                               &access->clock);
            if (access->text.failed) {
                access->text.failed = false;
                access->text.len = before;
                access->lost++;
            }
            atomic_store_explicit(&ring->tail, ++tail, memory_order_release);
        }
    }
}

static bool is_empty(const struct ub_access *access)
{
    for (uint32_t w = 0; w < access->workers; w++) {
        if (atomic_load(&access->rings[w].head) != atomic_load(&access->rings[w].tail)) {
            return false;
        }
    }
    return true;
}

static void sleep_until_woken(struct ub_access *access)
{
    atomic_store(&access->sleeping, true);
    if (is_empty(access) && !access->closing && !access->reopen) {
        struct pollfd woken = {.fd = access->wake_fd, .events = POLLIN};
        poll(&woken, 1, access->text.len > 0 ? 1000 : -1);
    }
    atomic_store(&access->sleeping, false);
    uint64_t ignored;
    while (read(access->wake_fd, &ignored, sizeof ignored) > 0) {
    }
    if (!access->closing) {
        const struct timespec collect = {.tv_nsec = COLLECT_NS};
        nanosleep(&collect, NULL);
    }
}

static void *write_log(void *argument)
{
    struct ub_access *access = argument;
    ub_ns give_up_at = UB_NEVER;
    for (;;) {
        sleep_until_woken(access);
        keep_open(access);
        do {
            render(access);
            write_text(access);
        } while (!is_empty(access) && access->text.len == 0);
        if (access->closing && give_up_at == UB_NEVER) {
            give_up_at = ub_clock_now() + CLOSE_NS;
        }
        if (access->closing && ((is_empty(access) && access->text.len == 0) || access->failing ||
                                ub_clock_now() >= give_up_at)) {
            return NULL;
        }
    }
}

/* --- life ---------------------------------------------------------------------------------------
 */

static void free_access(struct ub_access *access)
{
    for (uint32_t w = 0; access->rings != NULL && w < access->workers; w++) {
        ub_free(access->rings[w].records);
    }
    ub_free(access->rings);
    if (access->fd >= 0) {
        close(access->fd);
    }
    if (access->wake_fd >= 0) {
        close(access->wake_fd);
    }
    ub_buf_free(&access->text);
    ub_free(access->path);
    ub_free(access);
}

static bool prepare(struct ub_access *access, const char *path)
{
    if (strcmp(path, "-") != 0) {
        access->path = ub_strndup(path, strlen(path));
        if (access->path == NULL) {
            return false;
        }
    }
    access->rings = ub_calloc(access->workers, sizeof *access->rings);
    for (uint32_t w = 0; access->rings != NULL && w < access->workers; w++) {
        access->rings[w].records = ub_calloc(UB_ACCESS_RING, sizeof(struct ub_access_record));
        if (access->rings[w].records == NULL) {
            return false;
        }
    }
    access->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return access->rings != NULL && access->wake_fd >= 0;
}

struct ub_access *ub_access_open(const char *path, uint32_t workers, const char **words)
{
    *words = "out of memory";
    struct ub_access *access = ub_calloc(1, sizeof *access);
    if (access == NULL) {
        return NULL;
    }
    access->workers = workers;
    access->fd = access->wake_fd = -1;
    if (!prepare(access, path)) {
        free_access(access);
        return NULL;
    }
    if (!open_file(access)) {
        *words = strerror(errno);
        free_access(access);
        return NULL;
    }
    if (!ub_process_start_thread(&access->thread, "access-log", write_log, access)) {
        *words = "no thread for it";
        free_access(access);
        return NULL;
    }
    return access;
}

void ub_access_close(struct ub_access *access)
{
    if (access == NULL) {
        return;
    }
    access->closing = true;
    wake(access);
    pthread_join(access->thread, NULL);
    free_access(access);
}

struct ub_access_facts ub_access_facts(const struct ub_access *access)
{
    struct ub_access_facts facts = {.written = access->written, .dropped = access->lost};
    for (uint32_t w = 0; w < access->workers; w++) {
        facts.dropped += access->rings[w].dropped;
    }
    return facts;
}

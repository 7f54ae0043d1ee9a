#include "gateway/body.h"

#include "base/alloc.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Most chats fit. */
#define FIRST_ROOM ((size_t)4096)

bool ub_budget_has_room(struct ub_budget *budget)
{
    return atomic_load_explicit(&budget->memory, memory_order_relaxed) < budget->memory_max &&
           atomic_load_explicit(&budget->file, memory_order_relaxed) < budget->file_max;
}

void ub_body_init(struct ub_body *body, struct ub_budget *budget, uint64_t expected)
{
    *body = (struct ub_body){.budget = budget, .expected = expected, .file = -1};
}

static void heap_free(struct ub_body *body)
{
    ub_free(body->heap);
    atomic_fetch_sub(&body->budget->memory, body->heap_cap);
    body->heap = NULL;
    body->heap_cap = 0;
}

/* Exactly the announced length when it is within one piece's reach, else by doubling; without room
 * in the budget, no more than needed. */
static size_t next_cap(const struct ub_body *body, size_t need)
{
    size_t cap = body->heap_cap == 0 ? FIRST_ROOM : body->heap_cap * 2;
    if (body->expected >= need && body->expected <= 2 * need) {
        cap = (size_t)body->expected;
    }
    if (cap < need || !ub_budget_has_room(body->budget)) {
        cap = need;
    }
    return cap;
}

static bool heap_add(struct ub_body *body, struct ub_slice piece)
{
    size_t need = (size_t)body->len + piece.len;
    if (need > body->heap_cap) {
        size_t cap = next_cap(body, need);
        char *grown = ub_realloc(body->heap, cap);
        if (grown == NULL) {
            return false;
        }
        atomic_fetch_add(&body->budget->memory, cap - body->heap_cap);
        body->heap = grown;
        body->heap_cap = cap;
    }
    memcpy(body->heap + body->len, piece.ptr, piece.len);
    body->len = need;
    return true;
}

/* A file that is gone when we are. */
static int open_nameless(void)
{
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] == '\0') {
        folder = "/var/tmp"; /* on a disk, unlike /tmp on many systems */
    }
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
        char path[4096];
        int len = snprintf(path, sizeof path, "%s/unbusy-XXXXXX", folder);
        if (len < 0 || (size_t)len >= sizeof path) {
            return -1;
        }
        file = mkostemp(path, O_CLOEXEC);
        if (file >= 0) {
            unlink(path);
        }
    }
    return file;
}

static bool file_add(struct ub_body *body, struct ub_slice piece)
{
    while (piece.len > 0) {
        ssize_t done = pwrite(body->file, piece.ptr, piece.len, (off_t)body->file_len);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        piece.ptr += done;
        piece.len -= (size_t)done;
        body->file_len += (uint64_t)done;
        atomic_fetch_add(&body->budget->file, (uint64_t)done);
    }
    return true;
}

static bool spill(struct ub_body *body)
{
    body->file = open_nameless();
    if (body->file < 0 || !file_add(body, (struct ub_slice){body->heap, (size_t)body->len})) {
        return false;
    }
    heap_free(body);
    return true;
}

bool ub_body_add(struct ub_body *body, struct ub_slice piece)
{
    if (body->file < 0 && body->len + piece.len <= UB_BODY_HEAP_MAX) {
        return heap_add(body, piece);
    }
    if ((body->file < 0 && !spill(body)) || !file_add(body, piece)) {
        return false;
    }
    body->len += piece.len;
    return true;
}

bool ub_body_finish(struct ub_body *body, struct ub_slice *bytes)
{
    *bytes = (struct ub_slice){body->heap, (size_t)body->len};
    if (body->file < 0) {
        return true;
    }
    void *map = mmap(NULL, (size_t)body->len, PROT_READ, MAP_SHARED, body->file, 0);
    if (map == MAP_FAILED) {
        return false;
    }
    body->map = map;
    bytes->ptr = map;
    return true;
}

void ub_body_close(struct ub_body *body)
{
    heap_free(body);
    if (body->map != NULL) {
        munmap(body->map, (size_t)body->len);
        body->map = NULL;
    }
    if (body->file >= 0) {
        close(body->file);
        body->file = -1;
        atomic_fetch_sub(&body->budget->file, body->file_len);
        body->file_len = 0;
    }
    body->len = 0;
}

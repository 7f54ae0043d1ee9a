/* access.h - the access log: one JSON line for each request, written off the hot path.
 *
 * A worker fills a record of fixed size in its own ring (single producer, single consumer) and goes
 * on; one thread renders the records and writes them. When that thread or the disk cannot keep up,
 * records are dropped and counted: requests never wait for their log line. The file is opened anew
 * on ub_access_reopen, and by itself within a second when it was moved away or deleted (rotation).
 */
#ifndef UB_OBSERVE_ACCESS_H
#define UB_OBSERVE_ACCESS_H

#include "base/error.h"
#include "base/slice.h"
#include "base/time.h"
#include "policy/brain.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UB_ACCESS_ATTEMPTS 8   /* shown per record; further ones are only counted */
#define UB_ACCESS_RING     512 /* records per worker; a power of two */

struct ub_access_attempt {
    char upstream[32]; /* zero-terminated, like all text here; longer text is cut */
    uint8_t reason;    /* enum ub_reason: why it was started */
    uint8_t error; /* enum ub_error: how it ended; OK also for one that was not needed any more */
    uint32_t start_ms; /* after the request's arrival */
    uint32_t ms;       /* how long it ran */
};

struct ub_access_record {
    ub_ns wall_ns; /* when the request arrived: ub_clock_wall */
    char id[40];   /* x-request-id */
    char client[48];
    char tenant[32];   /* "" = none */
    const char *class; /* static text, of the tenant: "standard" ...; NULL = not known yet */
    char model[64];
    const char *endpoint; /* static text: "chat", "completions", "embeddings", "models" ... */
    uint16_t status;      /* what the client saw; 0 = nothing */
    uint8_t outcome;      /* enum ub_error */
    uint8_t why;          /* enum ub_reason of the terminal action */
    bool stream;
    char upstream[32]; /* who the answer is from; "" = none or ourselves */
    char zone[32];     /* of that one */
    char degraded
        [64]; /* what it has less than was asked for, as in x-unbusy-degraded; "" = nothing */
    uint8_t attempts; /* may exceed UB_ACCESS_ATTEMPTS */
    struct ub_access_attempt attempt[UB_ACCESS_ATTEMPTS];
    ub_ns queue_ns;       /* arrival to the first attempt; < 0 = there was none */
    ub_ns first_token_ns; /* arrival to the first payload sent; < 0 = there was none */
    ub_ns total_ns;       /* arrival to outcome */
    uint32_t tokens_in, tokens_out, tokens_cached; /* 0 = unknown */
    const char *usage;            /* static text: whose figures these are; NULL = nobody's */
    int64_t cost_nanos;           /* billionths of the price's currency; < 0 = not known */
    uint64_t bytes_in, bytes_out; /* bodies */
};

struct ub_access;

/* `path`: a file, or "-" for stdout. NULL when it cannot be opened, or without memory; `words` then
 * says why (static text or strerror). */
struct ub_access *ub_access_open(const char *path, uint32_t workers, const char **words);

/* Writes what is waiting (for at most a second when the reader of a pipe does not read), ends the
 * thread, frees. No worker may be writing any more. NULL is fine. */
void ub_access_close(struct ub_access *access);

/* The next record of this worker, zeroed, or NULL when its ring is full (counted as dropped). Fill
 * it, then commit. */
struct ub_access_record *ub_access_begin(struct ub_access *access, uint32_t worker);
void ub_access_commit(struct ub_access *access, uint32_t worker);

/* Copies text into one of a record's arrays, cutting it when it is too long. */
void ub_access_text(char *array, size_t size, struct ub_slice text);
#define UB_ACCESS_TEXT(array, text) ub_access_text((array), sizeof(array), (text))

/* Open the file anew before the next line. Safe in a signal handler and from any thread. */
void ub_access_reopen(struct ub_access *access);

struct ub_access_facts {
    uint64_t written;
    uint64_t dropped; /* ring full, or the line could not be written */
};
struct ub_access_facts ub_access_facts(const struct ub_access *access);

#endif

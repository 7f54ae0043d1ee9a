/* flight.h - the flight record: what the brain was told, so that its decisions can be replayed.
 *
 * A record begins with the brain's limits and a snapshot; after it every event is one record, by
 * value and numbered, with the count and the running digest of the actions drained before it. A
 * replay that drains as many must get the same digest. Each record has its length and checksum, so
 * a torn end and a flipped byte are found.
 *
 * The recorder is a ring of bytes of fixed size. Whoever holds the brain's lock puts records in
 * (single producer, no allocation), one writer thread takes bytes out without the lock (single
 * consumer). When the ring is full the record is dropped and so is everything after it, because a
 * replay cannot cross a gap; ub_flight_wants_snapshot then asks for a new beginning.
 *
 * File: records of u32 length, u32 checksum (XXH3 of the payload, seeded with the record's index),
 * payload; all numbers little-endian. The version is described by flight_codec.c; whatever changes
 * what a number in a record means (events, reasons, errors) makes a new one.
 */
#ifndef UB_OBSERVE_FLIGHT_H
#define UB_OBSERVE_FLIGHT_H

#include "policy/brain.h"

#define UB_FLIGHT_VERSION 10

struct ub_flight;

/* Room for `ring_bytes` that are not taken yet; at least the snapshot of the running brain must
 * fit. NULL without memory. */
struct ub_flight *ub_flight_new(const struct ub_brain_limits *limits, size_t ring_bytes);
void ub_flight_free(struct ub_flight *flight);

/* All under the brain's lock. `begin` first, once. `event` just before its step, `action` after
 * each ub_brain_next. `snapshot` between two events: a point where a replay can begin; false when
 * it did not fit. `end` confirms the last actions. */
void ub_flight_begin(struct ub_flight *flight, const struct ub_brain *brain);
void ub_flight_event(struct ub_flight *flight, const struct ub_event *event);
void ub_flight_action(struct ub_flight *flight, const struct ub_action *action);
bool ub_flight_snapshot(struct ub_flight *flight, const struct ub_brain *brain);
void ub_flight_end(struct ub_flight *flight);

/* Something was dropped and half of the ring is free again, or the writer wants a new file. */
bool ub_flight_wants_snapshot(const struct ub_flight *flight);

/* The writer thread: moves up to `size` bytes into `out`, returns how many. */
size_t ub_flight_take(struct ub_flight *flight, void *out, size_t size);

/* The writer wants to begin a new file: the next snapshot begins it. ub_flight_take then stops at
 * the end of the old one, until ub_flight_pass_cut says true there. */
void ub_flight_ask_cut(struct ub_flight *flight);
bool ub_flight_pass_cut(struct ub_flight *flight);

struct ub_flight_facts {
    uint64_t events;  /* recorded */
    uint64_t dropped; /* events that were not */
};
/* Under the lock. */
struct ub_flight_facts ub_flight_facts(const struct ub_flight *flight);

/* The digest after one more action. Starts from 0. */
uint64_t ub_flight_digest(uint64_t digest, const struct ub_action *action);

/* Reading. */
enum ub_flight_kind {
    UB_FLIGHT_HEADER,
    UB_FLIGHT_SNAPSHOT,
    UB_FLIGHT_EVENT,
    UB_FLIGHT_END,      /* the recorder was closed properly */
    UB_FLIGHT_FINISHED, /* no more bytes */
    UB_FLIGHT_TORN,     /* the last record is not complete */
    UB_FLIGHT_CORRUPT,  /* checksum or content wrong */
    UB_FLIGHT_STRANGE,  /* not a flight record, or of another version */
    UB_FLIGHT_NO_MEMORY,
};

struct ub_flight_record {
    enum ub_flight_kind kind;
    size_t offset;                 /* of the record in the file */
    struct ub_brain_limits limits; /* HEADER */
    uint64_t number;  /* EVENT: its own; SNAPSHOT, END: of the next one; counted from 1 */
    uint32_t drained; /* actions since the record before (all but HEADER) */
    uint64_t digest;  /* of all actions so far */
    uint64_t dropped; /* SNAPSHOT: events lost so far */
    const void *snapshot;
    size_t snapshot_size;
    struct ub_event event; /* EVENT; its routes belong to the reader until the next read */
};

struct ub_flight_reader {
    const uint8_t *bytes; /* the caller's */
    size_t size;
    size_t at;
    uint64_t index;
    struct ub_upstream_spec *upstreams;
    struct ub_model_spec *models;
    struct ub_tenant_spec *tenants;
    struct ub_share_spec *shares;
    struct ub_routes routes;
};

/* Zero-initialise with bytes and size. After TORN and worse, nothing more is read. */
enum ub_flight_kind ub_flight_read(struct ub_flight_reader *reader, struct ub_flight_record *out);
void ub_flight_reader_close(struct ub_flight_reader *reader);

#endif

#include "observe/flight.h"

#include "base/alloc.h"
#include "base/random.h"
#include "observe/flight_codec.h"

#include <stdatomic.h>
#include <string.h>
#include <xxhash.h>

#define MAGIC       0x4854474c46425555u /* "UUBFLGTH", read from the low byte */
#define FRAME_BYTES 8                   /* length and checksum */
#define FIXED_BYTES 64                  /* every record's own fields before an event or snapshot */
#define LENGTH_MAX  (1u << 30)

struct ub_flight {
    struct ub_brain_limits limits;
    size_t ring_size; /* a power of two */
    size_t scratch_size;
    atomic_size_t head; /* bytes ever put in; moved by the producer */
    atomic_size_t tail; /* bytes ever taken; moved by the consumer */
    atomic_size_t cut;  /* position of the next file's first byte; 0 = none is due */
    atomic_bool wants_cut;
    uint64_t index;  /* records so far */
    uint64_t number; /* of the next event */
    uint64_t digest;
    uint32_t drained; /* since the last record */
    bool gap;         /* something was dropped; a snapshot must come first */
    struct ub_flight_facts facts;
    uint8_t *ring;
    uint8_t *scratch; /* one record; as long as the longest event and as a snapshot that fits */
};

struct ub_flight *ub_flight_new(const struct ub_brain_limits *limits, size_t ring_bytes)
{
    struct ub_flight *f = ub_calloc(1, sizeof *f);
    if (f == NULL) {
        return NULL;
    }
    f->limits = *limits;
    f->number = 1;
    f->ring_size = 4096;
    while (f->ring_size < ring_bytes) {
        f->ring_size *= 2;
    }
    size_t event = ub_flight_event_max(limits);
    size_t snapshot = ub_brain_size(limits);
    snapshot = snapshot < f->ring_size ? snapshot : f->ring_size;
    f->scratch_size = FIXED_BYTES + (event > snapshot ? event : snapshot);
    f->ring = ub_malloc(f->ring_size);
    f->scratch = ub_malloc(f->scratch_size);
    if (f->ring == NULL || f->scratch == NULL) {
        ub_flight_free(f);
        return NULL;
    }
    return f;
}

void ub_flight_free(struct ub_flight *f)
{
    if (f != NULL) {
        ub_free(f->ring);
        ub_free(f->scratch);
        ub_free(f);
    }
}

static size_t room(const struct ub_flight *f)
{
    size_t tail = atomic_load_explicit(&f->tail, memory_order_acquire);
    return f->ring_size - (atomic_load_explicit(&f->head, memory_order_relaxed) - tail);
}

static void copy_in(struct ub_flight *f, size_t at, const uint8_t *bytes, size_t size)
{
    size_t offset = at & (f->ring_size - 1);
    size_t first = f->ring_size - offset < size ? f->ring_size - offset : size;
    memcpy(f->ring + offset, bytes, first);
    memcpy(f->ring, bytes + first, size - first);
}

/* Puts the record that lies in scratch into the ring, whole or not at all. */
static bool put_record(struct ub_flight *f, const struct ub_flight_out *out)
{
    size_t size = (size_t)(out->at - f->scratch);
    if (out->failed || room(f) < size + FRAME_BYTES) {
        return false;
    }
    uint8_t frame[FRAME_BYTES];
    struct ub_flight_out head = {frame, frame + sizeof frame, false};
    ub_flight_put(&head, size, 4);
    ub_flight_put(&head, XXH3_64bits_withSeed(f->scratch, size, f->index), 4);
    size_t at = atomic_load_explicit(&f->head, memory_order_relaxed);
    copy_in(f, at, frame, sizeof frame);
    copy_in(f, at + sizeof frame, f->scratch, size);
    atomic_store_explicit(&f->head, at + sizeof frame + size, memory_order_release);
    f->index++;
    return true;
}

static struct ub_flight_out begin_record(struct ub_flight *f, enum ub_flight_kind kind)
{
    struct ub_flight_out out = {f->scratch, f->scratch + f->scratch_size, false};
    ub_flight_put(&out, kind, 1);
    if (kind != UB_FLIGHT_HEADER) {
        ub_flight_put(&out, f->number, 8);
        ub_flight_put(&out, f->drained, 4);
        ub_flight_put(&out, f->digest, 8);
    }
    return out;
}

/* Whoever changes one of these makes a new version. */
_Static_assert(UB_FLIGHT_VERSION == 10 && UB_WHY_COUNT == 49 && UB_ACT_TYPES == 11 &&
                   UB_EV_TENANT_PART == 14,
               "the numbers in a record mean what they meant in this version");

static void put_header(struct ub_flight *f)
{
    f->index = 0;
    struct ub_flight_out out = begin_record(f, UB_FLIGHT_HEADER);
    ub_flight_put(&out, MAGIC, 8);
    ub_flight_put(&out, UB_FLIGHT_VERSION, 4);
    ub_flight_put_limits(&out, &f->limits);
    put_record(f, &out);
}

void ub_flight_begin(struct ub_flight *f, const struct ub_brain *brain)
{
    put_header(f);
    f->gap = true;
    ub_flight_snapshot(f, brain);
}

/* Ends the present file and begins the next one; the caller has looked that all of it fits. */
static void put_cut(struct ub_flight *f)
{
    ub_flight_end(f);
    atomic_store(&f->cut, atomic_load_explicit(&f->head, memory_order_relaxed));
    atomic_store(&f->wants_cut, false);
    put_header(f);
}

bool ub_flight_snapshot(struct ub_flight *f, const struct ub_brain *brain)
{
    size_t size = ub_brain_snapshot_size(brain);
    if (size > f->scratch_size - FIXED_BYTES || room(f) < size + 3 * (FIXED_BYTES + FRAME_BYTES)) {
        return false;
    }
    if (atomic_load(&f->wants_cut)) {
        put_cut(f);
    }
    struct ub_flight_out out = begin_record(f, UB_FLIGHT_SNAPSHOT);
    ub_flight_put(&out, f->facts.dropped, 8);
    out.at += ub_brain_snapshot(brain, out.at);
    if (!put_record(f, &out)) {
        return false;
    }
    f->gap = false;
    f->drained = 0;
    return true;
}

void ub_flight_event(struct ub_flight *f, const struct ub_event *event)
{
    bool put = false;
    if (!f->gap) {
        struct ub_flight_out out = begin_record(f, UB_FLIGHT_EVENT);
        ub_flight_put_event(&out, event);
        put = put_record(f, &out);
    }
    f->number++;
    f->drained = 0;
    f->gap = !put;
    if (put) {
        f->facts.events++;
    } else {
        f->facts.dropped++;
    }
}

void ub_flight_action(struct ub_flight *f, const struct ub_action *action)
{
    f->digest = ub_flight_digest(f->digest, action);
    f->drained++;
}

void ub_flight_end(struct ub_flight *f)
{
    if (!f->gap) {
        struct ub_flight_out out = begin_record(f, UB_FLIGHT_END);
        put_record(f, &out);
    }
}

bool ub_flight_wants_snapshot(const struct ub_flight *f)
{
    return (f->gap || atomic_load_explicit(&f->wants_cut, memory_order_relaxed)) &&
           room(f) >= f->ring_size / 2;
}

size_t ub_flight_take(struct ub_flight *f, void *out, size_t size)
{
    size_t tail = atomic_load_explicit(&f->tail, memory_order_relaxed);
    size_t there = atomic_load_explicit(&f->head, memory_order_acquire) - tail;
    size_t cut = atomic_load(&f->cut);
    if (cut != 0 && cut - tail < there) {
        there = cut - tail;
    }
    size = size < there ? size : there;
    size_t offset = tail & (f->ring_size - 1);
    size_t first = f->ring_size - offset < size ? f->ring_size - offset : size;
    memcpy(out, f->ring + offset, first);
    memcpy((uint8_t *)out + first, f->ring, size - first);
    atomic_store_explicit(&f->tail, tail + size, memory_order_release);
    return size;
}

void ub_flight_ask_cut(struct ub_flight *f)
{
    atomic_store(&f->wants_cut, true);
}

bool ub_flight_pass_cut(struct ub_flight *f)
{
    size_t cut = atomic_load(&f->cut);
    if (cut == 0 || cut != atomic_load_explicit(&f->tail, memory_order_relaxed)) {
        return false;
    }
    atomic_store(&f->cut, 0);
    return true;
}

struct ub_flight_facts ub_flight_facts(const struct ub_flight *f)
{
    return f->facts;
}

uint64_t ub_flight_digest(uint64_t digest, const struct ub_action *a)
{
    const uint64_t fields[] = {
        (uint64_t)a->type | (uint64_t)a->reason << 8 | (uint64_t)a->attempt << 16 |
            (uint64_t)a->pass_on << 24 | (uint64_t)a->should_retry << 25 |
            (uint64_t)a->resume << 26 | (uint64_t)a->error << 32 | (uint64_t)a->degraded << 40,
        (uint64_t)a->request.slot | (uint64_t)a->request.generation << 32,
        (uint64_t)a->worker | (uint64_t)a->upstream << 16,
        (uint64_t)a->deadline + (uint64_t)a->stall_ns,
        (uint64_t)a->retry_after_ns,
        (uint64_t)a->wait_ns,
        (uint64_t)a->position,
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        digest = ub_mix64(digest * 3 + fields[i]);
    }
    return digest;
}

static enum ub_flight_kind read_header(struct ub_flight_in *in, struct ub_flight_record *out)
{
    if (ub_flight_get(in, 8) != MAGIC || ub_flight_get(in, 4) != UB_FLIGHT_VERSION) {
        return UB_FLIGHT_STRANGE;
    }
    ub_flight_get_limits(in, &out->limits);
    return in->failed ? UB_FLIGHT_CORRUPT : UB_FLIGHT_HEADER;
}

static enum ub_flight_kind read_payload(struct ub_flight_reader *reader, struct ub_flight_in *in,
                                        struct ub_flight_record *out)
{
    uint64_t kind = ub_flight_get(in, 1);
    if (kind == UB_FLIGHT_HEADER) {
        return read_header(in, out);
    }
    out->number = ub_flight_get(in, 8);
    out->drained = (uint32_t)ub_flight_get(in, 4);
    out->digest = ub_flight_get(in, 8);
    if (kind == UB_FLIGHT_SNAPSHOT) {
        out->dropped = ub_flight_get(in, 8);
        out->snapshot = in->at;
        out->snapshot_size = (size_t)(in->end - in->at);
    } else if (kind == UB_FLIGHT_EVENT) {
        if (!ub_flight_get_event(in, reader, &out->event)) {
            return in->failed ? UB_FLIGHT_CORRUPT : UB_FLIGHT_NO_MEMORY;
        }
    } else if (kind != UB_FLIGHT_END) {
        return UB_FLIGHT_CORRUPT;
    }
    return in->failed ? UB_FLIGHT_CORRUPT : (enum ub_flight_kind)kind;
}

static enum ub_flight_kind read_frame(struct ub_flight_reader *reader, struct ub_flight_record *out)
{
    size_t left = reader->size - reader->at;
    if (left == 0) {
        return UB_FLIGHT_FINISHED;
    }
    struct ub_flight_in in = {reader->bytes + reader->at, reader->bytes + reader->size, false};
    uint64_t length = ub_flight_get(&in, 4);
    uint64_t check = ub_flight_get(&in, 4);
    if (length > LENGTH_MAX) {
        return reader->index == 0 ? UB_FLIGHT_STRANGE : UB_FLIGHT_CORRUPT;
    }
    if (in.failed || length > left - FRAME_BYTES) {
        return UB_FLIGHT_TORN;
    }
    in.end = in.at + length;
    if ((XXH3_64bits_withSeed(in.at, length, reader->index) & UINT32_MAX) != check) {
        return UB_FLIGHT_CORRUPT;
    }
    reader->at += FRAME_BYTES + length;
    reader->index++;
    enum ub_flight_kind kind = read_payload(reader, &in, out);
    return (reader->index == 1) == (kind == UB_FLIGHT_HEADER) ? kind : UB_FLIGHT_STRANGE;
}

enum ub_flight_kind ub_flight_read(struct ub_flight_reader *reader, struct ub_flight_record *out)
{
    *out = (struct ub_flight_record){.offset = reader->at};
    out->kind = read_frame(reader, out);
    if (out->kind >= UB_FLIGHT_FINISHED) {
        reader->at = reader->size;
    }
    return out->kind;
}

void ub_flight_reader_close(struct ub_flight_reader *reader)
{
    ub_flight_free_routes(reader);
    *reader = (struct ub_flight_reader){0};
}

#include "sim/replay.h"

#include "base/alloc.h"
#include "sim/words.h"

#include <stdlib.h>
#include <string.h>

struct replay {
    const struct ub_replay_options *options;
    uint64_t start; /* number of the snapshot to begin at */
    struct ub_replay_result result;
    struct ub_brain_limits limits;
    void *block; /* NULL: no snapshot yet */
    size_t block_size;
    struct ub_brain *brain;
    uint64_t digest;
    ub_ns now;
    struct ub_names names;
    struct ub_request_id about; /* what the current line of the trace is about */
    bool line_open;
    bool line_empty; /* no action on it yet */
};

static void name_request(void *user, struct ub_buf *out, struct ub_request_id id)
{
    ub_buf_printf(out, "r%u.%u", id.slot, id.generation);
}

static void name_upstream(void *user, struct ub_buf *out, uint16_t slot)
{
    ub_buf_printf(out, "u%u", slot);
}

static void close_line(struct replay *r)
{
    if (r->options->to != NULL && r->line_open) {
        ub_buf_add_text(r->options->to, r->line_empty ? ": nothing\n" : "\n");
    }
    r->line_open = false;
}

static void open_line(struct replay *r, const struct ub_event *event)
{
    close_line(r);
    if (r->options->to != NULL) {
        r->names.origin = r->names.origin == 0 ? event->now : r->names.origin;
        ub_words_at(r->options->to, &r->names, event->now);
        ub_words_event(r->options->to, &r->names, event);
    }
    r->about = event->request;
    r->line_open = r->line_empty = true;
}

static void show_action(struct replay *r, const struct ub_action *action)
{
    if (r->options->to != NULL) {
        ub_buf_add_text(r->options->to, r->line_empty ? ": " : ", ");
        ub_words_action(r->options->to, &r->names, action, r->about);
    }
    r->line_empty = false;
}

static bool stop(struct replay *r, enum ub_replay_end end, const char *words)
{
    r->result.end = end;
    r->result.words = words;
    return false;
}

/* The actions that the body drained since the record before. */
static bool drain(struct replay *r, const struct ub_flight_record *record)
{
    for (uint32_t i = 0; i < record->drained; i++) {
        struct ub_action action;
        if (!ub_brain_next(r->brain, &action)) {
            return stop(r, UB_REPLAY_DIVERGED, "fewer actions than recorded");
        }
        show_action(r, &action);
        r->digest = ub_flight_digest(r->digest, &action);
        r->result.actions++;
    }
    if (r->digest != record->digest) {
        return stop(r, UB_REPLAY_DIVERGED, "other actions than recorded");
    }
    return true;
}

static bool restore(struct replay *r, const struct ub_flight_record *record)
{
    memset(r->block, 0, r->block_size);
    r->brain = ub_brain_restore(r->block, &r->limits, record->snapshot, record->snapshot_size);
    if (r->brain == NULL) {
        return stop(r, UB_REPLAY_CORRUPT, "a snapshot that does not belong to these limits");
    }
    r->digest = record->digest;
    r->result.dropped = record->dropped;
    return true;
}

static bool on_snapshot(struct replay *r, const struct ub_flight_record *record)
{
    if (r->brain == NULL && record->number < r->start) {
        return true;
    }
    if (r->brain == NULL || record->dropped != r->result.dropped) {
        close_line(r);
        return restore(r, record);
    }
    return drain(r, record);
}

/* Would this step be a bug of the body's? Then the brain has gone another way before. */
static const char *misfit(const struct replay *r, const struct ub_event *event)
{
    if (event->now < r->now) {
        return "time runs backwards";
    }
    if (event->type == UB_EV_ARRIVED) {
        struct ub_request_id id = ub_brain_next_id(r->brain);
        if (id.slot != event->request.slot || id.generation != event->request.generation) {
            return "an arrival got another slot than recorded";
        }
    }
    bool has_worker = event->type == UB_EV_ARRIVED || event->type == UB_EV_WOKEN;
    if (has_worker && event->worker >= r->limits.workers) {
        return "a worker that is not there";
    }
    return event->type == UB_EV_ROUTES ? ub_brain_refuses(r->brain, event->routes) : NULL;
}

static bool on_event(struct replay *r, const struct ub_flight_record *record)
{
    if (r->brain == NULL) {
        return record->number < r->start ||
               stop(r, UB_REPLAY_STRANGE, "no snapshot before the first event");
    }
    if (!drain(r, record)) {
        return false;
    }
    const char *words = misfit(r, &record->event);
    r->result.event = record->number;
    if (words != NULL) {
        return stop(r, UB_REPLAY_DIVERGED, words);
    }
    open_line(r, &record->event);
    r->now = record->event.now;
    ub_brain_step(r->brain, &record->event);
    r->result.events++;
    return true;
}

static bool on_header(struct replay *r, const struct ub_flight_record *record)
{
    const struct ub_brain_limits *l = &record->limits;
    bool good = l->requests >= 1 && l->requests < UINT32_MAX / 2 && l->upstreams >= 1 &&
                l->upstreams < UB_NO_UPSTREAM && l->targets >= 1 && l->targets < UINT16_MAX &&
                l->models >= 1 && l->models < UB_NO_MODEL && l->routes >= 1 &&
                l->routes < UINT16_MAX && l->workers >= 1 && l->workers <= 64 && l->prefixes >= 4 &&
                (l->prefixes & (l->prefixes - 1)) == 0 && l->tenants < UB_NO_TENANT &&
                l->shares < UINT16_MAX;
    if (!good) {
        return stop(r, UB_REPLAY_STRANGE, "limits that no brain has");
    }
    r->limits = *l;
    r->block_size = (ub_brain_size(l) + 63) / 64 * 64;
    r->block = aligned_alloc(64, r->block_size);
    return r->block != NULL || stop(r, UB_REPLAY_NO_MEMORY, "no memory");
}

static bool on_record(struct replay *r, const struct ub_flight_record *record)
{
    switch (record->kind) {
    case UB_FLIGHT_HEADER:
        return on_header(r, record);
    case UB_FLIGHT_SNAPSHOT:
        return on_snapshot(r, record);
    case UB_FLIGHT_EVENT:
        return on_event(r, record);
    case UB_FLIGHT_END:
        return r->brain != NULL && drain(r, record) &&
               stop(r, UB_REPLAY_SAME, "the same decisions");
    case UB_FLIGHT_FINISHED:
        return stop(r, r->block == NULL ? UB_REPLAY_STRANGE : UB_REPLAY_OPEN,
                    r->block == NULL ? "not a flight record" : "the recorder was not closed");
    case UB_FLIGHT_TORN:
        return stop(r, UB_REPLAY_TORN, "the last record is not whole");
    case UB_FLIGHT_CORRUPT:
        return stop(r, UB_REPLAY_CORRUPT, "a damaged record");
    case UB_FLIGHT_STRANGE:
        return stop(r, UB_REPLAY_STRANGE, "not a flight record of this version");
    case UB_FLIGHT_NO_MEMORY:
        break;
    }
    return stop(r, UB_REPLAY_NO_MEMORY, "no memory");
}

/* The last snapshot that is not after event `from`. */
static uint64_t find_start(const void *bytes, size_t size, uint64_t from)
{
    uint64_t start = 0;
    struct ub_flight_reader reader = {.bytes = bytes, .size = size};
    struct ub_flight_record record;
    while (from > 0 && ub_flight_read(&reader, &record) < UB_FLIGHT_FINISHED) {
        if (record.kind == UB_FLIGHT_SNAPSHOT && record.number <= from) {
            start = record.number;
        }
    }
    ub_flight_reader_close(&reader);
    return start;
}

struct ub_replay_result ub_replay(const void *bytes, size_t size,
                                  const struct ub_replay_options *options)
{
    struct replay r = {.options = options,
                       .start = find_start(bytes, size, options->from),
                       .names = {.request = name_request, .upstream = name_upstream}};
    struct ub_flight_reader reader = {.bytes = bytes, .size = size};
    struct ub_flight_record record;
    do {
        ub_flight_read(&reader, &record);
        r.result.offset = record.offset;
    } while (on_record(&r, &record));
    close_line(&r);
    ub_flight_reader_close(&reader);
    free(r.block);
    return r.result;
}

#include "gateway/relay.h"

#include "base/alloc.h"

void ub_relay_init(struct ub_relay *relay, enum ub_dialect dialect, bool strip_usage,
                   struct ub_slice *parts)
{
    *relay = (struct ub_relay){.dialect = dialect, .strip_usage = strip_usage, .parts = parts};
    ub_sse_init(&relay->sse, UB_SSE_EVENT_MAX);
}

void ub_relay_close(struct ub_relay *relay)
{
    ub_sse_close(&relay->sse);
    ub_buf_free(&relay->rewritten);
    ub_buf_free(&relay->joined);
    ub_delivered_close(&relay->delivered);
    if (relay->rejoin != NULL) {
        ub_rejoin_close(relay->rejoin);
        ub_free(relay->rejoin);
        relay->rejoin = NULL;
    }
}

void ub_relay_keep(struct ub_relay *relay, size_t max)
{
    ub_delivered_init(&relay->delivered, max);
    relay->delivered.began = relay->dialect;
    relay->keeps = true;
}

bool ub_relay_continue(struct ub_relay *relay, const struct ub_delivered *delivered,
                       enum ub_resume_way way)
{
    relay->rejoin = ub_malloc(sizeof *relay->rejoin);
    if (relay->rejoin == NULL || !ub_delivered_copy(&relay->delivered, delivered)) {
        ub_free(relay->rejoin);
        relay->rejoin = NULL;
        return false;
    }
    ub_rejoin_init(relay->rejoin, &relay->delivered, way, relay->dialect);
    relay->keeps = true;
    return true;
}

struct ub_delivered ub_relay_take_delivered(struct ub_relay *relay)
{
    struct ub_delivered delivered = relay->delivered;
    relay->delivered = (struct ub_delivered){0};
    relay->keeps = false;
    return delivered;
}

static enum ub_relay_found broken(struct ub_relay *relay, enum ub_error error, const char *words)
{
    relay->error = error;
    relay->words = words;
    return UB_RELAY_BROKEN;
}

static void add_part(struct ub_relay *relay, struct ub_slice part)
{
    struct ub_slice *last = relay->part_count == 0 ? NULL : &relay->parts[relay->part_count - 1];
    if (last != NULL && last->ptr + last->len == part.ptr) {
        last->len += part.len;
    } else {
        relay->parts[relay->part_count++] = part;
    }
}

/* The event written anew, as it must be when its bytes are not in one piece or have an id. */
static bool add_rewritten(struct ub_relay *relay, struct ub_slice data)
{
    ub_buf_clear(&relay->rewritten);
    if (relay->sse.event.len > 0) {
        ub_buf_add_text(&relay->rewritten, "event: ");
        ub_buf_add_slice(&relay->rewritten, relay->sse.event);
        ub_buf_add_text(&relay->rewritten, "\n");
    }
    ub_sse_write_event(&relay->rewritten, data);
    add_part(relay, ub_buf_slice(&relay->rewritten));
    return !relay->rewritten.failed;
}

static struct ub_slice before(struct ub_slice whole, struct ub_slice cut)
{
    return (struct ub_slice){whole.ptr, (size_t)(cut.ptr - whole.ptr)};
}

static struct ub_slice after(struct ub_slice whole, struct ub_slice cut)
{
    const char *from = cut.ptr + cut.len;
    return (struct ub_slice){from, (size_t)(whole.ptr + whole.len - from)};
}

/* The event as a client is to see it: without `cut`, which may be empty. */
static bool add_event(struct ub_relay *relay, bool whole, struct ub_slice cut)
{
    const struct ub_sse *sse = &relay->sse;
    if (whole && cut.len == 0) {
        add_part(relay, sse->raw);
        return true;
    }
    if (whole && cut.ptr >= sse->raw.ptr && cut.ptr < sse->raw.ptr + sse->raw.len) {
        add_part(relay, before(sse->raw, cut));
        add_part(relay, after(sse->raw, cut));
        return true;
    }
    if (cut.len == 0) {
        return add_rewritten(relay, sse->data);
    }
    ub_buf_clear(&relay->joined);
    ub_buf_add_slice(&relay->joined, before(sse->data, cut));
    ub_buf_add_slice(&relay->joined, after(sse->data, cut));
    return add_rewritten(relay, ub_buf_slice(&relay->joined)) && !relay->joined.failed;
}

/* What a continuation has for the client, if anything, is in `rewritten`; then `next`. */
static enum ub_relay_found rejoined(struct ub_relay *relay, enum ub_rejoin_found found,
                                    enum ub_relay_found next)
{
    switch (found) {
    case UB_REJOIN_NOTHING:
        return next;
    case UB_REJOIN_EVENT:
        add_part(relay, ub_buf_slice(&relay->rewritten));
        return next == UB_RELAY_MORE ? UB_RELAY_FLUSH : next;
    case UB_REJOIN_DIVERGED:
        return broken(relay, UB_ERR_DIVERGED, "the continuation says something else");
    case UB_REJOIN_NO_MEMORY:
        break;
    }
    return broken(relay, UB_ERR_NO_MEMORY, "no memory for an event");
}

static enum ub_relay_found done(struct ub_relay *relay)
{
    relay->done = true;
    relay->error = UB_ERR_OK;
    if (relay->rejoin != NULL) { /* nothing may have been missing but the end */
        ub_buf_clear(&relay->rewritten);
        return rejoined(relay, ub_rejoin_end(relay->rejoin, &relay->rewritten), UB_RELAY_DONE);
    }
    if (relay->payload == 0) {
        relay->error = UB_ERR_EMPTY_ANSWER;
        relay->words = "the stream ended without any content";
    }
    return UB_RELAY_DONE;
}

static void count(struct ub_relay *relay, const struct ub_openai_chunk *chunk)
{
    relay->events++;
    relay->payload += chunk->payload;
    relay->finished |= chunk->finished;
    relay->open = (relay->open & ~chunk->finished) | chunk->open;
    relay->text_bytes += chunk->text_bytes;
}

/* One event of a continuation. */
static enum ub_relay_found take_continued(struct ub_relay *relay,
                                          const struct ub_openai_chunk *chunk)
{
    bool first = chunk->payload && relay->payload == 0;
    count(relay, chunk);
    ub_buf_clear(&relay->rewritten);
    enum ub_rejoin_found found = ub_rejoin_event(relay->rejoin, relay->sse.data, chunk,
                                                 relay->strip_usage, &relay->rewritten);
    return rejoined(relay, found, first ? UB_RELAY_PAYLOAD : UB_RELAY_MORE);
}

/* One event, judged and, when it is for the client, among the parts. MORE: nothing to say. */
static enum ub_relay_found take(struct ub_relay *relay)
{
    struct ub_sse *sse = &relay->sse;
    struct ub_openai_chunk chunk;
    if (ub_slice_is(sse->data, "[DONE]")) {
        return done(relay);
    }
    if (!ub_openai_chunk_read(sse->data, relay->dialect, &chunk)) {
        return broken(relay, UB_ERR_BAD_ANSWER, "an event is not valid JSON");
    }
    if (chunk.error != UB_ERR_OK) {
        return broken(relay, chunk.error, "the stream said an error");
    }
    struct ub_slice cut = {0};
    if (chunk.has_usage) {
        relay->usage = chunk.usage;
    }
    if (relay->rejoin != NULL) {
        return take_continued(relay, &chunk);
    }
    if (relay->strip_usage && chunk.usage_only) {
        return UB_RELAY_MORE;
    }
    if (relay->strip_usage && (chunk.has_usage || chunk.null_usage)) {
        cut = chunk.usage_cut;
    }
    bool whole = sse->raw.len > 0 && !sse->has_id;
    if (!add_event(relay, whole, cut)) {
        return broken(relay, UB_ERR_NO_MEMORY, "no memory for an event");
    }
    count(relay, &chunk);
    if (relay->keeps) {
        ub_delivered_add(&relay->delivered, sse->data, &chunk);
    }
    if (chunk.payload && relay->payload == 1) {
        return UB_RELAY_PAYLOAD;
    }
    return whole && relay->part_count + 2 <= UB_RELAY_PARTS ? UB_RELAY_MORE : UB_RELAY_FLUSH;
}

enum ub_relay_found ub_relay_next(struct ub_relay *relay, struct ub_slice *in)
{
    for (;;) {
        switch (ub_sse_next(&relay->sse, in)) {
        case UB_SSE_MORE:
            return UB_RELAY_MORE;
        case UB_SSE_COMMENT:
            relay->commented = true;
            break;
        case UB_SSE_TOO_BIG:
            return broken(relay, UB_ERR_BAD_ANSWER, "an event is too big");
        case UB_SSE_NO_MEMORY:
            return broken(relay, UB_ERR_NO_MEMORY, "no memory for an event");
        case UB_SSE_EVENT: {
            enum ub_relay_found found = take(relay);
            if (found != UB_RELAY_MORE) {
                return found;
            }
        }
        }
    }
}

void ub_relay_end(struct ub_relay *relay)
{
    if (!relay->done) {
        relay->error = UB_ERR_TRUNCATED;
        relay->words = "the stream ended without [DONE]";
    }
}

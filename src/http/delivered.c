#include "http/delivered.h"

#include "http/event.h"
#include "http/seam.h"

#define FACE_PART_MAX 512 /* bytes of an id or a model's name; longer ones are nobody's */
/* A token is rarely longer on average, so what has more in each event has several tokens in it. */
#define TOKEN_BYTES 6

void ub_delivered_init(struct ub_delivered *delivered, size_t max)
{
    *delivered = (struct ub_delivered){.max = max};
}

void ub_delivered_close(struct ub_delivered *delivered)
{
    ub_buf_free(&delivered->content);
    ub_buf_free(&delivered->reasoning);
    ub_buf_free(&delivered->face);
}

bool ub_delivered_copy(struct ub_delivered *copy, const struct ub_delivered *delivered)
{
    *copy = *delivered;
    copy->content = copy->reasoning = copy->face = (struct ub_buf){0};
    ub_buf_add_slice(&copy->content, ub_buf_slice(&delivered->content));
    ub_buf_add_slice(&copy->reasoning, ub_buf_slice(&delivered->reasoning));
    ub_buf_add_slice(&copy->face, ub_buf_slice(&delivered->face));
    return !copy->content.failed && !copy->reasoning.failed && !copy->face.failed;
}

static uint16_t add_face(struct ub_delivered *delivered, struct ub_slice data, struct ub_span span)
{
    struct ub_slice part = ub_span_of(data, span);
    if (part.len > FACE_PART_MAX) {
        return 0;
    }
    ub_buf_add_slice(&delivered->face, part);
    return (uint16_t)part.len;
}

static void keep_face(struct ub_delivered *delivered, struct ub_slice data)
{
    struct ub_event_places places;
    delivered->has_face = true;
    if (ub_event_read(data, &places)) {
        delivered->id_len = add_face(delivered, data, places.id);
        delivered->created_len = add_face(delivered, data, places.created);
        delivered->model_len = add_face(delivered, data, places.model);
    }
}

void ub_delivered_give_up(struct ub_delivered *delivered)
{
    delivered->too_long = true;
    ub_buf_free(&delivered->content);
    ub_buf_free(&delivered->reasoning);
}

/* Is there room for so much more text? If not, there never will be. */
static bool has_room(struct ub_delivered *delivered, size_t len)
{
    if (!delivered->too_long &&
        len > delivered->max - delivered->content.len - delivered->reasoning.len) {
        ub_delivered_give_up(delivered);
    }
    return !delivered->too_long;
}

static void keep_text(struct ub_delivered *delivered, const struct ub_openai_chunk *chunk)
{
    delivered->reasons = chunk->content.len == 0;
    delivered->events += !delivered->reasons;
    delivered->reasoning_events += delivered->reasons;
    if (has_room(delivered, chunk->content.len + chunk->reasoning.len)) {
        ub_unescape_add(&delivered->reasoning_half, chunk->reasoning, &delivered->reasoning);
        ub_unescape_add(&delivered->content_half, chunk->content, &delivered->content);
    }
}

void ub_delivered_more(struct ub_delivered *delivered, struct ub_slice text)
{
    if (text.len > 0) {
        delivered->events++;
        delivered->reasons = false;
        if (has_room(delivered, text.len)) {
            ub_buf_add_slice(&delivered->content, text);
        }
    }
}

void ub_delivered_add(struct ub_delivered *delivered, struct ub_slice data,
                      const struct ub_openai_chunk *chunk)
{
    if (!delivered->has_face) {
        keep_face(delivered, data);
    }
    uint64_t others = ~(uint64_t)1; /* than the first choice */
    delivered->choices =
        delivered->choices || chunk->choices > 1 || ((chunk->open | chunk->finished) & others) != 0;
    delivered->other = delivered->other || chunk->other;
    delivered->finished = delivered->finished || chunk->finish != UB_FINISH_NONE;
    if (chunk->content.len + chunk->reasoning.len > 0) {
        keep_text(delivered, chunk);
    }
}

enum ub_resume_bar ub_delivered_bar(const struct ub_delivered *delivered)
{
    if (delivered->choices) {
        return UB_RESUME_CHOICES;
    }
    if (delivered->other) {
        return UB_RESUME_TOOLS;
    }
    if (delivered->finished) {
        return UB_RESUME_FINISHED;
    }
    if (delivered->too_long) {
        return UB_RESUME_TOO_LONG;
    }
    if (delivered->content.failed || delivered->reasoning.failed || delivered->face.failed) {
        return UB_RESUME_NO_MEMORY;
    }
    if (delivered->content_half.high != 0) {
        return UB_RESUME_HALF;
    }
    if (delivered->reasons) {
        return UB_RESUME_REASONING;
    }
    return delivered->content.len == 0 ? UB_RESUME_NOTHING : UB_RESUME_NONE;
}

struct ub_slice ub_delivered_text(const struct ub_delivered *delivered)
{
    struct ub_slice text = ub_buf_slice(&delivered->content);
    text.len = ub_seam_trimmed(text);
    return text;
}

enum ub_resume_way ub_delivered_way(const struct ub_delivered *delivered,
                                    const struct ub_scan_fields *asked, enum ub_dialect to)
{
    return ub_resume_way(asked, delivered->began, to, ub_delivered_text(delivered).len > 0);
}

static uint32_t tokens(size_t bytes, uint32_t events)
{
    size_t by_bytes = bytes / TOKEN_BYTES;
    return by_bytes > events ? (uint32_t)by_bytes : events;
}

uint32_t ub_delivered_content_tokens(const struct ub_delivered *delivered)
{
    return tokens(delivered->content.len, delivered->events);
}

uint32_t ub_delivered_tokens(const struct ub_delivered *delivered)
{
    return ub_delivered_content_tokens(delivered) +
           tokens(delivered->reasoning.len, delivered->reasoning_events);
}

static struct ub_slice face_part(const struct ub_delivered *delivered, size_t at, size_t len)
{
    return len == 0 ? (struct ub_slice){"", 0} : (struct ub_slice){delivered->face.ptr + at, len};
}

struct ub_slice ub_delivered_id(const struct ub_delivered *delivered)
{
    return face_part(delivered, 0, delivered->id_len);
}

struct ub_slice ub_delivered_created(const struct ub_delivered *delivered)
{
    return face_part(delivered, delivered->id_len, delivered->created_len);
}

struct ub_slice ub_delivered_model(const struct ub_delivered *delivered)
{
    return face_part(delivered, (size_t)delivered->id_len + delivered->created_len,
                     delivered->model_len);
}

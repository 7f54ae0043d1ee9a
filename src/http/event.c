#include "http/event.h"

#include "http/walk.h"

struct reader {
    struct ub_walk walk;
    const char *begin;
    struct ub_event_places *places;
};

/* Any value; where it stands. */
static struct ub_span take(struct reader *reader)
{
    const char *p = reader->walk.p;
    while (p < reader->walk.end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
    }
    ub_walk_skip(&reader->walk);
    return (struct ub_span){(uint64_t)(p - reader->begin),
                            (uint64_t)(reader->walk.p - reader->begin)};
}

static void read_usage(struct reader *reader)
{
    struct ub_walk *walk = &reader->walk;
    struct ub_event_places *places = reader->places;
    struct ub_slice key;
    bool object = ub_walk_is_object(walk); /* goes to it */
    const char *begin = walk->p;
    if (!object) {
        ub_walk_skip(walk);
        return;
    }
    ub_walk_object(walk);
    while (ub_walk_key(walk, &key)) {
        struct ub_span span = take(reader);
        if (ub_slice_is(key, "prompt_tokens")) {
            places->prompt_tokens = span;
        } else if (ub_slice_is(key, "completion_tokens")) {
            places->completion_tokens = span;
        } else if (ub_slice_is(key, "total_tokens")) {
            places->total_tokens = span;
        }
    }
    places->usage =
        (struct ub_span){(uint64_t)(begin - reader->begin), (uint64_t)(walk->p - reader->begin)};
}

static void read_delta(struct reader *reader)
{
    struct ub_event_places *places = reader->places;
    struct ub_slice key;
    if (!ub_walk_object(&reader->walk)) {
        ub_walk_skip(&reader->walk);
        return;
    }
    while (ub_walk_key(&reader->walk, &key)) {
        struct ub_span span = take(reader);
        if (ub_slice_is(key, "content")) {
            places->content = span;
        } else if (ub_slice_is(key, "reasoning_content")) {
            places->reasoning[0] = span;
        } else if (ub_slice_is(key, "reasoning")) {
            places->reasoning[1] = span;
        }
    }
}

static void read_choices(struct reader *reader)
{
    struct ub_walk *walk = &reader->walk;
    struct ub_slice key;
    if (!ub_walk_array(walk)) {
        ub_walk_skip(walk);
        return;
    }
    while (ub_walk_element(walk)) {
        if (reader->places->choices++ > 0 || !ub_walk_object(walk)) {
            ub_walk_skip(walk);
            continue;
        }
        while (ub_walk_key(walk, &key)) {
            if (ub_slice_is(key, "delta")) {
                read_delta(reader);
            } else {
                ub_walk_skip(walk);
            }
        }
    }
}

bool ub_event_read(struct ub_slice data, struct ub_event_places *places)
{
    struct reader reader = {ub_walk_of(data), data.ptr, places};
    struct ub_slice key;
    *places = (struct ub_event_places){0};
    if (!ub_walk_object(&reader.walk)) {
        return false;
    }
    while (ub_walk_key(&reader.walk, &key)) {
        if (ub_slice_is(key, "id")) {
            places->id = take(&reader);
        } else if (ub_slice_is(key, "created")) {
            places->created = take(&reader);
        } else if (ub_slice_is(key, "model")) {
            places->model = take(&reader);
        } else if (ub_slice_is(key, "choices")) {
            read_choices(&reader);
        } else if (ub_slice_is(key, "usage")) {
            read_usage(&reader);
        } else {
            ub_walk_skip(&reader.walk);
        }
    }
    return ub_walk_over(&reader.walk);
}

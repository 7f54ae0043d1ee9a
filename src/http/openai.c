#include "http/openai.h"

#include "http/complaint.h"
#include "http/walk.h"

/* What is gathered on the way through one answer. */
struct reading {
    struct ub_walk walk;
    enum ub_dialect dialect;
    struct ub_openai_chunk *chunk;
    struct ub_complaint complaint;
    bool complains; /* an error object, in one of its forms */
    bool said;      /* the value that was read last has something in it */
    bool ends;      /* the choice being read has a finish reason */
    bool has_choices;
    bool has_data;
    uint32_t cached_elsewhere; /* llama-server's timings.cache_n */
    const char *usage_begin;   /* of the key, or of the comma before it */
    const char *usage_end;     /* of the value */
    bool usage_first;
};

static void read_count(struct ub_walk *walk, uint32_t *value)
{
    if (!ub_walk_count(walk, value)) {
        ub_walk_skip(walk);
    }
}

static void read_details(struct ub_walk *walk, struct ub_openai_usage *usage)
{
    struct ub_slice key;
    if (!ub_walk_object(walk)) {
        ub_walk_skip(walk);
        return;
    }
    while (ub_walk_key(walk, &key)) {
        if (ub_slice_is(key, "cached_tokens")) {
            read_count(walk, &usage->cached);
        } else {
            ub_walk_skip(walk);
        }
    }
}

/* OpenAI's names, and DeepSeek's own for the cached part. */
static void read_usage(struct reading *reading)
{
    struct ub_walk *walk = &reading->walk;
    struct ub_openai_usage *usage = &reading->chunk->usage;
    struct ub_slice key;
    if (!ub_walk_object(walk)) {
        reading->chunk->null_usage = ub_walk_null(walk) || !ub_walk_skip(walk);
        return;
    }
    reading->chunk->has_usage = true;
    *usage = (struct ub_openai_usage){0};
    while (ub_walk_key(walk, &key)) {
        if (ub_slice_is(key, "prompt_tokens")) {
            read_count(walk, &usage->input);
        } else if (ub_slice_is(key, "completion_tokens")) {
            read_count(walk, &usage->output);
        } else if (ub_slice_is(key, "prompt_cache_hit_tokens")) {
            read_count(walk, &usage->cached);
        } else if (ub_slice_is(key, "prompt_tokens_details")) {
            read_details(walk, usage);
        } else {
            ub_walk_skip(walk);
        }
    }
}

/* llama-server counted here what came from its cache long before it did so in `usage`. */
static void read_timings(struct reading *reading)
{
    struct ub_walk *walk = &reading->walk;
    struct ub_slice key;
    if (reading->dialect != UB_DIALECT_LLAMA || !ub_walk_object(walk)) {
        ub_walk_skip(walk);
        return;
    }
    while (ub_walk_key(walk, &key)) {
        if (ub_slice_is(key, "cache_n")) {
            read_count(walk, &reading->cached_elsewhere);
        } else {
            ub_walk_skip(walk);
        }
    }
}

static enum ub_finish finish_of(struct ub_slice word)
{
    static const struct {
        const char *word;
        enum ub_finish finish;
    } finishes[] = {
        {"", UB_FINISH_NONE},
        {"stop", UB_FINISH_STOP},
        {"length", UB_FINISH_LENGTH},
        {"tool_calls", UB_FINISH_TOOLS},
        {"function_call", UB_FINISH_TOOLS},
        {"content_filter", UB_FINISH_CONTENT_FILTER},
        {"insufficient_system_resource", UB_FINISH_NO_RESOURCE},
        {"abort", UB_FINISH_ABORTED},
        {"error", UB_FINISH_ABORTED},
    };
    for (size_t i = 0; i < UB_COUNT(finishes); i++) {
        if (ub_slice_is(word, finishes[i].word)) {
            return finishes[i].finish;
        }
    }
    return UB_FINISH_OTHER;
}

/* A reason that is no failure is something for the user, but for `stop`, which may end nothing. */
static void read_finish(struct reading *reading)
{
    struct ub_openai_chunk *chunk = reading->chunk;
    struct ub_slice word;
    if (!ub_walk_string(&reading->walk, &word)) {
        ub_walk_skip(&reading->walk);
        return;
    }
    enum ub_finish finish = finish_of(word);
    if (finish == UB_FINISH_NONE) {
        return;
    }
    chunk->finish = finish;
    reading->ends = true;
    if (finish == UB_FINISH_NO_RESOURCE) {
        chunk->error = UB_ERR_NO_RESOURCE;
    } else if (finish == UB_FINISH_ABORTED) {
        chunk->error = UB_ERR_UPSTREAM_ERROR;
    } else if (finish != UB_FINISH_STOP) {
        chunk->payload = true;
    }
}

/* Anything for the user. True: a text, now in `text`. */
static bool read_text(struct reading *reading, struct ub_slice *text)
{
    bool is_text = ub_walk_string(&reading->walk, text);
    bool says = is_text ? text->len > 0 : ub_walk_says(&reading->walk);
    reading->chunk->text_bytes += is_text ? text->len : 0;
    reading->chunk->payload = reading->chunk->payload || says;
    reading->said = says;
    return is_text;
}

static bool is_reasoning(struct ub_slice key)
{
    return ub_slice_is(key, "reasoning_content") || ub_slice_is(key, "reasoning");
}

/* `delta` or `message`. Fields we do not know are for the user, as long as there is something in
 * them. */
static void read_delta(struct reading *reading)
{
    struct ub_walk *walk = &reading->walk;
    struct ub_openai_chunk *chunk = reading->chunk;
    struct ub_slice key, text;
    if (!ub_walk_object(walk)) {
        ub_walk_skip(walk);
        return;
    }
    while (ub_walk_key(walk, &key)) {
        if (ub_slice_is(key, "role")) {
            ub_walk_skip(walk);
            continue;
        }
        bool is_text = read_text(reading, &text);
        if (is_text && ub_slice_is(key, "content")) {
            chunk->content = text;
        } else if (is_text && is_reasoning(key)) {
            chunk->reasoning = text;
        } else {
            chunk->other = chunk->other || reading->said;
        }
    }
}

static void note_choice(struct reading *reading, uint32_t index, bool says)
{
    uint64_t bit = 1ull << (index < UB_CHOICES_MAX ? index : UB_CHOICES_MAX);
    if (reading->ends) {
        reading->chunk->finished |= bit;
    } else if (says) {
        reading->chunk->open |= bit;
    }
}

static void read_choice(struct reading *reading)
{
    struct ub_walk *walk = &reading->walk;
    struct ub_openai_chunk *chunk = reading->chunk;
    struct ub_slice key;
    uint32_t index = chunk->choices++; /* until it says its own */
    bool payload = chunk->payload;
    if (!ub_walk_object(walk)) {
        ub_walk_skip(walk);
        return;
    }
    reading->ends = chunk->payload = false;
    while (ub_walk_key(walk, &key)) {
        if (ub_slice_is(key, "delta") || ub_slice_is(key, "message")) {
            read_delta(reading);
        } else if (ub_slice_is(key, "finish_reason")) {
            read_finish(reading);
        } else if (ub_slice_is(key, "text")) {
            struct ub_slice text;
            read_text(reading, &text);
        } else if (ub_slice_is(key, "index")) {
            read_count(walk, &index);
        } else {
            ub_walk_skip(walk);
        }
    }
    note_choice(reading, index, chunk->payload);
    chunk->payload = chunk->payload || payload;
}

static void read_choices(struct reading *reading)
{
    if (!ub_walk_array(&reading->walk)) {
        ub_walk_skip(&reading->walk);
        return;
    }
    reading->has_choices = true;
    while (ub_walk_element(&reading->walk)) {
        read_choice(reading);
    }
}

/* "object": "error" is how older vLLM says it. */
static void read_object_kind(struct reading *reading)
{
    struct ub_slice kind;
    if (!ub_walk_string(&reading->walk, &kind)) {
        ub_walk_skip(&reading->walk);
        return;
    }
    reading->complains = reading->complains || ub_slice_is(kind, "error");
}

static void read_member(struct reading *reading, struct ub_slice key)
{
    struct ub_walk *walk = &reading->walk;
    if (ub_slice_is(key, "choices")) {
        read_choices(reading);
    } else if (ub_slice_is(key, "usage")) {
        read_usage(reading);
        reading->usage_end = walk->p;
    } else if (ub_slice_is(key, "timings")) {
        read_timings(reading);
    } else if (ub_slice_is(key, "error")) {
        reading->complains = ub_complaint_walk(walk, &reading->complaint) || reading->complains;
    } else if (ub_slice_is(key, "object")) {
        read_object_kind(reading);
    } else if (ub_slice_is(key, "data")) {
        reading->has_data = ub_walk_says(walk);
        reading->chunk->payload = reading->chunk->payload || reading->has_data;
    } else if (!ub_complaint_member(walk, key, &reading->complaint)) {
        ub_walk_skip(walk);
    }
}

/* The span of the usage member with the comma before it, or behind it when it is the first. */
static struct ub_slice usage_cut(const struct reading *reading, const char *end)
{
    const char *to = reading->usage_end;
    if (to == NULL) {
        return (struct ub_slice){0};
    }
    if (reading->usage_first) {
        while (to < end && (*to == ' ' || *to == '\n' || *to == '\r' || *to == '\t')) {
            to++;
        }
        to = to < end && *to == ',' ? to + 1 : reading->usage_end;
    }
    return (struct ub_slice){reading->usage_begin, (size_t)(to - reading->usage_begin)};
}

/* From inside the object on to the end of the text. */
static bool read_members(struct reading *reading)
{
    struct ub_walk *walk = &reading->walk;
    struct ub_openai_usage *usage = &reading->chunk->usage;
    struct ub_slice key;
    bool first = true;
    for (const char *before = walk->p; ub_walk_key(walk, &key); before = walk->p) {
        if (ub_slice_is(key, "usage")) {
            reading->usage_first = first;
            reading->usage_begin = first ? key.ptr - 1 : before;
        }
        read_member(reading, key);
        first = false;
    }
    if (reading->chunk->has_usage && usage->cached == 0) {
        usage->cached = reading->cached_elsewhere;
    }
    return ub_walk_over(walk);
}

static bool read_answer(struct ub_slice text, struct reading *reading)
{
    reading->walk = ub_walk_of(text);
    if (!ub_walk_object(&reading->walk) || !read_members(reading)) {
        return false;
    }
    struct ub_openai_chunk *chunk = reading->chunk;
    chunk->usage_cut = usage_cut(reading, text.ptr + text.len);
    chunk->usage_only = chunk->has_usage && chunk->choices == 0 && !reading->has_data;
    if (reading->complains) {
        chunk->error = ub_complaint_error(&reading->complaint, reading->dialect);
        chunk->words = reading->complaint.message;
    }
    return true;
}

bool ub_openai_chunk_read(struct ub_slice data, enum ub_dialect dialect,
                          struct ub_openai_chunk *chunk)
{
    struct reading reading = {.dialect = dialect, .chunk = chunk};
    *chunk = (struct ub_openai_chunk){0};
    return read_answer(data, &reading);
}

void ub_openai_usage_at_begin(struct ub_slice begin, enum ub_dialect dialect,
                              struct ub_openai_usage *usage)
{
    struct ub_openai_chunk chunk;
    ub_openai_chunk_read(begin, dialect, &chunk); /* goes as far as the bytes do */
    if (chunk.has_usage) {
        *usage = chunk.usage;
    }
}

/* The last `"usage"` before `end` whose first quote begins a text, or NULL. */
static const char *usage_before(const char *begin, const char *end)
{
    const struct ub_slice key = UB_LIT("\"usage\"");
    for (const char *at = end - key.len; at > begin; at--) {
        if (at[-1] != '\\' && memcmp(at, key.ptr, key.len) == 0) {
            return at;
        }
    }
    return NULL;
}

/* What stands before the key is not known. But when members from there on end with the text, on the
 * top level and with good grammar, the key is a member of the answer itself. */
bool ub_openai_usage_at_end(struct ub_slice end, enum ub_dialect dialect,
                            struct ub_openai_usage *usage)
{
    const char *stop = end.ptr + end.len;
    const char *at = end.len < 7 ? NULL : usage_before(end.ptr, stop);
    if (at == NULL) {
        return false;
    }
    struct ub_openai_chunk chunk = {0};
    struct reading reading = {
        .walk = {.p = at, .end = stop, .depth = 1, .fresh = true},
        .dialect = dialect,
        .chunk = &chunk,
    };
    bool found = read_members(&reading) && chunk.has_usage;
    if (found) {
        *usage = chunk.usage;
    }
    return found;
}

enum ub_error ub_openai_answer(struct ub_slice body, enum ub_dialect dialect,
                               struct ub_openai_chunk *chunk)
{
    struct reading reading = {.dialect = dialect, .chunk = chunk};
    *chunk = (struct ub_openai_chunk){0};
    if (!read_answer(body, &reading)) {
        return UB_ERR_BAD_ANSWER;
    }
    if (chunk->error != UB_ERR_OK) {
        return chunk->error;
    }
    if (chunk->payload) {
        return UB_ERR_OK;
    }
    return reading.has_choices ? UB_ERR_EMPTY_ANSWER : UB_ERR_BAD_ANSWER;
}

enum ub_error ub_openai_refusal(int status, struct ub_slice body, enum ub_dialect dialect)
{
    struct ub_complaint complaint;
    ub_complaint_read(body, &complaint);
    return ub_complaint_refusal(status, &complaint, dialect);
}

bool ub_openai_is_error(struct ub_slice body)
{
    struct ub_walk walk = ub_walk_of(body);
    struct ub_slice key;
    bool found = false;
    if (!ub_walk_object(&walk)) {
        return false;
    }
    while (ub_walk_key(&walk, &key)) {
        struct ub_complaint complaint = {0};
        if (ub_slice_is(key, "error")) {
            bool object = ub_walk_is_object(&walk);
            ub_complaint_walk(&walk, &complaint);
            found = object && complaint.message.ptr != NULL;
        } else {
            ub_walk_skip(&walk);
        }
    }
    return ub_walk_over(&walk) && found;
}

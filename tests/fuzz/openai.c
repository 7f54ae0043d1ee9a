/* The reader of answers against jansson: the same texts are valid, what is payload is so in the
 * tree, and without the usage member the rest is the same. */
#include "http/openai.h"
#include "fuzz.h"

#include "base/buf.h"
#include <jansson.h>
#include <string.h>

static bool says(const json_t *value)
{
    return value != NULL && !json_is_null(value) &&
           !(json_is_string(value) && json_string_length(value) == 0) &&
           !(json_is_array(value) && json_array_size(value) == 0) &&
           !(json_is_object(value) && json_object_size(value) == 0);
}

static bool delta_says(json_t *delta)
{
    const char *key;
    json_t *value;
    bool payload = false;
    json_object_foreach(delta, key, value)
    {
        payload = payload || (strcmp(key, "role") != 0 && says(value));
    }
    return payload;
}

static bool finish_says(const json_t *reason)
{
    static const char *const silent[] = {"", "stop", "insufficient_system_resource", "abort",
                                         "error"};
    if (!json_is_string(reason)) {
        return false;
    }
    for (size_t i = 0; i < UB_COUNT(silent); i++) {
        if (strcmp(json_string_value(reason), silent[i]) == 0) {
            return false;
        }
    }
    return true;
}

static bool has_payload(const json_t *tree)
{
    size_t i;
    json_t *choice;
    bool payload = says(json_object_get(tree, "data"));
    json_array_foreach(json_object_get(tree, "choices"), i, choice)
    {
        payload = payload || delta_says(json_object_get(choice, "delta")) ||
                  delta_says(json_object_get(choice, "message")) ||
                  says(json_object_get(choice, "text")) ||
                  finish_says(json_object_get(choice, "finish_reason"));
    }
    return payload;
}

static void check_cut(const struct ub_openai_chunk *chunk, json_t *tree, struct ub_slice text)
{
    if (chunk->usage_cut.len == 0) {
        UB_FUZZ_CHECK(json_object_get(tree, "usage") == NULL, "usage was not found");
        return;
    }
    struct ub_buf rest = {0};
    size_t at = (size_t)(chunk->usage_cut.ptr - text.ptr);
    size_t end = at + chunk->usage_cut.len;
    UB_FUZZ_CHECK(end <= text.len, "the cut ends at %zu", end);
    ub_buf_add(&rest, text.ptr, at);
    ub_buf_add(&rest, text.ptr + end, text.len - end);
    json_t *cut = json_loadb(rest.ptr, rest.len, JSON_ALLOW_NUL, NULL);
    json_object_del(tree, "usage");
    UB_FUZZ_CHECK(cut != NULL && json_equal(cut, tree), "the rest is not whole: %.*s",
                  UB_SLICE_ARG(rest));
    json_decref(cut);
    ub_buf_free(&rest);
}

/* Reasons of jansson that are none for us. */
static bool lenient(const json_error_t *error)
{
    return json_error_code(error) == json_error_numeric_overflow ||
           json_error_code(error) == json_error_null_byte_in_key ||
           strstr(error->text, "invalid Unicode '\\u") != NULL; /* lone surrogates */
}

static int depth_of(struct ub_slice text)
{
    int depth = 0;
    int max = 0;
    for (size_t i = 0; i < text.len; i++) { /* brackets in strings only make it more */
        depth += text.ptr[i] == '{' || text.ptr[i] == '[';
        max = depth > max ? depth : max;
    }
    return max;
}

/* The usage found from the end, wherever that begins, is the usage. A key that is escaped or stands
 * twice is a member, too, so what is found is compared only where jansson agrees on what it is. */
static void check_end(struct ub_slice text)
{
    struct ub_openai_chunk chunk;
    struct ub_openai_usage usage;
    json_t *tree = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    bool whole = ub_openai_chunk_read(text, UB_DIALECT_OPENAI, &chunk) && tree != NULL;
    json_decref(tree);
    for (size_t at = 0; at < text.len; at += 1 + text.len / 8) {
        struct ub_slice end = {text.ptr + at, text.len - at};
        if (ub_openai_usage_at_end(end, UB_DIALECT_OPENAI, &usage) && whole) {
            UB_FUZZ_CHECK(usage.input == chunk.usage.input && usage.output == chunk.usage.output &&
                              usage.cached == chunk.usage.cached,
                          "another usage from byte %zu on", at);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1); /* exact, so that a sanitizer sees a step too far */
    char *bytes = copy + 1;
    memcpy(bytes, data, size);
    struct ub_slice text = {bytes, size};
    struct ub_openai_chunk chunk;
    bool ours = ub_openai_chunk_read(text, UB_DIALECT_OPENAI, &chunk);

    json_error_t error = {0};
    json_t *tree = json_loadb(size == 0 ? "" : bytes, size, JSON_ALLOW_NUL, &error);
    /* jansson 2.14 takes a NUL behind a number for white space. */
    bool theirs = json_is_object(tree) && memchr(bytes, '\0', size) == NULL;
    bool unsure = ours ? lenient(&error) : depth_of(text) > 64;
    UB_FUZZ_CHECK(ours == theirs || unsure, "we say %d, jansson %d (%s)", ours, theirs, error.text);
    json_decref(tree);

    /* We compare keys as they stand; and of doubled keys jansson keeps only one. */
    bool plain = ours && memchr(bytes, '\\', size) == NULL;
    tree = plain ? json_loadb(bytes, size, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (tree != NULL) {
        UB_FUZZ_CHECK(chunk.payload == has_payload(tree), "payload: we say %d", chunk.payload);
        UB_FUZZ_CHECK(chunk.has_usage == json_is_object(json_object_get(tree, "usage")), "usage");
        check_cut(&chunk, tree, text);
    }
    json_decref(tree);
    struct ub_random random = ub_fuzz_random(data, size);
    int status = 300 + (int)ub_random_below(&random, 300);
    UB_FUZZ_CHECK(ub_openai_refusal(status, text, UB_DIALECT_OPENAI) != UB_ERR_OK,
                  "a %d that is none", status);
    ub_openai_answer(text, UB_DIALECT_OPENAI, &chunk);
    ub_openai_is_error(text);
    check_end(text);
    free(copy);
    return 0;
}

/* The field scan against jansson, and against itself with the body cut into pieces. */
#include "http/scan.h"
#include "fuzz.h"

#include <jansson.h>
#include <string.h>

static struct ub_scan *scan_pieces(struct ub_slice body, struct ub_random *random)
{
    struct ub_scan *scan = ub_scan_new(NULL);
    UB_FUZZ_CHECK(scan != NULL, "no memory");
    while (body.len > 0) {
        size_t len = random == NULL ? body.len : 1 + ub_random_below(random, 9);
        len = len < body.len ? len : body.len;
        char *copy = malloc(len); /* exact, so that a sanitizer sees a step too far */
        memcpy(copy, body.ptr, len);
        ub_scan_feed(scan, (struct ub_slice){copy, len});
        free(copy);
        body.ptr += len;
        body.len -= len;
    }
    ub_scan_finish(scan);
    return scan;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Is this a refusal that jansson does not know? */
static bool refused_on_purpose(const char *bad, struct ub_slice body)
{
    if (begins(bad, "duplicate key")) {
        json_t *strict =
            json_loadb(body.ptr, body.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
        bool unique = strict != NULL;
        json_decref(strict);
        return !unique;
    }
    return begins(bad, "more than") || strstr(bad, "nested too deep") != NULL;
}

/* Bytes of all strings that are no keys. */
static uint64_t string_bytes(const json_t *tree)
{
    uint64_t sum = 0;
    size_t i;
    const char *key;
    json_t *value;
    if (json_is_object(tree)) {
        json_object_foreach((json_t *)(uintptr_t)tree, key, value)
        {
            sum += string_bytes(value);
        }
    } else if (json_is_array(tree)) {
        json_array_foreach(tree, i, value)
        {
            sum += string_bytes(value);
        }
    }
    return json_is_string(tree) ? json_string_length(tree) : sum;
}

static void check_model(const struct ub_scan_fields *fields, const json_t *tree,
                        struct ub_slice body)
{
    const json_t *model = json_object_get(tree, "model");
    size_t len = json_string_length(model);
    bool usable = json_is_string(model) && len > 0 && len < sizeof fields->model_name &&
                  memchr(json_string_value(model), '\0', len) == NULL;
    UB_FUZZ_CHECK(strcmp(fields->model_name, usable ? json_string_value(model) : "") == 0,
                  "the model is '%s'", fields->model_name);
    if (json_is_string(model)) {
        UB_FUZZ_CHECK(fields->model.end <= body.len, "the model ends at %llu",
                      (unsigned long long)fields->model.end);
        json_t *again = json_loadb(body.ptr + fields->model.begin,
                                   (size_t)(fields->model.end - fields->model.begin),
                                   JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        UB_FUZZ_CHECK(again != NULL && json_equal(again, model), "the model's place is wrong");
        json_decref(again);
    }
}

static void check_fields(const struct ub_scan_fields *fields, const json_t *tree,
                         struct ub_slice body)
{
    check_model(fields, tree, body);
    UB_FUZZ_CHECK(fields->stream == json_is_true(json_object_get(tree, "stream")), "stream");
    const json_t *options = json_object_get(tree, "stream_options");
    UB_FUZZ_CHECK(fields->has_stream_options == json_is_object(options), "stream_options");
    UB_FUZZ_CHECK(fields->has_stream_options == false ||
                      fields->stream_options_empty == (json_object_size(options) == 0),
                  "empty stream_options");
    UB_FUZZ_CHECK(fields->wants_usage == json_is_true(json_object_get(options, "include_usage")),
                  "include_usage");
    uint64_t bytes = string_bytes(json_object_get(tree, "messages")) +
                     string_bytes(json_object_get(tree, "prompt")) +
                     string_bytes(json_object_get(tree, "suffix")) +
                     string_bytes(json_object_get(tree, "input"));
    UB_FUZZ_CHECK(fields->prompt_bytes == bytes, "%llu bytes of prompt, not %llu",
                  (unsigned long long)fields->prompt_bytes, (unsigned long long)bytes);
    const json_t *tools = json_object_get(tree, "tools");
    const json_t *functions = json_object_get(tree, "functions");
    bool has_tools = json_array_size(tools) + json_object_size(tools) + json_array_size(functions) +
                         json_object_size(functions) >
                     0;
    UB_FUZZ_CHECK(fields->has_tools == has_tools, "tools");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ub_slice body = {(const char *)data, size};
    struct ub_random random = ub_fuzz_random(data, size);
    struct ub_scan *whole = scan_pieces(body, NULL);
    struct ub_scan *pieces = scan_pieces(body, &random);
    UB_FUZZ_CHECK(strcmp(ub_scan_bad(whole), ub_scan_bad(pieces)) == 0, "'%s' whole, '%s' cut",
                  ub_scan_bad(whole), ub_scan_bad(pieces));
    UB_FUZZ_CHECK(
        memcmp(ub_scan_fields(whole), ub_scan_fields(pieces), sizeof(struct ub_scan_fields)) == 0,
        "the fields differ when the body is cut");

    json_error_t error;
    json_t *tree = json_loadb(body.ptr, body.len, JSON_ALLOW_NUL, &error);
    bool ours = ub_scan_finish(whole);
    /* jansson 2.14 takes a NUL behind a number for white space. */
    bool theirs = json_is_object(tree) && memchr(body.ptr, '\0', body.len) == NULL;
    bool too_big = tree == NULL && json_error_code(&error) == json_error_numeric_overflow;
    bool on_purpose = !ours && refused_on_purpose(ub_scan_bad(whole), body);
    UB_FUZZ_CHECK(ours == theirs || too_big || on_purpose, "we say %d (%s), jansson %d (%s)", ours,
                  ub_scan_bad(whole), theirs, theirs ? "" : error.text);
    json_decref(tree);
    /* Of doubled keys below the top, jansson only keeps one. */
    tree =
        ours ? json_loadb(body.ptr, body.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (tree != NULL) {
        check_fields(ub_scan_fields(whole), tree, body);
    }
    json_decref(tree);
    ub_scan_free(NULL, whole);
    ub_scan_free(NULL, pieces);
    return 0;
}

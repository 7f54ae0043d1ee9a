/* What leaves for an upstream is the client's body with two changes, says jansson: the model's name,
 * and for a stream the wish for usage. */
#include "http/splice.h"
#include "fuzz.h"

#include "base/buf.h"
#include <jansson.h>
#include <string.h>

static json_t *spliced(struct ub_slice body, const struct ub_scan_fields *fields, const char *model,
                       bool stream)
{
    struct ub_slice parts[UB_SPLICE_PARTS];
    struct ub_buf out = {0};
    uint32_t count = ub_splice(body, fields, ub_slice_of(model), stream, parts);
    UB_FUZZ_CHECK(count <= UB_SPLICE_PARTS, "%u parts", count);
    for (uint32_t i = 0; i < count; i++) {
        ub_buf_add_slice(&out, parts[i]);
    }
    json_t *tree = json_loadb(out.ptr, out.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    UB_FUZZ_CHECK(tree != NULL, "no JSON any more: %.*s", UB_SLICE_ARG(out));
    ub_buf_free(&out);
    return tree;
}

static void wish_for_usage(json_t *tree)
{
    json_t *options = json_object_get(tree, "stream_options");
    if (!json_is_object(options)) {
        options = json_object();
        json_object_set_new(tree, "stream_options", options);
    }
    json_object_set_new(options, "include_usage", json_true());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ub_slice body = {(const char *)data, size};
    struct ub_scan *scan = ub_scan_new(NULL);
    UB_FUZZ_CHECK(scan != NULL, "no memory");
    bool ok = ub_scan_feed(scan, body) && ub_scan_finish(scan);
    const struct ub_scan_fields *fields = ub_scan_fields(scan);
    json_t *tree = NULL;
    if (ok && fields->model_name[0] != '\0') {
        tree = json_loadb(body.ptr, body.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    }
    if (tree != NULL) {
        struct ub_random random = ub_fuzz_random(data, size);
        const char *model = ub_random_below(&random, 2) == 0 ? "another" : fields->model_name;
        /* A name with such characters is not in any configuration. */
        model = strpbrk(model, "\"\\") != NULL ? "another" : model;
        for (const char *c = model; *c != '\0'; c++) {
            model = (unsigned char)*c < 0x20 ? "another" : model;
        }
        json_t *got = spliced(body, fields, model, fields->stream);
        json_object_set_new(tree, "model", json_string(model));
        if (fields->stream) {
            wish_for_usage(tree);
        }
        UB_FUZZ_CHECK(json_equal(got, tree), "the body means something else: %.*s",
                      UB_SLICE_ARG(body));
        json_decref(got);
    }
    json_decref(tree);
    ub_scan_free(NULL, scan);
    return 0;
}

#include "http/splice.h"

#include "base/buf.h"
#include "base/test.h"

static const struct {
    const char *name;
    const char *body;
    const char *model;
    bool stream;
    const char *want;
} rows[] = {
    {"the same name and no stream: byte for byte", " {\"model\" : \"m\"} \n", "m", false,
     " {\"model\" : \"m\"} \n"},
    {"another name", "{\"model\":\"m\",\"n\":1}", "other", false, "{\"model\":\"other\",\"n\":1}"},
    {"an escaped name is understood and replaced", "{\"model\":\"\\u006d\"}", "other", false,
     "{\"model\":\"other\"}"},
    {"an escaped name that stays the same is left alone", "{\"model\":\"\\u006d\"}", "m", false,
     "{\"model\":\"\\u006d\"}"},
    {"a stream is asked for its usage", "{\"model\":\"m\",\"stream\":true}", "m", true,
     "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}"},
    {"with a new name too", "{\"stream\":true,\"model\":\"m\" } ", "x", true,
     "{\"stream\":true,\"model\":\"x\" ,\"stream_options\":{\"include_usage\":true}} "},
    {"who asks already is left alone",
     "{\"model\":\"m\",\"stream_options\":{\"include_usage\":true}}", "m", true,
     "{\"model\":\"m\",\"stream_options\":{\"include_usage\":true}}"},
    {"an explicit no becomes yes", "{\"stream_options\":{\"include_usage\":false},\"model\":\"m\"}",
     "x", true, "{\"stream_options\":{\"include_usage\":true},\"model\":\"x\"}"},
    {"other options stay", "{\"model\":\"m\",\"stream_options\":{\"a\":1}}", "x", true,
     "{\"model\":\"x\",\"stream_options\":{\"include_usage\":true,\"a\":1}}"},
    {"empty options", "{\"model\":\"m\",\"stream_options\":{ }}", "m", true,
     "{\"model\":\"m\",\"stream_options\":{\"include_usage\":true }}"},
    {"options that are null", "{\"stream_options\":null,\"model\":\"m\"}", "m", true,
     "{\"stream_options\":{\"include_usage\":true},\"model\":\"m\"}"},
};

static const struct {
    const char *name;
    const char *body;
    bool new_name;
    const char *want;
} shorter_rows[] = {
    {"a bound where there was none", "{\"model\":\"m\" }", false,
     "{\"model\":\"x\" ,\"max_tokens\":20}"},
    {"by its new name", "{\"model\":\"m\"}", true,
     "{\"model\":\"x\",\"max_completion_tokens\":20}"},
    {"a bound that is above it", "{\"max_tokens\": 21,\"model\":\"m\"}", true,
     "{\"max_tokens\": 20,\"model\":\"x\"}"},
    {"one that is below it stays", "{\"model\":\"m\",\"max_tokens\":20}", false,
     "{\"model\":\"x\",\"max_tokens\":20}"},
    {"both names", "{\"max_completion_tokens\":4294967316,\"model\":\"m\",\"max_tokens\":19}",
     false, "{\"max_completion_tokens\":20,\"model\":\"x\",\"max_tokens\":19}"},
    {"a bound that is none", "{\"max_tokens\":null,\"model\":\"m\"}", false,
     "{\"max_tokens\":20,\"model\":\"x\"}"},
    {"no more than that at least", "{\"model\":\"m\",\"max_tokens\":99,\"min_tokens\":50}", false,
     "{\"model\":\"x\",\"max_tokens\":20,\"min_tokens\":20}"},
    {"a least that is none", "{\"model\":\"m\",\"max_tokens\":9,\"min_tokens\":null}", false,
     "{\"model\":\"x\",\"max_tokens\":9,\"min_tokens\":null}"},
};

static void check_shorter(void)
{
    for (size_t i = 0; i < UB_COUNT(shorter_rows); i++) {
        struct ub_slice body = ub_slice_of(shorter_rows[i].body);
        struct ub_scan *scan = ub_scan_new(NULL);
        bool ok = ub_scan_feed(scan, body) && ub_scan_finish(scan);
        struct ub_shorter shorter = {.tokens = 20, .new_name = shorter_rows[i].new_name};
        struct ub_slice parts[UB_SPLICE_PARTS];
        struct ub_buf out = {0};
        uint32_t count =
            ok ? ub_splice_shorter(body, ub_scan_fields(scan), UB_LIT("x"), false, &shorter, parts)
               : 0;
        for (uint32_t k = 0; k < count; k++) {
            ub_buf_add_slice(&out, parts[k]);
        }
        ub_buf_add(&out, "", 1);
        UB_CHECK_TEXT(out.ptr, shorter_rows[i].want, "%s", shorter_rows[i].name);
        ub_buf_free(&out);
        ub_scan_free(NULL, scan);
    }
}

int main(void)
{
    check_shorter();
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_slice body = ub_slice_of(rows[i].body);
        struct ub_scan *scan = ub_scan_new(NULL);
        bool ok = ub_scan_feed(scan, body) && ub_scan_finish(scan);
        struct ub_slice parts[UB_SPLICE_PARTS];
        struct ub_buf out = {0};
        uint32_t count = ok ? ub_splice(body, ub_scan_fields(scan), ub_slice_of(rows[i].model),
                                        rows[i].stream, parts)
                            : 0;
        for (uint32_t k = 0; k < count; k++) {
            ub_buf_add_slice(&out, parts[k]);
        }
        ub_buf_add(&out, "", 1);
        UB_CHECK_TEXT(out.ptr, rows[i].want, "%s", rows[i].name);
        ub_buf_free(&out);
        ub_scan_free(NULL, scan);
    }
    return ub_test_done();
}

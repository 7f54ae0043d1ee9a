#include "base/buf.h"

#include "base/alloc.h"
#include "base/test.h"

static const struct {
    const char *name;
    const char *in;
    const char *want;
} rows[] = {
    {"plain text", "abc", "\"abc\""},
    {"quotes and backslashes", "a\"b\\c", "\"a\\\"b\\\\c\""},
    {"control bytes", "a\n\t\x01\x7f", "\"a\\n\\t\\u0001\\u007f\""},
    {"UTF-8 stays", "\xe4\xbd\xa0\xf0\x9f\x98\x80", "\"\xe4\xbd\xa0\xf0\x9f\x98\x80\""},
    {"a cut sequence is replaced", "a\xe4\xbd", "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
    {"an overlong one too", "\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    {"a surrogate too", "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
};

int main(void)
{
    struct ub_buf buf = {0};
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        ub_buf_clear(&buf);
        ub_buf_add_json(&buf, ub_slice_of(rows[i].in));
        ub_buf_add(&buf, "", 1);
        UB_CHECK_TEXT(buf.ptr, rows[i].want, "json: %s", rows[i].name);
    }
    ub_buf_free(&buf);

    buf.max = 300;
    ub_buf_printf(&buf, "%s", "0123456789");
    for (int i = 0; i < 40; i++) {
        ub_buf_add_text(&buf, "0123456789");
    }
    UB_CHECK(buf.failed && buf.len == 300, "the bound holds, and what fitted stays");
    ub_buf_drop(&buf, 295);
    UB_CHECK(buf.len == 5 && memcmp(buf.ptr, "56789", 5) == 0, "the front can be dropped");
    ub_buf_free(&buf);

    buf.max = 0;
    ub_alloc_fail_nth(1);
    ub_buf_add_text(&buf, "x");
    UB_CHECK(buf.failed, "a failed allocation is remembered");
    ub_buf_add_text(&buf, "y");
    UB_CHECK(buf.len == 0, "and later writes do nothing");
    ub_alloc_fail_nth(0);
    ub_buf_free(&buf);
    return ub_test_done();
}

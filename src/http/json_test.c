#include "http/json.h"

#include "base/buf.h"
#include "base/random.h"
#include "base/test.h"
#include <jansson.h>
#include <stdlib.h>

/* Everything that comes out of `text`, cut into pieces of `piece` bytes. */
static const char *run(struct ub_slice text, size_t piece, struct ub_buf *out)
{
    static const char *const words[] = {
        [UB_JSON_OBJECT] = "{",    [UB_JSON_OBJECT_END] = "}", [UB_JSON_ARRAY] = "[",
        [UB_JSON_ARRAY_END] = "]", [UB_JSON_TRUE] = "true",    [UB_JSON_FALSE] = "false",
        [UB_JSON_NULL] = "null"};
    struct ub_json json;
    struct ub_buf string = {0};
    ub_json_init(&json);
    ub_buf_clear(out);
    enum ub_json_found found = UB_JSON_MORE;
    for (size_t at = 0; at < text.len && found == UB_JSON_MORE; at += piece) {
        size_t len = text.len - at < piece ? text.len - at : piece;
        char *copy = malloc(len); /* so that a sanitizer sees stale slices */
        memcpy(copy, text.ptr + at, len);
        struct ub_slice in = {copy, len};
        while ((found = ub_json_next(&json, &in)) > UB_JSON_MORE) {
            if (found == UB_JSON_KEY_PART || found == UB_JSON_STRING_PART) {
                ub_buf_add_slice(&string, json.text);
            } else if (found == UB_JSON_KEY || found == UB_JSON_STRING) {
                ub_buf_add_slice(&string, json.text);
                ub_buf_add_json(out, ub_buf_slice(&string));
                ub_buf_add_text(out, found == UB_JSON_KEY ? ":" : "");
                ub_buf_clear(&string);
            } else if (found == UB_JSON_NUMBER) {
                ub_buf_add_slice(out, json.text);
            } else {
                ub_buf_add_text(out, words[found]);
            }
            if (found != UB_JSON_KEY_PART && found != UB_JSON_STRING_PART) {
                ub_buf_printf(out, "<%d,%d ", (int)json.begin, (int)json.at);
            }
        }
        free(copy);
    }
    if (!ub_json_finish(&json)) {
        ub_buf_printf(out, "at %d %s", (int)json.at, json.bad);
    }
    ub_buf_add(out, "", 1);
    ub_buf_free(&string);
    return out->ptr;
}

static bool is_valid(struct ub_slice text)
{
    struct ub_json json;
    ub_json_init(&json);
    while (ub_json_next(&json, &text) > UB_JSON_MORE) {
    }
    return ub_json_finish(&json);
}

/* What jansson says of it. Where it differs on purpose, `unsure` is set. */
static bool jansson_takes(struct ub_slice text, bool *unsure)
{
    json_error_t error;
    json_t *tree = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, &error);
    bool ok = tree != NULL && json_is_object(tree);
    *unsure = tree == NULL && json_error_code(&error) == json_error_numeric_overflow;
    json_decref(tree);
    return ok;
}

static const struct {
    const char *name;
    const char *text;
    const char *bad; /* NULL: it is valid */
} rows[] = {
    {"an empty object", " { } \n", NULL},
    {"every kind of value", "{\"a\":[1,\"b\",true,false,null,{\"c\":{}},[]]}", NULL},
    {"every kind of number", "{\"a\":[0,-0,10,-1.5,0.0,1e5,1E+5,1.25e-10,123456789012345678901]}",
     NULL},
    {"every kind of escape",
     "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u4e2d\\ud83d\\ude00\"}", NULL},
    {"the first and the last pair of surrogates", "{\"a\":\"\\ud800\\udc00\\udbff\\udfff\"}", NULL},
    {"the neighbours of surrogates", "{\"a\":\"\\ud7ff\\ue000\"}", NULL},
    {"NUL in a value", "{\"a\":\"b\\u0000c\"}", NULL},
    {"every length of UTF-8", "{\"a\xc3\xa9\":\"\xe4\xb8\xad\xf0\x9f\x98\x80\x7f\"}", NULL},
    {"limits of UTF-8",
     "{\"a\":\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"}", NULL},
    {"white space everywhere", "\t{\r\n\"a\" : [ 1 , 2 ] , \"b\" :\n{ } }\t", NULL},
    {"nothing", "", "at 0 the body is empty"},
    {"an array at the top", "[1]", "at 0 not a JSON object"},
    {"a byte order mark", "\xef\xbb\xbf{}", "at 0 not a JSON object"},
    {"two objects", "{}{}", "at 2 something follows the object"},
    {"an end that is missing", "{\"a\":1", "at 6 the end of the body is missing"},
    {"a comma too many in an object", "{\"a\":1,}", "at 7 a key is missing"},
    {"a comma too many in an array", "{\"a\":[1,]}", "at 8 a value is missing"},
    {"a comma too few", "{\"a\":1 \"b\":2}", "at 7 a comma or a closing bracket is missing"},
    {"a colon too few", "{\"a\" 1}", "at 5 a colon is missing"},
    {"a key without quotes", "{a:1}", "at 1 a key is missing"},
    {"the wrong bracket", "{\"a\":[1}", "at 7 a '}' that closes nothing"},
    {"the other wrong bracket", "{\"a\":1]", "at 6 a ']' that closes nothing"},
    {"a number with a leading zero", "{\"a\":01}", "at 6 a comma or a closing bracket is missing"},
    {"a number that ends in a point", "{\"a\":1.}", "at 7 a number that is cut short"},
    {"a number without digits", "{\"a\":-}", "at 6 a number that is cut short"},
    {"a number that begins with a point", "{\"a\":.5}", "at 5 a value is missing"},
    {"a number that begins with a plus", "{\"a\":+5}", "at 5 a value is missing"},
    {"an exponent without digits", "{\"a\":1e+}", "at 8 a number that is cut short"},
    {"not a number", "{\"a\":NaN}", "at 5 a value is missing"},
    {"a word that is none", "{\"a\":trve}", "at 7 an unknown word"},
    {"a word that is too long", "{\"a\":truee}", "at 9 a comma or a closing bracket is missing"},
    {"a line end in a string", "{\"a\":\"b\nc\"}", "at 7 a control character in a string"},
    {"a tab in a key", "{\"a\t\":1}", "at 3 a control character in a string"},
    {"an unknown escape", "{\"a\":\"\\x\"}", "at 7 an unknown escape"},
    {"an escape with three digits", "{\"a\":\"\\u123\"}",
     "at 11 an escape that is not \\u and four hexadecimal digits"},
    {"a lone high surrogate", "{\"a\":\"\\ud83d\"}", "at 12 a high surrogate without a low one"},
    {"a high surrogate twice", "{\"a\":\"\\ud83d\\ud83d\"}",
     "at 17 a high surrogate without a low one"},
    {"a high surrogate before another escape", "{\"a\":\"\\ud83d\\n\"}",
     "at 13 a high surrogate without a low one"},
    {"a lone low surrogate", "{\"a\":\"\\ude00\"}", "at 11 a low surrogate without a high one"},
    {"the first surrogate alone", "{\"a\":\"\\ud800\"}",
     "at 12 a high surrogate without a low one"},
    {"the last high surrogate alone", "{\"a\":\"\\udbff\"}",
     "at 12 a high surrogate without a low one"},
    {"the first low surrogate alone", "{\"a\":\"\\udc00\"}",
     "at 11 a low surrogate without a high one"},
    {"the last surrogate alone", "{\"a\":\"\\udfff\"}", "at 11 a low surrogate without a high one"},
    {"NUL in a key", "{\"a\\u0000\":1}", "at 8 a key with NUL"},
    {"NUL in a key behind another escape", "{\"\\n\\u0000                \":1}",
     "at 9 a key with NUL"},
    {"a lone surrogate behind another escape", "{\"a\":\"\\n\\ud800                \"}",
     "at 14 a high surrogate without a low one"},
    {"the last surrogate behind another escape", "{\"a\":\"\\n\\udfff                \"}",
     "at 13 a low surrogate without a high one"},
    {"an unknown escape behind another one", "{\"a\":\"\\n\\x                \"}",
     "at 9 an unknown escape"},
    {"a bad digit behind another escape", "{\"a\":\"\\n\\u12g4              \"}",
     "at 12 an escape that is not \\u and four hexadecimal digits"},
    {"a control character behind an escape", "{\"a\":\"\\n\x01                 \"}",
     "at 8 a control character in a string"},
    {"bytes that are not UTF-8 behind an escape", "{\"a\":\"\\n\xff                 \"}",
     "at 8 bytes that are not UTF-8"},
    {"a lone continuation byte", "{\"a\":\"\x80\"}", "at 6 bytes that are not UTF-8"},
    {"an overlong form", "{\"a\":\"\xc0\x80\"}", "at 6 bytes that are not UTF-8"},
    {"an overlong form of three bytes", "{\"a\":\"\xe0\x9f\xbf\"}",
     "at 7 bytes that are not UTF-8"},
    {"a surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", "at 7 bytes that are not UTF-8"},
    {"a surrogate in a run of Chinese",
     "{\"a\":\"\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xed\xa0\x80\xe4\xb8\xad\xe4\xb8\xad\"}",
     "at 16 bytes that are not UTF-8"},
    {"above U+10FFFF", "{\"a\":\"\xf4\x90\x80\x80\"}", "at 7 bytes that are not UTF-8"},
    {"a character that the quote cuts", "{\"a\":\"\xe4\xb8\"}", "at 8 bytes that are not UTF-8"},
    {"Latin-1", "{\"a\":\"caf\xe9\"}", "at 10 bytes that are not UTF-8"},
};

static void test_rows(void)
{
    struct ub_buf whole = {0};
    struct ub_buf cut = {0};
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_slice text = ub_slice_of(rows[i].text);
        const char *want = rows[i].bad;
        const char *got = run(text, text.len + 1, &whole);
        if (want == NULL) {
            UB_CHECK(strstr(got, "at ") == NULL, "%s", rows[i].name);
        } else {
            const char *at = strstr(got, "at ");
            UB_CHECK_TEXT(at == NULL ? "" : at, want, "%s is refused", rows[i].name);
        }
        bool same = true;
        for (size_t piece = 1; piece < text.len; piece++) {
            same = same && strcmp(run(text, piece, &cut), whole.ptr) == 0;
        }
        UB_CHECK(same, "%s, in pieces of any size", rows[i].name);
        bool unsure;
        bool taken = jansson_takes(text, &unsure);
        UB_CHECK(unsure || taken == (want == NULL), "%s: jansson agrees", rows[i].name);
    }
    ub_buf_free(&whole);
    ub_buf_free(&cut);
}

static void test_events(void)
{
    struct ub_buf out = {0};
    UB_CHECK_TEXT(run(UB_LIT(" {\"a\" : [1.5e3, \"\\u4e2d\\n\", null], \"b\":{}}"), 1000, &out),
                  "{<1,2 \"a\":<2,5 [<8,9 1.5e3<9,14 \"\xe4\xb8\xad\\n\"<16,26 null<28,32 ]<32,33 "
                  "\"b\":<35,38 {<39,40 }<40,41 }<41,42 ",
                  "what is found, and where");
    UB_CHECK_TEXT(
        run(UB_LIT("{\"\\u007f\\u0080\\u07ff\\u0800\\uffff\\ud800\\udc00\\udbff\\udfff\":0}"), 1000,
            &out),
        "{<0,1 \"\\u007f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"
        "\":<1,57 0<58,59 }<59,60 ",
        "escapes at the limits of UTF-8's lengths");
    ub_buf_free(&out);
}

/* Strings around the sizes of the stage, with escapes at all places. */
static void test_long_strings(void)
{
    struct ub_buf text = {0};
    struct ub_buf want = {0};
    struct ub_buf got = {0};
    struct ub_random random = {1};
    bool same = true;
    for (int round = 0; round < 300; round++) {
        ub_buf_clear(&text);
        ub_buf_clear(&want);
        ub_buf_add_text(&text, "{\"");
        for (uint32_t part = ub_random_below(&random, 8); part > 0; part--) {
            static const struct {
                const char *json;
                const char *plain;
            } escapes[] = {{"\\n", "\n"},
                           {"\\u4e2d", "\xe4\xb8\xad"},
                           {"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
                           {"\xe4\xb8\xad", "\xe4\xb8\xad"}};
            uint32_t run_len = ub_random_below(&random, 4) == 0 ? ub_random_below(&random, 600)
                                                                : ub_random_below(&random, 90);
            for (; run_len > 0; run_len--) {
                char c = (char)('a' + ub_random_below(&random, 26));
                ub_buf_add(&text, &c, 1);
                ub_buf_add(&want, &c, 1);
            }
            uint32_t kind = ub_random_below(&random, UB_COUNT(escapes));
            for (uint32_t n = ub_random_below(&random, 120); n > 0; n--) {
                ub_buf_add_text(&text, escapes[kind].json);
                ub_buf_add_text(&want, escapes[kind].plain);
            }
        }
        ub_buf_add_text(&text, "\":0}");
        struct ub_buf line = {0};
        ub_buf_add_json(&line, ub_buf_slice(&want));
        run(ub_buf_slice(&text), 1 + ub_random_below(&random, (uint32_t)text.len), &got);
        same = same && got.len > line.len + 10 &&
               memcmp(strchr(got.ptr, '"'), line.ptr, line.len) == 0;
        ub_buf_free(&line);
    }
    UB_CHECK(same, "long strings come out unescaped and whole, however they are cut");
    ub_buf_free(&text);
    ub_buf_free(&want);
    ub_buf_free(&got);
}

static void test_depth(void)
{
    char text[4 * UB_JSON_DEPTH];
    for (int depth = UB_JSON_DEPTH; depth <= UB_JSON_DEPTH + 1; depth++) {
        size_t len = 0;
        memcpy(text, "{\"\":", 4);
        len += 4;
        memset(text + len, '[', (size_t)depth - 1);
        len += (size_t)depth - 1;
        memset(text + len, ']', (size_t)depth - 1);
        len += (size_t)depth - 1;
        text[len++] = '}';
        UB_CHECK(is_valid((struct ub_slice){text, len}) == (depth == UB_JSON_DEPTH),
                 "nested %d deep", depth);
    }
}

/* Valid texts with a few bytes changed: most become invalid in all sorts of ways. */
static void test_mutations(void)
{
    static const char alphabet[] = "{}[]:,\"\\u0dD8e19.+-tfn \n\x01\x80\xc3\xe0\xed\xf0\xf4\xff";
    struct ub_random random = {2};
    int differ = 0;
    int valid = 0;
    for (int round = 0; round < 40000; round++) {
        const char *row = rows[ub_random_below(&random, 8)].text;
        char text[256];
        size_t len = strlen(row);
        memcpy(text, row, len);
        for (uint32_t n = 1 + ub_random_below(&random, 2); n > 0; n--) {
            char c = alphabet[ub_random_below(&random, sizeof alphabet - 1)];
            text[ub_random_below(&random, (uint32_t)len)] = c;
        }
        bool unsure;
        bool theirs = jansson_takes((struct ub_slice){text, len}, &unsure);
        bool ours = is_valid((struct ub_slice){text, len});
        valid += ours;
        if (!unsure && theirs != ours && differ++ < 5) {
            UB_CHECK(false, "jansson %d, we %d: %.*s", theirs, ours, (int)len, text);
        }
    }
    UB_CHECK(differ == 0 && valid > 1000, "jansson agrees on 40,000 mutations, %d valid", valid);
}

int main(void)
{
    test_rows();
    test_events();
    test_long_strings();
    test_depth();
    test_mutations();
    return ub_test_done();
}

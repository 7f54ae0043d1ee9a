#include "http/scan.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/test.h"

static void add_span(struct ub_buf *out, const char *name, struct ub_slice body,
                     struct ub_span span)
{
    if (span.end != 0) {
        ub_buf_printf(out, " %s=<%.*s>", name, (int)(span.end - span.begin), body.ptr + span.begin);
    }
}

/* The fields that are not what they are by default, or the words. */
static const char *describe(struct ub_slice body, size_t piece, struct ub_buf *out)
{
    struct ub_scan *scan = ub_scan_new(NULL);
    bool ok = true;
    for (size_t at = 0; at < body.len && ok; at += piece) {
        size_t len = body.len - at < piece ? body.len - at : piece;
        ok = ub_scan_feed(scan, (struct ub_slice){body.ptr + at, len});
    }
    ok = ub_scan_finish(scan);
    const struct ub_scan_fields *f = ub_scan_fields(scan);
    ub_buf_clear(out);
    if (!ok) {
        ub_buf_printf(out, " bad: %s", ub_scan_bad(scan));
    } else if (f->model_name[0] == '\0') {
        ub_buf_printf(out, " %s", ub_scan_bad(scan));
    } else {
        ub_buf_printf(out, " %s", f->model_name);
        add_span(out, "model", body, f->model);
        add_span(out, "options", body, f->stream_options);
        add_span(out, "usage", body, f->include_usage);
        ub_buf_printf(out, "%s%s%s%s%s%s%s%s", f->stream ? " stream" : "",
                      f->has_stream_options ? " has_options" : "",
                      f->stream_options_empty ? " empty" : "",
                      f->has_include_usage ? " has_usage" : "",
                      f->wants_usage ? " wants_usage" : "", f->has_tools ? " tools" : "",
                      f->has_logprobs ? " logprobs" : "", f->has_grammar ? " grammar" : "");
        ub_buf_printf(out, "%s%s%s", f->has_echo ? " echo" : "",
                      f->is_repeatable ? " repeatable" : "",
                      f->continues_final_message ? " continues" : "");
        add_span(out, "max_tokens", body, f->max_tokens_at);
        add_span(out, "max_completion", body, f->max_completion_tokens_at);
        add_span(out, "min_tokens", body, f->min_tokens_at);
        add_span(out, "continue", body, f->continue_final_message);
        add_span(out, "generation", body, f->add_generation_prompt);
        if (f->last.is_assistant) {
            add_span(out, "last", body, f->last.object);
            add_span(out, "content", body, f->last.content);
            ub_buf_printf(out, "%s", f->last.is_prefix ? " prefix" : "");
        }
        if (f->wrong_param != NULL) {
            ub_buf_printf(out, " wrong: %s, not %s but %s", f->wrong_param, f->wrong_want,
                          f->wrong_got);
        }
        if (f->max_tokens != 0 || f->n != 1) {
            ub_buf_printf(out, " max=%u n=%u", f->max_tokens, f->n);
        }
        if (f->user[0] != '\0') {
            ub_buf_printf(out, " user=%s", f->user);
        }
        if (f->prompt_tokens != 0) {
            ub_buf_printf(out, " bytes=%d tokens=%u", (int)f->prompt_bytes, f->prompt_tokens);
        }
        for (uint32_t i = 0; i < f->prefix_count; i++) {
            ub_buf_printf(out, " %016llx/%u", (unsigned long long)f->prefix[i],
                          f->prefix_tokens[i]);
        }
    }
    ub_buf_add(out, "", 1);
    ub_scan_free(NULL, scan);
    return out->ptr + 1;
}

static const struct {
    const char *name;
    const char *body; /* with ' for " */
    const char *want;
} rows[] = {
    {"the model and its place", "{'model' : 'm'}", "m model=<'m'>"},
    {"the model is unescaped", "{'mod\\u0065l':'a\\/\\u4e2d'}",
     "a/\xe4\xb8\xad model=<'a\\/\\u4e2d'>"},
    {"a model inside something else is none", "{'a':{'model':'x'},'b':[{'model':'y'}]}",
     "'model' is missing"},
    {"a model that is a number", "{'model':1}", "'model' is not a string"},
    {"a model that is a list", "{'model':['a']}", "'model' is not a string"},
    {"a model that is empty", "{'model':''}", "'model' is empty"},
    {"a model with NUL", "{'model':'a\\u0000b'}", "'model' is no name: it holds NUL"},
    {"the model twice", "{'model':'a','model':'b'}", "bad: duplicate key 'model'"},
    {"the model twice, once in disguise", "{'model':'a','\\u006dodel':'b'}",
     "bad: duplicate key 'model'"},
    {"any top-level key twice", "{'x':1,'model':'a','x':2}", "bad: duplicate key 'x'"},
    {"keys below may stand twice", "{'model':'a','x':{'y':1,'y':2}}", "a model=<'a'>"},
    {"broken JSON has a place", "{'model':'a',}", "bad: invalid JSON at byte 13: a key is missing"},
    {"a body that is cut", "{'model':'a'",
     "bad: invalid JSON at byte 12: the end of the body is "
     "missing"},
    {"a stream", "{'model':'m','stream':true}", "m model=<'m'> stream"},
    {"no stream", "{'model':'m','stream':false}", "m model=<'m'>"},
    {"a stream that is null is none", "{'model':'m','stream':null}", "m model=<'m'>"},
    {"a stream that is a string is wrong", "{'model':'m','stream':'true','stream_options':[]}",
     "m model=<'m'> options=<[]> wrong: stream, not a boolean but a string"},
    {"stream options that are a number are wrong", "{'model':'m','stream_options':5}",
     "m model=<'m'> options=<5> wrong: stream_options, not an object but a number"},
    {"usage is wanted", "{'stream_options':{'include_usage':true},'model':'m'}",
     "m model=<'m'> options=<{'include_usage':true}> usage=<true> has_options has_usage "
     "wants_usage"},
    {"usage is not wanted", "{'stream_options':{'x':[1,true],'include_usage': false },'model':'m'}",
     "m model=<'m'> options=<{'x':[1,true],'include_usage': false }> usage=<false> has_options "
     "has_usage"},
    {"usage twice", "{'stream_options':{'include_usage':true,'include_usage':false}}",
     "bad: duplicate key 'stream_options.include_usage'"},
    {"usage that is an object has a place, too",
     "{'stream_options':{'include_usage':{'a':[1]},'b':[]},'model':'m'}",
     "m model=<'m'> options=<{'include_usage':{'a':[1]},'b':[]}> usage=<{'a':[1]}> has_options "
     "has_usage wrong: stream_options.include_usage, not a boolean but an object"},
    {"empty stream options", "{'stream_options': { },'model':'m'}",
     "m model=<'m'> options=<{ }> has_options empty"},
    {"stream options that are null", "{'stream_options':null,'model':'m'}",
     "m model=<'m'> options=<null>"},
    {"include_usage elsewhere is nothing", "{'x':{'include_usage':true},'model':'m','y':[true]}",
     "m model=<'m'>"},
    {"max_tokens and n", "{'model':'m','max_tokens':100,'n':3}",
     "m model=<'m'> max_tokens=<100> max=100 n=3"},
    {"max_completion_tokens comes before max_tokens",
     "{'max_completion_tokens':7,'model':'m','max_tokens':100}",
     "m model=<'m'> max_tokens=<100> max_completion=<7> max=7 n=1"},
    {"numbers out of bounds", "{'model':'m','max_tokens':-1,'n':1e99}",
     "m model=<'m'> max_tokens=<-1> max=0 n=4294967295"},
    {"numbers that are none", "{'model':'m','max_tokens':null,'n':'2'}",
     "m model=<'m'> max_tokens=<null>"},
    {"a number that is too long to be one",
     "{'model':'m','n':2.00000000000000000000000000000000000000000000000000000000000000000000}",
     "m model=<'m'>"},
    {"tools", "{'model':'m','tools':[{'a':1}]}", "m model=<'m'> tools bytes=0 tokens=3"},
    {"functions", "{'model':'m','functions':[1]}", "m model=<'m'> tools bytes=0 tokens=1"},
    {"no tools", "{'model':'m','tools':[]}", "m model=<'m'> bytes=0 tokens=1"},
    {"log probabilities of chat", "{'model':'m','logprobs':true}", "m model=<'m'> logprobs"},
    {"log probabilities of completions", "{'model':'m','logprobs':0}", "m model=<'m'> logprobs"},
    {"no log probabilities", "{'model':'m','logprobs':false,'top_logprobs':0}", "m model=<'m'>"},
    {"top log probabilities", "{'model':'m','top_logprobs':5}", "m model=<'m'> logprobs"},
    {"a JSON answer", "{'model':'m','response_format':{'type':'json_object'}}",
     "m model=<'m'> grammar"},
    {"a JSON schema", "{'model':'m','response_format':{'json_schema':{'type':'text'}}}",
     "m model=<'m'> grammar"},
    {"a plain answer", "{'response_format':{'type':'text'},'model':'m'}", "m model=<'m'>"},
    {"a plain answer by null", "{'response_format':null,'model':'m'}", "m model=<'m'>"},
    {"a grammar of an engine", "{'model':'m','guided_choice':['a','b']}", "m model=<'m'> grammar"},
    {"no grammar of an engine", "{'model':'m','grammar':null}", "m model=<'m'>"},
    {"a count with an exponent", "{'model':'m','max_tokens':1.5e2}",
     "m model=<'m'> max_tokens=<1.5e2> max=150 n=1"},
    {"a count of ten digits", "{'model':'m','max_tokens':4294967296}",
     "m model=<'m'> max_tokens=<4294967296> max=4294967295 n=1"},
    {"a count below nothing", "{'model':'m','max_tokens':-1}", "m model=<'m'> max_tokens=<-1>"},
    {"prompt_cache_key is the first choice", "{'prompt_cache_key':'k','model':'m','user':'u'}",
     "m model=<'m'> user=k"},
    {"user_id comes before user", "{'user':'u','model':'m','user_id':'i'}", "m model=<'m'> user=i"},
    {"an empty user is none", "{'user':'u','model':'m','user_id':''}", "m model=<'m'> user=u"},
    {"all strings of messages are prompt, keys are not",
     "{'model':'m','messages':[{'role':'user','content':'12345678'},"
     "{'content':[{'type':'text','text':'1234'}]}]}",
     "m model=<'m'> bytes=20 tokens=6"},
    {"a string below another key is not prompt", "{'model':'m','x':['12345678']}", "m model=<'m'>"},
    {"three characters of Chinese are two tokens",
     "{'model':'m','prompt':'\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad'}",
     "m model=<'m'> bytes=9 tokens=3"},
    {"they are also when escaped", "{'model':'m','prompt':'\\u4e2d\\u4e2d\\u4e2d'}",
     "m model=<'m'> bytes=9 tokens=3"},
    {"tools count beside the prompt", "{'model':'m','prompt':'12345678','tools':[{'a':1}]}",
     "m model=<'m'> tools bytes=8 tokens=5"},
    {"text after tokens counts as text", "{'model':'m','input':[[1,2],'12345678']}",
     "m model=<'m'> bytes=8 tokens=5"},
    {"the last message is the assistant's",
     "{'messages':[{'role':'user','content':'a'},{'content':'b\\n','role':'assis\\u0074ant'} "
     "],'model':'m'}",
     "m model=<'m'> last=<{'content':'b\\n','role':'assis\\u0074ant'}> "
     "content=<'b\\n'> bytes=16 tokens=5"},
    {"it is a beginning, with content in parts",
     "{'messages':[{'role':'assistant','prefix':true,'content':[{'text':'b','role':'user'}]}],"
     "'model':'m'}",
     "m model=<'m'> "
     "last=<{'role':'assistant','prefix':true,'content':[{'text':'b','role':'user'}]}>"
     " prefix bytes=14 tokens=5"},
    {"an assistant before the last is of no interest",
     "{'messages':[{'role':'assistant','prefix':true,'content':'b'},{'role':'user'}],'model':'m'}",
     "m model=<'m'> bytes=14 tokens=5"},
    {"an assistant elsewhere is none", "{'x':[{'role':'assistant','content':'b'}],'model':'m'}",
     "m model=<'m'>"},
    {"the wish to go on, and its opposite",
     "{'continue_final_message':true,'add_generation_prompt': false,'model':'m'}",
     "m model=<'m'> continues continue=<true> generation=<false>"},
    {"no wish to go on", "{'continue_final_message':null,'model':'m'}",
     "m model=<'m'> continue=<null>"},
    {"a wish that is a list has no place", "{'continue_final_message':[true],'model':'m'}",
     "m model=<'m'>"},
    {"an echo", "{'model':'m','echo':true}", "m model=<'m'> echo"},
    {"no echo", "{'model':'m','echo':false}", "m model=<'m'>"},
    {"a seed makes answers repeatable", "{'model':'m','seed':0}", "m model=<'m'> repeatable"},
    {"so does a temperature of zero", "{'model':'m','temperature':-0.00e5}",
     "m model=<'m'> repeatable"},
    {"a little warmth does not", "{'model':'m','temperature':0.01}", "m model=<'m'>"},
    {"no seed is none", "{'model':'m','seed':null,'temperature':null}", "m model=<'m'>"},
    {"a least number of tokens", "{'model':'m','min_tokens':12 }", "m model=<'m'> min_tokens=<12>"},
    {"tokens by number", "{'model':'m','input':[[1,22],[333333]]}",
     "m model=<'m'> bytes=0 tokens=3"},
};

static void with_quotes(struct ub_buf *out, const char *text)
{
    ub_buf_clear(out);
    ub_buf_add(out, text, strlen(text) + 1);
    for (char *p = out->ptr; *p != '\0'; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    out->len--;
}

static void test_rows(void)
{
    struct ub_buf body = {0};
    struct ub_buf want = {0};
    struct ub_buf out = {0};
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        with_quotes(&body, rows[i].body);
        with_quotes(&want, rows[i].want);
        UB_CHECK_TEXT(describe(ub_buf_slice(&body), body.len, &out), want.ptr, "%s", rows[i].name);
        bool same = true;
        for (size_t piece = 1; piece < body.len; piece++) {
            same = same && strcmp(describe(ub_buf_slice(&body), piece, &out), want.ptr) == 0;
        }
        UB_CHECK(same, "%s, in pieces of any size", rows[i].name);
    }
    ub_buf_free(&body);
    ub_buf_free(&want);
    ub_buf_free(&out);
}

static void test_limits(void)
{
    for (int extra = 0; extra <= 1; extra++) {
        struct ub_buf body = {0};
        struct ub_buf out = {0};
        ub_buf_add_text(&body, "{\"model\":\"m\"");
        for (int i = 1; i < UB_SCAN_KEYS + extra; i++) {
            ub_buf_printf(&body, ",\"key%d\":%d", i, i);
        }
        ub_buf_add_text(&body, "}");
        UB_CHECK_TEXT(describe(ub_buf_slice(&body), 100, &out),
                      extra ? "bad: more than 256 top-level keys" : "m model=<\"m\">",
                      "%d top-level keys", UB_SCAN_KEYS + extra);

        ub_buf_clear(&body);
        ub_buf_add_text(&body, "{\"model\":\"");
        for (int i = 0; i < 255 + extra; i++) {
            ub_buf_add_text(&body, "m");
        }
        ub_buf_add_text(&body, "\"}");
        bool taken = strncmp(describe(ub_buf_slice(&body), 100, &out), "mmm", 3) == 0;
        UB_CHECK(taken == (extra == 0), "a model of %d bytes", 255 + extra);
        ub_buf_free(&body);
        ub_buf_free(&out);
    }
}

static struct ub_scan_fields scan_all(const struct ub_buf *body, size_t piece)
{
    struct ub_scan *scan = ub_scan_new(NULL);
    for (size_t at = 0; at < body->len; at += piece) {
        size_t len = body->len - at < piece ? body->len - at : piece;
        ub_scan_feed(scan, (struct ub_slice){body->ptr + at, len});
    }
    UB_CHECK(ub_scan_finish(scan), "a long prompt in pieces of %zu: %s", piece, ub_scan_bad(scan));
    struct ub_scan_fields fields = *ub_scan_fields(scan);
    ub_scan_free(NULL, scan);
    return fields;
}

/* `words` words of a system prompt, then a question; spaced in one way or another. */
static void write_chat(struct ub_buf *body, int words, const char *question, bool pretty)
{
    const char *gap = pretty ? "\n    " : "";
    ub_buf_clear(body);
    ub_buf_printf(body,
                  "{%s\"model\":%s\"m\",%s\"messages\":[%s{\"role\":%s\"system\",\"content\":\"",
                  gap, gap, gap, gap, gap);
    for (int i = 0; i < words; i++) {
        ub_buf_printf(body, "word%d %s", i, pretty ? "\\u4e2d" : "\xe4\xb8\xad");
    }
    ub_buf_printf(body, "\"},%s{\"role\":\"user\",%s\"content\":\"%s\"}]}", gap, gap, question);
}

static void test_marks(void)
{
    struct ub_buf body = {0};
    write_chat(&body, 1000, "why?", false);
    struct ub_scan_fields one = scan_all(&body, body.len);
    struct ub_scan_fields cut = scan_all(&body, 7);
    UB_CHECK(memcmp(&one, &cut, sizeof one) == 0, "marks do not depend on the pieces");
    UB_CHECK(one.prefix_count == 15 && one.prefix_tokens[0] == 62,
             "marks stand at 256 bytes and each 1.3 times as far (%u)", one.prefix_count);

    write_chat(&body, 1000, "why not, if I may ask, and since when?", true);
    struct ub_scan_fields two = scan_all(&body, body.len);
    UB_CHECK(memcmp(one.prefix, two.prefix, one.prefix_count * 8) == 0,
             "the same beginning has the same marks, however it is spaced and escaped");

    write_chat(&body, 500, "why?", false);
    struct ub_scan_fields three = scan_all(&body, body.len);
    uint32_t shared = 0;
    while (shared < three.prefix_count && one.prefix[shared] == three.prefix[shared]) {
        shared++;
    }
    UB_CHECK(shared >= three.prefix_count - 1 && shared > 10, "half the prompt shares marks: %u",
             shared);

    ub_buf_clear(&body);
    ub_buf_add_text(&body, "{\"model\":\"m\",\"messages\":[{\"content\":[{\"type\":\"image_url\","
                           "\"image_url\":{\"url\":\"data:image/png;base64,");
    for (int i = 0; i < 100000; i++) {
        ub_buf_add_text(&body, "AAAAAAAA");
    }
    ub_buf_add_text(&body, "\"}},{\"type\":\"text\",\"text\":\"12345678\"}]}]}");
    struct ub_scan_fields picture = scan_all(&body, 65536);
    UB_CHECK(picture.prompt_tokens > 1000 && picture.prompt_tokens < 1020,
             "a picture counts at most 1000 tokens (%u in all)", picture.prompt_tokens);
    UB_CHECK(picture.prefix_count == 31 && picture.prefix[0] != one.prefix[0], "and has marks");
    ub_buf_free(&body);
}

/* Tokens by number have marks, too. */
static void test_token_marks(void)
{
    struct ub_buf body = {0};
    ub_buf_add_text(&body, "{\"model\":\"m\",\"input\":[0");
    for (int i = 1; i < 400; i++) {
        ub_buf_printf(&body, ", %d", i * 37);
    }
    ub_buf_add_text(&body, "]}");
    struct ub_scan_fields whole = scan_all(&body, body.len);
    struct ub_scan_fields cut = scan_all(&body, 3);
    UB_CHECK(whole.prompt_tokens == 400 && whole.prefix_count == 9 &&
                 memcmp(&whole, &cut, sizeof whole) == 0,
             "400 tokens by number, %u marks", whole.prefix_count);
    ub_buf_free(&body);
}

static void test_memory(void)
{
    ub_alloc_fail_nth(1);
    UB_CHECK(ub_scan_new(NULL) == NULL, "no memory, no scan");
    ub_alloc_fail_nth(1000000);
    struct ub_scan *scan = ub_scan_new(NULL);
    ub_scan_feed(scan, UB_LIT("{\"model\":\"m\",\"a\":[1,\"b\\n\",{}]}"));
    ub_scan_finish(scan);
    UB_CHECK(ub_alloc_count() == 1, "feeding allocates nothing");
    ub_alloc_fail_nth(0);
    ub_scan_free(NULL, scan);
}

int main(void)
{
    test_rows();
    test_limits();
    test_marks();
    test_token_marks();
    test_memory();
    return ub_test_done();
}

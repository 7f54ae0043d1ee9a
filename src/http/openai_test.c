#include "http/openai.h"

#include "base/buf.h"
#include "base/test.h"
#include <jansson.h>

/* A literal with ' for ", in memory of its exact size, so that a sanitizer sees a step too far. */
static struct ub_slice quoted(const char *text, struct ub_buf *out)
{
    ub_buf_free(out);
    size_t len = strlen(text);
    out->ptr = malloc(len == 0 ? 1 : len);
    out->len = out->cap = len;
    for (size_t i = 0; i < len; i++) {
        out->ptr[i] = text[i] == '\'' ? '"' : text[i];
    }
    return ub_buf_slice(out);
}

#define CHAT(choice) "{'id':'x','choices':[{'index':0," choice "}]}"

static const struct {
    const char *name;
    const char *data;
    const char *want;
} chunks[] = {
    {"text is payload", CHAT("'delta':{'content':'Hi'},'finish_reason':null"), "ok payload"},
    {"a role alone is not", CHAT("'delta':{'role':'assistant','content':null}"), "ok"},
    {"nor is empty text", CHAT("'delta':{'role':'assistant','content':''}"), "ok"},
    {"nor empty reasoning", CHAT("'delta':{'content':null,'reasoning_content':''}"), "ok"},
    {"nor an empty delta", CHAT("'delta':{},'logprobs':null"), "ok"},
    {"nor empty tool calls", CHAT("'delta':{'tool_calls':[]}"), "ok"},
    {"reasoning is payload", CHAT("'delta':{'reasoning_content':'hm'}"), "ok payload"},
    {"a space is payload", CHAT("'delta':{'content':' '}"), "ok payload"},
    {"tool calls are payload", CHAT("'delta':{'tool_calls':[{'index':0,'id':'a'}]}"), "ok payload"},
    {"a refusal is payload", CHAT("'delta':{'refusal':'no'}"), "ok payload"},
    {"an unknown field is payload", CHAT("'delta':{'audio':{'data':'AA'}}"), "ok payload"},
    {"an unknown field that is null is not", CHAT("'delta':{'audio':null}"), "ok"},
    {"text of completions is payload", CHAT("'text':'Hi'"), "ok payload"},
    {"empty text of completions is not", CHAT("'text':''"), "ok"},
    {"stop alone is not payload", CHAT("'delta':{},'finish_reason':'stop'"), "ok finish=1"},
    {"length is payload", CHAT("'delta':{},'finish_reason':'length'"), "ok payload finish=2"},
    {"tool_calls is payload", CHAT("'delta':{},'finish_reason':'tool_calls'"),
     "ok payload finish=3"},
    {"content_filter is payload", CHAT("'delta':{},'finish_reason':'content_filter'"),
     "ok payload finish=4"},
    {"an unknown end is payload", CHAT("'delta':{},'finish_reason':'eos'"), "ok payload finish=7"},
    {"DeepSeek ran out of resources",
     CHAT("'delta':{},'finish_reason':'insufficient_system_resource'"), "no_resource finish=5"},
    {"vLLM was told to abort", CHAT("'delta':{'content':''},'finish_reason':'abort'"),
     "upstream_error finish=6"},
    {"any of several choices counts",
     "{'choices':[{'index':0,'delta':{}},{'index':1,'delta':{'content':'a'}}]}",
     "ok payload choices=2 open=2"},
    {"each choice ends for itself",
     "{'choices':[{'finish_reason':'stop','index':2},{'index':1,'delta':{'content':'a'}}]}",
     "ok payload choices=2 finish=1 ended=4 open=2"},
    {"one that ends with its last words has ended",
     "{'choices':[{'index':1,'delta':{'content':'a'},'finish_reason':'stop'}]}",
     "ok payload finish=1 ended=2"},
    {"choices far out are one",
     "{'choices':[{'index':64,'delta':{'content':'a'}},{'index':4000000000,'finish_reason':'stop'}]"
     "}",
     "ok payload choices=2 finish=1 ended=8000000000000000 open=8000000000000000"},
    {"usage alone", "{'id':'x','choices':[],'usage':{'prompt_tokens':7,'completion_tokens':3}}",
     "ok choices=0 only usage=7/3/0 cut=<,'usage':{'prompt_tokens':7,'completion_tokens':3}>"},
    {"usage beside a choice is not alone",
     "{'choices':[{'delta':{},'finish_reason':'stop'}],'usage':{'prompt_tokens':7,"
     "'completion_tokens':3,'prompt_tokens_details':{'cached_tokens':5,'x':[1]}}}",
     "ok finish=1 usage=7/3/5 cut=<,'usage':{'prompt_tokens':7,'completion_tokens':3,"
     "'prompt_tokens_details':{'cached_tokens':5,'x':[1]}}>"},
    {"DeepSeek's name for cached tokens",
     "{'choices':[],'usage':{'prompt_tokens':9,'completion_tokens':1,'prompt_cache_hit_tokens':4,"
     "'prompt_cache_miss_tokens':5,'prompt_tokens_details':null}}",
     "ok choices=0 only usage=9/1/4 cut=<,'usage':{'prompt_tokens':9,'completion_tokens':1,"
     "'prompt_cache_hit_tokens':4,'prompt_cache_miss_tokens':5,'prompt_tokens_details':null}>"},
    {"usage that is null can be cut", "{'choices':[{'delta':{'content':'a'}}] , 'usage' : null }",
     "ok payload cut=< , 'usage' : null>"},
    {"usage at the beginning can be cut", "{ 'usage' : null , 'choices':[]}",
     "ok choices=0 cut=<'usage' : null ,>"},
    {"usage that is all there is can be cut", "{'usage':{'prompt_tokens':4294967296}}",
     "ok choices=0 only usage=4294967295/0/0 cut=<'usage':{'prompt_tokens':4294967296}>"},
    {"usage of odd types counts as nothing",
     "{'choices':[],'usage':{'prompt_tokens':-1,'completion_tokens':'x'}}",
     "ok choices=0 only usage=0/0/0 cut=<,'usage':{'prompt_tokens':-1,'completion_tokens':'x'}>"},
    {"the name of usage elsewhere is nothing", CHAT("'delta':{'usage':{'prompt_tokens':1}}"),
     "ok payload"},
    {"an overload inside a good status",
     "{'error':{'type':'overloaded_error','message':'Overloaded'}}",
     "upstream_busy choices=0 words=Overloaded"},
    {"a rate limit inside a good status",
     "{'error':{'message':'slow','type':'x','code':'rate_limit_exceeded'}}",
     "throttled choices=0 words=slow"},
    {"a numeric code inside a good status",
     "{'object':'error','message':'a','type':'BadRequestError','param':null,'code':400}",
     "bad_request choices=0 words=a"},
    {"a status as text", "{'error':{'message':'b','code':'529'}}",
     "upstream_busy choices=0 words=b"},
    {"an error that is only words", "{'error':'server busy'}",
     "upstream_busy choices=0 words=server busy"},
    {"an error of an unknown kind", "{'error':{'message':'hm'}}",
     "upstream_error choices=0 words=hm"},
    {"an error beside choices", "{'error':{'message':'hm'},'choices':[{'delta':{'content':''}}]}",
     "upstream_error words=hm"},
    {"an error that is null is none", "{'error':null,'choices':[{'delta':{'content':'a'}}]}",
     "ok payload"},
    {"an unknown field that is true is payload", CHAT("'delta':{'x':true}"), "ok payload"},
    {"an unknown field that is a number is payload", CHAT("'delta':{'x':0}"), "ok payload"},
    {"every hexadecimal digit", CHAT("'delta':{'content':'\\u09af\\uAFaf'}"), "ok payload"},
    {"an error that is no words", "{'error':'','choices':[]}", "ok choices=0"},
    {"an error that is an empty object", "{'error':{},'choices':[]}", "ok choices=0"},
    {"a code that only begins like a status", "{'error':{'message':'m','code':'529-7'}}",
     "upstream_error choices=0 words=m"},
    {"every length of UTF-8",
     CHAT("'delta':{'content':'"
          "\xc2\x80\xe0\xa0\x80\xef\xbf\xbf\xf0\x9f\x98\x80\xf1\x80\x80\x80\xf4\x8f\xbf\xbf'}"),
     "ok payload"},
    {"half an emoji", CHAT("'delta':{'content':'\\ud83d'}"), "ok payload"},
    {"white space", " { 'choices' : [ { 'delta' : { 'content' : 'a' } } ] } \n", "ok payload"},
    {"nothing at all", "", "malformed"},
    {"no object", "[1]", "malformed"},
    {"cut in a string", "{'choices':[{'delta':{'content':'a", "malformed"},
    {"cut behind a value", "{'choices':[{'delta':{'content':'a'}}]", "malformed"},
    {"something behind it", "{'choices':[]}x", "malformed"},
    {"two commas", "{'choices':[],,'a':1}", "malformed"},
    {"a comma at the end", "{'choices':[],}", "malformed"},
    {"no comma", "{'choices':[] 'a':1}", "malformed"},
    {"no colon", "{'choices' []}", "malformed"},
    {"the wrong bracket", "{'choices':[}]", "malformed"},
    {"a bad number", "{'created':01}", "malformed"},
    {"a bad word", "{'a':nul}", "malformed"},
    {"a bad word as long as a good one", "{'a':nulx}", "malformed"},
    {"above U+10FFFF", "{'a':'\xf4\x90\x80\x80'}", "malformed"},
    {"an overlong form", "{'a':'\xf0\x8f\xbf\xbf'}", "malformed"},
    {"a bad escape", "{'a':'\\q'}", "malformed"},
    {"a bad \\u", "{'a':'\\u12g4'}", "malformed"},
    {"bytes that are not UTF-8", "{'a':'\xff'}", "malformed"},
    {"a line end in a string", "{'a':'\n'}", "malformed"},
};

static void describe(const struct ub_openai_chunk *chunk, struct ub_buf *out)
{
    ub_buf_add_text(out, ub_error_slug(chunk->error));
    ub_buf_add_text(out, chunk->payload ? " payload" : "");
    if (chunk->choices != 1) {
        ub_buf_printf(out, " choices=%u", chunk->choices);
    }
    if (chunk->finish != UB_FINISH_NONE) {
        ub_buf_printf(out, " finish=%d", chunk->finish);
    }
    if (chunk->finished > 1) {
        ub_buf_printf(out, " ended=%llx", (unsigned long long)chunk->finished);
    }
    if (chunk->open > 1) {
        ub_buf_printf(out, " open=%llx", (unsigned long long)chunk->open);
    }
    ub_buf_add_text(out, chunk->usage_only ? " only" : "");
    if (chunk->has_usage) {
        ub_buf_printf(out, " usage=%u/%u/%u", chunk->usage.input, chunk->usage.output,
                      chunk->usage.cached);
    }
    if (chunk->usage_cut.len > 0) {
        ub_buf_printf(out, " cut=<%.*s>", UB_SLICE_ARG(chunk->usage_cut));
    }
    if (chunk->words.len > 0) {
        ub_buf_printf(out, " words=%.*s", UB_SLICE_ARG(chunk->words));
    }
}

static void test_chunks(void)
{
    struct ub_buf data = {0};
    struct ub_buf want = {0};
    for (size_t i = 0; i < UB_COUNT(chunks); i++) {
        struct ub_buf got = {0};
        struct ub_openai_chunk chunk;
        quoted(chunks[i].want, &want);
        ub_buf_add(&want, "", 1);
        if (ub_openai_chunk_read(quoted(chunks[i].data, &data), UB_DIALECT_OPENAI, &chunk)) {
            describe(&chunk, &got);
        } else {
            ub_buf_add_text(&got, "malformed");
        }
        ub_buf_add(&got, "", 1);
        UB_CHECK_TEXT(got.ptr, want.ptr, "%s", chunks[i].name);
        ub_buf_free(&got);
    }
    ub_buf_free(&data);
    ub_buf_free(&want);
}

/* What is left when the span is cut is the same JSON without usage, says jansson. */
static void test_cut(void)
{
    struct ub_buf data = {0};
    int cuts = 0;
    for (size_t i = 0; i < UB_COUNT(chunks); i++) {
        struct ub_openai_chunk chunk;
        struct ub_slice text = quoted(chunks[i].data, &data);
        if (!ub_openai_chunk_read(text, UB_DIALECT_OPENAI, &chunk) || chunk.usage_cut.len == 0) {
            continue;
        }
        json_t *want = json_loadb(text.ptr, text.len, 0, NULL);
        json_object_del(want, "usage");
        size_t at = (size_t)(chunk.usage_cut.ptr - text.ptr);
        struct ub_buf rest = {0};
        ub_buf_add(&rest, text.ptr, at);
        ub_buf_add(&rest, chunk.usage_cut.ptr + chunk.usage_cut.len,
                   text.len - at - chunk.usage_cut.len);
        json_t *got = json_loadb(rest.ptr, rest.len, 0, NULL);
        UB_CHECK(got != NULL && json_equal(got, want), "%s: and the rest is whole", chunks[i].name);
        json_decref(got);
        json_decref(want);
        ub_buf_free(&rest);
        cuts++;
    }
    UB_CHECK(cuts >= 7, "usage was cut out %d times", cuts);
    ub_buf_free(&data);
}

static void test_answers(void)
{
    static const struct {
        const char *name;
        const char *body;
        enum ub_error want;
    } rows[] = {
        {"a chat answer",
         CHAT("'message':{'role':'assistant','content':'Hi'},'finish_reason':"
              "'stop'"),
         UB_ERR_OK},
        {"blank lines before it", "\n\n\n{'choices':[{'message':{'content':'Hi'}}]}", UB_ERR_OK},
        {"an empty stop",
         CHAT("'message':{'role':'assistant','content':'','refusal':null,"
              "'tool_calls':[]},'finish_reason':'stop'"),
         UB_ERR_EMPTY_ANSWER},
        {"tool calls",
         CHAT("'message':{'content':null,'tool_calls':[{'id':'a'}]},'finish_reason':"
              "'tool_calls'"),
         UB_ERR_OK},
        {"a completion", CHAT("'text':'Hi','finish_reason':'length'"), UB_ERR_OK},
        {"an empty completion", CHAT("'text':'','finish_reason':'stop'"), UB_ERR_EMPTY_ANSWER},
        {"no choices", "{'choices':[]}", UB_ERR_EMPTY_ANSWER},
        {"embeddings", "{'object':'list','data':[{'index':0,'embedding':[0.1,-2e-3]}]}", UB_ERR_OK},
        {"no embeddings", "{'object':'list','data':[]}", UB_ERR_BAD_ANSWER},
        {"busy midway",
         CHAT("'message':{'content':'H'},'finish_reason':"
              "'insufficient_system_resource'"),
         UB_ERR_NO_RESOURCE},
        {"an error object", "{'error':{'message':'The server is busy'}}", UB_ERR_UPSTREAM_BUSY},
        {"something else", "{'status':'fine'}", UB_ERR_BAD_ANSWER},
        {"a page", "<html></html>", UB_ERR_BAD_ANSWER},
        {"nothing", "", UB_ERR_BAD_ANSWER},
        {"a cut answer", "{'choices':[{'message':{'content':'Hi'}}]", UB_ERR_BAD_ANSWER},
    };
    struct ub_openai_chunk chunk;
    struct ub_buf body = {0};
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        enum ub_error got =
            ub_openai_answer(quoted(rows[i].body, &body), UB_DIALECT_OPENAI, &chunk);
        UB_CHECK(got == rows[i].want, "an answer: %s (%s)", rows[i].name, ub_error_slug(got));
    }
    ub_openai_answer(quoted("{'choices':[{'text':'a'}],'usage':{'prompt_tokens':3,"
                            "'completion_tokens':2}}",
                            &body),
                     UB_DIALECT_OPENAI, &chunk);
    UB_CHECK(chunk.usage.input == 3 && chunk.usage.output == 2, "an answer has its usage");
    ub_openai_answer(
        quoted(CHAT("'message':{'role':'assistant','reasoning_content':'abc','content':"
                    "'de','x':[1]}"),
               &body),
        UB_DIALECT_OPENAI, &chunk);
    UB_CHECK(chunk.text_bytes == 5, "its text is measured, the role is none");
    ub_buf_free(&body);
}

static const struct {
    const char *name;
    int status;
    const char *body;
    enum ub_error want;
} refusals[] = {
    {"DeepSeek: context", 400,
     "{'error':{'message':'This model\\u0027s maximum context length is 65536 tokens. However, you "
     "requested 70000 tokens.','type':'invalid_request_error','param':null,'code':"
     "'invalid_request_error'}}",
     UB_ERR_CONTEXT_TOO_LONG},
    {"OpenAI: context", 400,
     "{'error':{'message':'x','type':'invalid_request_error','param':'messages','code':"
     "'context_length_exceeded'}}",
     UB_ERR_CONTEXT_TOO_LONG},
    {"vLLM: context, older form", 400,
     "{'object':'error','message':'This model has a maximum context length of 4096 tokens',"
     "'type':'BadRequestError','param':null,'code':400}",
     UB_ERR_CONTEXT_TOO_LONG},
    {"vLLM: context, another wording", 400,
     "{'error':{'message':'The decoder prompt (length 9000) is longer than the maximum model "
     "length "
     "of 8192.','type':'BadRequestError','code':400}}",
     UB_ERR_CONTEXT_TOO_LONG},
    {"SGLang: context", 400,
     "{'object':'error','message':'The input (9000 tokens) is longer than the model\\u0027s "
     "context "
     "length (8192 tokens).','type':'BadRequestError','code':400}",
     UB_ERR_CONTEXT_TOO_LONG},
    {"llama-server: context", 400,
     "{'error':{'code':400,'message':'request (900 tokens) exceeds the available context size (512 "
     "tokens), try increasing it','type':'exceed_context_size_error','n_prompt_tokens':900}}",
     UB_ERR_CONTEXT_TOO_LONG},
    {"DeepSeek: content", 400,
     "{'error':{'message':'Content Exists Risk','type':'invalid_request_error'}}",
     UB_ERR_CONTENT_REFUSED},
    {"Azure: content", 400, "{'error':{'code':'content_filter','message':'filtered'}}",
     UB_ERR_CONTENT_REFUSED},
    {"DeepSeek: model", 400, "{'error':{'message':'Model Not Exist'}}", UB_ERR_MODEL_MISSING},
    {"a plain 400", 400, "{'error':{'message':'temperature must be at most 2'}}",
     UB_ERR_BAD_REQUEST},
    {"a 400 without a body", 400, "", UB_ERR_BAD_REQUEST},
    {"a reseller turns 402 into 400", 400, "{'error':{'message':'Insufficient Balance'}}",
     UB_ERR_NO_BALANCE},
    {"DeepSeek: key", 401, "{'error':{'type':'authentication_error'}}", UB_ERR_KEY_REFUSED},
    {"DeepSeek: balance", 402,
     "{'error':{'message':'Insufficient Balance','type':'unknown_error','param':null,'code':"
     "'invalid_request_error'}}",
     UB_ERR_NO_BALANCE},
    {"a 403", 403, "{'error':{'message':'no'}}", UB_ERR_KEY_REFUSED},
    {"one-api: quota with a 403", 403, "{'error':{'code':'insufficient_user_quota'}}",
     UB_ERR_NO_BALANCE},
    {"vLLM: model", 404, "{'error':{'message':'The model `x` does not exist.','code':404}}",
     UB_ERR_MODEL_MISSING},
    {"a path that is not there", 404, "{'detail':'Not Found'}", UB_ERR_MODEL_MISSING},
    {"a 408", 408, "", UB_ERR_UPSTREAM_ERROR},
    {"a 409", 409, "", UB_ERR_UPSTREAM_ERROR},
    {"too large for this one", 413, "<html>", UB_ERR_CONTEXT_TOO_LONG},
    {"DeepSeek: parameters", 422, "{'error':{'message':'bad'}}", UB_ERR_BAD_REQUEST},
    {"too many requests", 429, "{'error':{'message':'slow down'}}", UB_ERR_THROTTLED},
    {"OpenAI: quota", 429, "{'error':{'code':'insufficient_quota'}}", UB_ERR_NO_BALANCE},
    {"a 500", 500, "oops", UB_ERR_UPSTREAM_ERROR},
    {"a 500 that is an overload", 500, "{'error':{'message':'The server is overloaded'}}",
     UB_ERR_UPSTREAM_BUSY},
    {"a 500 that is about the context", 500, "{'error':{'message':'the context size is exceeded'}}",
     UB_ERR_CONTEXT_TOO_LONG},
    {"a 500 that is about the content", 500, "{'error':{'code':'content_filter'}}",
     UB_ERR_CONTENT_REFUSED},
    {"a 500 that is about the balance", 500, "{'error':{'message':'Insufficient Balance'}}",
     UB_ERR_UPSTREAM_ERROR},
    {"words that are no JSON", 400, "Content Exists Risk", UB_ERR_CONTENT_REFUSED},
    {"an error object that is cut", 400, "{'error':{'message':'Content Exists Risk",
     UB_ERR_CONTENT_REFUSED},
    {"a 502", 502, "<html>busy</html>", UB_ERR_UPSTREAM_ERROR},
    {"a 503", 503, "{'error':{'message':'x','type':'invalid_request_error'}}",
     UB_ERR_UPSTREAM_BUSY},
    {"a 504", 504, "", UB_ERR_UPSTREAM_ERROR},
    {"Dynamo and Anthropic: overload", 529, "", UB_ERR_UPSTREAM_BUSY},
    {"a status of a proxy", 524, "", UB_ERR_UPSTREAM_ERROR},
    {"a status that we do not know", 418, "", UB_ERR_BAD_REQUEST},
    {"a redirect", 302, "", UB_ERR_BAD_ANSWER},
};

static void test_refusals(void)
{
    struct ub_buf body = {0};
    for (size_t i = 0; i < UB_COUNT(refusals); i++) {
        struct ub_slice bytes = quoted(refusals[i].body, &body);
        enum ub_error got = ub_openai_refusal(refusals[i].status, bytes, UB_DIALECT_OPENAI);
        UB_CHECK(got == refusals[i].want, "%s (%s)", refusals[i].name, ub_error_slug(got));
    }
    UB_CHECK(ub_openai_is_error(quoted("{'error':{'message':'x','code':null}}", &body)),
             "an error object is one");
    UB_CHECK(!ub_openai_is_error(quoted("{'error':'x'}", &body)), "words are no error object");
    UB_CHECK(!ub_openai_is_error(quoted("{'error':{'code':1}}", &body)), "nor is a code alone");
    UB_CHECK(!ub_openai_is_error(quoted("{'error':{'message':'x'}", &body)), "nor half of one");
    UB_CHECK(!ub_openai_is_error(quoted("{'a':1}", &body)), "nor another object");
    UB_CHECK(!ub_openai_is_error(quoted("busy", &body)), "nor something else");
    ub_buf_free(&body);
}

static void test_advice(void)
{
    static const struct {
        const char *name;
        const char *field;
        const char *value;
        ub_ns want_ns;
    } rows[] = {
        {"seconds", "Retry-After", "3", 3 * UB_SECOND},
        {"parts of a second", "retry-after", "0.25", 250 * UB_MS},
        {"milliseconds", "Retry-After-Ms", "150", 150 * UB_MS},
        {"parts of a millisecond", "retry-after-ms", "1.5", 1500 * UB_US},
        {"a date", "retry-after", "Wed, 21 Oct 2015 07:28:30 GMT", 30 * UB_SECOND},
        {"a date in the past", "retry-after", "Wed, 21 Oct 2015 07:27:30 GMT", 0},
        {"a date far away", "retry-after", "Wed, 21 Oct 2099 07:28:30 GMT", UB_RETRY_AFTER_MAX},
        {"a year in seconds", "retry-after", "31536000", UB_RETRY_AFTER_MAX},
        {"a number beyond all", "retry-after", "99999999999999999999999999999999",
         UB_RETRY_AFTER_MAX},
        {"zero", "retry-after", "0", 0},
        {"less than zero", "retry-after", "-5", 0},
        {"not a number", "retry-after", "nan", 0},
        {"hexadecimal", "retry-after", "0x10", 0},
        {"words", "retry-after", "soon", 0},
        {"words in milliseconds", "retry-after-ms", "soon", 0},
        {"a value of 64 bytes", "retry-after",
         "0000000000000000000000000000000000000000000000000000000000000001", 0},
        {"a value of 63 bytes", "retry-after",
         "000000000000000000000000000000000000000000000000000000000000001", UB_SECOND},
        {"nothing", "x", "1", 0},
    };
    const ub_ns wall = 1445412480 * UB_SECOND; /* Wed, 21 Oct 2015 07:28:00 GMT */
    struct ub_http_field field[2];
    struct ub_http_head head = {.field = field};
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        head.field_count = 1;
        field[0] = (struct ub_http_field){ub_slice_of(rows[i].field), ub_slice_of(rows[i].value)};
        ub_ns want = rows[i].want_ns == 0 ? 0 : UB_SECOND + rows[i].want_ns;
        UB_CHECK(ub_openai_retry_at(&head, UB_SECOND, wall) == want, "advice: %s", rows[i].name);
    }
    head.field_count = 2;
    field[0] = (struct ub_http_field){UB_LIT("retry-after"), UB_LIT("9")};
    field[1] = (struct ub_http_field){UB_LIT("retry-after-ms"), UB_LIT("20")};
    UB_CHECK(ub_openai_retry_at(&head, UB_SECOND, wall) == UB_SECOND + 20 * UB_MS,
             "milliseconds come before seconds");
    field[0] = (struct ub_http_field){UB_LIT("x-should-retry"), UB_LIT("True")};
    UB_CHECK(ub_openai_should_retry(&head) == 1, "x-should-retry: true");
    field[0].value = UB_LIT("false");
    UB_CHECK(ub_openai_should_retry(&head) == -1, "x-should-retry: false");
    field[0].value = UB_LIT("perhaps");
    UB_CHECK(ub_openai_should_retry(&head) == 0, "x-should-retry: perhaps");
}

int main(void)
{
    test_chunks();
    test_cut();
    test_answers();
    test_refusals();
    test_advice();
    return ub_test_done();
}

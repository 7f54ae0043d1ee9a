#include "http/prefill.h"

#include "base/alloc.h"
#include "base/test.h"
#include <jansson.h>

static const struct {
    const char *name;
    const char *body; /* with ' for " */
    enum ub_dialect from;
    enum ub_dialect dialect;
    const char *text;      /* delivered */
    const char *reasoning; /* delivered before */
    const char *want;
} rows[] = {
    {"llama-server is asked as vLLM is", "{'model':'m','messages':[{'role':'user'}]}",
     UB_DIALECT_OPENAI, UB_DIALECT_LLAMA, "Hello", "",
     "{'model':'up','messages':[{'role':'user'},{'role':'assistant','content':'Hello'}],"
     "'stream_options':{'include_usage':true},"
     "'continue_final_message':true,'add_generation_prompt':false}"},
    {"DeepSeek wants a mark", "{'messages':[{'role':'user'} ] ,'model':'m','top_p':1 }",
     UB_DIALECT_OPENAI, UB_DIALECT_DEEPSEEK, "Hello", "",
     "{'messages':[{'role':'user'},{'role':'assistant','content':'Hello','prefix':true} ] ,"
     "'model':'up','top_p':1 ,'stream_options':{'include_usage':true}}"},
    {"and the reasoning that led there", "{'model':'m','messages':[{'role':'user'}]}",
     UB_DIALECT_DEEPSEEK, UB_DIALECT_DEEPSEEK, "Hello", "Well ",
     "{'model':'up','messages':[{'role':'user'},{'role':'assistant','content':'Hello',"
     "'reasoning_content':'Well ','prefix':true}],'stream_options':{'include_usage':true}}"},
    {"vLLM wants two flags", "{'model':'m','messages':[{'role':'user'}]}", UB_DIALECT_OPENAI,
     UB_DIALECT_VLLM, "Hello", "",
     "{'model':'up','messages':[{'role':'user'},{'role':'assistant','content':'Hello'}],"
     "'stream_options':{'include_usage':true},'continue_final_message':true,"
     "'add_generation_prompt':false}"},
    {"flags that stand already are changed",
     "{'add_generation_prompt':true,'messages':[{'role':'user'}],'continue_final_message':null,"
     "'model':'m'}",
     UB_DIALECT_OPENAI, UB_DIALECT_SGLANG, "Hello", "",
     "{'add_generation_prompt':false,'messages':[{'role':'user'},{'role':'assistant','content':"
     "'Hello'}],'continue_final_message':true,'model':'up','stream_options':{'include_usage':true}"
     "}"},
    {"white space at the end is not handed over, the rest is escaped",
     "{'model':'m','messages':[{'role':'user'}]}", UB_DIALECT_OPENAI, UB_DIALECT_LLAMA,
     "a\n\xe4\xb8\xad\\ \n\n", "",
     "{'model':'up','messages':[{'role':'user'},{'role':'assistant','content':"
     "'a\\n\xe4\xb8\xad\\\\'}],'stream_options':{'include_usage':true},"
     "'continue_final_message':true,'add_generation_prompt':false}"},
    {"bounds shrink by what was delivered",
     "{'max_tokens':100,'model':'m','messages':[{'role':'user'}],'max_completion_tokens':50,"
     "'min_tokens':10}",
     UB_DIALECT_OPENAI, UB_DIALECT_LLAMA, "Hello", "",
     "{'max_tokens':98,'model':'up','messages':[{'role':'user'},{'role':'assistant','content':"
     "'Hello'}],'max_completion_tokens':48,'min_tokens':8,'stream_options':{'include_usage':true}"
     ","
     "'continue_final_message':true,'add_generation_prompt':false}"},
    {"but not to nothing, while a least number does",
     "{'max_tokens':1,'model':'m','messages':[{'role':'user'}],'min_tokens':1}", UB_DIALECT_OPENAI,
     UB_DIALECT_LLAMA, "Hello", "",
     "{'max_tokens':1,'model':'up','messages':[{'role':'user'},{'role':'assistant','content':"
     "'Hello'}],'min_tokens':0,'stream_options':{'include_usage':true},"
     "'continue_final_message':true,'add_generation_prompt':false}"},
    {"a bound that is no plain number stays",
     "{'max_tokens':1e2,'model':'m','messages':[{'role':'user'}]}", UB_DIALECT_OPENAI,
     UB_DIALECT_LLAMA, "Hello", "",
     "{'max_tokens':1e2,'model':'up','messages':[{'role':'user'},{'role':'assistant','content':"
     "'Hello'}],'stream_options':{'include_usage':true},"
     "'continue_final_message':true,'add_generation_prompt':false}"},
    {"the client's own beginning is made longer",
     "{'model':'m','messages':[{'role':'user'},{'role':'assistant','content':'Oh. '}]}",
     UB_DIALECT_LLAMA, UB_DIALECT_LLAMA, "Hello\t", "",
     "{'model':'up','messages':[{'role':'user'},{'role':'assistant','content':'Oh. Hello'}],"
     "'stream_options':{'include_usage':true},"
     "'continue_final_message':true,'add_generation_prompt':false}"},
    {"and marked for DeepSeek", "{'model':'m','messages':[{'role':'assistant','content':'Oh. '}]}",
     UB_DIALECT_LLAMA, UB_DIALECT_DEEPSEEK, "Hello", "",
     "{'model':'up','messages':[{'prefix':true,'role':'assistant','content':'Oh. Hello'}],"
     "'stream_options':{'include_usage':true}}"},
    {"where it may stand already",
     "{'model':'m','messages':[{'role':'assistant','content':'Oh. ','prefix':false}]}",
     UB_DIALECT_LLAMA, UB_DIALECT_DEEPSEEK, "Hello", "",
     "{'model':'up','messages':[{'role':'assistant','content':'Oh. Hello','prefix':true}],"
     "'stream_options':{'include_usage':true}}"},
    {"a mark of DeepSeek's is left to others as it is",
     "{'model':'m','messages':[{'role':'assistant','content':'Oh. ','prefix':true}]}",
     UB_DIALECT_DEEPSEEK, UB_DIALECT_SGLANG, "Hello", "",
     "{'model':'up','messages':[{'role':'assistant','content':'Oh. Hello','prefix':true}],"
     "'stream_options':{'include_usage':true},'continue_final_message':true,"
     "'add_generation_prompt':false}"},
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

static void deliver(struct ub_delivered *delivered, enum ub_dialect began, const char *text,
                    const char *reasoning)
{
    ub_delivered_init(delivered, UB_DELIVERED_MAX);
    delivered->began = began;
    ub_buf_add_text(&delivered->reasoning, reasoning);
    ub_delivered_more(delivered, (struct ub_slice){text, 1});
    ub_delivered_more(delivered, ub_slice_of(text + 1));
}

static struct ub_scan *scan_of(struct ub_slice body)
{
    struct ub_scan *scan = ub_scan_new(NULL);
    UB_CHECK(ub_scan_feed(scan, body) && ub_scan_finish(scan), "the body is good: %s",
             ub_scan_bad(scan));
    return scan;
}

static void join(struct ub_buf *out, const struct ub_prefill *prefill)
{
    ub_buf_clear(out);
    for (uint32_t i = 0; i < prefill->count; i++) {
        ub_buf_add_slice(out, prefill->parts[i]);
    }
    ub_buf_add(out, "", 1);
    out->len--;
}

static void test_rows(void)
{
    struct ub_buf body = {0}, want = {0}, out = {0};
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        with_quotes(&body, rows[i].body);
        with_quotes(&want, rows[i].want);
        struct ub_scan *scan = scan_of(ub_buf_slice(&body));
        struct ub_delivered delivered;
        deliver(&delivered, rows[i].from, rows[i].text, rows[i].reasoning);
        const struct ub_scan_fields *asked = ub_scan_fields(scan);
        UB_CHECK(ub_delivered_way(&delivered, asked, rows[i].dialect) == UB_RESUME_BY_PREFILL,
                 "%s: it is possible", rows[i].name);
        struct ub_prefill prefill;
        ub_prefill_write(&prefill, &(struct ub_prefill_wish){.body = ub_buf_slice(&body),
                                                             .asked = asked,
                                                             .model = UB_LIT("up"),
                                                             .dialect = rows[i].dialect,
                                                             .delivered = &delivered});
        join(&out, &prefill);
        UB_CHECK_TEXT(out.ptr, want.ptr, "%s", rows[i].name);
        json_t *tree = json_loadb(out.ptr, out.len, JSON_REJECT_DUPLICATES, NULL);
        UB_CHECK(tree != NULL && prefill.count == 1, "%s: one piece of good JSON", rows[i].name);
        json_decref(tree);
        ub_prefill_close(&prefill);
        ub_delivered_close(&delivered);
        ub_scan_free(NULL, scan);
    }
    ub_buf_free(&body);
    ub_buf_free(&want);
    ub_buf_free(&out);
}

static const struct {
    const char *name;
    const char *body;
    enum ub_dialect from;
    enum ub_dialect to;
    bool text;
    enum ub_resume_way want;
} ways[] = {
    {"the openai dialect has no prefill", "{'model':'m','messages':[{'role':'user'}]}",
     UB_DIALECT_VLLM, UB_DIALECT_OPENAI, true, UB_RESUME_BY_RESTART},
    {"there is nothing to hand over", "{'model':'m','messages':[{'role':'user'}]}", UB_DIALECT_VLLM,
     UB_DIALECT_VLLM, false, UB_RESUME_BY_RESTART},
    {"there is no message", "{'model':'m','messages':[]}", UB_DIALECT_VLLM, UB_DIALECT_VLLM, true,
     UB_RESUME_BY_RESTART},
    {"two messages of the assistant in a row are refused by many",
     "{'model':'m','messages':[{'role':'assistant','content':'a'}]}", UB_DIALECT_OPENAI,
     UB_DIALECT_LLAMA, true, UB_RESUME_BY_RESTART},
    {"the client's beginning is no plain text",
     "{'model':'m','messages':[{'role':'assistant','content':[{'text':'a'}]}]}", UB_DIALECT_LLAMA,
     UB_DIALECT_LLAMA, true, UB_RESUME_BY_RESTART},
    {"without the flag it was no beginning for vLLM",
     "{'model':'m','messages':[{'role':'assistant','content':'a'}]}", UB_DIALECT_VLLM,
     UB_DIALECT_VLLM, true, UB_RESUME_BY_RESTART},
    {"with the flag it was",
     "{'continue_final_message':true,'model':'m','messages':[{'role':'assistant','content':'a'}]}",
     UB_DIALECT_VLLM, UB_DIALECT_LLAMA, true, UB_RESUME_BY_PREFILL},
};

static void test_ways(void)
{
    struct ub_buf body = {0};
    for (size_t i = 0; i < UB_COUNT(ways); i++) {
        with_quotes(&body, ways[i].body);
        struct ub_scan *scan = scan_of(ub_buf_slice(&body));
        UB_CHECK(ub_resume_way(ub_scan_fields(scan), ways[i].from, ways[i].to, ways[i].text) ==
                     ways[i].want,
                 "%s", ways[i].name);
        ub_scan_free(NULL, scan);
    }
    ub_buf_free(&body);
}

/* Large pieces are not copied, and there are never more of them than a call takes. */
static void test_large(void)
{
    struct ub_buf body = {0}, out = {0}, filler = {0};
    for (int i = 0; i < 30000; i++) {
        ub_buf_add_text(&filler, "x");
    }
    const char *members[] = {"\"max_tokens\":9",
                             "\"model\":\"m\"",
                             "\"max_completion_tokens\":9",
                             "\"continue_final_message\":false",
                             "\"min_tokens\":9",
                             "\"add_generation_prompt\":true",
                             "\"stream_options\":{}",
                             "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]"};
    ub_buf_add_text(&body, "{");
    for (size_t i = 0; i < UB_COUNT(members); i++) {
        ub_buf_printf(&body, "%s,\"f%zu\":\"%.*s\",", members[i], i, UB_SLICE_ARG(filler));
    }
    ub_buf_add_text(&body, "\"z\":0}");
    struct ub_scan *scan = scan_of(ub_buf_slice(&body));
    struct ub_delivered delivered;
    deliver(&delivered, UB_DIALECT_OPENAI, "Hello", "");
    struct ub_prefill_wish wish = {.body = ub_buf_slice(&body),
                                   .asked = ub_scan_fields(scan),
                                   .model = UB_LIT("up"),
                                   .dialect = UB_DIALECT_VLLM,
                                   .delivered = &delivered};
    struct ub_prefill prefill;
    UB_CHECK(ub_prefill_write(&prefill, &wish) && prefill.count <= UB_PREFILL_PARTS,
             "%u pieces of a body with many places to change", prefill.count);
    join(&out, &prefill);
    json_t *tree = json_loadb(out.ptr, out.len, JSON_REJECT_DUPLICATES, NULL);
    UB_CHECK(tree != NULL && json_is_true(json_object_get(tree, "continue_final_message")),
             "they are one body");
    json_decref(tree);
    ub_prefill_close(&prefill);

    wish.max_tokens = 6;
    ub_buf_clear(&out);
    UB_CHECK(ub_prefill_write(&prefill, &wish), "a shorter one");
    join(&out, &prefill);
    tree = json_loadb(out.ptr, out.len, JSON_REJECT_DUPLICATES, NULL);
    json_int_t left = 6 - ub_delivered_tokens(&delivered);
    UB_CHECK(left > 0 && left < 6 &&
                 json_integer_value(json_object_get(tree, "max_tokens")) == left &&
                 json_integer_value(json_object_get(tree, "max_completion_tokens")) == left &&
                 json_integer_value(json_object_get(tree, "min_tokens")) == left,
             "every bound is what is left of it");
    json_decref(tree);
    ub_prefill_close(&prefill);
    wish.max_tokens = 0;
    ub_scan_free(NULL, scan);

    ub_buf_clear(&body);
    ub_buf_printf(&body, "{\"model\":\"m\",\"messages\":[{\"content\":\"%.*s\"}]}",
                  UB_SLICE_ARG(filler));
    scan = scan_of(ub_buf_slice(&body));
    wish.body = ub_buf_slice(&body);
    wish.asked = ub_scan_fields(scan);
    UB_CHECK(ub_prefill_write(&prefill, &wish) && prefill.glue.len < 1000,
             "the prompt is not copied (%zu bytes are)", prefill.glue.len);
    ub_prefill_close(&prefill);
    for (int nth = 1; nth <= 2; nth++) {
        ub_alloc_fail_nth(nth);
        UB_CHECK(!ub_prefill_write(&prefill, &wish), "allocation %d fails", nth);
        ub_alloc_fail_nth(0);
        ub_prefill_close(&prefill);
    }
    ub_scan_free(NULL, scan);
    ub_delivered_close(&delivered);
    ub_buf_free(&body);
    ub_buf_free(&out);
    ub_buf_free(&filler);
}

static void test_targets(void)
{
    static const struct {
        enum ub_dialect dialect;
        const char *target, *want;
    } targets[] = {
        {UB_DIALECT_VLLM, "/v1/chat/completions", "/v1/chat/completions"},
        {UB_DIALECT_DEEPSEEK, "/chat/completions", "/beta/chat/completions"},
        {UB_DIALECT_DEEPSEEK, "/v1/chat/completions", "/beta/chat/completions"},
        {UB_DIALECT_DEEPSEEK, "/beta/chat/completions", "/beta/chat/completions"},
        {UB_DIALECT_DEEPSEEK, "/proxy/v1/chat/completions", "/proxy/beta/chat/completions"},
    };
    struct ub_slice body = UB_LIT("{\"model\":\"m\",\"messages\":[{}]}");
    struct ub_scan *scan = scan_of(body);
    struct ub_delivered delivered;
    deliver(&delivered, UB_DIALECT_OPENAI, "Hello", "");
    for (size_t i = 0; i < UB_COUNT(targets); i++) {
        struct ub_prefill prefill;
        ub_prefill_write(&prefill,
                         &(struct ub_prefill_wish){.body = body,
                                                   .asked = ub_scan_fields(scan),
                                                   .model = UB_LIT("up"),
                                                   .target = ub_slice_of(targets[i].target),
                                                   .dialect = targets[i].dialect,
                                                   .delivered = &delivered});
        UB_CHECK(ub_slice_is(ub_buf_slice(&prefill.target), targets[i].want), "%s becomes %s",
                 targets[i].target, targets[i].want);
        ub_prefill_close(&prefill);
    }
    ub_delivered_close(&delivered);
    ub_scan_free(NULL, scan);
}

int main(void)
{
    test_rows();
    test_ways();
    test_large();
    test_targets();
    return ub_test_done();
}

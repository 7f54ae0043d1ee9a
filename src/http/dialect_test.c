/* Where one set of rules for all would be wrong for one. */
#include "base/alloc.h"
#include "base/test.h"
#include "http/openai.h"
#include "http/tail.h"

#define OPENAI   UB_DIALECT_OPENAI
#define DEEPSEEK UB_DIALECT_DEEPSEEK
#define VLLM     UB_DIALECT_VLLM
#define SGLANG   UB_DIALECT_SGLANG
#define LLAMA    UB_DIALECT_LLAMA

/* The text with ' turned into ". */
static struct ub_slice quoted(const char *text)
{
    static char copy[4096];
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        copy[i] = text[i] == '\'' ? '"' : text[i];
    }
    return (struct ub_slice){copy, len};
}

#define QUOTED(words)                                                                        \
    "{'error':{'message':'1 validation error: {input: " words "}','type':'BadRequestError'," \
    "'param':null,'code':400}}"

static const struct {
    const char *name;
    enum ub_dialect dialect;
    int status;
    const char *body;
    enum ub_error want;
} refusals[] = {
    {"a reseller hides an empty account behind a 400", OPENAI, 400,
     "{'error':{'message':'Insufficient Balance'}}", UB_ERR_NO_BALANCE},
    {"vLLM quotes the client: no empty account", VLLM, 400, QUOTED("insufficient balance"),
     UB_ERR_BAD_REQUEST},
    {"nor a missing model", SGLANG, 400, QUOTED("model not found"), UB_ERR_BAD_REQUEST},
    {"nor refused content", LLAMA, 400, QUOTED("content_filter"), UB_ERR_BAD_REQUEST},
    {"its code is its own word", LLAMA, 400, "{'error':{'message':'x','code':'model_not_found'}}",
     UB_ERR_MODEL_MISSING},
    {"too long a prompt blames nobody, so it may be quoted", VLLM, 400,
     "{'error':{'message':'This model has a maximum context length of 4096 tokens'}}",
     UB_ERR_CONTEXT_TOO_LONG},
    {"an engine that is full", SGLANG, 503, "{'error':{'message':'The request queue is full.'}}",
     UB_ERR_UPSTREAM_BUSY},
    {"llama-server loads its model", LLAMA, 503,
     "{'error':{'code':503,'message':'Loading model','type':'unavailable_error'}}",
     UB_ERR_UPSTREAM_BUSY},
    {"llama-server: the client's fault as a 500", LLAMA, 500,
     "{'error':{'code':500,'message':'JSON schema conversion failed: x','type':'server_error'}}",
     UB_ERR_BAD_REQUEST},
    {"llama-server: a 500 of its own", LLAMA, 500,
     "{'error':{'code':500,'message':'Failed to parse input at pos 5','type':'server_error'}}",
     UB_ERR_UPSTREAM_ERROR},
    {"the same words mean nothing elsewhere", OPENAI, 500,
     "{'error':{'message':'JSON schema conversion failed: x'}}", UB_ERR_UPSTREAM_ERROR},
};

static const struct {
    const char *name;
    enum ub_dialect dialect;
    const char *event;
    enum ub_error want;
} events[] = {
    {"DeepSeek calls everything an invalid request", DEEPSEEK,
     "{'error':{'message':'oops','type':'unknown_error','code':'invalid_request_error'}}",
     UB_ERR_UPSTREAM_ERROR},
    {"others mean it", OPENAI,
     "{'error':{'message':'oops','type':'x','code':'invalid_request_error'}}", UB_ERR_BAD_REQUEST},
    {"DeepSeek's words count", DEEPSEEK,
     "{'error':{'message':'Insufficient Balance','code':'invalid_request_error'}}",
     UB_ERR_NO_BALANCE},
    {"DeepSeek runs out of resources midway", DEEPSEEK,
     "{'choices':[{'delta':{},'finish_reason':'insufficient_system_resource'}]}",
     UB_ERR_NO_RESOURCE},
    {"vLLM's error object in a 200", VLLM,
     "{'error':{'message':'boom','type':'InternalServerError','param':null,'code':500}}",
     UB_ERR_UPSTREAM_ERROR},
    {"vLLM's older form of it", VLLM,
     "{'object':'error','message':'max_tokens is wrong','type':'BadRequestError','code':400}",
     UB_ERR_BAD_REQUEST},
    {"SGLang aborts", SGLANG, "{'choices':[{'delta':{},'finish_reason':'abort'}]}",
     UB_ERR_UPSTREAM_ERROR},
    {"SGLang's queue is full, inside a 200", SGLANG,
     "{'error':{'message':'The request queue is full.','code':503}}", UB_ERR_UPSTREAM_BUSY},
};

static const struct {
    const char *name;
    enum ub_dialect dialect;
    const char *end; /* of an answer */
    uint32_t cached; /* 99: there is no usage */
} usages[] = {
    {"DeepSeek's own name", DEEPSEEK,
     "{'usage':{'prompt_tokens':9,'completion_tokens':1,'prompt_cache_hit_tokens':4}}", 4},
    {"OpenAI's", OPENAI,
     "{'usage':{'prompt_tokens':9,'prompt_tokens_details':{'cached_tokens':5}}}", 5},
    {"vLLM without details", VLLM, "{'usage':{'prompt_tokens':9,'prompt_tokens_details':null}}", 0},
    {"llama-server's timings", LLAMA,
     "{'usage':{'prompt_tokens':9},'id':'x','timings':{'cache_n':6}}", 6},
    {"in any order", LLAMA, "{'timings':{'cache_n':6,'prompt_n':3},'usage':{'prompt_tokens':9}}",
     6},
    {"timings of others are theirs", OPENAI,
     "{'usage':{'prompt_tokens':9},'timings':{'cache_n':6}}", 0},
};

static void what_they_mean(void)
{
    struct ub_openai_chunk chunk;
    for (size_t i = 0; i < UB_COUNT(refusals); i++) {
        enum ub_error got =
            ub_openai_refusal(refusals[i].status, quoted(refusals[i].body), refusals[i].dialect);
        UB_CHECK(got == refusals[i].want, "%s (%s)", refusals[i].name, ub_error_slug(got));
    }
    for (size_t i = 0; i < UB_COUNT(events); i++) {
        bool good = ub_openai_chunk_read(quoted(events[i].event), events[i].dialect, &chunk);
        UB_CHECK(good && chunk.error == events[i].want, "%s (%s)", events[i].name,
                 ub_error_slug(chunk.error));
    }
    for (size_t i = 0; i < UB_COUNT(usages); i++) {
        bool good = ub_openai_chunk_read(quoted(usages[i].end), usages[i].dialect, &chunk);
        UB_CHECK(good && chunk.usage.input == 9 && chunk.usage.cached == usages[i].cached, "%s",
                 usages[i].name);
    }
}

/* --- usage from the end of an answer --- */

static const struct {
    const char *name;
    const char *end;
    uint32_t output; /* 0: there is no usage */
} ends[] = {
    {"the last member", "tent':'x'}}],'usage':{'prompt_tokens':3,'completion_tokens':2}}", 2},
    {"with others behind it", "}],'usage' : {'completion_tokens':2},'system_fingerprint':null} \n",
     2},
    {"of a choice, not of the answer", "'usage':{'completion_tokens':2}}]}", 0},
    {"that is only text", "\\'usage\\':{\\'completion_tokens\\':2}'}}]}", 0},
    {"that ends another key", "{'a\\'usage':{'completion_tokens':2}}", 0},
    {"that is the text's last word", "x'usage'}]}", 0},
    {"that is cut in front", "ge':{'completion_tokens':2}}", 0},
    {"that is null", "'usage':null}", 0},
    {"in an answer that is cut", "'usage':{'completion_tokens':2}", 0},
    {"nowhere", "}]}", 0},
};

static void from_the_end(void)
{
    for (size_t i = 0; i < UB_COUNT(ends); i++) {
        struct ub_openai_usage usage = {0};
        bool found = ub_openai_usage_at_end(quoted(ends[i].end), OPENAI, &usage);
        UB_CHECK(found == (ends[i].output != 0) && usage.output == ends[i].output, "usage %s",
                 ends[i].name);
    }
    struct ub_openai_usage front = {.input = 1};
    ub_openai_usage_at_begin(quoted("{'data':[{'embedding':[1,2"), LLAMA, &front);
    UB_CHECK(front.input == 1, "usage that is not at the beginning");
    ub_openai_usage_at_begin(quoted("{'object':'list','usage':{'prompt_tokens':8},'data':[{'emb"),
                             LLAMA, &front);
    UB_CHECK(front.input == 8, "usage at the beginning of an answer that is cut there");
    const struct ub_slice end = quoted("]}],'usage':{'prompt_tokens':3,'completion_tokens':2}}");
    static char text[100000];
    size_t wrong = 0;
    memset(text, ' ', sizeof text);
    for (size_t piece = 1; piece < 20000; piece = piece * 3 / 2 + 1) {
        struct ub_tail tail = {0};
        struct ub_openai_usage usage = {0};
        for (size_t at = 0; at < sizeof text; at += piece) {
            size_t len = sizeof text - at < piece ? sizeof text - at : piece;
            ub_tail_add(&tail, (struct ub_slice){text + at, len});
        }
        ub_tail_add(&tail, (struct ub_slice){end.ptr, 20});
        ub_tail_add(&tail, (struct ub_slice){end.ptr + 20, end.len - 20});
        wrong += !ub_tail_usage(&tail, OPENAI, &usage) || usage.input != 3 ||
                 tail.bytes.len > 5 * UB_TAIL_MAX;
        ub_tail_close(&tail);
    }
    UB_CHECK(wrong == 0, "the tail is short and has the end, however the answer is cut");
}

int main(void)
{
    what_they_mean();
    from_the_end();
    return ub_test_done();
}

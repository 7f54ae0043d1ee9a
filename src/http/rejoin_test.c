#include "http/rejoin.h"

#include "base/alloc.h"
#include "base/test.h"
#include "http/sse.h"

/* One delta of the old stream, with ' for ". */
#define OLD(delta)                                                                      \
    "{'id':'old-1','created':11,'model':'m','choices':[{'index':0,'delta':{" delta "}," \
    "'finish_reason':null}]}"
#define NEW(delta)                                                                              \
    "{'id':'new-2','object':'x','created':22,'model':'n','choices':[{'index':0,'delta':{" delta \
    "},'finish_reason':null}]}"
#define NEW_END                                                                           \
    "{'id':'new-2','object':'x','created':22,'model':'n','choices':[{'index':0,'delta':{" \
    "},'finish_reason':'stop'}]}"
#define NEW_USAGE                                                                \
    "{'id':'new-2','object':'x','created':22,'model':'n','choices':[],'usage':{" \
    "'prompt_tokens':10,'completion_tokens':5,'total_tokens':15}}"

/* The same in the client's eyes. */
#define OUT(delta)                                                                              \
    "{'id':'old-1','object':'x','created':11,'model':'m','choices':[{'index':0,'delta':{" delta \
    "},'finish_reason':null}]}\n"
#define OUT_END                                                                           \
    "{'id':'old-1','object':'x','created':11,'model':'m','choices':[{'index':0,'delta':{" \
    "},'finish_reason':'stop'}]}\n"
#define OWN(text)                                                                          \
    "{'id':'old-1','created':11,'model':'m','object':'chat.completion.chunk','choices':[{" \
    "'index':0,'delta':{'content':'" text "'},'finish_reason':null}]}\n"

#define EVENTS_MAX 8

static const struct {
    const char *name;
    const char *old[EVENTS_MAX];
    const char *said[EVENTS_MAX];
    enum ub_resume_way way;
    const char *want;
    bool strip_usage;
} rows[] = {
    {"a remainder goes on under the old name",
     {OLD("'content':'The server'")},
     {NEW("'content':' is'"), NEW("'content':' busy.'"), NEW_END},
     UB_RESUME_BY_PREFILL,
     OUT("'content':' is'") OUT("'content':' busy.'") OUT_END},
    {"the role alone is left out",
     {OLD("'content':'The server'")},
     {NEW("'role':'assistant','content':''"), NEW("'content':' is'")},
     UB_RESUME_BY_PREFILL,
     OUT("'content':' is'")},
    {"reasoning is left out",
     {OLD("'reasoning_content':'Hm'"), OLD("'content':'The server'")},
     {NEW("'reasoning_content':'Again?'"), NEW("'reasoning':'So','content':' is'")},
     UB_RESUME_BY_PREFILL,
     OUT("'reasoning':null,'content':' is'")},
    {"a restart is swallowed",
     {OLD("'content':'The'"), OLD("'content':' server'")},
     {NEW("'content':'The '"), NEW("'content':'server is'"), NEW("'content':' busy.'"), NEW_END},
     UB_RESUME_BY_RESTART,
     OUT("'content':' is'") OUT("'content':' busy.'") OUT_END},
    {"what was held back comes in one event",
     {OLD("'content':'The server'")},
     {NEW("'content':'The'"), NEW("'content':' end'")},
     UB_RESUME_BY_PREFILL,
     OUT("'content':'The end'")},
    {"or in one of its own, before the end",
     {OLD("'content':'The server'")},
     {NEW("'content':'The'"), NEW_END},
     UB_RESUME_BY_PREFILL,
     OWN("The") OUT_END},
    {"or in one of its own, without an end",
     {OLD("'content':'The server'")},
     {NEW("'content':'The'"), "[DONE]"},
     UB_RESUME_BY_PREFILL,
     OWN("The")},
    {"and before a tool call",
     {OLD("'content':'The server'")},
     {NEW("'content':'The'"), NEW("'tool_calls':[{'index':0}]")},
     UB_RESUME_BY_PREFILL,
     OWN("The") OUT("'tool_calls':[{'index':0}]")},
    {"text that ends at once",
     {OLD("'content':'The server is busy.'")},
     {NEW("'role':'assistant'"), NEW_END},
     UB_RESUME_BY_PREFILL,
     OUT_END},
    {"a restart that says something else",
     {OLD("'content':'The server'")},
     {NEW("'content':'The '"), NEW("'content':'other'"), NEW_END},
     UB_RESUME_BY_RESTART,
     "diverged\n"},
    {"a restart that is too short",
     {OLD("'content':'The server'")},
     {NEW("'content':'The '"), "[DONE]"},
     UB_RESUME_BY_RESTART,
     "diverged\n"},
    {"another choice has nobody to join",
     {OLD("'content':'The server'")},
     {"{'choices':[{'index':1,'delta':{'content':' is'}}]}"},
     UB_RESUME_BY_PREFILL,
     "diverged\n"},
    {"escapes are the same text, however they are written",
     {OLD("'content':'\\u670d\\u52a1'"), OLD("'content':'\\n\\ud83d'"), OLD("'content':'\\ude00'")},
     {NEW("'content':'\xe6\x9c\x8d'"), NEW("'content':'\xe5\x8a\xa1\\u000a'"),
      NEW("'content':'\xf0\x9f\x98\x80\\t'"), NEW("'content':'x'")},
     UB_RESUME_BY_RESTART,
     OUT("'content':'\\t'") OUT("'content':'x'")},
    {"half a character waits for its other half",
     {OLD("'content':'The'")},
     {NEW("'content':' x\\ud83d'"), NEW("'content':'\\ude00'")},
     UB_RESUME_BY_PREFILL,
     OUT("'content':' x'") OUT("'content':'\xf0\x9f\x98\x80'")},
    {"usage is one sum, and says what is estimated",
     {OLD("'content':'The'"), OLD("'content':' server'")},
     {NEW("'content':' is'"), NEW_USAGE},
     UB_RESUME_BY_PREFILL,
     OUT("'content':' is'") "{'id':'old-1','object':'x','created':11,'model':'m','choices':[],"
                            "'usage':{'prompt_tokens':8,'completion_tokens':7,'total_tokens':15,"
                            "'unbusy':{'resumed':true,'estimated_tokens':2}}}\n"},
    {"reasoning was never in its prompt",
     {OLD("'reasoning_content':'Hm'"), OLD("'content':'The'"), OLD("'content':' server'")},
     {NEW_USAGE},
     UB_RESUME_BY_PREFILL,
     "{'id':'old-1','object':'x','created':11,'model':'m','choices':[],'usage':{"
     "'prompt_tokens':8,'completion_tokens':8,'total_tokens':16,"
     "'unbusy':{'resumed':true,'estimated_tokens':3}}}\n"},
    {"a restart counted all of it",
     {OLD("'content':'The'")},
     {NEW("'content':'The end'"), NEW_USAGE},
     UB_RESUME_BY_RESTART,
     OUT("'content':' end'") "{'id':'old-1','object':'x','created':11,'model':'m','choices':[],"
                             "'usage':{'prompt_tokens':10,'completion_tokens':5,'total_tokens':15}"
                             "}\n"},
    {"a restart in spite of a prefill was asked with what the client has",
     {OLD("'content':'The server is busy, so come back again when it is not, please.'")},
     {NEW("'content':'The server is busy, so come back again when it is not, please. Bye'"),
      "{'id':'new-2','object':'x','created':22,'model':'n','choices':[],'usage':{"
      "'prompt_tokens':30,'completion_tokens':19,'total_tokens':49}}"},
     UB_RESUME_BY_PREFILL,
     OUT("'content':' Bye'") "{'id':'old-1','object':'x','created':11,'model':'m','choices':[],"
                             "'usage':{'prompt_tokens':20,'completion_tokens':19,'total_tokens':39,"
                             "'unbusy':{'resumed':true,'estimated_tokens':10}}}\n"},
    {"usage that nobody asked for is left out",
     {OLD("'content':'The'")},
     {"{'id':'new-2','choices':[{'delta':{'content':' x'}}],'usage':null}", NEW_USAGE},
     UB_RESUME_BY_PREFILL,
     "{'id':'old-1','choices':[{'delta':{'content':' x'}}]}\n",
     true},
    {"a stream without a name goes on without one",
     {"{'choices':[{'delta':{'content':'The'}}]}"},
     {"{'id':'new-2','choices':[{'delta':{'content':'The'}}]}", "{'choices':[{'finish_reason':"
                                                                "'length'}]}"},
     UB_RESUME_BY_PREFILL,
     "{'id':'new-2','choices':[{'delta':{'content':'The'}}]}\n"
     "{'choices':[{'finish_reason':'length'}]}\n"},
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

static void deliver(struct ub_delivered *delivered, const char *event)
{
    struct ub_buf data = {0};
    struct ub_openai_chunk chunk;
    with_quotes(&data, event);
    UB_CHECK(ub_openai_chunk_read(ub_buf_slice(&data), UB_DIALECT_OPENAI, &chunk), "good: %s",
             event);
    ub_delivered_add(delivered, ub_buf_slice(&data), &chunk);
    ub_buf_free(&data);
}

/* One event of the new attempt; what the client gets of it, a line for each event. */
static void say(struct ub_rejoin *rejoin, const char *event, bool strip_usage, struct ub_buf *got)
{
    struct ub_buf data = {0}, out = {0};
    struct ub_openai_chunk chunk;
    enum ub_rejoin_found found;
    with_quotes(&data, event);
    if (ub_slice_is(ub_buf_slice(&data), "[DONE]")) {
        found = ub_rejoin_end(rejoin, &out);
    } else {
        ub_openai_chunk_read(ub_buf_slice(&data), UB_DIALECT_OPENAI, &chunk);
        found = ub_rejoin_event(rejoin, ub_buf_slice(&data), &chunk, strip_usage, &out);
    }
    struct ub_sse sse;
    struct ub_slice in = ub_buf_slice(&out);
    ub_sse_init(&sse, UB_SSE_EVENT_MAX);
    while (ub_sse_next(&sse, &in) == UB_SSE_EVENT) {
        ub_buf_printf(got, "%.*s\n", UB_SLICE_ARG(sse.data));
    }
    ub_sse_close(&sse);
    bool nothing = out.len == 0;
    if (found == UB_REJOIN_DIVERGED) {
        ub_buf_add_text(got, "diverged\n");
    }
    UB_CHECK((found == UB_REJOIN_EVENT) == !nothing, "what was found is what there is: %s", event);
    ub_buf_free(&data);
    ub_buf_free(&out);
}

static void test_rows(void)
{
    struct ub_buf want = {0}, got = {0};
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_delivered delivered;
        struct ub_rejoin rejoin;
        ub_delivered_init(&delivered, UB_DELIVERED_MAX);
        for (size_t k = 0; k < EVENTS_MAX && rows[i].old[k] != NULL; k++) {
            deliver(&delivered, rows[i].old[k]);
        }
        enum ub_resume_bar bar = ub_delivered_bar(&delivered);
        UB_CHECK(bar == UB_RESUME_NONE, "%s: %s", rows[i].name, ub_resume_bar_words(bar));
        ub_rejoin_init(&rejoin, &delivered, rows[i].way, UB_DIALECT_VLLM);
        ub_buf_clear(&got);
        for (size_t k = 0; k < EVENTS_MAX && rows[i].said[k] != NULL; k++) {
            if (ub_rejoin_verdict(&rejoin) != UB_SEAM_DIVERGENCE) {
                say(&rejoin, rows[i].said[k], rows[i].strip_usage, &got);
            }
        }
        ub_buf_add(&got, "", 1);
        with_quotes(&want, rows[i].want);
        UB_CHECK_TEXT(got.ptr, want.ptr, "%s", rows[i].name);
        ub_rejoin_close(&rejoin);
        ub_delivered_close(&delivered);
    }
    ub_buf_free(&want);
    ub_buf_free(&got);
}

static const struct {
    const char *name;
    const char *old[EVENTS_MAX];
    size_t max;
    enum ub_resume_bar want;
} states[] = {
    {"nothing was said", {OLD("'role':'assistant','content':''")}, 99, UB_RESUME_NOTHING},
    {"something was", {OLD("'content':'a'")}, 99, UB_RESUME_NONE},
    {"inside the reasoning", {OLD("'reasoning_content':'a'")}, 99, UB_RESUME_REASONING},
    {"behind it", {OLD("'reasoning':'a'"), OLD("'content':'a'")}, 99, UB_RESUME_NONE},
    {"inside reasoning once more",
     {OLD("'content':'a'"), OLD("'reasoning_content':'a'")},
     99,
     UB_RESUME_REASONING},
    {"inside a tool call",
     {OLD("'content':'a'"), OLD("'tool_calls':[{'index':0}]")},
     99,
     UB_RESUME_TOOLS},
    {"inside a refusal", {OLD("'refusal':'No'")}, 99, UB_RESUME_TOOLS},
    {"content that is no text", {OLD("'content':[{'type':'text'}]")}, 99, UB_RESUME_TOOLS},
    {"another choice",
     {"{'choices':[{'index':1,'delta':{'content':'a'}}]}"},
     99,
     UB_RESUME_CHOICES},
    {"inside a character", {OLD("'content':'a\\ud83d'")}, 99, UB_RESUME_HALF},
    {"a lone half is a character, too", {OLD("'content':'\\ud83da'")}, 99, UB_RESUME_NONE},
    {"after the end", {OLD("'content':'a'"), NEW_END}, 99, UB_RESUME_FINISHED},
    {"at the bound", {OLD("'content':'1234'"), OLD("'content':'5678'")}, 8, UB_RESUME_NONE},
    {"beyond it, for ever",
     {OLD("'content':'1234'"), OLD("'content':'56789'"), OLD("'content':'a'")},
     8,
     UB_RESUME_TOO_LONG},
    {"reasoning counts, too",
     {OLD("'reasoning':'1234'"), OLD("'content':'56789'")},
     8,
     UB_RESUME_TOO_LONG},
};

static void test_states(void)
{
    for (size_t i = 0; i < UB_COUNT(states); i++) {
        struct ub_delivered delivered;
        ub_delivered_init(&delivered, states[i].max);
        for (size_t k = 0; k < EVENTS_MAX && states[i].old[k] != NULL; k++) {
            deliver(&delivered, states[i].old[k]);
        }
        enum ub_resume_bar bar = ub_delivered_bar(&delivered);
        UB_CHECK(bar == states[i].want, "%s: %s", states[i].name, ub_resume_bar_words(bar));
        ub_delivered_close(&delivered);
    }
}

static const struct {
    const char *body;
    bool chat;
    enum ub_resume_bar want;
} requests[] = {
    {"{'model':'m','stream':true}", true, UB_RESUME_NONE},
    {"{'model':'m','stream':true,'response_format':{'type':'text'},'n':1}", true, UB_RESUME_NONE},
    {"{'model':'m','stream':true}", false, UB_RESUME_NOT_CHAT},
    {"{'model':'m'}", true, UB_RESUME_NOT_CHAT},
    {"{'model':'m','stream':true,'n':2}", true, UB_RESUME_CHOICES},
    {"{'model':'m','stream':true,'response_format':{'type':'json_object'}}", true,
     UB_RESUME_GRAMMAR},
    {"{'model':'m','stream':true,'guided_regex':'a'}", true, UB_RESUME_GRAMMAR},
    {"{'model':'m','stream':true,'top_logprobs':2}", true, UB_RESUME_LOGPROBS},
    {"{'model':'m','stream':true,'echo':true}", true, UB_RESUME_ECHO},
};

static void test_requests(void)
{
    struct ub_buf body = {0};
    for (size_t i = 0; i < UB_COUNT(requests); i++) {
        struct ub_scan *scan = ub_scan_new(NULL);
        with_quotes(&body, requests[i].body);
        ub_scan_feed(scan, ub_buf_slice(&body));
        ub_scan_finish(scan);
        enum ub_resume_bar bar = ub_resume_asked(ub_scan_fields(scan), requests[i].chat);
        UB_CHECK(bar == requests[i].want, "%s: %s", requests[i].body, ub_resume_bar_words(bar));
        ub_scan_free(NULL, scan);
    }
    ub_buf_free(&body);
}

static void test_tokens(void)
{
    struct ub_delivered delivered;
    ub_delivered_init(&delivered, UB_DELIVERED_MAX);
    deliver(&delivered, OLD("'role':'assistant','content':''"));
    deliver(&delivered, OLD("'reasoning_content':'Hm'"));
    deliver(&delivered, OLD("'content':'The'"));
    UB_CHECK(ub_delivered_tokens(&delivered) == 2, "one token for each event with text");
    deliver(&delivered, OLD("'content':' server is busy, but another one is not.'"));
    UB_CHECK(ub_delivered_tokens(&delivered) == 8, "more where an event clearly holds several: %u",
             ub_delivered_tokens(&delivered));
    ub_delivered_close(&delivered);
}

/* Cut three times, each time at another upstream. */
static void test_again_and_again(void)
{
    struct ub_delivered delivered;
    struct ub_buf got = {0};
    ub_delivered_init(&delivered, UB_DELIVERED_MAX);
    deliver(&delivered, OLD("'content':'One,'"));
    static const char *const said[] = {
        NEW("'content':' two,'"), NEW("'content':'One, two, three,'"), NEW("'content':' four.'")};
    for (size_t i = 0; i < UB_COUNT(said); i++) {
        struct ub_rejoin rejoin;
        ub_rejoin_init(&rejoin, &delivered, i == 1 ? UB_RESUME_BY_RESTART : UB_RESUME_BY_PREFILL,
                       UB_DIALECT_LLAMA);
        say(&rejoin, said[i], false, &got);
        ub_rejoin_close(&rejoin);
    }
    UB_CHECK(ub_slice_is(ub_buf_slice(&delivered.content), "One, two, three, four."),
             "resumed three times: %.*s", UB_SLICE_ARG(delivered.content));
    UB_CHECK(ub_delivered_bar(&delivered) == UB_RESUME_NONE, "and it could go on");
    ub_delivered_close(&delivered);
    ub_buf_free(&got);
}

/* Every allocation fails once: the client never gets a part of an event. */
static void test_memory(void)
{
    for (int nth = 1; nth <= 12; nth++) {
        struct ub_delivered delivered;
        struct ub_rejoin rejoin;
        struct ub_buf data = {0}, out = {0};
        struct ub_openai_chunk chunk;
        ub_delivered_init(&delivered, UB_DELIVERED_MAX);
        deliver(&delivered, OLD("'content':'The server'"));
        with_quotes(&data, NEW("'content':' is'"));
        ub_openai_chunk_read(ub_buf_slice(&data), UB_DIALECT_OPENAI, &chunk);
        ub_rejoin_init(&rejoin, &delivered, UB_RESUME_BY_PREFILL, UB_DIALECT_VLLM);
        ub_alloc_fail_nth(nth);
        enum ub_rejoin_found found =
            ub_rejoin_event(&rejoin, ub_buf_slice(&data), &chunk, false, &out);
        int64_t count = ub_alloc_count();
        ub_alloc_fail_nth(0);
        UB_CHECK(found == (nth <= count ? UB_REJOIN_NO_MEMORY : UB_REJOIN_EVENT),
                 "allocation %d of %d fails", nth, (int)count);
        bool kept = ub_slice_is(ub_buf_slice(&delivered.content), "The server is");
        UB_CHECK(kept == (found == UB_REJOIN_EVENT), "what was not sent is not kept");
        ub_rejoin_close(&rejoin);
        ub_delivered_close(&delivered);
        ub_buf_free(&data);
        ub_buf_free(&out);
    }
}

int main(void)
{
    test_rows();
    test_states();
    test_requests();
    test_tokens();
    test_again_and_again();
    test_memory();
    return ub_test_done();
}

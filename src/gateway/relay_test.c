/* What a client gets of a stream, wherever the stream's bytes are cut. */
#include "gateway/relay.h"

#include "base/alloc.h"
#include "base/test.h"

#define ROLE "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}"
#define NULL_ROLE \
    "{\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],\"usage\":null}"
#define HE         "{\"choices\":[{\"delta\":{\"content\":\"he\"}}]}"
#define STOP       "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"
#define COUNT      "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}"
#define SAY(event) "data: " event "\n\n"
#define DONE       SAY("[DONE]")

static const struct {
    const char *name;
    const char *in;
    bool strip_usage;
    const char *out;
    enum ub_error error;
} rows[] = {
    {"events as they are", SAY(ROLE) SAY(HE) SAY(STOP) DONE, true, SAY(ROLE) SAY(HE) SAY(STOP),
     UB_ERR_OK},
    {"usage that is null, because we asked for it, is cut out",
     SAY(NULL_ROLE) SAY("{\"usage\": null , \"choices\":[{\"delta\":{\"content\":\"x\"}}]}") DONE,
     true, SAY(ROLE) SAY("{ \"choices\":[{\"delta\":{\"content\":\"x\"}}]}"), UB_ERR_OK},
    {"and stays for who asked for it", SAY(NULL_ROLE) SAY(HE) DONE, false, SAY(NULL_ROLE) SAY(HE),
     UB_ERR_OK},
    {"a usage that is neither is not ours",
     SAY("{\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":5}") DONE, true,
     SAY("{\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":5}"), UB_ERR_OK},
    {"the usage chunk is left out", SAY(HE) SAY(COUNT) DONE, true, SAY(HE), UB_ERR_OK},
    {"unless it was asked for", SAY(HE) SAY(COUNT) DONE, false, SAY(HE) SAY(COUNT), UB_ERR_OK},
    {"usage inside another chunk is cut out",
     SAY(HE) SAY("{\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":3}}")
         DONE,
     true, SAY(HE) SAY("{\"choices\":[{\"delta\":{\"content\":\"x\"}}]}"), UB_ERR_OK},
    {"comments are left out", ": a\n\n" SAY(HE) ": b\n" SAY(STOP) DONE, true, SAY(HE) SAY(STOP),
     UB_ERR_OK},
    {"a comment inside an event",
     "data: {\"choices\":\n: x\ndata: [{\"delta\":{\"content\":1}}]}\n\n" DONE, true,
     "data: {\"choices\":\ndata: [{\"delta\":{\"content\":1}}]}\n\n", UB_ERR_OK},
    {"id and retry lines are left out", "id: 1\nretry: 5\ndata: " HE "\n\n" DONE, true, SAY(HE),
     UB_ERR_OK},
    {"what comes after [DONE] is nobody's", SAY(HE) DONE SAY(HE), true, SAY(HE), UB_ERR_OK},
    {"no payload at all", SAY(ROLE) SAY(STOP) DONE, true, SAY(ROLE) SAY(STOP), UB_ERR_EMPTY_ANSWER},
    {"no [DONE]", SAY(HE) SAY(STOP), true, SAY(HE) SAY(STOP), UB_ERR_TRUNCATED},
    {"half an event at the end", SAY(HE) "data: {\"cho", true, SAY(HE), UB_ERR_TRUNCATED},
    {"not JSON", SAY(HE) SAY("{\"choices\":") SAY(HE), true, SAY(HE), UB_ERR_BAD_ANSWER},
    {"an error", SAY(HE) SAY("{\"error\":{\"message\":\"overloaded\",\"code\":503}}"), true,
     SAY(HE), UB_ERR_UPSTREAM_BUSY},
};

struct heard {
    struct ub_buf out;
    enum ub_error error;
    int firsts; /* how often a first payload was told */
};

static bool offer(struct ub_relay *relay, struct ub_slice in, struct heard *heard)
{
    for (;;) {
        enum ub_relay_found found = ub_relay_next(relay, &in);
        for (uint32_t i = 0; i < relay->part_count; i++) {
            ub_buf_add_slice(&heard->out, relay->parts[i]);
        }
        relay->part_count = 0;
        heard->firsts += found == UB_RELAY_PAYLOAD;
        if (found == UB_RELAY_MORE) {
            return true;
        }
        if (found == UB_RELAY_DONE || found == UB_RELAY_BROKEN) {
            return false;
        }
    }
}

/* The stream in pieces of `first`, then `rest` bytes. Each piece is a copy of its own, so that a
 * slice into a piece that is over would be found by the sanitizer. */
static struct heard relayed(const char *text, bool strip_usage, size_t first, size_t rest)
{
    struct ub_slice parts[UB_RELAY_PARTS];
    struct ub_relay relay;
    struct heard heard = {0};
    size_t len = strlen(text), at = 0, piece = first;
    bool goes_on = true;
    ub_relay_init(&relay, UB_DIALECT_OPENAI, strip_usage, parts);
    while (goes_on && at < len) {
        size_t now = piece < len - at ? piece : len - at;
        char *copy = ub_strndup(text + at, now);
        goes_on = now == 0 || offer(&relay, (struct ub_slice){copy, now}, &heard);
        ub_free(copy);
        at += now;
        piece = rest;
    }
    if (goes_on) {
        ub_relay_end(&relay);
    }
    heard.error = relay.error;
    ub_relay_close(&relay);
    ub_buf_add(&heard.out, "", 1);
    return heard;
}

static bool is_same(struct heard *heard, size_t row)
{
    bool same = strcmp(heard->out.ptr, rows[row].out) == 0 && heard->error == rows[row].error &&
                heard->firsts <= 1;
    ub_buf_free(&heard->out);
    return same;
}

#define OLD        "{\"id\":\"a\",\"choices\":[{\"delta\":{\"content\":\"Well, he\"}}]}"
#define NEW(key)   "{\"id\":\"b\",\"choices\":[{\"delta\":{" key "}}]}"
#define OUT(key)   "{\"id\":\"a\",\"choices\":[{\"delta\":{" key "}}]}"
#define TEXT(text) "\"content\":\"" text "\""

/* What a client gets of another stream after "Well, he", which was kept. */
static const struct {
    const char *name;
    enum ub_resume_way way;
    const char *in;
    const char *out;
    enum ub_error error;
    int firsts;
} continued[] = {
    {"the rest", UB_RESUME_BY_PREFILL,
     SAY(NEW("\"role\":\"assistant\"")) SAY(NEW(TEXT("llo"))) SAY(STOP) SAY(COUNT) DONE,
     SAY(OUT(TEXT("llo"))) SAY(STOP), UB_ERR_OK, 1},
    {"nothing but the end", UB_RESUME_BY_PREFILL, SAY(STOP) DONE, SAY(STOP), UB_ERR_OK, 0},
    {"all of it again", UB_RESUME_BY_RESTART,
     SAY(NEW(TEXT("Well, "))) SAY(NEW(TEXT("hello"))) SAY(STOP) DONE,
     SAY(OUT(TEXT("llo"))) SAY(STOP), UB_ERR_OK, 1},
    {"something else", UB_RESUME_BY_RESTART,
     SAY(NEW(TEXT("Well, "))) SAY(NEW(TEXT("she"))) SAY(STOP) DONE, "", UB_ERR_DIVERGED, 1},
    {"too little", UB_RESUME_BY_RESTART, SAY(NEW(TEXT("Well"))) DONE, "", UB_ERR_DIVERGED, 1},
    {"broken again", UB_RESUME_BY_PREFILL, SAY(NEW(TEXT("ll"))), SAY(OUT(TEXT("ll"))),
     UB_ERR_TRUNCATED, 1},
    {"an error", UB_RESUME_BY_PREFILL, SAY("{\"error\":{\"message\":\"x\",\"code\":503}}"), "",
     UB_ERR_UPSTREAM_BUSY, 0},
};

static struct ub_delivered delivered_before(void)
{
    struct ub_slice parts[UB_RELAY_PARTS];
    struct ub_relay relay;
    struct heard heard = {0};
    ub_relay_init(&relay, UB_DIALECT_OPENAI, true, parts);
    ub_relay_keep(&relay, 100);
    offer(&relay, UB_LIT(SAY(OLD)), &heard);
    ub_buf_free(&heard.out);
    struct ub_delivered delivered = ub_relay_take_delivered(&relay);
    ub_relay_close(&relay);
    return delivered;
}

static void test_continued(void)
{
    struct ub_delivered delivered = delivered_before();
    UB_CHECK(ub_slice_is(ub_buf_slice(&delivered.content), "Well, he"), "what went out is kept");
    for (size_t i = 0; i < UB_COUNT(continued); i++) {
        struct ub_slice parts[UB_RELAY_PARTS];
        struct ub_relay relay;
        struct heard heard = {0};
        ub_relay_init(&relay, UB_DIALECT_VLLM, true, parts);
        UB_CHECK(ub_relay_continue(&relay, &delivered, continued[i].way), "%s: continues",
                 continued[i].name);
        if (offer(&relay, ub_slice_of(continued[i].in), &heard)) {
            ub_relay_end(&relay);
        }
        ub_buf_add(&heard.out, "", 1);
        UB_CHECK_TEXT(heard.out.ptr, continued[i].out, "%s", continued[i].name);
        UB_CHECK(relay.error == continued[i].error && heard.firsts == continued[i].firsts,
                 "%s: %s, %d firsts", continued[i].name, ub_error_slug(relay.error), heard.firsts);
        ub_relay_close(&relay);
        ub_buf_free(&heard.out);
    }
    ub_delivered_close(&delivered);
}

static void test_memory(void)
{
    struct ub_slice parts[UB_RELAY_PARTS];
    struct ub_relay relay;
    struct ub_delivered delivered = delivered_before();
    for (int nth = 1; nth <= 3; nth++) {
        ub_relay_init(&relay, UB_DIALECT_VLLM, true, parts);
        ub_alloc_fail_nth(nth);
        UB_CHECK(!ub_relay_continue(&relay, &delivered, UB_RESUME_BY_PREFILL),
                 "without memory (%d) nothing is continued", nth);
        ub_alloc_fail_nth(0);
        ub_relay_close(&relay);
    }
    ub_delivered_close(&delivered);
}

int main(void)
{
    test_continued();
    test_memory();
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        size_t len = strlen(rows[i].in);
        struct heard heard = relayed(rows[i].in, rows[i].strip_usage, len, len);
        UB_CHECK_TEXT(heard.out.ptr, rows[i].out, "%s", rows[i].name);
        UB_CHECK(heard.error == rows[i].error, "%s: %s", rows[i].name, ub_error_slug(heard.error));
        ub_buf_free(&heard.out);
        size_t wrong = 0;
        for (size_t cut = 1; cut < len; cut++) {
            heard = relayed(rows[i].in, rows[i].strip_usage, cut, len);
            wrong += !is_same(&heard, i);
        }
        heard = relayed(rows[i].in, rows[i].strip_usage, 1, 1);
        wrong += !is_same(&heard, i);
        UB_CHECK(wrong == 0, "%s: the same wherever it is cut", rows[i].name);
    }
    return ub_test_done();
}

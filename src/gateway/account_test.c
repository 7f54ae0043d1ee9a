/* What a request is said to have used and cost, however it ended. */
#include "gateway/account.h"

#include "base/alloc.h"
#include "base/test.h"
#include "gateway/scrape.h"
#include "gateway/stage.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TALK                                                                                 \
    "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hello " \
    "there\"}]}"
#define CHAT       "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello there\"}]}"
#define TEXT(text) "{\"choices\":[{\"delta\":{\"content\":\"" text "\"}}]}"
#define STOP       "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"
#define COUNTED                                                                          \
    "{\"choices\":[],\"usage\":{\"prompt_tokens\":1000000,\"completion_tokens\":500000," \
    "\"prompt_tokens_details\":{\"cached_tokens\":250000}}}"
#define PRICE ", zone: dc1, price: {input: 2, cached: 0.2, output: 8}"

static void costs(void)
{
    static const struct {
        const char *name;
        double input, cached, output;
        uint32_t tokens[UB_TOKENS_KINDS]; /* input, output, cached */
        int64_t nanos;
    } rows[] = {
        {"each token at its price", 2, 0.2, 8, {1000000, 500000, 250000}, 5550000000},
        {"one cached token is not lost", 2, 0.02, 8, {1, 0, 1}, 20},
        {"without a price for cached ones they cost what others cost", 2, -1, 8, {10, 1, 4}, 28000},
        {"without a price for what was used nothing is known", 2, 0.2, -1, {10, 1, 0}, -1},
        {"without any price nothing is known", -1, -1, -1, {0, 0, 0}, -1},
        {"what is not used needs no price", 2, -1, -1, {10, 0, 0}, 20000},
        {"free is a price", 0, 0, 0, {10, 10, 0}, 0},
        {"more cached than there was cannot be", 2, 0.2, 8, {10, 0, 20}, 2000},
    };
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        const struct ub_upstream_config upstream = {.price_input = rows[i].input,
                                                    .price_cached = rows[i].cached,
                                                    .price_output = rows[i].output};
        int64_t nanos = ub_account_cost(&upstream, rows[i].tokens);
        UB_CHECK(nanos == rows[i].nanos, "%s: %lld", rows[i].name, (long long)nanos);
    }
}

static void estimates(void)
{
    UB_CHECK(ub_account_estimate(7, 12) == 7, "an event is a token at least");
    UB_CHECK(ub_account_estimate(2, 41) == 11, "and four bytes of text are one");
    UB_CHECK(ub_account_estimate(0, UINT64_MAX / 2) == UINT32_MAX, "there is a limit");
}

/* --- what the log says --- */

static char path[64];

static char *line_of(const struct ub_stage *stage)
{
    UB_AWAIT(ub_access_facts(stage->gateway->access).written == 1);
    static char text[8192];
    FILE *file = fopen(path, "re");
    text[file == NULL ? 0 : fread(text, 1, sizeof text - 1, file)] = '\0';
    if (file != NULL) {
        fclose(file);
    }
    unlink(path);
    return text;
}

static void open_stage(struct ub_stage *stage, const char *script, const char *upstream)
{
    char yaml[256];
    snprintf(yaml, sizeof yaml, "access_log: %s\nmodels:\n  - {name: m, stall: 1s}\n", path);
    ub_stage_actor(stage, (const char *const[]){script, NULL});
    stage->upstream = upstream;
    ub_stage_open(stage, yaml);
}

static const struct {
    const char *name;
    const char *script;
    const char *ask;
    const char *upstream;
    const char *want[4];
} rows[] = {
    {"a stream with its usage",
     "stream\nevent " TEXT("hi") "\nevent " STOP "\nevent " COUNTED "\ndone",
     TALK,
     PRICE,
     {"\"tokens_in\":1000000,\"tokens_out\":500000,\"tokens_cached\":250000,\"usage\":\"reported\"",
      "\"cost\":5.550000000", "\"upstream\":\"a\",\"zone\":\"dc1\"", "\"class\":\"standard\""}},
    {"a plain answer with its usage",
     "plain 200 {\"choices\":[{\"message\":{\"content\":\"hi\"}}],\"usage\":{\"prompt_tokens\":10,"
     "\"completion_tokens\":2}}",
     CHAT,
     PRICE,
     {"\"tokens_in\":10,\"tokens_out\":2,\"tokens_cached\":0,\"usage\":\"reported\"",
      "\"cost\":0.000036000"}},
    {"without a price there is no cost",
     "stream\nevent " TEXT("hi") "\nevent " COUNTED "\ndone",
     TALK,
     NULL,
     {"\"usage\":\"reported\",\"bytes_in\""}},
    {"an upstream that does not report",
     "stream\nevent " TEXT("hi") "\nevent " TEXT(" you") "\ndone",
     TALK,
     PRICE,
     {"\"tokens_out\":2,\"tokens_cached\":0,\"usage\":\"estimated\",\"cost\":"}},
    {"nor in a plain answer",
     "plain 200 "
     "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\"0123456789ab\"}}]}",
     CHAT,
     PRICE,
     {"\"tokens_out\":3,\"tokens_cached\":0,\"usage\":\"estimated\""}},
    {"a stream that is cut",
     "stream\nevent " TEXT("h") "\nevent " TEXT("i") "\nevent " TEXT("!") "\ncut",
     TALK,
     PRICE,
     {"\"outcome\":\"stream_broken\"",
      "\"tokens_out\":3,\"tokens_cached\":0,\"usage\":\"estimated\""}},
    {"a stream that stalls",
     "stream\nevent " TEXT("0123456789abcdef0123") "\nhang",
     TALK,
     PRICE,
     {"\"outcome\":\"stream_broken\"",
      "\"tokens_out\":5,\"tokens_cached\":0,\"usage\":\"estimated\""}},
    {"an answer that is too long to be held",
     "big 3000000",
     CHAT,
     PRICE,
     {"\"tokens_in\":7,\"tokens_out\":11,\"tokens_cached\":0,\"usage\":\"reported\""}},
    {"llama-server's own word for what was cached",
     "stream\nevent " TEXT("hi") "\nevent {\"choices\":[],\"usage\":{\"prompt_tokens\":9,"
                                 "\"completion_tokens\":1},\"timings\":{\"cache_n\":6}}\ndone",
     TALK,
     ", dialect: llama",
     {"\"tokens_in\":9,\"tokens_out\":1,\"tokens_cached\":6,\"usage\":\"reported\""}},
    {"vLLM quotes the client",
     "plain 400 {\"error\":{\"message\":\"bad: insufficient balance\"}}",
     CHAT,
     ", dialect: vllm",
     {"\"outcome\":\"bad_request\""}},
    {"an empty answer that is passed on",
     "plain 200 {\"choices\":[{\"message\":{\"content\":\"\"}}],\"usage\":{\"prompt_tokens\":1000,"
     "\"completion_tokens\":1}}",
     CHAT,
     PRICE,
     {"\"outcome\":\"empty_answer\"",
      "\"tokens_in\":1000,\"tokens_out\":1,\"tokens_cached\":0,\"usage\":\"reported\"",
      "\"cost\":0.002008000", "\"upstream\":\"a\""}},
    {"an empty stream that is passed on",
     "stream\nevent " STOP "\nevent " COUNTED "\ndone",
     TALK,
     PRICE,
     {"\"outcome\":\"empty_answer\"", "\"tokens_in\":1000000,\"tokens_out\":500000"}},
    {"an empty answer without a report",
     "plain 200 {\"choices\":[{\"message\":{\"content\":\"\"}}]}",
     CHAT,
     PRICE,
     {"\"outcome\":\"empty_answer\"",
      "\"tokens_in\":0,\"tokens_out\":0,\"tokens_cached\":0,\"usage\":\"none\""}},
    {"a refusal uses nothing",
     "plain 400 {\"error\":{\"message\":\"no\"}}",
     TALK,
     PRICE,
     {"\"tokens_in\":0,\"tokens_out\":0,\"tokens_cached\":0,\"usage\":\"none\",\"bytes_in\""}},
};

static void what_the_log_says(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_stage stage = {0};
        open_stage(&stage, rows[i].script, rows[i].upstream);
        struct ub_guest guest = ub_guest_ask(stage.port, "/v1/chat/completions", "", rows[i].ask);
        const char *line = line_of(&stage);
        for (size_t k = 0; k < UB_COUNT(rows[i].want) && rows[i].want[k] != NULL; k++) {
            UB_CHECK(strstr(line, rows[i].want[k]) != NULL, "%s: %s in %s", rows[i].name,
                     rows[i].want[k], line);
        }
        ub_guest_free(&guest);
        ub_stage_close(&stage);
    }
}

/* The value of a series in /metrics, or -1. */
static double metric(struct ub_stage *stage, const char *series)
{
    struct ub_buf page = {0};
    ub_scrape(&(struct ub_admin){.gateway = stage->gateway}, &page);
    ub_buf_add(&page, "", 1);
    const char *at = strstr(page.ptr, series);
    double value = at == NULL ? -1 : strtod(at + strlen(series), NULL);
    ub_buf_free(&page);
    return value;
}

/* In one read with the end, in several, and those of a stream that breaks. */
static void events(void)
{
    static const char *const scripts[] = {
        "stream\nraw data: " TEXT("h") "\\n\\ndata: " STOP "\\n\\ndata: [DONE]\\n\\n\nend",
        "stream\nevent " TEXT("h") "\nwait 20\nevent " STOP "\ndone",
        "stream\nraw data: " TEXT("h") "\\n\\ndata: " TEXT("i") "\\n\\ndata: broken\\n\\n\nend",
        NULL};
    struct ub_stage stage = {0};
    ub_stage_actor(&stage, scripts);
    ub_stage_open(&stage, "models: [{name: m, resume: false}]\n");
    for (int i = 1; i <= 3; i++) {
        struct ub_guest guest = ub_guest_ask(stage.port, "/v1/chat/completions", "", TALK);
        UB_CHECK(UB_AWAIT(metric(&stage, "\nunbusy_stream_events_total ") == 2 * i),
                 "every event is counted: after %d streams", i);
        ub_guest_free(&guest);
    }
    ub_stage_close(&stage);
}

static void a_client_that_leaves(void)
{
    struct ub_stage stage = {0};
    open_stage(&stage, "stream\nevent " TEXT("h") "\nevent " TEXT("i") "\nhang", PRICE);
    char ask[512];
    snprintf(ask, sizeof ask,
             "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(TALK), TALK);
    int fd = ub_guest_dial(stage.port);
    char heard[4096];
    size_t len = 0;
    ub_guest_say(fd, ask);
    while (len < sizeof heard - 1) {
        ssize_t got = read(fd, heard + len, sizeof heard - 1 - len);
        len += got > 0 ? (size_t)got : 0;
        heard[len] = '\0';
        if (got <= 0 || strstr(heard, "\"i\"") != NULL) {
            break;
        }
    }
    close(fd);
    const char *line = line_of(&stage);
    UB_CHECK(strstr(line, "\"outcome\":\"client_gone\"") != NULL &&
                 strstr(line, "\"tokens_out\":2,\"tokens_cached\":0,\"usage\":\"estimated\"") !=
                     NULL,
             "a client that leaves has used what it was sent: %s", line);
    UB_CHECK(
        metric(&stage, "unbusy_tokens_total{model=\"m\",kind=\"output\"} ") == 0 &&
            metric(&stage, "unbusy_tokens_estimated_total{model=\"m\",kind=\"output\"} ") == 2 &&
            metric(&stage,
                   "unbusy_upstream_tokens_estimated_total{upstream=\"a\",kind=\"output\"} ") == 2,
        "estimates are counted apart");
    UB_CHECK(metric(&stage, "unbusy_cost_total{model=\"m\",usage=\"estimated\"} ") > 15e-6 &&
                 metric(&stage, "unbusy_upstream_cost_total{upstream=\"a\",usage=\"estimated\"} ") >
                     15e-6 &&
                 metric(&stage, "unbusy_cost_total{model=\"m\",usage=\"reported\"} ") == -1,
             "and so is what they cost");
    UB_CHECK(metric(&stage, "unbusy_upstream_info{upstream=\"a\",zone=\"dc1\"} ") == 1,
             "the zone is shown");
    UB_CHECK(metric(&stage,
                    "unbusy_class_requests_total{class=\"standard\",outcome=\"client_gone\"} ") ==
                 1,
             "and the class");
    ub_stage_close(&stage);
}

static void an_empty_answer_is_counted(void)
{
    struct ub_stage stage = {0};
    open_stage(
        &stage,
        "plain 200 {\"choices\":[{\"message\":{\"content\":\"\"}}],\"usage\":{\"prompt_tokens\":"
        "1000,\"completion_tokens\":1}}",
        PRICE);
    struct ub_guest guest = ub_guest_ask(stage.port, "/v1/chat/completions", "", CHAT);
    line_of(&stage);
    UB_CHECK(metric(&stage, "unbusy_tokens_total{model=\"m\",kind=\"input\"} ") == 1000 &&
                 metric(&stage, "unbusy_upstream_tokens_total{upstream=\"a\",kind=\"input\"} ") ==
                     1000 &&
                 metric(&stage, "unbusy_cost_total{model=\"m\",usage=\"reported\"} ") > 2e-3,
             "an empty answer is counted where it came from");
    ub_guest_free(&guest);
    ub_stage_close(&stage);
}

static void a_tenant_with_a_class(void)
{
    struct ub_stage stage = {0};
    char yaml[512];
    ub_stage_actor(&stage, (const char *const[]){"plain 400 {}", NULL});
    snprintf(yaml, sizeof yaml,
             "access_log: %s\nmodels:\n  - {name: m}\ntenants:\n  - {name: t, class: batch, "
             "keys: [{sha256: "
             "38fcc73a9dc613f145bed24eb4123f92105c78567a6e563d43dbcb1f29927864}]}\n",
             path);
    ub_stage_open(&stage, yaml);
    struct ub_guest guest = ub_guest_ask(stage.port, "/v1/chat/completions",
                                         "Authorization: Bearer sk-batch\r\n", CHAT);
    const char *line = line_of(&stage);
    UB_CHECK(strstr(line, "\"tenant\":\"t\",\"class\":\"batch\"") != NULL,
             "the class of a tenant is in the log: %s", line);
    UB_CHECK(metric(&stage,
                    "unbusy_class_requests_total{class=\"batch\",outcome=\"bad_request\"} ") == 1,
             "and counted");
    ub_guest_free(&guest);
    ub_stage_close(&stage);
}

/* One slot that is taken, and a queue without a place. */
static void a_refusal_is_counted(void)
{
    struct ub_stage stage = {.upstream = ", concurrency: 1"};
    char yaml[256];
    ub_stage_actor(&stage, (const char *const[]){"hang", NULL});
    snprintf(yaml, sizeof yaml, "access_log: %s\nqueue: {size: 0}\nmodels:\n  - {name: m}\n", path);
    ub_stage_open(&stage, yaml);
    char ask[256];
    snprintf(ask, sizeof ask,
             "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(CHAT), CHAT);
    int fd = ub_guest_dial(stage.port);
    ub_guest_say(fd, ask);
    UB_AWAIT(ub_actor_hanging(&stage, 0) == 1);
    struct ub_guest guest = ub_guest_ask(stage.port, "/v1/chat/completions", "", CHAT);
    line_of(&stage);
    UB_CHECK(
        guest.status == 503 &&
            metric(&stage, "unbusy_refusals_total{class=\"standard\",reason=\"queue full\"} ") == 1,
        "a refusal is counted by class and reason");
    UB_CHECK(metric(&stage, "unbusy_class_queue_wait_seconds_count{class=\"standard\"} ") == 1,
             "and so is its wait");
    UB_CHECK(metric(&stage, "unbusy_requests_waiting{class=\"batch\"} ") == 0, "nobody waits");
    ub_guest_free(&guest);
    close(fd);
    ub_stage_close(&stage);
}

int main(void)
{
    snprintf(path, sizeof path, "/tmp/unbusy-account-%d.log", (int)getpid());
    costs();
    estimates();
    what_the_log_says();
    events();
    a_client_that_leaves();
    an_empty_answer_is_counted();
    a_tenant_with_a_class();
    a_refusal_is_counted();
    return ub_test_done();
}

/* `unbusy load` against a mock in this process: are the figures what the mock did? */
#include "base/alloc.h"
#include "base/test.h"
#include "tools/load_run.h"
#include "tools/mock.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- whole answers ---- */

static const struct {
    const char *name;
    bool stream;
    const char *text;
    const char *wrong; /* NULL: whole */
    bool silent;
} answers[] = {
    {"a whole stream", true,
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
     "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
     NULL, false},
    {"a stream with spaces in its JSON", true,
     "data: {\"choices\": [{\"delta\": {\"content\": \"a\"}, \"finish_reason\": \"stop\"}]}\n\n"
     "data: [DONE]\n\n",
     NULL, false},
    {"a tool call is payload", true,
     "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\"}}]},"
     "\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n",
     NULL, false},
    {"no [DONE]", true,
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n",
     "cut: no [DONE]", true},
    {"no finish_reason", true,
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n"
     "data: [DONE]\n\n",
     "cut: no finish_reason", true},
    {"an error event", true,
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"error\":{}}\n\n",
     "error event", false},
    {"an event that is not JSON", true, "data: {\"choices\":[{\"del\n\n", "malformed event", false},
    {"nothing said", true,
     "data: {\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}]}\n\n"
     "data: [DONE]\n\n",
     "empty answer", false},
    {"no resources", true,
     "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":"
     "\"insufficient_system_resource\"}]}\n\ndata: [DONE]\n\n",
     "insufficient_system_resource", false},
    {"a whole answer", false,
     "\n\n{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}", NULL,
     false},
    {"half an answer", false, "{\"choices\":[{\"message\":{\"content\":\"a\"", "answer is not JSON",
     false},
    {"an error inside a 200", false, "{\"error\":{\"message\":\"busy\"}}", "error inside a 200",
     false},
    {"an answer without an end", false,
     "{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":null}]}",
     "cut: no finish_reason", true},
    {"an empty body", false, "", "empty body", false},
    {"an empty answer", false,
     "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"stop\"}]}", "empty answer",
     false},
};

static void check_answers(void)
{
    for (size_t i = 0; i < UB_COUNT(answers); i++) {
        struct ub_load_answer answer;
        ub_load_answer_init(&answer, UB_LOAD_CHAT, answers[i].stream);
        for (const char *p = answers[i].text; *p != '\0'; p++) {
            ub_load_answer_feed(&answer, (struct ub_slice){p, 1});
        }
        bool silent;
        const char *wrong = ub_load_answer_judge(&answer, &silent);
        bool same = answers[i].wrong == NULL
                        ? wrong == NULL
                        : wrong != NULL && strcmp(wrong, answers[i].wrong) == 0;
        UB_CHECK(same && silent == answers[i].silent, "%s is %s", answers[i].name,
                 wrong == NULL ? "whole" : wrong);
        ub_load_answer_close(&answer);
    }
}

/* ---- runs ---- */

static uint16_t port;
static struct ub_load_gauges gauges;

static struct ub_load_plan plan_of(const char *fault)
{
    struct ub_load_plan plan = {
        .gauges = &gauges,
        .origin = {.host = UB_LIT("127.0.0.1"),
                   .port = port,
                   .idle_max = 1000,
                   .idle_ns = 5 * UB_SECOND},
        .target = "/v1/chat/completions",
        .model = "m",
        .stream = true,
        .exact = true,
        .rate = 200,
        .cv = 1,
        .speedup = 1,
        .duration_ns = UB_NEVER,
        .requests = 40,
        .timeout_ns = 2 * UB_SECOND,
        .open_max = 1000,
        .threads = 2,
    };
    ub_lengths_parse("50", &plan.prompt);
    ub_lengths_parse("10", &plan.answer);
    plan.field[plan.fields++] = (struct ub_http_field){UB_LIT("x-mock-fault"), ub_slice_of(fault)};
    return plan;
}

static uint64_t whole_by_now(struct ub_load_worker *workers, uint32_t count)
{
    uint64_t whole = 0;
    for (uint32_t i = 0; i < count; i++) {
        pthread_mutex_lock(&workers[i].lock);
        whole += workers[i].result.whole;
        pthread_mutex_unlock(&workers[i].lock);
    }
    return whole;
}

/* Stops when so many answers are whole; 0: at the plan's own end. */
static struct ub_load_result *run(const struct ub_load_plan *plan, uint64_t enough)
{
    gauges = (struct ub_load_gauges){0};
    struct ub_load_worker *workers = ub_calloc(plan->threads, sizeof *workers);
    struct ub_load_result *sum = ub_calloc(1, sizeof *sum);
    if (workers == NULL || sum == NULL) {
        abort();
    }
    ub_ns started = ub_clock_now();
    for (uint32_t i = 0; i < plan->threads; i++) {
        if (!ub_load_worker_start(&workers[i], plan, i, started)) {
            abort();
        }
    }
    if (enough > 0) {
        UB_AWAIT(whole_by_now(workers, plan->threads) >= enough);
    }
    for (uint32_t i = 0; i < plan->threads; i++) {
        if (enough > 0) {
            ub_load_worker_stop(&workers[i]);
        }
        ub_load_worker_join(&workers[i]);
        ub_load_result_merge(sum, &workers[i].result);
        ub_load_result_free(&workers[i].result);
    }
    sum->open_max = atomic_load(&gauges.open.most);
    sum->talking_max = atomic_load(&gauges.talking.most);
    UB_CHECK(atomic_load(&gauges.open.now) == 0 && atomic_load(&gauges.talking.now) == 0,
             "what was open has ended");
    ub_free(workers);
    return sum;
}

static void drop(struct ub_load_result *result)
{
    ub_load_result_free(result);
    ub_free(result);
}

static void check_good(void)
{
    struct ub_load_plan plan = plan_of("none");
    struct ub_load_result *r = run(&plan, 0);
    UB_CHECK(r->sent == 40 && r->whole == 40 && r->errors == 0 && r->open == 0,
             "40 requests, 40 whole answers (%llu)", (unsigned long long)r->whole);
    UB_CHECK(r->answer_tokens == 400 && r->prompt_tokens == 40 * 51,
             "tokens are counted as the service says (%llu, %llu)",
             (unsigned long long)r->prompt_tokens, (unsigned long long)r->answer_tokens);
    UB_CHECK(r->events == 400 && r->first_token.count == 40 && r->gap.count == 360 &&
                 r->per_token.count == 40 && r->total.count == 40 && r->lateness.count == 40,
             "every first token, every gap and every total is measured");
    drop(r);
    plan.stream = false;
    r = run(&plan, 0);
    UB_CHECK(r->whole == 40 && r->first_token.count == 0 && r->total.count == 40, "not streamed");
    drop(r);
}

static void check_faults(void)
{
    static const struct {
        const char *fault;
        const char *error;
        bool cut;
        bool silent;
    } rows[] = {
        {"503", "status 503", false, false},
        {"cut", "truncated: ", true, false},
        {"no-done", "cut: no [DONE]", true, true},
        {"cut-clean", "cut: no finish_reason", true, true},
        {"reset", "reset: ", false, false},
        {"stall", "timeout after the first token", true, false},
        {"silence", "timeout before the first token", false, false},
        {"empty", "empty answer", false, false},
    };
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_load_plan plan = plan_of(rows[i].fault);
        plan.requests = 4;
        plan.timeout_ns = 150 * UB_MS;
        struct ub_load_result *r = run(&plan, 0);
        bool named = r->errors == 1 && r->error[0].count == 4 &&
                     strncmp(r->error[0].name, rows[i].error, strlen(rows[i].error)) == 0;
        UB_CHECK(named && r->whole == 0 && r->cut == (rows[i].cut ? 4 : 0) &&
                     r->silent == (rows[i].silent ? 4 : 0) && r->failed == (rows[i].cut ? 0 : 4),
                 "%s: %s", rows[i].fault, r->errors > 0 ? r->error[0].name : "no error");
        drop(r);
    }
}

/* The service stands still for a while: an honest generator charges that to all who were due. */
static void check_omission(void)
{
    struct ub_load_plan plan = plan_of("late;delay=200ms");
    plan.cv = 0;
    plan.rate = 100;
    plan.requests = 20;
    plan.threads = 1;
    plan.open_max = 1000;
    struct ub_load_result *r = run(&plan, 0);
    UB_CHECK(r->whole == 20 && ub_histogram_quantile(&r->first_token, 0.1) >= 195 * UB_MS &&
                 ub_histogram_quantile(&r->total, 0.1) >= 200 * UB_MS,
             "requests are sent while earlier ones wait: each takes its 200 ms");
    UB_CHECK(r->open_max >= 15, "so they are open at the same time (%llu)",
             (unsigned long long)r->open_max);
    drop(r);
    plan.open_max = 5;
    r = run(&plan, 0);
    UB_CHECK(r->sent == 5 && r->not_sent == 15, "what is not sent for lack of room is counted");
    drop(r);
}

static void check_trace(void)
{
    static struct ub_trace_row row[] = {
        {0, 10, 3, 0, 0}, {100 * UB_MS, 20, 4, 0, 0}, {400 * UB_MS, 30, 5, 0, 0}};
    struct ub_trace trace = {.row = row, .count = 3};
    struct ub_load_plan plan = plan_of("none");
    plan.rate = 0;
    plan.trace = &trace;
    plan.speedup = 4;
    plan.requests = UINT64_MAX;
    ub_ns begin = ub_clock_now();
    struct ub_load_result *r = run(&plan, 0);
    ub_ns took = ub_clock_now() - begin;
    UB_CHECK(r->whole == 3 && r->answer_tokens == 12, "each row of a trace with its own length");
    UB_CHECK(took >= 100 * UB_MS && took < UB_SECOND, "at four times its speed");
    drop(r);
}

static void check_reached(const struct ub_load_result *r, uint32_t streams, const char *json,
                          const char *words)
{
    const struct ub_load_about about = {"http://x", "m", "streams", UB_SECOND, streams};
    struct ub_buf text = {0};
    ub_load_report_json(r, &about, &text);
    UB_CHECK(memmem(text.ptr, text.len, json, strlen(json)) != NULL, "the report has %s", json);
    ub_buf_clear(&text);
    ub_load_report_text(r, &about, &text);
    UB_CHECK(memmem(text.ptr, text.len, words, strlen(words)) != NULL, "and says: %s", words);
    ub_buf_free(&text);
}

static void check_streams(void)
{
    struct ub_load_plan plan = plan_of("drip;every=5ms");
    plan.rate = 0;
    plan.streams = 10;
    plan.requests = UINT64_MAX;
    struct ub_load_result *r = run(&plan, 20);
    UB_CHECK(r->open_max == 10 && r->whole >= 20 && r->interrupted <= 10,
             "ten streams are kept open, each followed by the next (%llu whole)",
             (unsigned long long)r->whole);
    UB_CHECK(r->open == 0 && r->failed == 0 && r->cut == 0, "stopping gives up what is open");
    UB_CHECK(r->talking_max == 10, "all ten were answered at the same time (%llu)",
             (unsigned long long)r->talking_max);
    check_reached(r, 10, ",\"streams_wanted\":10,\"streams_reached\":10,",
                  "10 wanted at once, 10 reached\n");
    drop(r);
    plan = plan_of("503");
    plan.rate = 0;
    plan.streams = 10;
    r = run(&plan, 0);
    check_reached(r, 10, ",\"streams_wanted\":10,\"streams_reached\":0,",
                  "10 wanted at once, 0 reached: never all of them\n");
    UB_CHECK(ub_load_result_success(r) == 0, "and nothing was a success");
    drop(r);
}

static void check_reports(void)
{
    struct ub_load_plan plan = plan_of("cut:0.5");
    struct ub_load_result *r = run(&plan, 0);
    const struct ub_load_about about = {"http://x/<&", "m", "a \"test\"", UB_SECOND};
    struct ub_buf text = {0};
    ub_load_report_json(r, &about, &text);
    json_error_t error;
    json_t *root = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &error);
    UB_CHECK(json_integer_value(json_object_get(root, "requests")) == 40 &&
                 json_real_value(json_object_get(json_object_get(root, "first_token"), "p50")) > 0,
             "the report is JSON");
    UB_CHECK(json_integer_value(json_object_get(root, "whole")) +
                     json_integer_value(json_object_get(root, "cut")) ==
                 40,
             "whole and cut add up");
    json_decref(root);
    ub_buf_clear(&text);
    ub_load_report_html(r, &about, &text);
    ub_buf_add(&text, "", 1);
    UB_CHECK(strstr(text.ptr, "<svg") != NULL && strstr(text.ptr, "http://x/&lt;&amp;") != NULL &&
                 strstr(text.ptr, "<script") == NULL && strstr(text.ptr, "nan") == NULL,
             "the page has charts, no scripts, and escapes what it shows");
    ub_buf_free(&text);
    drop(r);

    struct ub_load_result *full = ub_calloc(1, sizeof *full);
    if (full == NULL) {
        abort();
    }
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "error %d", i);
        ub_load_result_error(full, name, 1);
    }
    UB_CHECK(full->errors == UB_LOAD_ERRORS_MAX &&
                 full->error[UB_LOAD_ERRORS_MAX - 1].count == 100 - UB_LOAD_ERRORS_MAX + 1,
             "the table of errors is bounded, the rest are counted together");
    drop(full);
}

int main(void)
{
    struct ub_mock_options options = ub_mock_defaults();
    options.profile = *ub_engine_profile_find("instant");
    const char *words = "";
    struct ub_mock *mock = ub_mock_start(&options, &words);
    if (mock == NULL) {
        printf("Bail out! %s\n", words);
        return 1;
    }
    port = ub_mock_port(mock);
    check_answers();
    check_good();
    check_faults();
    check_omission();
    check_trace();
    check_streams();
    check_reports();
    ub_mock_stop(mock);
    return ub_test_done();
}

/* Hostile answers, and what the judge of the drills says about them. The whole right answer is
 * "one two three", with 7 tokens asked and 3 answered. */
#include "base/test.h"
#include "tools/drill_judge.h"

#include <stdio.h>

#define TOP             "{\"id\":\"x\",\"model\":\"m\",\"choices\":["
#define DELTA(text)     "data: " TOP "{\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define FINISH(why)     "data: " TOP "{\"delta\":{},\"finish_reason\":\"" why "\"}]}\n\n"
#define COUNTS(in, out) "\"usage\":{\"prompt_tokens\":" #in ",\"completion_tokens\":" #out "}"
#define USAGE(in, out)  "data: " TOP "]," COUNTS(in, out) "}\n\n"
#define DONE            "data: [DONE]\n\n"
#define ERROR(code) \
    "{\"error\":{\"message\":\"no\",\"type\":\"t\",\"param\":null,\"code\":\"" code "\"}}"
#define EVENT(json) "data: " json "\n\n"
#define WORDS       DELTA("one") DELTA(" two") DELTA(" three")
#define END         FINISH("stop") USAGE(7, 3) DONE
#define PLAIN(text, why, in, out)                                          \
    TOP "{\"message\":{\"content\":\"" text "\"},\"finish_reason\":\"" why \
        "\"}]," COUNTS(in, out) "}"

enum kind { STREAM, JSON, HTML }; /* content type; STREAM was asked for as well */

static const struct row {
    const char *name;
    enum kind kind;
    int status; /* 0: the connection ends before a head */
    const char *body;
    enum ub_error end;
    enum ub_drill_verdict want;
    const char *why; /* a part of it */
} rows[] = {
    {"a whole stream", STREAM, 200, WORDS END, 0, UB_DRILL_RESCUED, "the whole answer"},
    {"a whole plain answer", JSON, 200, PLAIN("one two three", "stop", 7, 3), 0, UB_DRILL_RESCUED,
     "the whole answer"},
    {"heartbeats before it", STREAM, 200, ": wait\n: wait\n" WORDS END, 0, UB_DRILL_RESCUED, ""},
    {"an error event midway", STREAM, 200, DELTA("one") EVENT(ERROR("stream_broken")), 0,
     UB_DRILL_SAFE, "error event stream_broken after 3 bytes"},
    {"an error event, then the connection breaks", STREAM, 200,
     DELTA("one") EVENT(ERROR("stream_broken")), UB_ERR_TRUNCATED, UB_DRILL_SAFE, "stream_broken"},

    {"no answer at all", STREAM, 0, "", UB_ERR_RESET, UB_DRILL_FAILED, "without an answer"},
    {"cut in silence", STREAM, 200, DELTA("one"), UB_ERR_TRUNCATED, UB_DRILL_FAILED,
     "cut in silence after 3 bytes"},
    {"cut inside an event", STREAM, 200, DELTA("one") "data: {\"id\":", UB_ERR_TRUNCATED,
     UB_DRILL_FAILED, "cut in silence"},
    {"a plain answer cut in silence", JSON, 200, "{\"id\":", UB_ERR_TRUNCATED, UB_DRILL_FAILED,
     "cut in silence"},
    {"a cut that ends well", STREAM, 200, DELTA("one"), 0, UB_DRILL_FAILED, "no finish_reason"},
    {"a cut with [DONE]", STREAM, 200, DELTA("one") DONE, 0, UB_DRILL_FAILED, "no finish_reason"},
    {"a cut with a finish_reason", STREAM, 200, DELTA("one") END, 0, UB_DRILL_FAILED,
     "3 of 13 bytes"},
    {"a plain one", JSON, 200, PLAIN("one", "stop", 7, 3), 0, UB_DRILL_FAILED, "3 of 13 bytes"},
    {"busy as a finish_reason", STREAM, 200,
     DELTA("one") FINISH("insufficient_system_resource") USAGE(7, 1) DONE, 0, UB_DRILL_FAILED,
     "finish_reason insufficient_system_resource"},
    {"all but [DONE]", STREAM, 200, WORDS FINISH("stop") USAGE(7, 3), 0, UB_DRILL_FAILED,
     "no [DONE]"},
    {"nothing, and [DONE]", STREAM, 200, DONE, 0, UB_DRILL_FAILED, "no finish_reason"},
    {"nothing", STREAM, 200, "", 0, UB_DRILL_FAILED, "no finish_reason"},
    {"an empty plain body", JSON, 200, "", 0, UB_DRILL_FAILED, "not JSON"},

    {"other words", STREAM, 200, DELTA("one") DELTA(" too") END, 0, UB_DRILL_FAILED,
     "other words from byte 5"},
    {"the same twice", STREAM, 200, DELTA("one") WORDS END, 0, UB_DRILL_FAILED,
     "begins again from the top at byte 3"},
    {"more than all", STREAM, 200, WORDS DELTA(" four") END, 0, UB_DRILL_FAILED,
     "other words from byte 13"},
    {"other words, and then an error", STREAM, 200, DELTA("two") EVENT(ERROR("e")), 0,
     UB_DRILL_FAILED, "other words"},
    {"text behind the end", STREAM, 200, DELTA("one") FINISH("stop") DELTA(" two") DONE, 0,
     UB_DRILL_FAILED, "behind the finish_reason"},
    {"two ends", STREAM, 200, WORDS FINISH("stop") END, 0, UB_DRILL_FAILED, "two finish_reasons"},
    {"an event behind [DONE]", STREAM, 200, WORDS END DELTA(""), 0, UB_DRILL_FAILED,
     "behind [DONE]"},
    {"[DONE] twice", STREAM, 200, WORDS END DONE, 0, UB_DRILL_FAILED, "behind [DONE]"},
    {"going on behind an error", STREAM, 200, DELTA("one") EVENT(ERROR("e")) DELTA(" two"), 0,
     UB_DRILL_FAILED, "behind the error"},
    {"two ids", STREAM, 200, DELTA("one") "data: {\"id\":\"y\",\"model\":\"m\",\"choices\":[]}\n\n",
     0, UB_DRILL_FAILED, "two ids"},
    {"two models", STREAM, 200,
     DELTA("one") "data: {\"id\":\"x\",\"model\":\"n\",\"choices\":[]}\n\n", 0, UB_DRILL_FAILED,
     "two models"},

    {"an id line", STREAM, 200, "id: 1\n" WORDS END, 0, UB_DRILL_FAILED, "an id line"},
    {"an id without a value", STREAM, 200, "id\n" WORDS END, 0, UB_DRILL_FAILED, "an id line"},
    {"an empty line behind a comment", STREAM, 200, ": wait\n\n" WORDS END, 0, UB_DRILL_FAILED,
     "an empty line behind a comment"},
    {"a comment inside an event", STREAM, 200, "event: x\n: wait\n" WORDS END, 0, UB_DRILL_FAILED,
     "a comment inside"},
    {"an event without data", STREAM, 200, "event: x\n\n" WORDS END, 0, UB_DRILL_FAILED,
     "without data"},
    {"something that is no field", STREAM, 200, "{\"error\":1}\n\n" WORDS END, 0, UB_DRILL_FAILED,
     "no field"},
    {"half an event at the end", STREAM, 200, WORDS END "data: x", 0, UB_DRILL_FAILED,
     "ends inside"},
    {"an event that is not JSON", STREAM, 200, DELTA("one") EVENT("{\"id\":"), 0, UB_DRILL_FAILED,
     "not JSON"},
    {"an event that is neither", STREAM, 200, EVENT("{}") WORDS END, 0, UB_DRILL_FAILED, "neither"},
    {"a stream of another type", JSON, 200, WORDS END, 0, UB_DRILL_FAILED, "not JSON"},
    {"an error inside a 200", JSON, 200, ERROR("overloaded"), 0, UB_DRILL_FAILED, "inside a 200"},
    {"an error that nobody can read", STREAM, 200, EVENT("{\"error\":{\"oops\":1}}"), 0,
     UB_DRILL_FAILED, "without message"},

    {"no usage", STREAM, 200, WORDS FINISH("stop") DONE, 0, UB_DRILL_FAILED, "no usage"},
    {"usage twice", STREAM, 200, WORDS FINISH("stop") USAGE(7, 3) USAGE(7, 3) DONE, 0,
     UB_DRILL_FAILED, "more than once"},
    {"tokens counted twice", STREAM, 200, WORDS FINISH("stop") USAGE(14, 6) DONE, 0,
     UB_DRILL_FAILED, "usage is not"},

    {"a page of a proxy", HTML, 502, "<html>", 0, UB_DRILL_FAILED, "without an error object"},
    {"a redirect", JSON, 302, ERROR("e"), 0, UB_DRILL_FAILED, "neither"},
    {"a status cut in the middle", JSON, 503, "{\"err", UB_ERR_TRUNCATED, UB_DRILL_FAILED,
     "without an error object"},
    {"the client's fault needs no advice", JSON, 400, ERROR("bad"), 0, UB_DRILL_SAFE, "400 bad"},
};

static struct ub_http_head head_of(int status, enum kind kind, struct ub_http_field *type)
{
    static const char *const types[] = {"text/event-stream; charset=utf-8", "application/json",
                                        "text/html"};
    *type = (struct ub_http_field){UB_LIT("Content-Type"), ub_slice_of(types[kind])};
    return (struct ub_http_head){.status = status, .field = type, .field_count = 1};
}

static struct ub_drill_want right(void)
{
    return (struct ub_drill_want){.text = UB_LIT("one two three"),
                                  .finish = "stop",
                                  .prompt_tokens = 7,
                                  .answer_tokens = 3,
                                  .calls_max = 4,
                                  .time_max_ns = 10 * UB_SECOND,
                                  .first_max_ns = UB_SECOND};
}

/* In pieces of `step` bytes. */
static enum ub_drill_verdict judge(const struct row *row, size_t step, struct ub_buf *why)
{
    struct ub_drill_answer answer;
    ub_drill_answer_init(&answer, row->kind == STREAM);
    struct ub_http_field type;
    struct ub_http_head head = head_of(row->status, row->kind, &type);
    if (row->status != 0) {
        ub_drill_answer_head(&answer, &head);
    }
    size_t len = strlen(row->body);
    for (size_t at = 0; at < len; at += step) {
        size_t piece = len - at < step ? len - at : step;
        ub_drill_answer_feed(&answer, (struct ub_slice){row->body + at, piece});
    }
    ub_drill_answer_end(&answer);
    struct ub_drill_want want = right();
    struct ub_drill_seen seen = {.answer = &answer, .end = row->end, .calls = 1};
    enum ub_drill_verdict verdict = ub_drill_judge(&want, &seen, why);
    ub_buf_add(why, "", 1);
    ub_drill_answer_close(&answer);
    return verdict;
}

static void check_answers(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_buf why = {0}, again = {0};
        enum ub_drill_verdict verdict = judge(&rows[i], SIZE_MAX / 2, &why);
        UB_CHECK(verdict == rows[i].want && strstr(why.ptr, rows[i].why) != NULL, "%s: %s, %s",
                 rows[i].name, ub_drill_verdict_name(verdict), why.ptr);
        bool same = judge(&rows[i], 1, &again) == verdict && strcmp(why.ptr, again.ptr) == 0;
        UB_CHECK(same, "%s, byte by byte: %s", rows[i].name, again.ptr);
        ub_buf_free(&why);
        ub_buf_free(&again);
    }
}

static const struct {
    const char *name;
    int status;
    const char *should, *after_ms, *after_s; /* NULL: not there */
    bool hopeless;
    enum ub_drill_verdict want;
} advice_rows[] = {
    {"when to come back, said twice", 503, "true", "1500", "2", false, UB_DRILL_SAFE},
    {"the SDK comes back by itself", 429, NULL, "1500", "1.5", false, UB_DRILL_SAFE},
    {"give up", 503, "false", NULL, NULL, false, UB_DRILL_SAFE},
    {"nothing is said, so that a herd comes back", 503, NULL, NULL, NULL, false, UB_DRILL_FAILED},
    {"come back, but not when", 503, "true", NULL, NULL, false, UB_DRILL_FAILED},
    {"only one of the two", 503, "true", "1500", NULL, false, UB_DRILL_FAILED},
    {"at once", 503, "true", "0", "0", false, UB_DRILL_FAILED},
    {"later than SDKs obey", 503, "true", "90000", "90", false, UB_DRILL_FAILED},
    {"the two disagree", 503, "true", "1500", "30", false, UB_DRILL_FAILED},
    {"a date that is none", 503, "true", "1500", "soon", false, UB_DRILL_FAILED},
    {"give up, but in two seconds", 503, "false", "2000", "2", false, UB_DRILL_FAILED},
    {"hopeless, and said so", 502, "false", NULL, NULL, true, UB_DRILL_SAFE},
    {"hopeless, as the status says", 400, NULL, NULL, NULL, true, UB_DRILL_SAFE},
    {"hopeless, but the SDK comes back", 502, NULL, NULL, NULL, true, UB_DRILL_FAILED},
    {"hopeless, but told to come back", 400, "true", "1000", "1", true, UB_DRILL_FAILED},
};

static void check_advice(void)
{
    for (size_t i = 0; i < UB_COUNT(advice_rows); i++) {
        const char *const names[] = {"X-Should-Retry", "Retry-After-Ms", "Retry-After"};
        const char *values[] = {advice_rows[i].should, advice_rows[i].after_ms,
                                advice_rows[i].after_s};
        struct ub_http_field fields[4] = {{UB_LIT("content-type"), UB_LIT("application/json")}};
        uint32_t count = 1;
        for (size_t k = 0; k < UB_COUNT(names); k++) {
            if (values[k] != NULL) {
                fields[count++] =
                    (struct ub_http_field){ub_slice_of(names[k]), ub_slice_of(values[k])};
            }
        }
        struct ub_drill_answer answer;
        ub_drill_answer_init(&answer, false);
        ub_drill_answer_head(&answer, &(struct ub_http_head){.status = advice_rows[i].status,
                                                             .field = fields,
                                                             .field_count = count});
        ub_drill_answer_feed(&answer, UB_LIT(ERROR("all_busy")));
        ub_drill_answer_end(&answer);
        struct ub_drill_want want = right();
        want.hopeless = advice_rows[i].hopeless;
        struct ub_buf why = {0};
        enum ub_drill_verdict verdict =
            ub_drill_judge(&want, &(struct ub_drill_seen){.answer = &answer, .calls = 1}, &why);
        UB_CHECK(verdict == advice_rows[i].want, "%s: %.*s", advice_rows[i].name,
                 UB_SLICE_ARG(ub_buf_slice(&why)));
        ub_buf_free(&why);
        ub_drill_answer_close(&answer);
    }
}

/* A whole answer that cost too much. */
static void check_bounds(void)
{
    static const struct {
        const char *name;
        bool timed_out;
        uint32_t calls;
        ub_ns total_ns, first_ns;
        enum ub_drill_usage usage;
        uint64_t answer_tokens; /* that the judge expects; the answer says 3 */
        enum ub_drill_verdict want;
    } bounds[] = {
        {"within bounds", false, 4, 10 * UB_SECOND, 0, UB_DRILL_USAGE_EXACT, 3, UB_DRILL_RESCUED},
        {"a call too many", false, 5, UB_SECOND, 0, UB_DRILL_USAGE_EXACT, 3, UB_DRILL_FAILED},
        {"too late", false, 1, 11 * UB_SECOND, 0, UB_DRILL_USAGE_EXACT, 3, UB_DRILL_FAILED},
        {"no end", true, 1, UB_SECOND, 0, UB_DRILL_USAGE_EXACT, 3, UB_DRILL_FAILED},
        {"as it comes", false, 1, 3 * UB_SECOND, UB_SECOND, UB_DRILL_USAGE_EXACT, 3,
         UB_DRILL_RESCUED},
        {"held back", false, 1, 3 * UB_SECOND, 2 * UB_SECOND, UB_DRILL_USAGE_EXACT, 3,
         UB_DRILL_FAILED},
        {"an estimate may be off", false, 1, 0, 0, UB_DRILL_USAGE_ABOUT, 5, UB_DRILL_RESCUED},
        {"but not by so much", false, 1, 0, 0, UB_DRILL_USAGE_ABOUT, 7, UB_DRILL_FAILED},
        {"an upstream may lie", false, 1, 0, 0, UB_DRILL_USAGE_ANY, 700, UB_DRILL_RESCUED},
    };
    struct ub_drill_answer answer;
    struct ub_http_field type;
    struct ub_http_head head = head_of(200, STREAM, &type);
    ub_drill_answer_init(&answer, true);
    ub_drill_answer_head(&answer, &head);
    ub_drill_answer_feed(&answer, UB_LIT(WORDS END));
    ub_drill_answer_end(&answer);
    for (size_t i = 0; i < UB_COUNT(bounds); i++) {
        struct ub_buf why = {0};
        struct ub_drill_want want = right();
        want.usage = bounds[i].usage;
        want.answer_tokens = bounds[i].answer_tokens;
        struct ub_drill_seen seen = {&answer,         UB_ERR_OK,          bounds[i].timed_out,
                                     bounds[i].calls, bounds[i].total_ns, bounds[i].first_ns};
        enum ub_drill_verdict verdict = ub_drill_judge(&want, &seen, &why);
        UB_CHECK(verdict == bounds[i].want, "%s: %.*s", bounds[i].name,
                 UB_SLICE_ARG(ub_buf_slice(&why)));
        ub_buf_free(&why);
    }
    ub_drill_answer_close(&answer);
}

int main(void)
{
    check_answers();
    check_advice();
    check_bounds();
    return ub_test_done();
}

/* drill_case.c - plays one case: a gateway, its client, and what the judge says. */
#include "tools/drill_run.h"

#include "gateway/gateway.h"
#include "tools/drill_client.h"
#include "tools/mock_ask.h"
#include <stdio.h>

#define FLAPS_GAP_NS    (250 * UB_MS)
#define LEFT_WITHIN_NS  UB_SECOND
#define WELL_WITHIN_NS  (90 * UB_SECOND) /* cooldowns of a minute are common */
#define AGAIN_NS        (500 * UB_MS)
#define FIRST_WITHIN_NS UB_SECOND /* less than half of what a drip takes */

/* Every question has a name of its own, by which the mocks know the case. */
void ub_drill_case_question(const struct ub_drill_run *run, const struct ub_drill_case *one,
                            uint32_t number, struct ub_buf *out)
{
    char name[128];
    snprintf(name, sizeof name, "unbusy drill %s, at %s, %s, %u", one->drill->name,
             one->all ? "all" : "one", one->stream ? "streamed" : "whole", number);
    /* A service may have much to say. */
    uint32_t most = run->house != NULL ? 0 : UB_DRILL_TOKENS;
    ub_drill_question_write(out, run->model, name, one->stream, most);
}

/* What the mocks will make of it; 0 without memory. */
uint64_t ub_drill_case_number(struct ub_slice body, uint32_t *prompt_tokens)
{
    struct ub_ask ask;
    struct ub_buf words = {0};
    bool good = ub_ask_read(&ask, UB_MOCK_CHAT, body, false, &words);
    uint64_t number = good ? ask.prompt_hash : 0;
    *prompt_tokens = good ? ask.prompt_tokens : 0;
    ub_ask_close(&ask);
    ub_buf_free(&words);
    return number;
}

struct place { /* where a case is played */
    struct ub_drill_run *run;
    struct ub_drill_case *one;
    struct ub_drill_script *script;
    struct ub_loop *loop;
    struct ub_origin *origin;
};

struct expected { /* when nothing is wrong */
    struct ub_buf text;
    char finish[UB_DRILL_FINISH_MAX];
    uint32_t prompt_tokens;
};

static void note(struct ub_drill_case *one, enum ub_drill_verdict verdict, struct ub_buf *why,
                 const struct ub_drill_reply *reply)
{
    if (!one->played || verdict > one->verdict) {
        struct ub_buf before = one->why;
        one->why = *why;
        *why = before;
        one->verdict = verdict;
    }
    one->played = true;
    one->rescued += verdict == UB_DRILL_RESCUED;
    one->first_ns = ub_ns_max(one->first_ns, one->stream ? reply->first_ns : 0);
    one->total_ns = ub_ns_max(one->total_ns, reply->total_ns);
}

static struct ub_drill_want want_of(const struct place *at, const struct expected *expected)
{
    uint32_t bits = at->one->drill->bits;
    struct ub_drill_want want = {
        .text = ub_buf_slice(&expected->text),
        .finish = expected->finish,
        .usage = UB_DRILL_USAGE_EXACT,
        .prompt_tokens = expected->prompt_tokens,
        .answer_tokens = UB_DRILL_TOKENS,
        .hopeless = (bits & UB_DRILL_HOPELESS) != 0,
        .calls_max = (bits & UB_DRILL_ASKED_ONCE) != 0 ? 1
                     : (bits & UB_DRILL_REFUSED) != 0  ? at->run->refusals_max
                                                       : at->run->calls_max,
        .time_max_ns = at->run->time_max_ns,
        .first_max_ns = (bits & UB_DRILL_AT_ONCE) != 0 ? FIRST_WITHIN_NS : 0,
    };
    const struct ub_drill_house *house = at->run->house;
    bool nobody_else =
        house != NULL ? house->count == 1 || at->run->calls_max < 2 : at->run->live->mocks == 1;
    bool sick_speaks = at->one->all || nobody_else;
    if ((bits & UB_DRILL_EMPTY) != 0 && sick_speaks) {
        want.text.len = 0;
        want.finish = "stop";
        want.usage = UB_DRILL_USAGE_ANY;
    } else if ((bits & UB_DRILL_LIES) != 0 || house == NULL) {
        want.usage = UB_DRILL_USAGE_ANY;
    } else if ((bits & UB_DRILL_RESUMES) != 0 && at->one->stream) {
        want.usage = UB_DRILL_USAGE_ABOUT;
    }
    return want;
}

static enum ub_drill_verdict judge_leaving(const struct place *at,
                                           const struct ub_drill_reply *reply, struct ub_buf *why)
{
    if (!reply->left) {
        ub_buf_add_text(why, "ended before the client could leave");
        return UB_DRILL_FAILED;
    }
    ub_ns left_at = ub_clock_now();
    ub_ns since_ns = 0;
    while (ub_drill_script_running(at->script) > 0 && since_ns < LEFT_WITHIN_NS) {
        ub_loop_turn(at->loop, 5 * UB_MS);
        since_ns = ub_clock_now() - left_at;
    }
    if (since_ns >= LEFT_WITHIN_NS) {
        ub_buf_add_text(why, "the upstream goes on after the client has left");
        return UB_DRILL_FAILED;
    }
    ub_buf_printf(why, "the upstream was stopped after %.0f ms", (double)since_ns / 1e6);
    return UB_DRILL_SAFE;
}

static enum ub_drill_verdict judge(const struct place *at, const struct expected *expected,
                                   const struct ub_drill_reply *reply, uint32_t calls,
                                   struct ub_buf *why)
{
    if ((at->one->drill->bits & UB_DRILL_LEAVES) != 0) {
        return judge_leaving(at, reply, why);
    }
    struct ub_drill_want want = want_of(at, expected);
    const struct ub_drill_seen seen = {
        .answer = &reply->answer,
        .end = reply->end,
        .timed_out = reply->timed_out,
        .calls = calls,
        .total_ns = reply->total_ns,
        .first_ns = at->one->stream ? reply->first_ns : 0,
    };
    return ub_drill_judge(&want, &seen, why);
}

/* True: a whole answer. */
static bool ask_reference(const struct place *at, const struct ub_drill_question *like,
                          struct expected *expected)
{
    struct ub_drill_question question = *like;
    struct ub_drill_reply reply;
    question.fault = (struct ub_slice){NULL, 0};
    ub_drill_ask(at->loop, at->origin, &question, &reply);
    ub_buf_clear(&expected->text);
    ub_buf_add_slice(&expected->text, ub_buf_slice(&reply.answer.text));
    memcpy(expected->finish, reply.answer.finish, sizeof expected->finish);
    ub_drill_answer_close(&reply.answer);
    return reply.end == UB_ERR_OK && reply.answer.status == 200 && expected->finish[0] != '\0';
}

/* Of our own mocks we know. A service is asked, and may need a while to be well again after the
 * drill before. */
static bool learn_expected(const struct place *at, const struct ub_drill_question *like,
                           struct expected *expected)
{
    const struct ub_drill_run *run = at->run;
    uint64_t number = ub_drill_case_number(like->body, &expected->prompt_tokens);
    if (run->house != NULL) {
        ub_drill_house_text(number, &expected->text);
        memcpy(expected->finish, "stop", sizeof "stop");
        return !expected->text.failed;
    }
    ub_ns limit_at = ub_clock_now() + (run->live->mocks > 0 ? WELL_WITHIN_NS : 0);
    bool good = ub_drill_live_set(run->live, at->loop, NULL, false);
    while (good && !ask_reference(at, like, expected)) {
        good = ub_clock_now() < limit_at && !atomic_load(&run->stop);
        ub_ns pause_until = ub_clock_now() + AGAIN_NS;
        while (good && ub_clock_now() < pause_until) {
            ub_loop_turn(at->loop, pause_until - ub_clock_now());
        }
    }
    return good;
}

static void fail(struct ub_drill_case *one, const char *words)
{
    one->played = true;
    one->verdict = UB_DRILL_FAILED;
    ub_buf_clear(&one->why);
    ub_buf_add_text(&one->why, words);
}

/* What the upstreams were asked so far. False: it cannot be known, or not any more. */
static bool count(const struct place *at, struct ub_drill_counts *counts)
{
    *counts = (struct ub_drill_counts){0};
    if (at->run->house != NULL) {
        counts->requests = counts->faults = ub_drill_script_calls(at->script);
        return true;
    }
    return at->run->live->mocks > 0 &&
           ub_drill_live_count(at->run->live, at->loop, at->one->drill, counts);
}

static void play_expected(const struct place *at, const struct ub_drill_question *question,
                          const struct expected *expected)
{
    struct ub_drill_case *one = at->one;
    struct ub_buf why = {0};
    struct ub_drill_reply reply;
    struct ub_drill_counts before, after;
    one->counted = count(at, &before);
    ub_drill_ask(at->loop, at->origin, question, &reply);
    one->counted = count(at, &after) && one->counted;
    uint32_t calls = (uint32_t)(after.requests - before.requests);
    one->calls += calls;
    bool struck = at->run->house != NULL || !one->counted || after.faults > before.faults;
    if (!struck) {
        one->missed = true; /* the service went around the sick one: nothing was proved */
    } else if (!reply.stopped) {
        enum ub_drill_verdict verdict = judge(at, expected, &reply, calls, &why);
        note(one, verdict, &why, &reply);
    }
    ub_drill_answer_close(&reply.answer);
    ub_buf_free(&why);
}

static void play_request(const struct place *at, uint32_t number)
{
    struct ub_drill_run *run = at->run;
    const struct ub_drill *drill = at->one->drill;
    struct ub_buf body = {0};
    struct expected expected = {.text = {0}};
    ub_drill_case_question(run, at->one, number, &body);
    struct ub_drill_question question = {
        .target =
            run->house != NULL ? UB_LIT("/v1/chat/completions") : ub_buf_slice(&run->live->target),
        .body = ub_buf_slice(&body),
        .stream = at->one->stream,
        .leaves = (drill->bits & UB_DRILL_LEAVES) != 0,
        .time_ns = run->time_max_ns,
        .stop = &run->stop,
    };
    if (run->house == NULL && run->live->mocks == 0) {
        question.fault = ub_slice_of(drill->sick);
    }
    if (!learn_expected(at, &question, &expected)) {
        if (!atomic_load(&run->stop)) {
            fail(at->one, "no whole answer when nothing is wrong");
        }
    } else if (run->house == NULL && !ub_drill_live_set(run->live, at->loop, drill, at->one->all)) {
        fail(at->one, "a mock does not take its fault");
    } else {
        play_expected(at, &question, &expected);
    }
    ub_buf_free(&body);
    ub_buf_free(&expected.text);
}

static void play_requests(const struct place *at)
{
    ub_drill_script_begin(at->script);
    ub_ns began_at = ub_clock_now();
    for (uint32_t i = 0; i < at->one->requests && !atomic_load(&at->run->stop); i++) {
        ub_ns due_at = began_at + (ub_ns)i * FLAPS_GAP_NS;
        while (ub_clock_now() < due_at) {
            ub_loop_turn(at->loop, due_at - ub_clock_now());
        }
        play_request(at, i);
    }
    if (at->one->requests > 1) {
        ub_buf_printf(&at->one->why, " (%u of %u rescued)", at->one->rescued, at->one->requests);
    }
}

static void play_at(struct place *at, const struct ub_origin_options *options)
{
    at->loop = ub_loop_new();
    at->origin = at->loop == NULL ? NULL : ub_origin_new(at->loop, options);
    if (at->origin != NULL) {
        play_requests(at);
        if (at->run->house == NULL) {
            ub_drill_live_set(at->run->live, at->loop, NULL, false); /* leaves no fault behind */
        }
        ub_origin_free(at->origin);
    } else {
        fail(at->one, "out of memory or file descriptors");
    }
    if (at->loop != NULL) {
        ub_loop_free(at->loop);
    }
}

static uint32_t dead_ones(const struct ub_drill_run *run, const struct ub_drill_case *one)
{
    if ((one->drill->bits & UB_DRILL_DEAD) == 0) {
        return 0;
    }
    uint32_t others = run->house->count - 1;
    bool reaches_all = one->all || run->calls_max < 2;
    return reaches_all ? run->house->count : others < run->calls_max ? others : run->calls_max - 1;
}

static void play_behind_gateway(struct place *at)
{
    struct ub_drill_run *run = at->run;
    struct ub_buf words = {0};
    struct ub_config *config = ub_drill_house_config(run->house, dead_ones(run, at->one));
    struct ub_gateway *gateway = config == NULL ? NULL : ub_gateway_start(config, &words);
    if (gateway == NULL) {
        ub_buf_add(&words, "", 1);
        fail(at->one, words.len > 1 ? words.ptr : "out of memory");
    } else {
        const struct ub_origin_options options = {
            .host = UB_LIT("127.0.0.1"),
            .port = ub_gateway_port(gateway, 0),
            .idle_max = 1,
            .idle_ns = UB_MINUTE,
        };
        play_at(at, &options);
    }
    ub_gateway_free(gateway);
    ub_config_release(config);
    ub_buf_free(&words);
}

void ub_drill_case_play(struct ub_drill_run *run, struct ub_drill_case *one,
                        struct ub_drill_script *script)
{
    struct place at = {.run = run, .one = one, .script = script};
    if (run->house != NULL) {
        play_behind_gateway(&at);
    } else {
        play_at(&at, &run->live->service);
    }
}

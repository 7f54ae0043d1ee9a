#include "sim/engine.h"

#include "base/test.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Two sequences at once, 10 ms a step, 1 ms more for each prompt token; 64 tokens of memory. */
static const struct ub_engine_profile small = {
    .name = "small",
    .step_ns = 10e6,
    .prefill_ns = 1e6,
    .step_tokens = 16,
    .seqs_max = 2,
    .kv_tokens = 64,
};

/* Runs until nothing is left to do or `until`, and writes what came as "ms:user#index " with a full
 * stop behind the last token of an answer. */
static const char *trace(struct ub_engine *engine, ub_ns until)
{
    static char text[4096];
    size_t len = 0;
    text[0] = '\0';
    while (ub_engine_wake_at(engine) <= until) {
        ub_ns now = ub_engine_wake_at(engine);
        if (now == UB_NEVER) {
            break;
        }
        ub_engine_run(engine, now);
        struct ub_engine_token token;
        while (ub_engine_next(engine, &token)) {
            len +=
                (size_t)snprintf(text + len, sizeof text - len, "%d:%s#%u%s ", (int)(now / UB_MS),
                                 (const char *)token.user, token.index, token.last ? "." : "");
        }
    }
    return text;
}

static ub_engine_id add(struct ub_engine *engine, const char *user, uint32_t prompt,
                        uint32_t answer, ub_ns now)
{
    return ub_engine_add(engine, (void *)user, prompt, 0, answer, now);
}

static struct ub_engine *engine_of(const struct ub_engine_profile *profile, uint32_t waiting_max)
{
    struct ub_engine *engine = ub_engine_new(profile, waiting_max);
    if (engine == NULL) {
        abort();
    }
    return engine;
}

static void check_steps(void)
{
    struct ub_engine *e = engine_of(&small, 8);
    UB_CHECK(ub_engine_wake_at(e) == UB_NEVER, "an idle engine has nothing to wake up for");
    add(e, "a", 4, 3, 0);
    add(e, "b", 4, 1, 1 * UB_MS);
    UB_CHECK_TEXT(trace(e, UB_NEVER), "14:a#1 28:a#2 28:b#1. 38:a#3. ",
                  "who comes during a step is served in the next one; prompts cost time");
    ub_engine_free(e);

    e = engine_of(&small, 8);
    add(e, "long", 40, 2, 0);
    UB_CHECK_TEXT(trace(e, UB_NEVER), "70:long#1 80:long#2. ",
                  "a prompt above the token budget is fed in chunks");
    ub_engine_free(e);

    e = engine_of(&small, 8);
    ub_engine_add(e, (void *)"a", 12, 8, 1, 0);
    UB_CHECK_TEXT(trace(e, UB_NEVER), "14:a#1. ", "the cached part of a prompt costs nothing");
    ub_engine_free(e);
}

static void check_queue(void)
{
    struct ub_engine *e = engine_of(&small, 1);
    add(e, "a", 1, 2, 0);
    add(e, "b", 1, 2, 0);
    ub_engine_id c = add(e, "c", 1, 1, 0);
    UB_CHECK(c != 0 && ub_engine_is_waiting(e, c), "the third of two waits");
    UB_CHECK(add(e, "d", 1, 1, 0) == 0, "the queue is bounded");
    UB_CHECK_TEXT(trace(e, UB_NEVER), "11:a#1 22:a#2. 22:b#1 33:b#2. 33:c#1. ",
                  "a place is given on when an answer is complete");
    ub_engine_free(e);
}

static void check_cancel(void)
{
    struct ub_engine *e = engine_of(&small, 4);
    ub_engine_id a = add(e, "a", 1, 100, 0);
    ub_engine_id b = add(e, "b", 1, 100, 0);
    add(e, "c", 1, 1, 0);
    trace(e, 30 * UB_MS);
    ub_engine_cancel(e, a);
    UB_CHECK(ub_engine_load(e).running == 1, "who leaves gives the place back at once");
    UB_CHECK_TEXT(trace(e, 44 * UB_MS), "32:b#2 43:b#3 43:c#1. ", "and the next one gets it");
    ub_engine_cancel(e, a);
    ub_engine_id d = add(e, "d", 1, 100, 44 * UB_MS);
    ub_engine_cancel(e, a);
    UB_CHECK(ub_engine_load(e).waiting == 1 && d != a,
             "an old name does not reach the next user of its slot");
    ub_engine_cancel(e, b);
    ub_engine_cancel(e, d);
    trace(e, UB_NEVER);
    UB_CHECK(ub_engine_load(e).running == 0 && ub_engine_load(e).kv_tokens == 0,
             "after all have left nothing is held");
    ub_engine_free(e);

    e = engine_of(&small, 4);
    add(e, "a", 1, 5, 0);
    b = add(e, "b", 1, 5, 0);
    trace(e, 12 * UB_MS);
    ub_engine_run(e, 23 * UB_MS);
    struct ub_engine_token token;
    bool first = ub_engine_next(e, &token);
    ub_engine_cancel(e, b);
    UB_CHECK(first && !ub_engine_next(e, &token),
             "a token that lies ready is not handed out after its sequence was cancelled");
    ub_engine_free(e);
}

/* Two answers that outgrow the memory together: 4 blocks of 16 tokens. */
static void check_preemption(void)
{
    struct ub_engine *e = engine_of(&small, 4);
    add(e, "a", 15, 20, 0);
    add(e, "b", 1, 40, 0);
    const char *text = trace(e, UB_NEVER);
    UB_CHECK(strstr(text, "a#20.") != NULL && strstr(text, "b#40.") != NULL,
             "both answers are completed");
    UB_CHECK(ub_engine_load(e).preemptions == 1, "the one admitted last was thrown out once");
    UB_CHECK(strstr(text, "b#40.") > strstr(text, "a#20."), "and went on after the other");
    UB_CHECK(ub_engine_load(e).answer_tokens == 60, "no token came twice");
    ub_engine_free(e);

    e = engine_of(&small, 4);
    add(e, "huge", 80, 3, 0);
    add(e, "b", 1, 1, 0);
    text = trace(e, UB_NEVER);
    UB_CHECK(strstr(text, "huge#3.") != NULL && strstr(text, "b#1.") != NULL,
             "a sequence longer than the memory runs alone");
    ub_engine_free(e);
}

static void check_late_caller(void)
{
    struct ub_engine *e = engine_of(&small, 0);
    add(e, "a", 1, 1000, 0);
    int steps = 0;
    struct ub_engine_token token;
    while (ub_engine_wake_at(e) <= 5 * UB_SECOND) {
        ub_engine_run(e, 5 * UB_SECOND);
        while (ub_engine_next(e, &token)) {
            steps++;
        }
    }
    UB_CHECK(steps >= 10 && steps <= 12, "a server frozen for 5 s makes up for 100 ms only (%d)",
             steps);
    ub_engine_free(e);
}

/* One request of a real run; times in seconds from the first arrival. */
struct real {
    double arrived;
    uint32_t prompt;
    uint32_t answer;
    double first[2]; /* real, model: from arrival to first token */
    double last[2];
};

#define REAL_MAX 400
static struct real real[REAL_MAX];

static int read_run(const char *folder, const char *file)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/vllm/%s", folder, file);
    FILE *in = fopen(path, "r");
    int count = 0;
    char line[256];
    if (in == NULL || fgets(line, sizeof line, in) == NULL) {
        printf("Bail out! cannot read %s\n", path);
        exit(1);
    }
    while (count < REAL_MAX && fgets(line, sizeof line, in) != NULL) {
        struct real *r = &real[count];
        char *p = line;
        r->arrived = strtod(p, &p) / 1e6;
        r->prompt = (uint32_t)strtoul(p + 1, &p, 10);
        r->answer = (uint32_t)strtoul(p + 1, &p, 10);
        r->first[0] = strtod(p + 1, &p) / 1e6 - r->arrived;
        r->last[0] = strtod(p + 1, &p) / 1e6 - r->arrived;
        count++;
    }
    fclose(in);
    return count;
}

static void run_model(const struct ub_engine_profile *profile, int count)
{
    struct ub_engine *e = engine_of(profile, REAL_MAX);
    int next = 0;
    for (;;) {
        ub_ns arrives = next < count ? (ub_ns)(real[next].arrived * 1e9) : UB_NEVER;
        ub_ns now = ub_ns_min(arrives, ub_engine_wake_at(e));
        if (now == UB_NEVER) {
            break;
        }
        if (arrives == now) {
            ub_engine_add(e, &real[next], real[next].prompt, 0, real[next].answer, now);
            next++;
            continue;
        }
        ub_engine_run(e, now);
        struct ub_engine_token token;
        while (ub_engine_next(e, &token)) {
            struct real *r = token.user;
            double since = (double)now / 1e9 - r->arrived;
            if (token.index == 1) {
                r->first[1] = since;
            }
            if (token.last) {
                r->last[1] = since;
            }
        }
    }
    ub_engine_free(e);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The quantile of one measure; `which`: 0 real, 1 model. */
static double quantile(int count, bool first, int which, double q)
{
    static double values[REAL_MAX];
    for (int i = 0; i < count; i++) {
        values[i] = first ? real[i].first[which] : real[i].last[which];
    }
    qsort(values, (size_t)count, sizeof values[0], by_value);
    return values[(int)(q * (count - 1) + 0.5)];
}

/* Tolerance: 3 % or 40 ms. The second part is for the first tokens of an engine that is not full
 * yet: the real one schedules a step ahead, so a newcomer waits for one step more (12 to 27 ms). */
static void check_real(const char *folder, const char *file, const char *profile)
{
    static const double shares[] = {0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99};
    int count = read_run(folder, file);
    UB_CHECK(count == 300, "%s: all requests are there", file);
    run_model(ub_engine_profile_find(profile), count);
    for (int first = 1; first >= 0; first--) {
        for (size_t i = 0; i < UB_COUNT(shares); i++) {
            double want = quantile(count, first, 0, shares[i]);
            double got = quantile(count, first, 1, shares[i]);
            UB_CHECK(fabs(got - want) <= fmax(0.03 * want, 0.040),
                     "%s, profile %s: p%g to the %s token: %.3f s, real %.3f s (%+.1f %%)", file,
                     profile, 100 * shares[i], first ? "first" : "last", got, want,
                     100 * (got / want - 1));
        }
    }
}

/* n = 88 streams at a context of 4,989: 21 tokens/s each, 14.8 k/s for a node of eight. */
static void check_deepseek(void)
{
    const struct ub_engine_profile *p = ub_engine_profile_find("deepseek");
    double step_ns = p->step_ns + 88 * p->sequence_ns + 88 * 4989 * p->context_ns;
    double rate = 1e9 / step_ns;
    UB_CHECK(rate > 20.5 && rate < 21.5 && fabs(rate * 88 * 8 - 14800) < 300,
             "profile deepseek: %.1f tokens/s a stream and %.0f a node, as published", rate,
             rate * 88 * 8);
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "tests/data";
    check_steps();
    check_queue();
    check_cancel();
    check_preemption();
    check_late_caller();
    check_deepseek();
    check_real(folder, "vllm_8b.csv", "8b");
    check_real(folder, "vllm_32b.csv", "32b");
    return ub_test_done();
}

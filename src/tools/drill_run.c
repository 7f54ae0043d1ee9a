#include "tools/drill_run.h"

#include "base/alloc.h"
#include "base/process.h"

#define JOBS_MAX 64

/* ---- the plan ---- */

static bool is_wanted(const struct ub_drill *drill, const char *const *only)
{
    for (uint32_t i = 0; only != NULL && only[i] != NULL; i++) {
        if (strcmp(only[i], drill->name) == 0) {
            return true;
        }
    }
    return only == NULL;
}

/* 0: not known. */
static uint32_t upstreams_of(const struct ub_drill_run *run)
{
    return run->house != NULL ? run->house->count : run->live->mocks;
}

/* Is it to be played at one upstream, or at all of them? With a single one it is the same. */
static bool makes_sense(const struct ub_drill_run *run, const struct ub_drill *drill, bool all)
{
    const uint32_t needs_more = run->live == NULL      ? 0
                                : run->live->mocks > 0 ? UB_DRILL_OWN
                                                       : UB_DRILL_OWN | UB_DRILL_TIMES;
    if ((drill->bits & needs_more) != 0) {
        return false;
    }
    uint32_t upstreams = upstreams_of(run);
    if (upstreams == 0) {
        return all && (drill->bits & UB_DRILL_ALL) != 0;
    }
    bool alone = upstreams == 1;
    if (alone && (drill->bits & UB_DRILL_NEEDS_TWO) != 0) {
        return false;
    }
    if (all) {
        return (drill->bits & UB_DRILL_ALL) != 0;
    }
    return (drill->bits & UB_DRILL_ONE) != 0 && !(alone && (drill->bits & UB_DRILL_ALL) != 0);
}

/* Does it take more calls than the configuration allows? */
static bool asks_too_much(const struct ub_drill_run *run, const struct ub_drill *drill)
{
    if ((drill->bits & UB_DRILL_EACH_ONCE) != 0) {
        return run->house->count >= run->refusals_max;
    }
    bool needs_second = (drill->bits & UB_DRILL_ALL) == 0 || (drill->bits & UB_DRILL_FLAPS) != 0;
    return needs_second && run->calls_max < 2;
}

static enum ub_drill_verdict best_of(const struct ub_drill_run *run, const struct ub_drill *drill,
                                     bool all, bool stream)
{
    if (run->house != NULL && asks_too_much(run, drill)) {
        return UB_DRILL_SAFE;
    }
    if (all || upstreams_of(run) == 1 || (run->house != NULL && run->calls_max < 2)) {
        return drill->all;
    }
    bool resumes = (drill->bits & UB_DRILL_RESUMES) != 0 && stream;
    bool can = run->house != NULL && ub_drill_house_resumes(run->house);
    return resumes && !can ? UB_DRILL_SAFE : drill->one;
}

static void plan_drill(struct ub_drill_run *run, const struct ub_drill *drill)
{
    for (int all = 0; all <= 1; all++) {
        if (!makes_sense(run, drill, all)) {
            continue;
        }
        for (int stream = 0; stream <= 1; stream++) {
            if (!stream && (drill->bits & UB_DRILL_STREAM_ONLY) != 0) {
                continue;
            }
            run->cases[run->count++] = (struct ub_drill_case){
                .drill = drill,
                .all = all,
                .stream = stream,
                .best = best_of(run, drill, all, stream),
            };
        }
    }
}

static bool plan_script(struct ub_drill_run *run, uint32_t index)
{
    struct ub_drill_case *one = &run->cases[index];
    struct ub_drill_script *script = &run->scripts.list[index];
    run->scripts.count++;
    uint32_t upstreams = run->house != NULL ? run->house->count : 1;
    if (!ub_drill_script_init(script, one->drill, one->all, upstreams)) {
        return false;
    }
    one->requests = (one->drill->bits & UB_DRILL_FLAPS) != 0 ? UB_DRILL_QUESTIONS_MAX : 1;
    for (; script->questions < one->requests; script->questions++) {
        struct ub_buf body = {0};
        uint32_t tokens;
        ub_drill_case_question(run, one, script->questions, &body);
        script->question[script->questions] = ub_drill_case_number(ub_buf_slice(&body), &tokens);
        ub_buf_free(&body);
    }
    return true;
}

bool ub_drill_run_plan(struct ub_drill_run *run, const char *const *only)
{
    run->cases = ub_calloc(4 * ub_drill_count, sizeof *run->cases);
    run->scripts.list = ub_calloc(4 * ub_drill_count, sizeof *run->scripts.list);
    if (run->cases == NULL || run->scripts.list == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < ub_drill_count; i++) {
        if (is_wanted(&ub_drills[i], only)) {
            plan_drill(run, &ub_drills[i]);
        }
    }
    bool good = true;
    for (uint32_t i = 0; good && i < run->count; i++) {
        good = plan_script(run, i);
    }
    return good;
}

void ub_drill_run_close(struct ub_drill_run *run)
{
    for (uint32_t i = 0; i < run->scripts.count; i++) {
        ub_drill_script_close(&run->scripts.list[i]);
    }
    for (uint32_t i = 0; i < run->count; i++) {
        ub_buf_free(&run->cases[i].why);
    }
    ub_free(run->cases);
    ub_free(run->scripts.list);
}

/* ---- all of them ---- */

static void *play_some(void *user)
{
    struct ub_drill_run *run = user;
    for (;;) {
        uint32_t index = atomic_fetch_add(&run->next, 1);
        if (index >= run->count || atomic_load(&run->stop)) {
            break;
        }
        ub_drill_case_play(run, &run->cases[index], &run->scripts.list[index]);
    }
    atomic_fetch_add(&run->finished, 1);
    return NULL;
}

bool ub_drill_run_play(struct ub_drill_run *run, bool (*wait)(void *user), void *user,
                       struct ub_buf *words)
{
    pthread_t threads[JOBS_MAX];
    uint32_t started = 0;
    ub_ns began_at = ub_clock_now();
    if (run->house != NULL && !ub_drill_house_open(run->house, &run->scripts, words)) {
        return false;
    }
    uint32_t jobs = run->jobs < JOBS_MAX ? run->jobs : JOBS_MAX;
    while (started < jobs && ub_process_start_thread(&threads[started], "drill", play_some, run)) {
        started++;
    }
    while (atomic_load(&run->finished) < started) {
        if (wait(user)) {
            atomic_store(&run->stop, true);
        }
    }
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    run->took_ns = ub_clock_now() - began_at;
    if (started == 0) {
        ub_buf_add_text(words, "cannot start a thread");
    }
    return started > 0;
}

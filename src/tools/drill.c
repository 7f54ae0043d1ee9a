/* drill.c - `unbusy drill`: the command line, and what is printed. */
#include "tools/drill.h"

#include "base/log.h"
#include "base/options.h"
#include "base/process.h"
#include "tools/demo.h"
#include "tools/drill_client.h"
#include "tools/drill_report.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_FILE "unbusy.yaml"
#define NAMES_MAX    64
#define MARGIN_NS    (3 * UB_SECOND) /* for a machine that has other things to do */

/* What is read as text. */
struct texts {
    const char *file;
    const char *model;
    const char *live;
    struct ub_option_texts mocks;
    struct ub_option_texts only;
    const char *html;
    bool json;
    bool list;
    bool full_time;
    ub_ns limit_ns;
    uint32_t jobs;
};

/* What lives as long as the drill. */
struct memory {
    struct ub_config *config;
    struct ub_drill_house house;
    struct ub_drill_run run;
    struct ub_buf shortened;
    struct ub_buf names; /* of --only, zero-terminated */
    const char *only[NAMES_MAX + 1];
    struct ub_drill_live live;
    sigset_t signals;
    bool interrupted;
};

static const char about[] =
    "Failure drills: plays a catalogue of faults against your own configuration and says which\n"
    "requests were rescued, which ended honestly, and which failed. The upstreams are replaced by\n"
    "fault servers in this process; nothing is sent to the real ones. Without a file: as 'serve'.";

static const char more[] =
    "Every drill has a gateway of its own, with the tiers and policies of the file. Waits longer\n"
    "than a few seconds are shortened, which is said, unless --full-time asks for them.\n"
    "\n"
    "Exit status: 0 nothing failed; 1 something did, or a report could not be written; 2 wrong\n"
    "usage or configuration; 130 interrupted. docs/DRILL.md explains the scorecard and each "
    "drill.\n"
    "\n"
    "Examples:\n"
    "  unbusy drill\n"
    "  unbusy drill --config unbusy.yaml --model deepseek-chat --html drill.html\n"
    "  unbusy drill --only cut,stall --json\n";

static int print_list(void)
{
    for (uint32_t i = 0; i < ub_drill_count; i++) {
        printf("%-16s %s\n", ub_drills[i].name, ub_drills[i].words);
    }
    return UB_EXIT_GOOD;
}

/* "a,b" and several of these. */
static int read_only(const struct ub_usage *usage, const struct texts *texts, struct memory *memory)
{
    size_t count = 0;
    for (uint32_t i = 0; i < texts->only.count; i++) {
        ub_buf_add(&memory->names, texts->only.list[i], strlen(texts->only.list[i]) + 1);
    }
    if (memory->names.failed) {
        return ub_options_wrong(usage, "out of memory");
    }
    for (size_t at = 0; at < memory->names.len;) {
        char *name = memory->names.ptr + at;
        size_t len = strcspn(name, ",");
        name[len] = '\0';
        at += len + 1;
        if (ub_drill_find(name) == NULL) {
            return ub_options_wrong(usage, "--only: there is no drill '%s'; --list shows all",
                                    name);
        }
        if (count == NAMES_MAX) {
            return ub_options_wrong(usage, "--only: at most %d names", NAMES_MAX);
        }
        memory->only[count++] = name;
    }
    return UB_OPTIONS_GO;
}

static int read_command_line(int argc, char **argv, struct texts *texts, struct memory *memory)
{
    const struct ub_option options[] = {
        {"config", "FILE", UB_OPTION_TEXT, &texts->file,
         "the configuration (default: " DEFAULT_FILE ")"},
        {"model", "NAME", UB_OPTION_TEXT, &texts->model, "of it (default: the first)"},
        {"only", "NAME,...", UB_OPTION_TEXTS, &texts->only, "only these drills"},
        {"list", NULL, UB_OPTION_FLAG, &texts->list, "print the catalogue"},
        {"json", NULL, UB_OPTION_FLAG, &texts->json, "print the scorecard as JSON"},
        {"html", "FILE", UB_OPTION_TEXT, &texts->html, "write it as a page, too"},
        {"full-time", NULL, UB_OPTION_FLAG, &texts->full_time,
         "wait as long as the configuration says; this can take half an hour"},
        {"jobs", "N", UB_OPTION_COUNT, &texts->jobs, "so many drills at once (default 16)"},
        {"live", "URL", UB_OPTION_TEXT, &texts->live,
         "ask this service instead (http://HOST:PORT[/BASE]), which takes faults in the header "
         "x-mock-fault, or..."},
        {"mock", "URL", UB_OPTION_TEXTS, &texts->mocks,
         "...stands in front of these mocks, which then get the faults; repeatable"},
        {"limit", "T", UB_OPTION_DURATION, &texts->limit_ns,
         "--live: what has not ended by then never will (default 15s)"},
    };
    const struct ub_usage usage = {"drill", NULL, about, options, UB_COUNT(options), more};
    int code = ub_options_read(&usage, &argc, argv);
    if (code != UB_OPTIONS_GO) {
        return code;
    }
    if (texts->jobs < 1 || texts->jobs > 64) {
        return ub_options_wrong(&usage, "--jobs: 1 to 64");
    }
    if (texts->live != NULL && texts->file != NULL) {
        return ub_options_wrong(&usage, "--live asks a service as it is: it takes no --config");
    }
    if (texts->mocks.count > UB_DRILL_MOCKS_MAX ||
        (texts->mocks.count > 0 && texts->live == NULL)) {
        return ub_options_wrong(&usage, "--mock: at most %d, and only with --live",
                                UB_DRILL_MOCKS_MAX);
    }
    return texts->list ? print_list() : read_only(&usage, texts, memory);
}

static int complain(const struct ub_buf *words, int code)
{
    fprintf(stderr, "unbusy drill: %.*s\n", UB_SLICE_ARG(ub_buf_slice(words)));
    return code;
}

/* ---- against a configuration ---- */

/* As `serve` does without one: the environment's, or the demo's. Its mocks are not needed. */
static struct ub_config *config_without_file(struct ub_buf *problems)
{
    struct ub_config *config = ub_config_from_environment(problems);
    if (config != NULL || problems->len > 0) {
        return config;
    }
    struct ub_demo *demo = ub_demo_start(problems);
    config = demo == NULL ? NULL : ub_demo_config(demo, problems);
    ub_demo_stop(demo);
    return config;
}

static int load(const struct texts *texts, struct memory *memory)
{
    struct ub_buf problems = {0};
    const char *file = texts->file;
    if (file == NULL && access(DEFAULT_FILE, F_OK) == 0) {
        file = DEFAULT_FILE;
    }
    memory->config =
        file != NULL ? ub_config_load(file, &problems) : config_without_file(&problems);
    fwrite(problems.ptr, 1, problems.len, stderr);
    ub_buf_free(&problems);
    return memory->config != NULL ? UB_OPTIONS_GO : UB_EXIT_USAGE;
}

static int choose_model(const struct texts *texts, struct memory *memory, uint32_t *model)
{
    const struct ub_config *config = memory->config;
    int found = texts->model == NULL ? 0 : ub_config_model(config, ub_slice_of(texts->model));
    if (found < 0 || config->model_count == 0) {
        fprintf(stderr, "unbusy drill: %s has no model '%s'\n", config->file,
                texts->model == NULL ? "" : texts->model);
        return UB_EXIT_USAGE;
    }
    *model = (uint32_t)found;
    memory->run.model = texts->model != NULL ? texts->model : config->models[found].name;
    if (strcmp(memory->run.model, "*") == 0) {
        memory->run.model = UB_DRILL_MODEL_ANY;
    }
    return UB_OPTIONS_GO;
}

static void bound_time(struct ub_drill_run *run, const struct ub_model_policy *policy)
{
    ub_ns stalls_ns = policy->stall_ns * (ub_ns)policy->retry.attempts;
    run->time_max_ns = ub_ns_after(policy->total_ns, ub_ns_after(stalls_ns, MARGIN_NS));
    bool rides = policy->retry.attempts > 1 && policy->retry.ride_out_ns > 0;
    run->calls_max = policy->retry.attempts;
    run->refusals_max = rides ? UB_ATTEMPTS_MAX : run->calls_max;
}

static int prepare(const struct texts *texts, struct memory *memory)
{
    uint32_t model = 0;
    int code = load(texts, memory);
    code = code == UB_OPTIONS_GO ? choose_model(texts, memory, &model) : code;
    if (code != UB_OPTIONS_GO) {
        return code;
    }
    if (!ub_drill_house_init(&memory->house, memory->config, model, texts->full_time,
                             &memory->shortened)) {
        fputs("unbusy drill: out of memory\n", stderr);
        return UB_EXIT_FAILED;
    }
    memory->run.house = &memory->house;
    bound_time(&memory->run, &memory->house.policy);
    return UB_OPTIONS_GO;
}

/* ---- against a service ---- */

static bool read_urls(const struct texts *texts, struct ub_drill_live *live)
{
    struct ub_slice base;
    if (!ub_drill_url(texts->live, &live->service, &base)) {
        return false;
    }
    ub_buf_add_slice(&live->target, base);
    ub_buf_add_text(&live->target, base.len == 0 ? "/v1/chat/completions" : "/chat/completions");
    for (uint32_t i = 0; i < texts->mocks.count; i++) {
        if (!ub_drill_url(texts->mocks.list[i], &live->mock[i], &base)) {
            return false;
        }
    }
    live->mocks = texts->mocks.count;
    return !live->target.failed;
}

static bool has_mocks(const struct ub_drill_live *live)
{
    struct ub_loop *loop = ub_loop_new();
    bool good = loop != NULL && ub_drill_live_set(live, loop, NULL, false);
    if (loop != NULL) {
        ub_loop_free(loop);
    }
    return good;
}

/* A mock says 400 to a fault that it does not know. Whoever answers takes no orders from us, and
 * would look rescued from everything. */
static bool takes_faults(const struct memory *memory)
{
    struct ub_loop *loop = ub_loop_new();
    struct ub_origin *origin = loop == NULL ? NULL : ub_origin_new(loop, &memory->live.service);
    struct ub_buf body = {0};
    struct ub_drill_reply reply = {0};
    ub_drill_question_write(&body, memory->run.model, "unbusy drill", false, 1);
    const struct ub_drill_question question = {.target = ub_buf_slice(&memory->live.target),
                                               .body = ub_buf_slice(&body),
                                               .fault = UB_LIT("no-such-fault"),
                                               .time_ns = 10 * UB_SECOND};
    if (origin != NULL) {
        ub_drill_ask(loop, origin, &question, &reply);
        ub_origin_free(origin);
        ub_drill_answer_close(&reply.answer);
    }
    if (loop != NULL) {
        ub_loop_free(loop);
    }
    ub_buf_free(&body);
    return reply.answer.status == 400;
}

static int prepare_live(const struct texts *texts, struct memory *memory)
{
    memory->run.model = texts->model != NULL ? texts->model : UB_DRILL_MODEL_ANY;
    if (!read_urls(texts, &memory->live)) {
        fputs("unbusy drill: --live, --mock: http://HOST[:PORT][/BASE] is needed\n", stderr);
        return UB_EXIT_USAGE;
    }
    if (memory->live.mocks == 0 && !takes_faults(memory)) {
        fprintf(
            stderr,
            "unbusy drill: %s does not take faults in the header x-mock-fault: it is no 'unbusy "
            "mock', nor does it pass that header on to one\n",
            texts->live);
        return UB_EXIT_USAGE;
    }
    if (!has_mocks(&memory->live)) {
        fputs("unbusy drill: --mock: not all of them are there, and an 'unbusy mock'\n", stderr);
        return UB_EXIT_USAGE;
    }
    memory->run.live = &memory->live;
    memory->run.time_max_ns = texts->limit_ns;
    return UB_OPTIONS_GO;
}

/* ---- reports ---- */

static bool write_report(const char *path, const struct ub_drill_about *what,
                         void (*report)(const struct ub_drill_about *, struct ub_buf *))
{
    struct ub_buf text = {0};
    report(what, &text);
    bool ok = !text.failed;
    FILE *out = !ok ? NULL : path == NULL ? stdout : fopen(path, "w");
    if (out != NULL) {
        ok = fwrite(text.ptr, 1, text.len, out) == text.len;
        ok = (out == stdout ? fflush(out) : fclose(out)) == 0 && ok;
    }
    ok = ok && out != NULL;
    if (!ok) {
        fprintf(stderr, "unbusy drill: %s: %s\n", path == NULL ? "stdout" : path, strerror(errno));
    }
    ub_buf_free(&text);
    return ok;
}

static int report(const struct texts *texts, const struct memory *memory)
{
    const struct ub_drill_about what = {
        .run = &memory->run,
        .against = texts->live != NULL ? texts->live : memory->config->file,
        .upstreams = memory->house.count,
        .shortened = ub_buf_slice(&memory->shortened),
    };
    bool ok = write_report(NULL, &what, texts->json ? ub_drill_report_json : ub_drill_report_text);
    if (texts->html != NULL) {
        ok = write_report(texts->html, &what, ub_drill_report_html) && ok;
    }
    struct ub_drill_score score = ub_drill_score_of(&memory->run);
    bool good = score.verdicts[UB_DRILL_FAILED] == 0 && score.played > 0;
    return memory->interrupted ? UB_EXIT_INTERRUPTED : ok && good ? UB_EXIT_GOOD : UB_EXIT_FAILED;
}

/* ---- the drill ---- */

static bool await(void *user)
{
    struct memory *memory = user;
    const struct timespec wait = {.tv_nsec = 20 * UB_MS};
    memory->interrupted = sigtimedwait(&memory->signals, NULL, &wait) > 0 || memory->interrupted;
    return memory->interrupted;
}

static void announce(const struct texts *texts, const struct memory *memory)
{
    const struct ub_drill_run *run = &memory->run;
    fprintf(stderr, "drill: %u cases for model %s", run->count, run->model);
    if (texts->live != NULL) {
        fprintf(stderr, " at %s\n", texts->live);
    } else {
        fprintf(stderr, " of %s, %u upstreams replaced\n", memory->config->file,
                memory->house.count);
    }
    if (memory->shortened.len > 0) {
        fprintf(stderr, "waits are shortened: %.*s\n",
                UB_SLICE_ARG(ub_buf_slice(&memory->shortened)));
    }
    if (texts->full_time) {
        fprintf(stderr, "waits are as configured: a request may take %.0f s\n",
                (double)run->time_max_ns / 1e9);
    }
}

static int drill(const struct texts *texts, struct memory *memory)
{
    struct ub_buf words = {0};
    memory->signals = ub_process_hold_signals();
    ub_process_raise_files();
    ub_log_set_level(UB_LOG_LEVELS); /* what gateways say of their upstreams is expected here */
    int code = texts->live != NULL ? prepare_live(texts, memory) : prepare(texts, memory);
    if (code != UB_OPTIONS_GO) {
        return code;
    }
    memory->run.jobs = memory->live.mocks > 0 ? 1 : texts->jobs; /* faults are for all */
    if (!ub_drill_run_plan(&memory->run, memory->only[0] == NULL ? NULL : memory->only)) {
        fputs("unbusy drill: out of memory\n", stderr);
        return UB_EXIT_FAILED;
    }
    if (memory->run.count == 0) {
        fputs("unbusy drill: none of these drills makes sense here\n", stderr);
        return UB_EXIT_USAGE;
    }
    announce(texts, memory);
    bool played = ub_drill_run_play(&memory->run, await, memory, &words);
    code = played ? report(texts, memory) : complain(&words, UB_EXIT_FAILED);
    ub_buf_free(&words);
    return code;
}

int ub_cmd_drill(int argc, char **argv)
{
    struct texts texts = {.jobs = 16, .limit_ns = 15 * UB_SECOND};
    struct memory memory = {.house = {.dead_fd = -1}};
    int code = read_command_line(argc, argv, &texts, &memory);
    if (code == UB_OPTIONS_GO) {
        code = drill(&texts, &memory);
    }
    ub_drill_house_close(&memory.house); /* mocks first: they ask the scripts of the run */
    ub_drill_run_close(&memory.run);
    ub_config_release(memory.config);
    ub_buf_free(&memory.shortened);
    ub_buf_free(&memory.names);
    ub_buf_free(&memory.live.target);
    return code;
}

/* load.c - `unbusy load`: the command line, the progress line, the reports. */
#include "tools/load.h"

#include "base/alloc.h"
#include "base/ip.h"
#include "base/options.h"
#include "base/process.h"
#include "base/units.h"
#include "net/tls.h"
#include "tools/load_run.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_NS (500 * UB_MS)

/* The command line as it stands there. */
struct texts {
    const char *url;
    const char *key;
    const char *ca;
    const char *model;
    const char *endpoint;
    const char *prompt;
    const char *answer;
    const char *trace;
    const char *json;
    const char *html;
    struct ub_option_texts headers;
    bool plain;
    bool own_length;
    bool quiet;
    double min_success;
    uint32_t open;
};

/* Everything that the plan points into. */
struct memory {
    struct ub_buf host;
    struct ub_buf target;
    struct ub_buf authorization;
    struct ub_buf what;
    struct ub_trace trace;
    struct ub_tls_client *tls;
};

static void memory_free(struct memory *memory)
{
    ub_buf_free(&memory->host);
    ub_buf_free(&memory->target);
    ub_buf_free(&memory->authorization);
    ub_buf_free(&memory->what);
    ub_trace_free(&memory->trace);
    ub_tls_client_free(memory->tls);
}

/* ---- the plan ---- */

static const char *const endpoint_names[] = {"chat", "completions", "embeddings"};
static const char *const endpoint_paths[] = {"/chat/completions", "/completions", "/embeddings"};

/* "http://host:port/base"; without a base the path begins with /v1. */
static bool read_url(const char *url, struct ub_load_plan *plan, struct memory *memory)
{
    plan->origin.tls = strncmp(url, "https://", 8) == 0;
    if (!plan->origin.tls && strncmp(url, "http://", 7) != 0) {
        return false;
    }
    plan->origin.port = plan->origin.tls ? 443 : 80;
    const char *at = url + (plan->origin.tls ? 8 : 7);
    size_t len = strcspn(at, "/?#");
    const char *path = at + len;
    struct ub_slice host;
    struct ub_slice port;
    bool bracketed;
    if (!ub_host_split((struct ub_slice){at, len}, &host, &port, &bracketed) || host.len == 0 ||
        (port.len > 0 && !ub_port_parse(port, &plan->origin.port)) || plan->origin.port == 0) {
        return false;
    }
    ub_buf_add_slice(&memory->host, host);
    plan->origin.host = ub_buf_slice(&memory->host);
    size_t path_len = strcspn(path, "?#");
    while (path_len > 0 && path[path_len - 1] == '/') {
        path_len--;
    }
    ub_buf_add(&memory->target, path, path_len);
    if (path_len == 0) {
        ub_buf_add_text(&memory->target, "/v1");
    }
    ub_buf_add_text(&memory->target, endpoint_paths[plan->endpoint]);
    ub_buf_add(&memory->target, "", 1);
    plan->target = memory->target.ptr;
    return !memory->target.failed && !memory->host.failed;
}

static bool is_clean(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool read_fields(const struct texts *texts, struct ub_load_plan *plan, struct memory *memory)
{
    plan->field[plan->fields++] =
        (struct ub_http_field){UB_LIT("Content-Type"), UB_LIT("application/json")};
    plan->field[plan->fields++] =
        (struct ub_http_field){UB_LIT("User-Agent"), UB_LIT("unbusy-load/" UB_VERSION)};
    if (texts->key != NULL) {
        ub_buf_printf(&memory->authorization, "Bearer %s", texts->key);
        plan->field[plan->fields++] =
            (struct ub_http_field){UB_LIT("Authorization"), ub_buf_slice(&memory->authorization)};
        if (!is_clean(texts->key) || memory->authorization.failed) {
            return false;
        }
    }
    for (uint32_t i = 0; i < texts->headers.count; i++) {
        const char *text = texts->headers.list[i];
        const char *colon = strchr(text, ':');
        if (colon == NULL || colon == text || !is_clean(text) ||
            plan->fields == UB_LOAD_FIELDS_MAX) {
            return false;
        }
        plan->field[plan->fields++] = (struct ub_http_field){{text, (size_t)(colon - text)},
                                                             ub_slice_trim(ub_slice_of(colon + 1))};
    }
    return true;
}

/* What is run, in words; and whether the numbers make sense together. */
static int read_schedule(const struct ub_usage *usage, const struct texts *texts,
                         struct ub_load_plan *plan, struct memory *memory)
{
    int ways = (texts->trace != NULL) + (plan->streams > 0) + (plan->rate > 0);
    if (ways != 1) {
        return ub_options_wrong(usage, "one of --rate, --trace and --streams is needed");
    }
    if (plan->streams > 0 && !plan->stream) {
        return ub_options_wrong(usage, "--streams: neither --plain nor embeddings are streamed");
    }
    if (plan->duration_ns == 0) {
        plan->duration_ns =
            texts->trace != NULL || plan->requests != UINT64_MAX ? UB_NEVER : 30 * UB_SECOND;
    }
    if (!(plan->cv >= 0 && plan->cv <= 100) || !(plan->speedup > 0) || plan->rate > 1e6 ||
        plan->threads < 1 || plan->threads > 64 || plan->timeout_ns < UB_MS ||
        plan->streams > 1000000) {
        return ub_options_wrong(usage, "--cv, --speedup, --rate, --streams, --threads or --timeout "
                                       "is out of range");
    }
    if (texts->trace != NULL) {
        struct ub_buf words = {0};
        if (!ub_trace_read(&memory->trace, texts->trace, &words)) {
            fprintf(stderr, "unbusy load: %.*s\n", (int)words.len, words.ptr);
            ub_buf_free(&words);
            return UB_EXIT_USAGE;
        }
        plan->trace = &memory->trace;
        ub_buf_printf(&memory->what, "trace %s at %g times its speed", texts->trace, plan->speedup);
    } else if (plan->streams > 0) {
        ub_buf_add_text(&memory->what, "streams, each followed by the next");
    } else {
        ub_buf_printf(&memory->what, "open loop, %g/s, CV %g", plan->rate, plan->cv);
    }
    if (plan->streams == 0) {
        ub_buf_add_text(&memory->what, plan->stream ? ", streaming" : ", not streaming");
    }
    ub_buf_add(&memory->what, "", 1);
    return memory->what.failed ? UB_EXIT_FAILED : UB_OPTIONS_GO;
}

static int read_texts(const struct ub_usage *usage, const struct texts *texts,
                      struct ub_load_plan *plan, struct memory *memory)
{
    bool found = false;
    for (size_t i = 0; i < UB_COUNT(endpoint_names); i++) {
        if (strcmp(texts->endpoint, endpoint_names[i]) == 0) {
            plan->endpoint = (enum ub_load_endpoint)i;
            found = true;
        }
    }
    if (!found) {
        return ub_options_wrong(usage, "--endpoint: chat, completions or embeddings");
    }
    if (texts->url == NULL || !read_url(texts->url, plan, memory)) {
        return ub_options_wrong(usage, "--url http(s)://HOST[:PORT][/BASE] is needed");
    }
    if (plan->origin.tls) {
        char words[UB_TLS_WORDS];
        memory->tls = ub_tls_client_new(texts->ca, true, words);
        if (memory->tls == NULL) {
            return ub_options_wrong(usage, "--ca: %s", words);
        }
        plan->origin.tls_client = memory->tls;
    }
    if (!read_fields(texts, plan, memory)) {
        return ub_options_wrong(usage, "--key or --header: control characters or no colon");
    }
    if (!ub_lengths_parse(texts->prompt, &plan->prompt) ||
        !ub_lengths_parse(texts->answer, &plan->answer)) {
        return ub_options_wrong(usage, "--prompt, --answer: N, MIN..MAX or lognormal:MEAN:CV");
    }
    plan->model = texts->model;
    plan->stream = !texts->plain && plan->endpoint != UB_LOAD_EMBEDDINGS;
    plan->exact = !texts->own_length;
    plan->open_max = (texts->open + plan->threads - 1) / (plan->threads > 0 ? plan->threads : 1);
    return read_schedule(usage, texts, plan, memory);
}

static const char examples[] =
    "Exit status: 0 at least one answer was whole (with --min-success: so many); 1 fewer, or a\n"
    "report could not be written; 2 wrong usage; 130 interrupted (what was measured is reported).\n"
    "\n"
    "Examples, against 'unbusy mock' or 'unbusy serve':\n"
    "  unbusy load --url http://127.0.0.1:8000 --rate 20/s --duration 10s\n"
    "  unbusy load --url http://127.0.0.1:8080 --model demo --streams 100 --duration 30s\n"
    "  unbusy load --url http://127.0.0.1:8080 --model demo --rate 50/s --cv 3 --html "
    "report.html\n";

static int read_command_line(int argc, char **argv, struct texts *texts, struct ub_load_plan *plan,
                             struct memory *memory)
{
    const struct ub_option options[] = {
        {"url", "URL", UB_OPTION_TEXT, &texts->url, "the service, http(s)://HOST[:PORT][/BASE]"},
        {"key", "KEY", UB_OPTION_TEXT, &texts->key, "its API key"},
        {"ca", "FILE", UB_OPTION_TEXT, &texts->ca,
         "for https: trust the certificates in this PEM file (default: the system's)"},
        {"model", "NAME", UB_OPTION_TEXT, &texts->model, "the model to ask for (default: mock)"},
        {"endpoint", "NAME", UB_OPTION_TEXT, &texts->endpoint,
         "chat (default), completions or embeddings"},
        {"plain", NULL, UB_OPTION_FLAG, &texts->plain, "answers in one piece, not streamed"},
        {"rate", "RATE", UB_OPTION_RATE, &plan->rate,
         "open loop: send so many requests (100/s), whether or not earlier ones were answered"},
        {"cv", "X", UB_OPTION_REAL, &plan->cv,
         "--rate: how uneven the gaps are: 0 even, 1 Poisson (default), more: bursts (Gamma)"},
        {"trace", "FILE", UB_OPTION_TEXT, &texts->trace,
         "replay: CSV (t_ms,in_tok,out_tok) or Mooncake JSON lines, gzipped or not"},
        {"speedup", "X", UB_OPTION_REAL, &plan->speedup,
         "--trace: so many times as fast (default 1)"},
        {"streams", "N", UB_OPTION_COUNT, &plan->streams,
         "keep N streams open at once: whoever has ended is followed by the next"},
        {"ramp", "T", UB_OPTION_DURATION, &plan->ramp_ns,
         "--streams: the first ones are spread over T (default 5s)"},
        {"prompt", "LENGTH", UB_OPTION_TEXT, &texts->prompt,
         "tokens of the prompt: N, MIN..MAX or lognormal:MEAN:CV (default 200)"},
        {"answer", "LENGTH", UB_OPTION_TEXT, &texts->answer,
         "of the answer, likewise (default 100)"},
        {"own-length", NULL, UB_OPTION_FLAG, &texts->own_length,
         "answers may end earlier (else ignore_eos is sent along)"},
        {"duration", "T", UB_OPTION_DURATION, &plan->duration_ns,
         "send for so long (default 30s; a trace: all of it), then await what is open"},
        {"requests", "N", UB_OPTION_U64, &plan->requests, "send at most so many"},
        {"timeout", "T", UB_OPTION_DURATION, &plan->timeout_ns, "of one request (default 10m)"},
        {"open", "N", UB_OPTION_COUNT, &texts->open,
         "leave requests out while so many are open (default 50000)"},
        {"threads", "N", UB_OPTION_COUNT, &plan->threads, "that send (default 1)"},
        {"seed", "N", UB_OPTION_U64, &plan->seed, "of arrivals, lengths and prompts (default 0)"},
        {"header", "NAME: VALUE", UB_OPTION_TEXTS, &texts->headers, "sent along; repeatable"},
        {"json", "FILE", UB_OPTION_TEXT, &texts->json, "report as JSON ('-': instead of the text)"},
        {"html", "FILE", UB_OPTION_TEXT, &texts->html, "report as a page with charts"},
        {"min-success", "SHARE", UB_OPTION_REAL, &texts->min_success,
         "the share of whole answers (0..1) that is enough; default: one answer is"},
        {"quiet", NULL, UB_OPTION_FLAG, &texts->quiet, "no progress line"},
    };
    const struct ub_usage usage = {
        "load",
        NULL,
        "Sends requests to a service and measures what becomes of them: whole answers, first "
        "token,\ntime per token. Times count from when a request was meant to be sent. One of "
        "--rate,\n--trace and --streams says when that is.",
        options,
        UB_COUNT(options),
        examples};
    int code = ub_options_read(&usage, &argc, argv);
    return code == UB_OPTIONS_GO ? read_texts(&usage, texts, plan, memory) : code;
}

/* ---- the run ---- */

static void print_progress(struct ub_load_worker *workers, const struct ub_load_plan *plan,
                           ub_ns since_ns)
{
    struct ub_load_result sum = {0};
    for (uint32_t i = 0; i < plan->threads; i++) {
        pthread_mutex_lock(&workers[i].lock);
        sum.sent += workers[i].result.sent;
        sum.open += workers[i].result.open;
        sum.whole += workers[i].result.whole;
        sum.cut += workers[i].result.cut;
        sum.failed += workers[i].result.failed;
        ub_histogram_merge(&sum.first_token, &workers[i].result.first_token);
        ub_histogram_merge(&sum.total, &workers[i].result.total);
        ub_histogram_merge(&sum.lateness, &workers[i].result.lateness);
        pthread_mutex_unlock(&workers[i].lock);
    }
    const struct ub_histogram *h = sum.first_token.count > 0 ? &sum.first_token : &sum.total;
    fprintf(stderr,
            "\r\033[K%7.1f s  sent %llu  open %llu  whole %llu (%.2f %%)  failed %llu  %s p50 "
            "%.3f s p99 %.3f s  late p99 %.1f ms",
            (double)since_ns / 1e9, (unsigned long long)sum.sent, (unsigned long long)sum.open,
            (unsigned long long)sum.whole, 100 * ub_load_result_success(&sum),
            (unsigned long long)(sum.failed + sum.cut),
            sum.first_token.count > 0 ? "first token" : "total",
            (double)ub_histogram_quantile(h, 0.5) / 1e9,
            (double)ub_histogram_quantile(h, 0.99) / 1e9,
            (double)ub_histogram_quantile(&sum.lateness, 0.99) / 1e6);
}

static bool all_finished(const struct ub_load_worker *workers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!atomic_load(&workers[i].finished)) {
            return false;
        }
    }
    return true;
}

/* Waits for the workers; true when a signal came first. They are told then, and end at once. */
static bool await_workers(struct ub_load_worker *workers, const struct ub_load_plan *plan,
                          bool progress, const sigset_t *signals)
{
    bool interrupted = false;
    ub_ns started = ub_clock_now();
    ub_ns shown = started;
    while (!all_finished(workers, plan->threads)) {
        const struct timespec wait = {.tv_nsec = 20 * UB_MS};
        if (sigtimedwait(signals, NULL, &wait) > 0 && !interrupted) {
            interrupted = true;
            for (uint32_t i = 0; i < plan->threads; i++) {
                ub_load_worker_stop(&workers[i]);
            }
        }
        ub_ns now = ub_clock_now();
        if (progress && now - shown >= PROGRESS_NS) {
            print_progress(workers, plan, now - started);
            shown = now;
        }
    }
    if (progress) {
        fputs("\r\033[K", stderr);
    }
    return interrupted;
}

static bool write_report(const char *path, const struct ub_load_result *result,
                         const struct ub_load_about *about,
                         void (*report)(const struct ub_load_result *, const struct ub_load_about *,
                                        struct ub_buf *))
{
    struct ub_buf text = {0};
    report(result, about, &text);
    bool ok = !text.failed;
    FILE *out = !ok ? NULL : strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (out != NULL) {
        ok = fwrite(text.ptr, 1, text.len, out) == text.len;
        ok = (out == stdout ? fflush(out) : fclose(out)) == 0 && ok;
    }
    ok = ok && out != NULL;
    if (!ok) {
        fprintf(stderr, "unbusy load: %s: %s\n", path, strerror(errno));
    }
    ub_buf_free(&text);
    return ok;
}

static int report(const struct texts *texts, const struct ub_load_result *result,
                  const struct ub_load_about *about)
{
    bool ok = true;
    if (texts->json == NULL || strcmp(texts->json, "-") != 0) {
        ok = write_report("-", result, about, ub_load_report_text);
    }
    if (texts->json != NULL) {
        ok = write_report(texts->json, result, about, ub_load_report_json) && ok;
    }
    if (texts->html != NULL) {
        ok = write_report(texts->html, result, about, ub_load_report_html) && ok;
    }
    bool enough = result->whole > 0 && ub_load_result_success(result) >= texts->min_success;
    return ok && enough ? UB_EXIT_GOOD : UB_EXIT_FAILED;
}

static int run(const struct texts *texts, const struct ub_load_plan *plan, const char *what)
{
    sigset_t signals = ub_process_hold_signals();
    struct ub_load_worker *workers = ub_calloc(plan->threads, sizeof *workers);
    struct ub_load_result *sum = ub_calloc(1, sizeof *sum);
    if (workers == NULL || sum == NULL) {
        fputs("unbusy load: out of memory\n", stderr);
        ub_free(workers);
        ub_free(sum);
        return UB_EXIT_FAILED;
    }
    bool ok = true;
    bool interrupted = false;
    ub_ns started = ub_clock_now() + 10 * UB_MS; /* so that all threads are there */
    uint32_t running = 0;
    while (running < plan->threads && ok) {
        ok = ub_load_worker_start(&workers[running], plan, running, started);
        running++;
    }
    if (ok) {
        interrupted =
            await_workers(workers, plan, !texts->quiet && isatty(STDERR_FILENO), &signals);
    } else {
        fputs("unbusy load: cannot start a thread\n", stderr);
    }
    struct ub_load_about about = {texts->url, texts->model, what, ub_clock_now() - started,
                                  plan->streams};
    for (uint32_t i = 0; i < running; i++) {
        if (!ok && workers[i].started) {
            ub_load_worker_stop(&workers[i]);
        }
        ub_load_worker_join(&workers[i]);
        ub_load_result_merge(sum, &workers[i].result);
        ub_load_result_free(&workers[i].result);
    }
    sum->open_max = atomic_load(&plan->gauges->open.most);
    sum->talking_max = atomic_load(&plan->gauges->talking.most);
    int code = ok ? report(texts, sum, &about) : UB_EXIT_FAILED;
    ub_load_result_free(sum);
    ub_free(sum);
    ub_free(workers);
    return interrupted ? UB_EXIT_INTERRUPTED : code;
}

int ub_cmd_load(int argc, char **argv)
{
    struct texts texts = {
        .model = "mock", .endpoint = "chat", .prompt = "200", .answer = "100", .open = 50000};
    struct ub_load_gauges gauges = {0};
    struct ub_load_plan plan = {.cv = 1.0,
                                .speedup = 1.0,
                                .ramp_ns = 5 * UB_SECOND,
                                .requests = UINT64_MAX,
                                .timeout_ns = 10 * UB_MINUTE,
                                .threads = 1,
                                .gauges = &gauges,
                                .origin = {.idle_max = 100000, .idle_ns = 30 * UB_SECOND}};
    struct memory memory = {0};
    int code = read_command_line(argc, argv, &texts, &plan, &memory);
    if (code == UB_OPTIONS_GO) {
        ub_process_raise_files();
        code = run(&texts, &plan, memory.what.ptr);
    }
    memory_free(&memory);
    return code;
}

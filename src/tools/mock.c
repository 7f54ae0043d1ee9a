/* mock.c - `unbusy mock`: the command line. */
#include "tools/mock.h"

#include "base/ip.h"
#include "base/options.h"
#include "base/process.h"
#include "net/tls.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const dialects[] = {
#define X(name, slug) slug,
    UB_MOCK_DIALECTS(X)
#undef X
};

/* What is read as text first. */
struct texts {
    const char *listen;
    const char *dialect;
    const char *profile;
    const char *fit;
    const char *answer;
    const char *episodes;
    const char *cert;
    const char *cert_key;
    struct ub_option_texts models;
    struct ub_option_texts faults;
    uint32_t busy;
    bool no_prefix_cache;
};

static const char about[] =
    "A model server for tests and demos: as slow, full, rude or broken as real ones. Speaks the\n"
    "OpenAI API and prints one line when it listens.";

static const char more[] =
    "A fault is written NAME[:RATE][;SETTING=VALUE...]: '503:0.3' refuses 30 % of the requests,\n"
    "'cut;after=5' cuts each answer after five tokens. '--fault list' prints all names and what "
    "the\n"
    "settings mean. The first --fault that strikes counts; a request can bring its own in the\n"
    "header x-mock-fault. Episodes are bad times that come and go: faults with when=bad strike "
    "only\n"
    "then, and 'slow' makes all answers so many times slower.\n"
    "\n"
    "Pages besides the API:\n"
    "  GET  /models /health /metrics   (the metrics have vLLM's names)\n"
    "  GET  /mock/stats    counts, and the last request with its headers, as JSON\n"
    "  POST /mock/faults   changes what goes wrong from now on: a JSON object of these, or some:\n"
    "      \"faults\": [\"503:0.3\", \"cut;after=5\"]   instead of the rules before; [] for none\n"
    "      \"episodes\": \"share=0.3,mean=20s\"       as --episodes; null for none\n"
    "      \"speed\": 0.5                           as --speed\n"
    "      \"refuse_ms\": 5000                      takes no new connections for so long\n"
    "\n"
    "Examples:\n"
    "  unbusy mock --profile instant --fault '503:0.3' --fault 'stall:0.1;after=10'\n"
    "  unbusy mock --slots 4 --queue 8 --busy 429 --retry-after 2s\n"
    "  curl http://127.0.0.1:8000/mock/faults -d '{\"faults\": [\"drip;every=500ms\"]}'\n";

/* What `--fault list` and `--profile list` print. */
static int print_list(void (*write)(struct ub_buf *out))
{
    struct ub_buf text = {0};
    write(&text);
    bool ok = !text.failed && fwrite(text.ptr, 1, text.len, stdout) == text.len;
    ub_buf_free(&text);
    return ok ? UB_EXIT_GOOD : UB_EXIT_FAILED;
}

static void write_profiles(struct ub_buf *out)
{
    for (const struct ub_engine_profile *p = ub_engine_profiles; p->name != NULL; p++) {
        ub_buf_printf(out, "%-13s %s\n", p->name, p->words);
    }
}

/* "127.0.0.1:8000", "[::1]:0", ":8000"; points into `text`. */
static bool read_address(const char *text, struct ub_mock_options *options)
{
    struct ub_slice port;
    bool bracketed;
    return ub_host_split(ub_slice_of(text), &options->host, &port, &bracketed) &&
           ub_port_parse(port, &options->port);
}

static bool read_dialect(const char *text, struct ub_mock_options *options)
{
    for (size_t i = 0; i < UB_COUNT(dialects); i++) {
        if (strcmp(text, dialects[i]) == 0) {
            options->dialect = (enum ub_mock_dialect)i;
            return true;
        }
    }
    return false;
}

/* "A,B,C,D,E" in milliseconds: a step, a sequence, a context token, a prompt token, a prompt token
 * times context. The last ones may be left out. */
static bool read_fit(const char *text, struct ub_engine_profile *profile)
{
    double *targets[] = {&profile->step_ns, &profile->sequence_ns, &profile->context_ns,
                         &profile->prefill_ns, &profile->prefill_cross_ns};
    for (size_t i = 0; i < UB_COUNT(targets); i++) {
        char *end = NULL;
        *targets[i] = strtod(text, &end) * 1e6;
        if (end == text || *targets[i] < 0 || *targets[i] > 1e12) {
            return false;
        }
        if (*end == '\0') {
            for (size_t rest = i + 1; rest < UB_COUNT(targets); rest++) {
                *targets[rest] = 0;
            }
            return true;
        }
        if (*end != ',') {
            return false;
        }
        text = end + 1;
    }
    return false;
}

/* "200" or "50..400" */
static bool read_span(const char *text, uint32_t *min, uint32_t *max)
{
    char *end;
    unsigned long low = strtoul(text, &end, 10);
    unsigned long high = low;
    if (strncmp(end, "..", 2) == 0) {
        high = strtoul(end + 2, &end, 10);
    }
    *min = (uint32_t)low;
    *max = (uint32_t)high;
    return *end == '\0' && low >= 1 && low <= high && high <= 1000000;
}

static int read_faults(const struct ub_usage *usage, const struct ub_option_texts *faults,
                       struct ub_mock_options *options)
{
    struct ub_buf words = {0};
    int code = UB_OPTIONS_GO;
    for (uint32_t i = 0; i < faults->count && code == UB_OPTIONS_GO; i++) {
        if (strcmp(faults->list[i], "list") == 0) {
            code = print_list(ub_prank_list);
            break;
        }
        struct ub_prank_rule *rule = &options->pranks.rule[options->pranks.count++];
        if (!ub_prank_parse(ub_slice_of(faults->list[i]), rule, &words)) {
            code = ub_options_wrong(usage, "--fault: %.*s", (int)words.len, words.ptr);
        }
    }
    ub_buf_free(&words);
    return code;
}

static int read_episodes(const struct ub_usage *usage, const char *text,
                         struct ub_mock_options *options)
{
    struct ub_buf words = {0};
    int code = UB_OPTIONS_GO;
    if (text != NULL && !ub_episodes_parse(ub_slice_of(text), &options->episodes, &words)) {
        code = ub_options_wrong(usage, "--episodes: %.*s", (int)words.len, words.ptr);
    }
    ub_buf_free(&words);
    return code;
}

static int read_engine(const struct ub_usage *usage, const struct texts *texts,
                       struct ub_mock_options *options)
{
    if (strcmp(texts->profile, "list") == 0) {
        return print_list(write_profiles);
    }
    const struct ub_engine_profile *profile = ub_engine_profile_find(texts->profile);
    if (profile == NULL) {
        return ub_options_wrong(usage, "--profile: there is no '%s'; --profile list shows all",
                                texts->profile);
    }
    options->profile = *profile;
    if (texts->fit != NULL && !read_fit(texts->fit, &options->profile)) {
        return ub_options_wrong(usage, "--fit: milliseconds A,B,C,D,E are needed");
    }
    if (!(options->speed > 1e-6 && options->speed < 1e6)) {
        return ub_options_wrong(usage, "--speed: a number above 0 is needed");
    }
    if (options->threads < 1 || options->threads > 64 || options->engines < 1 ||
        options->engines > 1000) {
        return ub_options_wrong(usage, "1 to 64 threads and 1 to 1000 engines are possible");
    }
    if (options->slots > 1000000 || options->queue > 1000000) {
        return ub_options_wrong(usage, "slots and queue go to 1000000");
    }
    return UB_OPTIONS_GO;
}

static bool read_certificate(const struct ub_usage *usage, const struct texts *texts,
                             struct ub_mock_options *options)
{
    if ((texts->cert == NULL) != (texts->cert_key == NULL)) {
        ub_options_wrong(usage, "--cert and --cert-key go together");
        return false;
    }
    if (texts->cert == NULL) {
        return true;
    }
    char words[UB_TLS_WORDS];
    const struct ub_tls_server_options tls = {.cert = texts->cert, .key = texts->cert_key};
    options->tls = ub_tls_server_new(&tls, words);
    if (options->tls == NULL) {
        ub_options_wrong(usage, "%s", words);
    }
    return options->tls != NULL;
}

static int read_texts(const struct ub_usage *usage, const struct texts *texts,
                      struct ub_mock_options *options)
{
    if (!read_address(texts->listen, options)) {
        return ub_options_wrong(usage, "--listen: ADDRESS:PORT is needed, not '%s'", texts->listen);
    }
    if (!read_dialect(texts->dialect, options)) {
        return ub_options_wrong(usage, "--dialect: openai, deepseek, vllm, sglang or llama");
    }
    if (!read_span(texts->answer, &options->answer_min, &options->answer_max)) {
        return ub_options_wrong(usage, "--answer: a number of tokens, or MIN..MAX");
    }
    if (texts->busy != 429 && texts->busy != 503 && texts->busy != 529) {
        return ub_options_wrong(usage, "--busy: 429, 503 or 529");
    }
    options->busy_status = (int)texts->busy;
    if (texts->models.count > UB_MOCK_MODELS_MAX) {
        return ub_options_wrong(usage, "at most %d models", UB_MOCK_MODELS_MAX);
    }
    for (uint32_t i = 0; i < texts->models.count; i++) {
        options->model[options->model_count++] = texts->models.list[i];
    }
    if (!read_certificate(usage, texts, options)) {
        return UB_EXIT_USAGE;
    }
    options->prefix_cache = !texts->no_prefix_cache;
    if (options->keep_alive_ns == 0 && options->dialect == UB_MOCK_DEEPSEEK) {
        options->keep_alive_ns = 5 * UB_SECOND;
    }
    int code = read_engine(usage, texts, options);
    code = code == UB_OPTIONS_GO ? read_episodes(usage, texts->episodes, options) : code;
    return code == UB_OPTIONS_GO ? read_faults(usage, &texts->faults, options) : code;
}

static int read_command_line(int argc, char **argv, struct ub_mock_options *o)
{
    struct texts texts = {.listen = "127.0.0.1:8000",
                          .dialect = "openai",
                          .profile = "8b",
                          .answer = "50..400",
                          .busy = 503};
    const struct ub_option options[] = {
        {"listen", "ADDR", UB_OPTION_TEXT, &texts.listen,
         "ADDRESS:PORT (default 127.0.0.1:8000; port 0: a free one)"},
        {"model", "NAME", UB_OPTION_TEXTS, &texts.models,
         "a model it has; repeatable (default: any name is fine)"},
        {"dialect", "NAME", UB_OPTION_TEXT, &texts.dialect,
         "whose errors and fields: openai (default), deepseek, vllm, sglang or llama"},
        {"key", "KEY", UB_OPTION_TEXT, &o->key, "refuse other API keys with 401"},
        {"cert", "FILE", UB_OPTION_TEXT, &texts.cert, "https with this certificate (PEM)"},
        {"cert-key", "FILE", UB_OPTION_TEXT, &texts.cert_key, "and its private key (PEM)"},
        {"threads", "N", UB_OPTION_COUNT, &o->threads,
         "replicas behind the one address, a thread each (default 1)"},
        {"engines", "N", UB_OPTION_COUNT, &o->engines,
         "engines (GPUs) of each replica (default 1)"},
        {"profile", "NAME", UB_OPTION_TEXT, &texts.profile,
         "how fast it is (default 8b); 'list' prints all"},
        {"fit", "A,B,C,D,E", UB_OPTION_TEXT, &texts.fit,
         "own times in ms: of a step, and more for each sequence, context token, prompt token, "
         "both"},
        {"speed", "X", UB_OPTION_REAL, &o->speed, "so many times as fast (default 1)"},
        {"first-token", "T", UB_OPTION_DURATION, &o->first_token_ns,
         "added before each first token"},
        {"answer", "N|MIN..MAX", UB_OPTION_TEXT, &texts.answer,
         "tokens of an answer (default 50..400), if max_tokens allows"},
        {"context", "N", UB_OPTION_COUNT, &o->context, "refuse longer prompts (default: never)"},
        {"slots", "N", UB_OPTION_COUNT, &o->slots,
         "answers made at once (default: what the profile holds)"},
        {"queue", "N", UB_OPTION_COUNT, &o->queue,
         "so many more may wait for a slot (default 1000)"},
        {"queue-wait", "T", UB_OPTION_DURATION, &o->queue_wait_ns,
         "close the connection of who waits longer (default 10m; 0s: never)"},
        {"busy", "STATUS", UB_OPTION_COUNT, &texts.busy,
         "said when slots and queue are full: 429, 503 (default) or 529"},
        {"retry-after", "T", UB_OPTION_DURATION, &o->retry_after_ns,
         "Retry-After with it (default: none)"},
        {"keep-alive", "T", UB_OPTION_DURATION, &o->keep_alive_ns,
         "keep-alives so often while a client waits (default: 5s for deepseek, else none)"},
        {"no-prefix-cache", NULL, UB_OPTION_FLAG, &texts.no_prefix_cache,
         "no prompt is cheaper for having been seen"},
        {"seed", "N", UB_OPTION_U64, &o->seed, "of answers and chance (default 0)"},
        {"fault", "RULE", UB_OPTION_TEXTS, &texts.faults,
         "what goes wrong, see below; repeatable; 'list' prints all"},
        {"episodes", "WHEN", UB_OPTION_TEXT, &texts.episodes,
         "bad times: share=0.28,mean=20s[,turn=1/3][,slow=4][,seed=7]"},
    };
    const struct ub_usage usage = {"mock", NULL, about, options, UB_COUNT(options), more};
    int code = ub_options_read(&usage, &argc, argv);
    return code == UB_OPTIONS_GO ? read_texts(&usage, &texts, o) : code;
}

int ub_cmd_mock(int argc, char **argv)
{
    struct ub_mock_options options = ub_mock_defaults();
    int code = read_command_line(argc, argv, &options);
    if (code != UB_OPTIONS_GO) {
        return code;
    }
    ub_process_raise_files();
    sigset_t signals = ub_process_hold_signals();

    const char *words;
    struct ub_mock *mock = ub_mock_start(&options, &words);
    if (mock == NULL) {
        fprintf(stderr, "unbusy mock: %.*s:%u: %s\n", UB_SLICE_ARG(options.host), options.port,
                words);
        ub_tls_server_free(options.tls);
        return UB_EXIT_FAILED;
    }
    bool v6 = memchr(options.host.ptr, ':', options.host.len) != NULL;
    printf("listening on http%s://%s%.*s%s:%u\n", options.tls != NULL ? "s" : "", v6 ? "[" : "",
           UB_SLICE_ARG(options.host), v6 ? "]" : "", ub_mock_port(mock));
    fflush(stdout);
    int got = SIGTERM;
    sigwait(&signals, &got);
    ub_mock_stop(mock);
    ub_tls_server_free(options.tls);
    return got == SIGINT ? UB_EXIT_INTERRUPTED : UB_EXIT_GOOD;
}

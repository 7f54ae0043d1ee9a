/* mock_pages.c - what a mock serves besides answers: models, health, vLLM's metrics, and the pages
 * for tests (GET /mock/stats, POST /mock/faults). */
#include "tools/mock_inside.h"

#include "base/alloc.h"
#include <jansson.h>

/* ---- metrics, under vLLM's names ---- */

static const double bounds_long[] = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,  2.5,
                                     5,    10,    20,   40,  80,   160, 640};
static const double bounds_short[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1,
                                      0.15,  0.2,    0.3,   0.4,  0.5,   0.75, 1,     2.5};

static void add_histogram(struct ub_buf *out, const char *name, const char *help,
                          const struct ub_histogram *h, const double *bounds, size_t count,
                          const char *labels)
{
    ub_buf_printf(out, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name);
    for (size_t i = 0; i < count; i++) {
        ub_buf_printf(out, "%s_bucket{%s,le=\"%g\"} %llu\n", name, labels, bounds[i],
                      (unsigned long long)ub_histogram_count_upto(h, (int64_t)(bounds[i] * 1e9)));
    }
    ub_buf_printf(out, "%s_bucket{%s,le=\"+Inf\"} %llu\n%s_sum{%s} %.6f\n%s_count{%s} %llu\n", name,
                  labels, (unsigned long long)h->count, name, labels, h->sum / 1e9, name, labels,
                  (unsigned long long)h->count);
}

static void add_number(struct ub_buf *out, const char *name, const char *type, const char *help,
                       double value, const char *labels)
{
    ub_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s{%s} %.15g\n", name, help, name, type, name,
                  labels, value);
}

struct sums {
    uint64_t running;
    uint64_t waiting;
    uint64_t kv_tokens;
    uint64_t preemptions;
};

static struct sums sum_workers(struct ub_mock *mock)
{
    struct sums sums = {0};
    for (uint32_t i = 0; i < mock->workers; i++) {
        sums.running += atomic_load(&mock->worker[i].running);
        sums.waiting += atomic_load(&mock->worker[i].waiting);
        sums.kv_tokens += atomic_load(&mock->worker[i].kv_tokens);
        sums.preemptions += atomic_load(&mock->worker[i].preemptions);
    }
    return sums;
}

static void add_histograms(struct ub_mock *mock, struct ub_buf *out, const char *labels)
{
    struct ub_histogram *all = ub_calloc(4, sizeof *all);
    if (all == NULL) {
        out->failed = true;
        return;
    }
    for (uint32_t i = 0; i < mock->workers; i++) {
        struct ub_mock_worker *worker = &mock->worker[i];
        pthread_mutex_lock(&worker->lock);
        ub_histogram_merge(&all[0], &worker->first_token);
        ub_histogram_merge(&all[1], &worker->between_tokens);
        ub_histogram_merge(&all[2], &worker->whole);
        ub_histogram_merge(&all[3], &worker->queued);
        pthread_mutex_unlock(&worker->lock);
    }
    add_histogram(out, "vllm:time_to_first_token_seconds", "Time to first token.", &all[0],
                  bounds_long, UB_COUNT(bounds_long), labels);
    add_histogram(out, "vllm:inter_token_latency_seconds", "Time between tokens.", &all[1],
                  bounds_short, UB_COUNT(bounds_short), labels);
    add_histogram(out, "vllm:e2e_request_latency_seconds", "From arrival to last token.", &all[2],
                  bounds_long, UB_COUNT(bounds_long), labels);
    add_histogram(out, "vllm:request_queue_time_seconds", "From arrival to the first step.",
                  &all[3], bounds_long, UB_COUNT(bounds_long), labels);
    ub_free(all);
}

static void write_metrics(struct ub_mock *mock, struct ub_buf *out)
{
    const struct ub_mock_options *options = &mock->options;
    const char *model = options->model_count > 0 ? options->model[0] : "mock";
    struct ub_buf labels = {0};
    ub_buf_add_text(&labels, "engine=\"0\",model_name=");
    ub_buf_add_json(&labels, ub_slice_of(model));
    ub_buf_add(&labels, "", 1);
    if (labels.failed) {
        out->failed = true;
        return;
    }
    const char *l = labels.ptr;
    struct sums sums = sum_workers(mock);
    double kv_all = (double)options->profile.kv_tokens * options->engines * mock->workers;
    add_number(out, "vllm:num_requests_running", "gauge", "Answers being made.",
               (double)sums.running, l);
    add_number(out, "vllm:num_requests_waiting", "gauge", "Requests in the queue.",
               (double)sums.waiting, l);
    add_number(out, "vllm:kv_cache_usage_perc", "gauge", "KV memory in use, 1 = all.",
               kv_all > 0 ? (double)sums.kv_tokens / kv_all : 0.0, l);
    add_number(out, "vllm:num_preemptions_total", "counter", "Sequences thrown out.",
               (double)sums.preemptions, l);
    add_number(out, "vllm:prompt_tokens_total", "counter", "Prompt tokens.",
               (double)atomic_load(&mock->prompt_tokens), l);
    add_number(out, "vllm:generation_tokens_total", "counter", "Tokens generated.",
               (double)atomic_load(&mock->answer_tokens), l);
    add_number(out, "vllm:prefix_cache_queries_total", "counter", "Prompt tokens looked up.",
               (double)atomic_load(&mock->cache_queries), l);
    add_number(out, "vllm:prefix_cache_hits_total", "counter", "Prompt tokens found.",
               (double)atomic_load(&mock->cache_hits), l);
    add_number(out, "vllm:request_success_total", "counter", "Complete answers.",
               (double)atomic_load(&mock->outcome[UB_MOCK_ENDED_COMPLETE]), l);
    ub_buf_printf(out,
                  "# HELP vllm:cache_config_info KV memory.\n# TYPE vllm:cache_config_info gauge\n"
                  "vllm:cache_config_info{%s,block_size=\"16\",num_gpu_blocks=\"%.0f\"} 1\n",
                  l, kv_all / 16);
    add_histograms(mock, out, l);
    ub_buf_free(&labels);
}

/* ---- models ---- */

static void write_models(struct ub_mock *mock, struct ub_buf *out)
{
    const struct ub_mock_options *options = &mock->options;
    ub_buf_add_text(out, "{\"object\":\"list\",\"data\":[");
    uint32_t count = options->model_count > 0 ? options->model_count : 1;
    for (uint32_t i = 0; i < count; i++) {
        ub_buf_add_text(out, i == 0 ? "{\"id\":" : ",{\"id\":");
        ub_buf_add_json(out, ub_slice_of(options->model_count > 0 ? options->model[i] : "mock"));
        ub_buf_add_text(out, ",\"object\":\"model\",\"created\":1700000000,"
                             "\"owned_by\":\"unbusy mock\"}");
    }
    ub_buf_add_text(out, "]}");
}

/* ---- pages for tests ---- */

static void write_stats(struct ub_mock *mock, struct ub_buf *out)
{
    static const char *const outcomes[] = {
#define X(name, slug) slug,
        UB_MOCK_OUTCOMES(X)
#undef X
    };
    struct sums sums = sum_workers(mock);
    ub_buf_printf(out,
                  "{\"requests\":%llu,\"in_flight\":%u,\"in_flight_max\":%u,\"running\":%llu,"
                  "\"waiting\":%llu,\"prompt_tokens\":%llu,\"answer_tokens\":%llu,"
                  "\"cached_tokens\":%llu,\"bad_episode\":%s,\"outcomes\":{",
                  (unsigned long long)atomic_load(&mock->requests), atomic_load(&mock->in_flight),
                  atomic_load(&mock->in_flight_max), (unsigned long long)sums.running,
                  (unsigned long long)sums.waiting,
                  (unsigned long long)atomic_load(&mock->prompt_tokens),
                  (unsigned long long)atomic_load(&mock->answer_tokens),
                  (unsigned long long)atomic_load(&mock->cache_hits),
                  ub_mock_is_bad(mock) ? "true" : "false");
    for (int i = 0; i < UB_MOCK_OUTCOME_COUNT; i++) {
        ub_buf_printf(out, "%s\"%s\":%llu", i == 0 ? "" : ",", outcomes[i],
                      (unsigned long long)atomic_load(&mock->outcome[i]));
    }
    ub_buf_add_text(out, "},\"faults\":{");
    const char *comma = "";
    for (int i = 1; i < UB_PRANK_COUNT; i++) {
        unsigned long long count = atomic_load(&mock->prank_count[i]);
        if (count > 0) {
            ub_buf_printf(out, "%s\"%s\":%llu", comma, ub_prank_facts((enum ub_prank)i)->slug,
                          count);
            comma = ",";
        }
    }
    ub_buf_add_text(out, "},\"last\":");
    pthread_mutex_lock(&mock->lock);
    bool has_last = mock->last.len > 0 && !mock->last.failed;
    ub_buf_add_slice(out, has_last ? ub_buf_slice(&mock->last) : UB_LIT("null"));
    pthread_mutex_unlock(&mock->lock);
    ub_buf_add_text(out, "}");
}

/* What POST /mock/faults may change; taken over as a whole or not at all. */
struct change {
    bool has_pranks;
    bool has_episodes;
    bool has_speed;
    bool has_refuse;
    struct ub_prank_set pranks;
    struct ub_episodes episodes;
    double speed;
    ub_ns refuse_ns;
};

static struct ub_slice text_of(const json_t *value)
{
    return (struct ub_slice){json_string_value(value), json_string_length(value)};
}

static bool read_pranks(const json_t *list, struct ub_prank_set *set, struct ub_buf *words)
{
    size_t i;
    json_t *item;
    if (json_array_size(list) > UB_PRANK_RULES_MAX) {
        ub_buf_printf(words, "at most %d faults", UB_PRANK_RULES_MAX);
        return false;
    }
    json_array_foreach(list, i, item)
    {
        struct ub_slice text = json_is_string(item) ? text_of(item) : UB_LIT("");
        if (!ub_prank_parse(text, &set->rule[set->count++], words)) {
            return false;
        }
    }
    return true;
}

static bool read_change(const json_t *root, struct change *change, struct ub_buf *words)
{
    const char *key;
    json_t *value;
    if (!json_is_object(root)) {
        ub_buf_add_text(words, "a JSON object is needed");
        return false;
    }
    json_object_foreach((json_t *)(uintptr_t)root, key, value)
    {
        if (strcmp(key, "faults") == 0 && json_is_array(value)) {
            change->has_pranks = true;
            if (!read_pranks(value, &change->pranks, words)) {
                return false;
            }
        } else if (strcmp(key, "episodes") == 0 && json_is_null(value)) {
            change->has_episodes = true;
            change->episodes = (struct ub_episodes){.turns = 1, .slow = 1.0};
        } else if (strcmp(key, "episodes") == 0 && json_is_string(value)) {
            change->has_episodes = true;
            if (!ub_episodes_parse(text_of(value), &change->episodes, words)) {
                return false;
            }
        } else if (strcmp(key, "speed") == 0 && json_number_value(value) > 0) {
            change->has_speed = true;
            change->speed = json_number_value(value);
        } else if (strcmp(key, "refuse_ms") == 0 && json_integer_value(value) >= 0) {
            change->has_refuse = true;
            change->refuse_ns = (ub_ns)json_integer_value(value) * UB_MS;
        } else {
            ub_buf_printf(words,
                          "cannot read \"%s\" (faults: list of texts, episodes: text or "
                          "null, speed: number, refuse_ms: number)",
                          key);
            return false;
        }
    }
    return true;
}

static void apply_change(struct ub_mock *mock, const struct change *change)
{
    pthread_mutex_lock(&mock->lock);
    if (change->has_pranks) {
        mock->options.pranks = change->pranks;
        mock->started_at = ub_clock_now(); /* their from= and to= count from now */
    }
    if (change->has_episodes) {
        mock->options.episodes = change->episodes;
    }
    if (change->has_speed) {
        mock->options.speed = change->speed;
    }
    pthread_mutex_unlock(&mock->lock);
    if (change->has_refuse) {
        ub_mock_refuse(mock, change->refuse_ns);
    } else {
        ub_mock_settings_changed(mock);
    }
}

static void control(struct ub_mock_job *job)
{
    struct ub_buf words = {0};
    struct change *change = ub_calloc(1, sizeof *change);
    json_error_t error;
    json_t *root = json_loadb(job->body.ptr == NULL ? "" : job->body.ptr, job->body.len,
                              JSON_REJECT_DUPLICATES, &error);
    bool ok = false;
    if (root == NULL) {
        ub_buf_printf(&words, "invalid JSON at byte %d: %s", error.position, error.text);
    } else if (change != NULL) {
        ok = read_change(root, change, &words);
    }
    if (ok) {
        apply_change(job->worker->mock, change);
        ub_mock_answer(job, 200, "application/json", UB_LIT("{\"ok\":true}"));
    } else {
        ub_buf_add(&words, "", 1);
        const struct ub_mock_trouble trouble = {400, words.failed ? "bad" : words.ptr,
                                                "invalid_request_error", NULL, NULL};
        ub_mock_refuse_with(job, &trouble, 0);
    }
    json_decref(root);
    ub_free(change);
    ub_buf_free(&words);
}

static void answer_with(struct ub_mock_job *job, const char *type,
                        void (*write)(struct ub_mock *mock, struct ub_buf *out))
{
    ub_buf_clear(&job->out);
    write(job->worker->mock, &job->out);
    if (job->out.failed) {
        ub_exchange_abort(job->exchange);
        return;
    }
    ub_mock_answer(job, 200, type, ub_buf_slice(&job->out));
}

bool ub_mock_page(struct ub_mock_job *job)
{
    const char *target = job->target;
    if (job->is_post && strcmp(target, "/mock/faults") == 0) {
        control(job);
        return true;
    }
    if (job->is_post) {
        return false;
    }
    if (strcmp(target, "/models") == 0 || strcmp(target, "/v1/models") == 0) {
        answer_with(job, "application/json", write_models);
    } else if (strcmp(target, "/metrics") == 0) {
        answer_with(job, "text/plain; version=0.0.4; charset=utf-8", write_metrics);
    } else if (strcmp(target, "/mock/stats") == 0) {
        answer_with(job, "application/json", write_stats);
    } else if (strcmp(target, "/health") == 0 || strcmp(target, "/ping") == 0) {
        ub_mock_answer(job, 200, "application/json", UB_LIT("{\"status\":\"ok\"}"));
    } else {
        return false;
    }
    return true;
}

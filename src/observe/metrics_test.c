#include "observe/metrics.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/test.h"
#include "policy/brain.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SHADOW_MEMORY 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SHADOW_MEMORY 1
#endif

static const struct ub_metrics_limits limits = {
    .workers = 3, .models = 4, .upstreams = 1000, .tenants = 2};

static struct ub_buf page;

static const char *scrape(struct ub_metrics *metrics)
{
    ub_buf_clear(&page);
    ub_metrics_render(metrics, &page);
    ub_buf_add(&page, "", 1);
    return page.failed ? "" : page.ptr;
}

/* The value of one series, written as it stands in the page; NAN when it is not there. */
static double value_of(struct ub_metrics *metrics, const char *series)
{
    const char *text = scrape(metrics);
    size_t len = strlen(series);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, series, len) == 0 && line[len] == ' ') {
            return strtod(line + len, NULL);
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return NAN;
}

static void test_counters(void)
{
    struct ub_metrics *metrics = ub_metrics_new(&limits);
    struct ub_metrics_shard *first = ub_metrics_shard(metrics, 0);
    struct ub_metrics_shard *last = ub_metrics_shard(metrics, 2);
    ub_metrics_name(metrics, UB_LABEL_MODEL, 1, "chat");
    const char *ok = "unbusy_requests_total{model=\"chat\",outcome=\"ok\"}";
    UB_CHECK(isnan(value_of(metrics, ok)), "an outcome appears with its first count");
    ub_metrics_add(first, UB_METRIC_REQUESTS, 1, UB_ERR_OK, 1);
    ub_metrics_add(last, UB_METRIC_REQUESTS, 1, UB_ERR_OK, 41);
    UB_CHECK(value_of(metrics, ok) == 42, "workers are summed");

    const char *input = "unbusy_tokens_total{model=\"chat\",kind=\"input\"}";
    UB_CHECK(value_of(metrics, input) == 0, "a named series shows its zero");
    ub_metrics_add(last, UB_METRIC_REQUESTS, UB_NO_MODEL, UB_ERR_NO_ROUTE, 7);
    UB_CHECK(value_of(metrics, "unbusy_requests_total{model=\"other\",outcome=\"no_route\"}") == 7,
             "an index past the end is \"other\"");

    const char *cost = "unbusy_cost_total{model=\"chat\",usage=\"estimated\"}";
    UB_CHECK(isnan(value_of(metrics, cost)), "nothing costs nothing before there is a price");
    ub_metrics_add(first, UB_METRIC_COST, 1, UB_USAGE_ESTIMATED, 1500000000);
    ub_metrics_add(last, UB_METRIC_COST, 1, UB_USAGE_ESTIMATED, 1);
    UB_CHECK(value_of(metrics, cost) == 1.500000001, "billionths are shown as what they are of");
    ub_metrics_add(first, UB_METRIC_CLASS_REQUESTS, UB_METRIC_CLASS_BATCH, UB_ERR_OK, 2);
    UB_CHECK(value_of(metrics, "unbusy_class_requests_total{class=\"batch\",outcome=\"ok\"}") == 2,
             "classes have words");
    ub_metrics_name(metrics, UB_LABEL_UPSTREAM, 7, "near");
    ub_metrics_name(metrics, UB_LABEL_ZONE, 7, "dc1");
    ub_metrics_set(metrics, UB_METRIC_UPSTREAM_INFO, 7, 7, 1);
    UB_CHECK(value_of(metrics, "unbusy_upstream_info{upstream=\"near\",zone=\"dc1\"}") == 1,
             "an upstream has a zone");

    ub_metrics_add(first, UB_METRIC_CONNECTIONS, UB_SIDE_CLIENT, 0, 5);
    ub_metrics_add(last, UB_METRIC_CONNECTIONS, UB_SIDE_CLIENT, 0, (uint64_t)-2);
    UB_CHECK(value_of(metrics, "unbusy_connections{side=\"client\"}") == 3, "up and down");
    ub_metrics_add(last, UB_METRIC_CONNECTIONS, UB_SIDE_UPSTREAM, 0, (uint64_t)-2);
    UB_CHECK(value_of(metrics, "unbusy_connections{side=\"upstream\"}") == -2, "also below zero");

    ub_metrics_add(first, UB_METRIC_RESPONSES, 200, 0, 3);
    ub_metrics_add(first, UB_METRIC_RESPONSES, 4711, 0, 1);
    UB_CHECK(value_of(metrics, "unbusy_responses_total{status=\"200\"}") == 3 &&
                 value_of(metrics, "unbusy_responses_total{status=\"other\"}") == 1,
             "status codes");
    ub_metrics_free(metrics);
}

static void test_names(void)
{
    struct ub_metrics *metrics = ub_metrics_new(&limits);
    struct ub_metrics_shard *shard = ub_metrics_shard(metrics, 1);
    ub_metrics_add(shard, UB_METRIC_ATTEMPTS, 0, UB_ERR_LATE, 3);
    UB_CHECK(strstr(scrape(metrics), "attempts_total") == NULL,
             "a slot without a name is not shown");
    ub_metrics_name(metrics, UB_LABEL_UPSTREAM, 0, "a\\b\"c\nd");
    const char *series = "unbusy_attempts_total{upstream=\"a\\\\b\\\"c\\nd\",error=\"late\"}";
    UB_CHECK(isnan(value_of(metrics, series)), "what came before the name is forgotten");
    ub_metrics_add(shard, UB_METRIC_ATTEMPTS, 0, UB_ERR_LATE, 4);
    UB_CHECK(value_of(metrics, series) == 4, "a name is escaped");
    ub_metrics_set(metrics, UB_METRIC_ATTEMPTS_RUNNING, 0, 0, 9);
    ub_metrics_name(metrics, UB_LABEL_UPSTREAM, 0, "a\\b\"c\nd");
    UB_CHECK(value_of(metrics, series) == 4, "the same name again changes nothing");
    ub_metrics_name(metrics, UB_LABEL_UPSTREAM, 0, "new");
    UB_CHECK(isnan(value_of(metrics, "unbusy_attempts_total{upstream=\"new\",error=\"late\"}")) &&
                 isnan(value_of(metrics, "unbusy_attempts_running{upstream=\"new\"}")),
             "a new name starts from zero");
    UB_CHECK(strstr(scrape(metrics), "a\\\\b") == NULL, "and the old one is gone");

    ub_metrics_name(metrics, UB_LABEL_MODEL, 3, "chat");
    ub_metrics_set(metrics, UB_METRIC_TARGET_STATE, 0, 3, 2);
    const char *target = "unbusy_target_state{upstream=\"new\",model=\"chat\"}";
    UB_CHECK(value_of(metrics, target) == 2, "a gauge of two slots");
    UB_CHECK(isnan(value_of(metrics, target)), "is only shown by the scrape that it was set for");
    ub_metrics_set(metrics, UB_METRIC_TARGET_STATE, 0, 3, 2);
    ub_metrics_set(metrics, UB_METRIC_TARGET_ERROR_SHARE, 0, 3, 0.5);
    ub_metrics_set(metrics, UB_METRIC_TARGET_STATE, 0, 3, 0);
    const char *text = scrape(metrics);
    const char *first = strstr(text, target);
    UB_CHECK(first != NULL && strncmp(first + strlen(target), " 0\n", 3) == 0 &&
                 strstr(first + 1, target) == NULL,
             "of two values for a series the later one is shown, also a zero");
    ub_metrics_set(metrics, UB_METRIC_TARGET_STATE, 0, 3, 1);
    ub_metrics_set(metrics, UB_METRIC_TARGET_STATE, 0, 3, NAN);
    UB_CHECK(isnan(value_of(metrics, target)), "NAN takes it away");
    ub_metrics_set(metrics, UB_METRIC_TARGET_STATE, 0, 3, 1);
    ub_metrics_name(metrics, UB_LABEL_MODEL, 3, NULL);
    UB_CHECK(isnan(value_of(metrics, target)), "so does taking the name of its second label");
    ub_metrics_free(metrics);
}

static void test_histograms(void)
{
    struct ub_metrics *metrics = ub_metrics_new(&limits);
    ub_metrics_name(metrics, UB_LABEL_MODEL, 0, "m");
    static const ub_ns samples[] = {-1,          50 * UB_MS,     50 * UB_MS + 1,
                                    700 * UB_MS, 10 * UB_SECOND, 700 * UB_SECOND};
    for (size_t i = 0; i < UB_COUNT(samples); i++) {
        ub_metrics_observe(ub_metrics_shard(metrics, (uint32_t)i % 3), UB_METRIC_FIRST_TOKEN_TIME,
                           0, samples[i]);
    }
    static const struct {
        const char *le;
        double want;
    } rows[] = {{"0.05", 2}, {"0.1", 3}, {"0.5", 3}, {"0.75", 4},
                {"7.5", 4},  {"10", 5},  {"600", 5}, {"+Inf", 6}};
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        char series[100];
        snprintf(series, sizeof series, "unbusy_first_token_seconds_bucket{model=\"m\",le=\"%s\"}",
                 rows[i].le);
        UB_CHECK(value_of(metrics, series) == rows[i].want, "up to %s s: %g", rows[i].le,
                 rows[i].want);
    }
    UB_CHECK(value_of(metrics, "unbusy_first_token_seconds_count{model=\"m\"}") == 6, "the count");
    UB_CHECK(fabs(value_of(metrics, "unbusy_first_token_seconds_sum{model=\"m\"}") - 710.8) < 1e-6,
             "the sum in seconds; nothing negative in it");
    ub_metrics_free(metrics);
}

static void test_process(void)
{
    struct ub_metrics *metrics = ub_metrics_new(&limits);
    ub_metrics_set_process(metrics);
    double started = value_of(metrics, "unbusy_process_start_time_seconds");
    UB_CHECK(fabs(started - (double)ub_clock_wall() / 1e9) < 60, "the start of the process");
    UB_CHECK(value_of(metrics, "unbusy_process_resident_memory_bytes") > 100e3, "memory");
    UB_CHECK(value_of(metrics, "unbusy_process_open_fds") >= 3, "files");
    UB_CHECK(value_of(metrics, "unbusy_process_cpu_seconds_total") > 0, "CPU time");
    UB_CHECK(value_of(metrics, "unbusy_log_lines_total{level=\"error\"}") == 0, "log lines");
    UB_CHECK(value_of(metrics, "unbusy_build_info{version=\"" UB_VERSION "\"}") == 1, "version");
    ub_metrics_free(metrics);
}

static void test_memory(void)
{
    for (int64_t nth = 1; nth <= 7; nth++) {
        ub_alloc_fail_nth(nth);
        struct ub_metrics *metrics = ub_metrics_new(&limits);
        ub_alloc_fail_nth(0);
        UB_CHECK(metrics == NULL, "without memory (allocation %d) there are no metrics", (int)nth);
        ub_metrics_free(metrics);
    }
    struct ub_metrics *metrics = ub_metrics_new(&limits);
    ub_alloc_fail_nth(1);
    UB_CHECK(!ub_metrics_name(metrics, UB_LABEL_TENANT, 0, "web"),
             "without memory there is no name");
    ub_alloc_fail_nth(0);
    UB_CHECK(strstr(scrape(metrics), "tenant=") == NULL, "and the slot is not shown");
    ub_metrics_name(metrics, UB_LABEL_TENANT, 0, "web");
    UB_CHECK(value_of(metrics, "unbusy_tenant_requests_total{tenant=\"web\"}") == 0,
             "until it has one");
    ub_buf_free(&page);
    ub_alloc_fail_nth(1);
    ub_metrics_render(metrics, &page);
    ub_alloc_fail_nth(0);
    UB_CHECK(page.failed, "a page that does not fit into memory is marked as such");
    ub_metrics_free(metrics);
}

static void *work(void *shard)
{
    for (int i = 0; i < 20000; i++) {
        ub_metrics_add(shard, UB_METRIC_STREAM_EVENTS, 0, 0, 1);
        ub_metrics_observe(shard, UB_METRIC_QUEUE_TIME, 0, i * UB_US);
    }
    return NULL;
}

/* As large as the gateway makes it: what is not used must not cost time or memory. */
static void test_size(void)
{
    const struct ub_metrics_limits large = {
        .workers = 4, .models = 4096, .upstreams = 4096, .tenants = 4096};
    struct ub_metrics *metrics = ub_metrics_new(&large);
    ub_metrics_set_process(metrics);
    double before = value_of(metrics, "unbusy_process_resident_memory_bytes");
    for (uint32_t i = 0; i < 64; i++) {
        ub_metrics_name(metrics, UB_LABEL_MODEL, i * 64, "m");
        ub_metrics_name(metrics, UB_LABEL_UPSTREAM, i * 64, "u");
        ub_metrics_set(metrics, UB_METRIC_TARGET_STATE, i * 64, i * 64, 1);
    }
    UB_CHECK(strstr(scrape(metrics), "unbusy_target_state{") != NULL, "a large table is shown");
    ub_metrics_set_process(metrics);
    double after = value_of(metrics, "unbusy_process_resident_memory_bytes");
#ifdef HAS_SHADOW_MEMORY
    ub_test_skip("a sanitizer's own memory covers ours (%.0f KB)", (after - before) / 1e3);
#else
    UB_CHECK(after - before < 4e6, "and what is not used costs no memory (%.0f KB)",
             (after - before) / 1e3);
#endif
    ub_metrics_free(metrics);
}

static void test_threads(void)
{
    struct ub_metrics *metrics = ub_metrics_new(&limits);
    ub_metrics_name(metrics, UB_LABEL_MODEL, 0, "m");
    pthread_t threads[3];
    for (uint32_t i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, work, ub_metrics_shard(metrics, i));
    }
    double before = 0;
    bool forward = true;
    for (int i = 0; i < 20; i++) {
        double now = value_of(metrics, "unbusy_stream_events_total");
        forward = forward && now >= before;
        before = now;
        ub_metrics_name(metrics, UB_LABEL_UPSTREAM, (uint32_t)i, i % 2 == 0 ? "even" : "odd");
        ub_metrics_set(metrics, UB_METRIC_TARGET_STATE, (uint32_t)i, 0, i);
    }
    for (uint32_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    UB_CHECK(forward, "a counter never goes back while workers run");
    UB_CHECK(value_of(metrics, "unbusy_stream_events_total") == 60000, "no count is lost");
    UB_CHECK(value_of(metrics, "unbusy_queue_wait_seconds_count{model=\"m\"}") == 60000,
             "nor a sample");
    ub_metrics_free(metrics);
}

/* One of everything, for `promtool check metrics`. */
static void print_page(void)
{
    struct ub_metrics *metrics = ub_metrics_new(&limits);
    struct ub_metrics_shard *shard = ub_metrics_shard(metrics, 0);
    ub_metrics_name(metrics, UB_LABEL_MODEL, 0, "deepseek-chat");
    ub_metrics_name(metrics, UB_LABEL_UPSTREAM, 0, "odd \"name\"\\\n");
    ub_metrics_name(metrics, UB_LABEL_TENANT, 0, "web");
    static const enum ub_metric counters[] = {UB_METRIC_REQUESTS,         UB_METRIC_RESPONSES,
                                              UB_METRIC_REQUESTS_RUNNING, UB_METRIC_ATTEMPTS,
                                              UB_METRIC_STARTS,           UB_METRIC_TOKENS};
    for (size_t i = 0; i < UB_COUNT(counters); i++) {
        ub_metrics_add(shard, counters[i], 0, 1, 1);
    }
    static const enum ub_metric gauges[] = {
        UB_METRIC_WAITING,        UB_METRIC_BACKING_OFF,        UB_METRIC_ATTEMPTS_RUNNING,
        UB_METRIC_FIRST_ATTEMPTS, UB_METRIC_EXTRA_ATTEMPTS,     UB_METRIC_CHARGED_ATTEMPTS,
        UB_METRIC_TARGET_STATE,   UB_METRIC_TARGET_FIRST_TOKEN, UB_METRIC_TARGET_ERROR_SHARE,
        UB_METRIC_BODY_MEMORY,    UB_METRIC_BODY_MEMORY_MAX,    UB_METRIC_ACCESS_LINES,
        UB_METRIC_ACCESS_DROPS,   UB_METRIC_FLIGHT_DROPS,       UB_METRIC_RELOADS,
        UB_METRIC_RELOAD_OK};
    for (size_t i = 0; i < UB_COUNT(gauges); i++) {
        ub_metrics_set(metrics, gauges[i], 0, 0, 1.5);
    }
    ub_metrics_set_process(metrics);
    fputs(scrape(metrics), stdout);
    ub_metrics_free(metrics);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--page") == 0) {
        print_page();
        ub_buf_free(&page);
        return 0;
    }
    test_counters();
    test_names();
    test_histograms();
    test_process();
    test_memory();
    test_size();
    test_threads();
    ub_buf_free(&page);
    return ub_test_done();
}

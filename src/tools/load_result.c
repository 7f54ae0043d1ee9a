#include "tools/load_result.h"

#include "base/alloc.h"
#include "base/slice.h"
#include <stdio.h>
#include <string.h>

void ub_load_result_free(struct ub_load_result *result)
{
    ub_free(result->second);
    result->second = NULL;
    result->seconds = result->second_cap = 0;
}

void ub_load_result_error(struct ub_load_result *result, const char *name, uint64_t count)
{
    for (uint32_t i = 0; i < result->errors; i++) {
        if (strncmp(result->error[i].name, name, UB_LOAD_ERROR_NAME - 1) == 0) {
            result->error[i].count += count;
            return;
        }
    }
    if (result->errors == UB_LOAD_ERRORS_MAX - 1) {
        name = "others";
    } else if (result->errors == UB_LOAD_ERRORS_MAX) {
        result->error[UB_LOAD_ERRORS_MAX - 1].count += count;
        return;
    }
    struct ub_load_error *error = &result->error[result->errors++];
    snprintf(error->name, sizeof error->name, "%s", name);
    error->count = count;
}

struct ub_load_second *ub_load_result_second(struct ub_load_result *result, ub_ns since_ns)
{
    static struct ub_load_second spare;
    int64_t wanted = since_ns < 0 ? 0 : since_ns / UB_SECOND;
    uint32_t index = wanted < UB_LOAD_SECONDS_MAX ? (uint32_t)wanted : UB_LOAD_SECONDS_MAX - 1;
    if (index >= result->second_cap) {
        uint32_t cap = index + 64;
        struct ub_load_second *seconds = ub_realloc(result->second, cap * sizeof *seconds);
        if (seconds == NULL) {
            return result->second_cap > 0 ? &result->second[result->second_cap - 1] : &spare;
        }
        memset(seconds + result->second_cap, 0, (cap - result->second_cap) * sizeof *seconds);
        result->second = seconds;
        result->second_cap = cap;
    }
    result->seconds = index < result->seconds ? result->seconds : index + 1;
    return &result->second[index];
}

static void merge_seconds(struct ub_load_result *into, const struct ub_load_result *from)
{
    for (uint32_t i = 0; i < from->seconds; i++) {
        const struct ub_load_second *f = &from->second[i];
        struct ub_load_second *t = ub_load_result_second(into, i * UB_SECOND);
        t->due += f->due;
        t->whole += f->whole;
        t->failed += f->failed;
        t->firsts += f->firsts;
        t->first_sum_ms += f->first_sum_ms;
        t->first_max_ms = f->first_max_ms > t->first_max_ms ? f->first_max_ms : t->first_max_ms;
        t->events += f->events;
    }
}

void ub_load_result_merge(struct ub_load_result *into, const struct ub_load_result *from)
{
    into->sent += from->sent;
    into->whole += from->whole;
    into->cut += from->cut;
    into->silent += from->silent;
    into->failed += from->failed;
    into->interrupted += from->interrupted;
    into->not_sent += from->not_sent;
    into->open += from->open;
    into->prompt_tokens += from->prompt_tokens;
    into->answer_tokens += from->answer_tokens;
    into->events += from->events;
    into->bytes += from->bytes;
    ub_histogram_merge(&into->lateness, &from->lateness);
    ub_histogram_merge(&into->first_token, &from->first_token);
    ub_histogram_merge(&into->gap, &from->gap);
    ub_histogram_merge(&into->per_token, &from->per_token);
    ub_histogram_merge(&into->total, &from->total);
    for (uint32_t i = 0; i < from->errors; i++) {
        ub_load_result_error(into, from->error[i].name, from->error[i].count);
    }
    merge_seconds(into, from);
}

double ub_load_result_success(const struct ub_load_result *result)
{
    uint64_t ended = result->whole + result->cut + result->failed;
    return ended == 0 ? 0.0 : (double)result->whole / (double)ended;
}

bool ub_load_result_is_late(const struct ub_load_result *result)
{
    int64_t late = ub_histogram_quantile(&result->lateness, 0.99);
    const struct ub_histogram *answer =
        result->first_token.count > 0 ? &result->first_token : &result->total;
    return late > 10 * UB_MS && late > ub_histogram_quantile(answer, 0.5) / 10;
}

/* ---- text ---- */

static const struct measure {
    const char *name;
    const char *key;
    size_t offset;
} measures[] = {
    {"first token", "first_token", offsetof(struct ub_load_result, first_token)},
    {"between events", "gap", offsetof(struct ub_load_result, gap)},
    {"per token", "per_token", offsetof(struct ub_load_result, per_token)},
    {"total", "total", offsetof(struct ub_load_result, total)},
    {"sent late by", "lateness", offsetof(struct ub_load_result, lateness)},
};

static const double shares[] = {0.5, 0.9, 0.95, 0.99, 0.999, 1.0};
static const char *const share_names[] = {"p50", "p90", "p95", "p99", "p99.9", "max"};

static const struct ub_histogram *histogram_of(const struct ub_load_result *result,
                                               const struct measure *measure)
{
    return (const struct ub_histogram *)(const void *)((const char *)result + measure->offset);
}

static void add_time(struct ub_buf *out, double ns)
{
    if (ns < 10e6) {
        ub_buf_printf(out, "%8.2f ms", ns / 1e6);
    } else if (ns < 1e9) {
        ub_buf_printf(out, "%8.1f ms", ns / 1e6);
    } else {
        ub_buf_printf(out, "%8.2f s ", ns / 1e9);
    }
}

static void add_percentiles(const struct ub_load_result *result, struct ub_buf *out)
{
    ub_buf_printf(out, "\n%-16s %11s", "", "mean");
    for (size_t i = 0; i < UB_COUNT(shares); i++) {
        ub_buf_printf(out, " %11s", share_names[i]);
    }
    ub_buf_add_text(out, "\n");
    for (size_t m = 0; m < UB_COUNT(measures); m++) {
        const struct ub_histogram *h = histogram_of(result, &measures[m]);
        if (h->count == 0) {
            continue;
        }
        ub_buf_printf(out, "%-16s ", measures[m].name);
        add_time(out, ub_histogram_mean(h));
        for (size_t i = 0; i < UB_COUNT(shares); i++) {
            ub_buf_add_text(out, " ");
            add_time(out, (double)ub_histogram_quantile(h, shares[i]));
        }
        ub_buf_add_text(out, "\n");
    }
}

void ub_load_report_text(const struct ub_load_result *r, const struct ub_load_about *about,
                         struct ub_buf *out)
{
    double took = (double)about->took_ns / 1e9;
    ub_buf_printf(out, "%s  model %s\n%s, %.1f s\n\n", about->url, about->model, about->what, took);
    ub_buf_printf(
        out,
        "requests %llu   whole %llu (%.3f %%)   cut %llu (%llu in silence)   failed %llu   "
        "open at most %llu\n",
        (unsigned long long)r->sent, (unsigned long long)r->whole, 100 * ub_load_result_success(r),
        (unsigned long long)r->cut, (unsigned long long)r->silent, (unsigned long long)r->failed,
        (unsigned long long)r->open_max);
    ub_buf_printf(out, "answered %.1f/s   tokens %llu in, %llu out (%.0f/s)\n",
                  took > 0 ? (double)r->whole / took : 0, (unsigned long long)r->prompt_tokens,
                  (unsigned long long)r->answer_tokens,
                  took > 0 ? (double)r->answer_tokens / took : 0);
    if (about->streams > 0) {
        ub_buf_printf(out, "streams %u wanted at once, %llu reached%s\n", about->streams,
                      (unsigned long long)r->talking_max,
                      r->talking_max < about->streams ? ": never all of them" : "");
    }
    if (r->interrupted > 0) {
        ub_buf_printf(out, "stopped early: %llu were still running\n",
                      (unsigned long long)r->interrupted);
    }
    if (r->not_sent > 0) {
        ub_buf_printf(out, "not sent: %llu, too many were open (--open)\n",
                      (unsigned long long)r->not_sent);
    }
    add_percentiles(r, out);
    if (r->errors > 0) {
        ub_buf_add_text(out, "\n");
    }
    for (uint32_t i = 0; i < r->errors; i++) {
        ub_buf_printf(out, "%10llu  %s\n", (unsigned long long)r->error[i].count, r->error[i].name);
    }
    if (ub_load_result_is_late(r)) {
        ub_buf_add_text(out, "\nThe load generator itself was late: its times are part of the "
                             "figures above. Use more --threads, or a lower rate.\n");
    }
}

/* ---- JSON ---- */

static void add_measure(const struct ub_histogram *h, const char *key, struct ub_buf *out)
{
    ub_buf_printf(out, ",\"%s\":{\"count\":%llu", key, (unsigned long long)h->count);
    if (h->count > 0) {
        ub_buf_printf(out, ",\"mean\":%.3f,\"min\":%.3f", ub_histogram_mean(h) / 1e6,
                      (double)h->min / 1e6);
        for (size_t i = 0; i < UB_COUNT(shares); i++) {
            ub_buf_printf(out, ",\"%s\":%.3f", share_names[i],
                          (double)ub_histogram_quantile(h, shares[i]) / 1e6);
        }
    }
    ub_buf_add_text(out, "}");
}

static void add_seconds(const struct ub_load_result *r, struct ub_buf *out)
{
    ub_buf_add_text(out, ",\"seconds\":[");
    for (uint32_t i = 0; i < r->seconds; i++) {
        const struct ub_load_second *s = &r->second[i];
        ub_buf_printf(out,
                      "%s{\"due\":%u,\"whole\":%u,\"failed\":%u,\"first_token_mean_ms\":%.3f,"
                      "\"first_token_max_ms\":%.3f,\"events\":%llu}",
                      i == 0 ? "" : ",", s->due, s->whole, s->failed,
                      s->firsts > 0 ? s->first_sum_ms / s->firsts : 0.0, s->first_max_ms,
                      (unsigned long long)s->events);
    }
    ub_buf_add_text(out, "]");
}

void ub_load_report_json(const struct ub_load_result *r, const struct ub_load_about *about,
                         struct ub_buf *out)
{
    ub_buf_add_text(out, "{\"url\":");
    ub_buf_add_json(out, ub_slice_of(about->url));
    ub_buf_add_text(out, ",\"model\":");
    ub_buf_add_json(out, ub_slice_of(about->model));
    ub_buf_add_text(out, ",\"what\":");
    ub_buf_add_json(out, ub_slice_of(about->what));
    ub_buf_printf(out,
                  ",\"took_s\":%.3f,\"requests\":%llu,\"whole\":%llu,\"cut\":%llu,\"silent\":%llu,"
                  "\"failed\":%llu,"
                  "\"interrupted\":%llu,\"not_sent\":%llu,\"success\":%.6f,\"open_max\":%llu,"
                  "\"streams_wanted\":%u,\"streams_reached\":%llu,"
                  "\"prompt_tokens\":%llu,\"answer_tokens\":%llu,\"events\":%llu,\"bytes\":%llu,"
                  "\"generator_late\":%s,\"unit\":\"ms\"",
                  (double)about->took_ns / 1e9, (unsigned long long)r->sent,
                  (unsigned long long)r->whole, (unsigned long long)r->cut,
                  (unsigned long long)r->silent, (unsigned long long)r->failed,
                  (unsigned long long)r->interrupted, (unsigned long long)r->not_sent,
                  ub_load_result_success(r), (unsigned long long)r->open_max, about->streams,
                  (unsigned long long)(about->streams > 0 ? r->talking_max : 0),
                  (unsigned long long)r->prompt_tokens, (unsigned long long)r->answer_tokens,
                  (unsigned long long)r->events, (unsigned long long)r->bytes,
                  ub_load_result_is_late(r) ? "true" : "false");
    for (size_t m = 0; m < UB_COUNT(measures); m++) {
        add_measure(histogram_of(r, &measures[m]), measures[m].key, out);
    }
    ub_buf_add_text(out, ",\"errors\":{");
    for (uint32_t i = 0; i < r->errors; i++) {
        ub_buf_add_text(out, i == 0 ? "" : ",");
        ub_buf_add_json(out, ub_slice_of(r->error[i].name));
        ub_buf_printf(out, ":%llu", (unsigned long long)r->error[i].count);
    }
    ub_buf_add_text(out, "}");
    add_seconds(r, out);
    ub_buf_add_text(out, "}\n");
}

/* The text of an access log line. */
#include "base/buf.h"
#include "observe/access.h"
#include "observe/access_private.h"

#include <time.h>

#define NANOS 1000000000u

static const char *reason_words(uint8_t reason)
{
    static const char *const words[] = {
#define X(name, words) words,
        UB_REASONS(X)
#undef X
    };
    return reason < UB_COUNT(words) ? words[reason] : "";
}

static const char *error_slug(uint8_t error)
{
    return error < UB_ERR_COUNT ? ub_error_slug((enum ub_error)error) : "";
}

#define ADD(out, literal) ub_buf_add((out), (literal), sizeof(literal) - 1)

static void add_number(struct ub_buf *out, uint64_t number, size_t least_digits)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 || sizeof digits - at < least_digits);
    ub_buf_add(out, digits + at, sizeof digits - at);
}

/* Texts of a record are zero-terminated within their arrays. */
static void add_text(struct ub_buf *out, const char *text, size_t size)
{
    ub_buf_add_json(out, (struct ub_slice){text, strnlen(text, size)});
}

static void add_duration(struct ub_buf *out, ub_ns duration_ns)
{
    add_number(out, (uint64_t)(duration_ns / UB_MS), 1);
    ADD(out, ".");
    add_number(out, (uint64_t)(duration_ns % UB_MS / UB_US), 3);
}

static void add_time(struct ub_buf *out, ub_ns wall_ns, struct ub_access_clock *clock)
{
    if (clock->text[0] == '\0' || wall_ns / UB_SECOND != clock->second) {
        clock->second = wall_ns / UB_SECOND;
        time_t seconds = (time_t)clock->second;
        struct tm utc;
        gmtime_r(&seconds, &utc);
        strftime(clock->text, sizeof clock->text, "%Y-%m-%dT%H:%M:%S", &utc);
    }
    ADD(out, "{\"time\":\"");
    ub_buf_add_text(out, clock->text);
    ADD(out, ".");
    add_number(out, (uint64_t)(wall_ns / UB_MS % 1000), 3);
    ADD(out, "Z\"");
}

static void add_attempt(struct ub_buf *out, const struct ub_access_attempt *attempt)
{
    ADD(out, "{\"upstream\":");
    add_text(out, attempt->upstream, sizeof attempt->upstream);
    ADD(out, ",\"reason\":\"");
    ub_buf_add_text(out, reason_words(attempt->reason));
    ADD(out, "\",\"error\":\"");
    ub_buf_add_text(out, error_slug(attempt->error));
    ADD(out, "\",\"start_ms\":");
    add_number(out, attempt->start_ms, 1);
    ADD(out, ",\"ms\":");
    add_number(out, attempt->ms, 1);
    ADD(out, "}");
}

static void add_attempts(struct ub_buf *out, const struct ub_access_record *record)
{
    ADD(out, ",\"attempts\":[");
    for (size_t i = 0; i < record->attempts && i < UB_ACCESS_ATTEMPTS; i++) {
        if (i > 0) {
            ADD(out, ",");
        }
        add_attempt(out, &record->attempt[i]);
    }
    ADD(out, "],\"attempts_total\":");
    add_number(out, record->attempts, 1);
}

static void add_who(struct ub_buf *out, const struct ub_access_record *record)
{
    ADD(out, ",\"id\":");
    add_text(out, record->id, sizeof record->id);
    ADD(out, ",\"client\":");
    add_text(out, record->client, sizeof record->client);
    ADD(out, ",\"tenant\":");
    add_text(out, record->tenant, sizeof record->tenant);
    if (record->class != NULL) {
        ADD(out, ",\"class\":");
        ub_buf_add_json(out, ub_slice_of(record->class));
    }
    ADD(out, ",\"endpoint\":");
    ub_buf_add_json(out, ub_slice_of(record->endpoint == NULL ? "" : record->endpoint));
    ADD(out, ",\"model\":");
    add_text(out, record->model, sizeof record->model);
    ub_buf_add_text(out, record->stream ? ",\"stream\":true" : ",\"stream\":false");
}

static void add_answerer(struct ub_buf *out, const struct ub_access_record *record)
{
    if (record->upstream[0] != '\0') {
        ADD(out, ",\"upstream\":");
        add_text(out, record->upstream, sizeof record->upstream);
    }
    if (record->zone[0] != '\0') {
        ADD(out, ",\"zone\":");
        add_text(out, record->zone, sizeof record->zone);
    }
    if (record->degraded[0] != '\0') {
        ADD(out, ",\"degraded\":");
        add_text(out, record->degraded, sizeof record->degraded);
    }
}

static void add_measures(struct ub_buf *out, const struct ub_access_record *record)
{
    if (record->queue_ns >= 0) {
        ADD(out, ",\"queue_ms\":");
        add_duration(out, record->queue_ns);
    }
    if (record->first_token_ns >= 0) {
        ADD(out, ",\"first_token_ms\":");
        add_duration(out, record->first_token_ns);
    }
    ADD(out, ",\"total_ms\":");
    add_duration(out, ub_ns_max(record->total_ns, 0));
    ADD(out, ",\"tokens_in\":");
    add_number(out, record->tokens_in, 1);
    ADD(out, ",\"tokens_out\":");
    add_number(out, record->tokens_out, 1);
    ADD(out, ",\"tokens_cached\":");
    add_number(out, record->tokens_cached, 1);
    ADD(out, ",\"usage\":");
    ub_buf_add_json(out, ub_slice_of(record->usage == NULL ? "none" : record->usage));
    if (record->cost_nanos >= 0) {
        ADD(out, ",\"cost\":");
        add_number(out, (uint64_t)record->cost_nanos / NANOS, 1);
        ADD(out, ".");
        add_number(out, (uint64_t)record->cost_nanos % NANOS, 9);
    }
    ADD(out, ",\"bytes_in\":");
    add_number(out, record->bytes_in, 1);
    ADD(out, ",\"bytes_out\":");
    add_number(out, record->bytes_out, 1);
}

void ub_access_add_line(struct ub_buf *out, const struct ub_access_record *record,
                        struct ub_access_clock *clock)
{
    add_time(out, record->wall_ns, clock);
    add_who(out, record);
    ADD(out, ",\"status\":");
    add_number(out, record->status, 1);
    ADD(out, ",\"outcome\":\"");
    ub_buf_add_text(out, error_slug(record->outcome));
    ADD(out, "\",\"reason\":\"");
    ub_buf_add_text(out, reason_words(record->why));
    ADD(out, "\"");
    add_answerer(out, record);
    add_attempts(out, record);
    add_measures(out, record);
    ADD(out, "}\n");
}

/* load_result.h - what `unbusy load` measured. One for each worker; they add up.
 *
 * All times count from when a request was *meant* to be sent, so that a service (or a load
 * generator) that falls behind cannot hide it. `lateness` is the generator's own share in that.
 */
#ifndef UB_TOOLS_LOAD_RESULT_H
#define UB_TOOLS_LOAD_RESULT_H

#include "base/buf.h"
#include "base/histogram.h"
#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

#define UB_LOAD_ERRORS_MAX  48
#define UB_LOAD_ERROR_NAME  64
#define UB_LOAD_SECONDS_MAX 86400u

struct ub_load_error {
    char name[UB_LOAD_ERROR_NAME];
    uint64_t count;
};

/* One second since the start, for the charts. */
struct ub_load_second {
    uint32_t due;   /* meant to be sent */
    uint32_t whole; /* ended, by the second of their end */
    uint32_t failed;
    uint32_t firsts; /* first tokens */
    double first_sum_ms;
    double first_max_ms;
    uint64_t events;
};

struct ub_load_result {
    uint64_t sent;
    uint64_t whole;         /* complete answers */
    uint64_t cut;           /* had begun, and are not complete */
    uint64_t silent;        /* of these: ended as if all were well */
    uint64_t failed;        /* everything else that ended; the errors tell */
    uint64_t interrupted;   /* still running when the run was stopped */
    uint64_t not_sent;      /* more would have been open than allowed */
    uint64_t open;          /* now */
    uint64_t open_max;      /* at once, over all workers: the run's end fills them in */
    uint64_t talking_max;   /* of these, between their first token and their end */
    uint64_t prompt_tokens; /* as the answers say */
    uint64_t answer_tokens;
    uint64_t events; /* of streams, with payload */
    uint64_t bytes;
    struct ub_histogram lateness;
    struct ub_histogram first_token; /* of all streams that had one */
    struct ub_histogram gap;         /* between two events of a stream */
    struct ub_histogram per_token;   /* of a whole stream: (last - first) / (tokens - 1) */
    struct ub_histogram total;       /* of whole answers */
    struct ub_load_error error[UB_LOAD_ERRORS_MAX];
    uint32_t errors;
    struct ub_load_second *second;
    uint32_t seconds;
    uint32_t second_cap;
};

void ub_load_result_free(struct ub_load_result *result); /* what it points to */

/* Counts an error under its name; when the table is full, under "others". */
void ub_load_result_error(struct ub_load_result *result, const char *name, uint64_t count);

/* The second that holds this instant since the start; never NULL (the last one is shared by what
 * lies beyond, or by all when there is no memory). */
struct ub_load_second *ub_load_result_second(struct ub_load_result *result, ub_ns since_ns);

/* Adds `from`; the seconds add up as well. */
void ub_load_result_merge(struct ub_load_result *into, const struct ub_load_result *from);

/* Ended requests that are whole, 0..1; 0 when none ended. */
double ub_load_result_success(const struct ub_load_result *result);

/* What was run, for the reports. */
struct ub_load_about {
    const char *url;
    const char *model;
    const char *what; /* "open loop, 100/s, CV 1, streaming" */
    ub_ns took_ns;
    uint32_t streams; /* wanted at once; 0: the load was of another kind */
};

/* Is the generator itself to blame? Its own lateness at p99 is above 10 ms and above a tenth of the
 * median first token (or total). */
bool ub_load_result_is_late(const struct ub_load_result *result);

void ub_load_report_text(const struct ub_load_result *result, const struct ub_load_about *about,
                         struct ub_buf *out);
void ub_load_report_json(const struct ub_load_result *result, const struct ub_load_about *about,
                         struct ub_buf *out);

/* load_html.c: one page with charts, nothing loaded from outside. */
void ub_load_report_html(const struct ub_load_result *result, const struct ub_load_about *about,
                         struct ub_buf *out);

#endif

/* What an upstream's head says about coming back. */
#include "http/number.h"
#include "http/openai.h"

#include <stdlib.h>
#include <time.h>

#define VALUE_MAX 63

/* A plain decimal number, as a duration in `unit_ns`; 0 when it is none. */
static ub_ns read_duration(const char *text, ub_ns unit_ns)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (!ub_number_is_digit(*p) && *p != '.') {
            return 0;
        }
    }
    double units = strtod(text, NULL);
    double max = (double)UB_RETRY_AFTER_MAX / (double)unit_ns;
    return units >= max ? UB_RETRY_AFTER_MAX : (ub_ns)(units * (double)unit_ns);
}

/* RFC 9110, 5.6.7, in the form that must be sent. The past is no advice. */
static ub_ns read_date(const char *text, ub_ns wall)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (rest == NULL || *rest != '\0') {
        return 0;
    }
    int64_t wait_s = (int64_t)timegm(&tm) - wall / UB_SECOND;
    int64_t max_s = UB_RETRY_AFTER_MAX / UB_SECOND;
    return wait_s <= 0 ? 0 : (wait_s < max_s ? wait_s : max_s) * UB_SECOND;
}

static bool read_value(const struct ub_http_head *head, const char *name, char out[VALUE_MAX + 1])
{
    struct ub_slice value = ub_http_value(head, name);
    if (value.len == 0 || value.len > VALUE_MAX) {
        return false;
    }
    memcpy(out, value.ptr, value.len);
    out[value.len] = '\0';
    return true;
}

ub_ns ub_openai_retry_at(const struct ub_http_head *head, ub_ns now, ub_ns wall)
{
    char text[VALUE_MAX + 1];
    ub_ns wait_ns = 0;
    if (read_value(head, "retry-after-ms", text)) {
        wait_ns = read_duration(text, UB_MS);
    }
    if (wait_ns == 0 && read_value(head, "retry-after", text)) {
        wait_ns = read_duration(text, UB_SECOND);
        wait_ns = wait_ns != 0 ? wait_ns : read_date(text, wall);
    }
    return wait_ns == 0 ? 0 : ub_ns_after(now, wait_ns);
}

int ub_openai_should_retry(const struct ub_http_head *head)
{
    struct ub_slice value = ub_http_value(head, "x-should-retry");
    if (ub_slice_eq_nocase(value, UB_LIT("true"))) {
        return 1;
    }
    return ub_slice_eq_nocase(value, UB_LIT("false")) ? -1 : 0;
}

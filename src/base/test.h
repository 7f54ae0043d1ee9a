/* test.h - the whole test harness: checks that print TAP, which `meson test` and CI count.
 *
 *     UB_CHECK(at == want, "%s", name);        one TAP line for each check
 *     return ub_test_done();                   the plan line; exit status 1 when a check failed
 */
#ifndef UB_BASE_TEST_H
#define UB_BASE_TEST_H

#include "base/slice.h"
#include "base/time.h"
#include <stdbool.h>

#define UB_CHECK(condition, ...) \
    ub_test_check((condition), #condition, __FILE__, __LINE__, __VA_ARGS__)

/* The same text, or both are printed with the first line that differs. */
#define UB_CHECK_TEXT(got, want, ...) ub_test_text((got), (want), __FILE__, __LINE__, __VA_ARGS__)

bool ub_test_check(bool ok, const char *condition, const char *file, int line, const char *format,
                   ...) __attribute__((format(printf, 5, 6)));
bool ub_test_text(const char *got, const char *want, const char *file, int line, const char *format,
                  ...) __attribute__((format(printf, 5, 6)));

/* Something cannot be tested here; the reason is printed and counted as a skip. */
void ub_test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Waits for up to ten seconds until the condition holds; false when it does not by then. */
#define UB_AWAIT(condition)                                                  \
    ({                                                                       \
        ub_ns await_limit = ub_clock_now() + 10 * UB_SECOND;                 \
        bool await_met;                                                      \
        while (!(await_met = (condition)) && ub_clock_now() < await_limit) { \
            ub_test_pause();                                                 \
        }                                                                    \
        await_met;                                                           \
    })

void ub_test_pause(void); /* a millisecond, between two looks at a condition */

int ub_test_done(void);

#endif

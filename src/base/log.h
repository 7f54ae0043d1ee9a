/* log.h - the operational log: one line on stderr, words first, key=value after.
 *
 *     UB_LOG(WARN, "upstream ejected upstream=%s error=%s", name, ub_error_slug(error));
 *     2026-11-24T15:57:01.250Z warn  upstream ejected upstream=official error=throttled
 *
 * A place in the code that repeats itself is said UB_LOG_BURST times in ten seconds and counted
 * from then on; its next line carries `repeats=N`. So an outage costs a few lines, not a full disk.
 * Any thread may log; a line is one write. Control bytes in values come out as '?'.
 */
#ifndef UB_BASE_LOG_H
#define UB_BASE_LOG_H

#include "base/time.h"
#include <stdatomic.h>
#include <stdint.h>

#define UB_LOG_BURST  5
#define UB_LOG_WINDOW (10 * UB_SECOND)
#define UB_LOG_LINE   1024 /* longer lines are cut */

enum ub_log_level { UB_LOG_DEBUG, UB_LOG_INFO, UB_LOG_WARN, UB_LOG_ERROR, UB_LOG_LEVELS };

/* One per place that logs; what keeps its repetitions short. DEBUG and INFO are not limited. */
struct ub_log_site {
    _Atomic int64_t window_ends; /* instant */
    _Atomic uint32_t said;       /* in this window */
    _Atomic uint64_t held_back;  /* since the last line that was said */
};

#define UB_LOG(level, ...)                                   \
    do {                                                     \
        static struct ub_log_site ub_site;                   \
        ub_log_write(&ub_site, UB_LOG_##level, __VA_ARGS__); \
    } while (0)

void ub_log_write(struct ub_log_site *site, enum ub_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Lines below this level are not written; INFO at first. */
void ub_log_set_level(enum ub_log_level lowest);
void ub_log_set_file(int fd); /* stderr at first; not owned */

/* Lines of this level so far, the held back ones included: for the metrics. */
uint64_t ub_log_lines(enum ub_log_level level);
const char *ub_log_level_name(enum ub_log_level level);

#endif

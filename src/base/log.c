#include "base/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Atomic int lowest_level = UB_LOG_INFO;
static _Atomic int log_fd = STDERR_FILENO;
static _Atomic uint64_t lines[UB_LOG_LEVELS];

void ub_log_set_level(enum ub_log_level lowest)
{
    lowest_level = (int)lowest;
}

void ub_log_set_file(int fd)
{
    log_fd = fd;
}

uint64_t ub_log_lines(enum ub_log_level level)
{
    return lines[level];
}

const char *ub_log_level_name(enum ub_log_level level)
{
    static const char *const names[UB_LOG_LEVELS] = {"debug", "info", "warn", "error"};
    return names[level];
}

/* May this line be said? Sets `repeats` to how many were held back before it. Two threads at the
 * turn of a window may both say a line more than planned; nobody minds. */
static bool may_say(struct ub_log_site *site, enum ub_log_level level, uint64_t *repeats)
{
    *repeats = 0;
    if (level < UB_LOG_WARN) {
        return true;
    }
    ub_ns now = ub_clock_now();
    int64_t ends = site->window_ends;
    if (now >= ends &&
        atomic_compare_exchange_strong(&site->window_ends, &ends, now + UB_LOG_WINDOW)) {
        site->said = 0;
    }
    if (atomic_fetch_add(&site->said, 1) >= UB_LOG_BURST) {
        site->held_back++;
        return false;
    }
    *repeats = atomic_exchange(&site->held_back, 0);
    return true;
}

static size_t add_prefix(char *line, enum ub_log_level level)
{
    ub_ns wall = ub_clock_wall();
    time_t seconds = (time_t)(wall / UB_SECOND);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t len = strftime(line, UB_LOG_LINE, "%Y-%m-%dT%H:%M:%S", &utc);
    int more = snprintf(line + len, UB_LOG_LINE - len, ".%03dZ %-5s ", (int)(wall / UB_MS % 1000),
                        ub_log_level_name(level));
    return len + (size_t)more;
}

void ub_log_write(struct ub_log_site *site, enum ub_log_level level, const char *format, ...)
{
    assert(level < UB_LOG_LEVELS);
    lines[level]++;
    uint64_t repeats;
    if ((int)level < lowest_level || !may_say(site, level, &repeats)) {
        return;
    }
    char line[UB_LOG_LINE];
    char tail[40] = "";
    if (repeats > 0) {
        snprintf(tail, sizeof tail, " repeats=%llu", (unsigned long long)repeats);
    }
    size_t begin = add_prefix(line, level);
    size_t room = sizeof line - begin - strlen(tail) - 1; /* and the newline */
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(line + begin, room, format, args);
    va_end(args);
    size_t len = begin + (wanted < 0 ? 0 : (size_t)wanted < room ? (size_t)wanted : room - 1);
    for (size_t i = begin; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) {
            line[i] = '?';
        }
    }
    memcpy(line + len, tail, strlen(tail));
    len += strlen(tail);
    line[len++] = '\n';
    /* A log that cannot be written is nothing we could log. */
    ssize_t ignored = write(log_fd, line, len);
    (void)ignored;
}

/* What the metrics say about the process itself, from the kernel's own accounting. */
#include "base/log.h"
#include "observe/metrics.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return NAN;
    }
    int got = fscanf(file, "%*u %llu", &pages);
    fclose(file);
    return got == 1 ? (double)pages * (double)sysconf(_SC_PAGESIZE) : NAN;
}

static double open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL) {
        return NAN;
    }
    double count = -1; /* the folder itself */
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

/* Unix time: boot time plus field 22 of stat (proc(5)). The name in field 2 may hold spaces and
 * parentheses, so fields are counted from its last ')'. */
static double start_time(void)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL) {
        return NAN;
    }
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    unsigned long long ticks = 0;
    if (at == NULL || sscanf(at, " %llu", &ticks) != 1) {
        return NAN;
    }
    double since_boot = (double)ticks / (double)sysconf(_SC_CLK_TCK);
    struct timespec boot;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    double up = (double)boot.tv_sec + (double)boot.tv_nsec / 1e9;
    return (double)ub_clock_wall() / 1e9 - up + since_boot;
}

void ub_metrics_set_process(struct ub_metrics *metrics)
{
    struct rlimit files;
    double files_max = getrlimit(RLIMIT_NOFILE, &files) == 0 ? (double)files.rlim_cur : NAN;
    ub_metrics_set(metrics, UB_METRIC_CPU, 0, 0, (double)ub_clock_cpu() / 1e9);
    ub_metrics_set(metrics, UB_METRIC_RSS, 0, 0, resident_bytes());
    ub_metrics_set(metrics, UB_METRIC_FDS, 0, 0, open_files());
    ub_metrics_set(metrics, UB_METRIC_FDS_MAX, 0, 0, files_max);
    ub_metrics_set(metrics, UB_METRIC_START_TIME, 0, 0, start_time());
    for (int level = UB_LOG_DEBUG; level < UB_LOG_LEVELS; level++) {
        ub_metrics_set(metrics, UB_METRIC_LOG_LINES, (uint32_t)level, 0,
                       (double)ub_log_lines((enum ub_log_level)level));
    }
}

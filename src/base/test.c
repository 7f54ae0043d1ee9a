#include "base/test.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static int checks;
static int failures;

__attribute__((format(printf, 2, 0))) static bool report(bool ok, const char *format, va_list args)
{
    checks++;
    failures += !ok;
    printf("%sok %d - ", ok ? "" : "not ", checks);
    vprintf(format, args);
    printf("\n");
    return ok;
}

bool ub_test_check(bool ok, const char *condition, const char *file, int line, const char *format,
                   ...)
{
    va_list args;
    va_start(args, format);
    report(ok, format, args);
    va_end(args);
    if (!ok) {
        printf("# %s:%d: %s\n", file, line, condition);
    }
    fflush(stdout);
    return ok;
}

void ub_test_pause(void)
{
    nanosleep(&(struct timespec){.tv_nsec = UB_MS}, NULL);
}

static void print_text(const char *title, const char *text)
{
    printf("# %s:\n", title);
    for (const char *p = text; *p != '\0';) {
        size_t len = strcspn(p, "\n");
        printf("#   %.*s\n", (int)len, p);
        p += len + (p[len] == '\n');
    }
}

bool ub_test_text(const char *got, const char *want, const char *file, int line, const char *format,
                  ...)
{
    bool ok = strcmp(got, want) == 0;
    va_list args;
    va_start(args, format);
    report(ok, format, args);
    va_end(args);
    if (!ok) {
        size_t same = 0;
        int row = 1;
        while (got[same] != '\0' && got[same] == want[same]) {
            row += got[same] == '\n';
            same++;
        }
        printf("# %s:%d: the texts differ from line %d on\n", file, line, row);
        print_text("got", got);
        print_text("want", want);
    }
    fflush(stdout);
    return ok;
}

void ub_test_skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    checks++;
    printf("ok %d # SKIP ", checks);
    vprintf(format, args);
    printf("\n");
    fflush(stdout); /* a child would print it again */
    va_end(args);
}

int ub_test_done(void)
{
    printf("1..%d\n", checks);
    fflush(stdout);
    return failures != 0;
}

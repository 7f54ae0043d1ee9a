#include "gateway/config_problems.h"

#include <stdarg.h>
#include <stdio.h>

void ub_conf_problem(struct ub_conf_problems *problems, struct ub_place at, const char *format, ...)
{
    uint32_t index = problems->count++;
    if (index >= UB_CONF_PROBLEMS_MAX) {
        return;
    }
    char words[512]; /* longer ones are cut */
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    for (char *c = words; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = '?'; /* one problem stays one line, whatever a name contains */
        }
    }
    const char *kept = ub_arena_text(problems->arena, ub_slice_of(words));
    problems->list[index] = (struct ub_conf_problem){at, kept != NULL ? kept : "out of memory"};
}

static bool before(struct ub_place a, struct ub_place b)
{
    return a.line != b.line ? a.line < b.line : a.column < b.column;
}

void ub_conf_problems_print(struct ub_conf_problems *problems, const char *file, struct ub_buf *out)
{
    struct ub_conf_problem *list = problems->list;
    uint32_t kept = problems->count < UB_CONF_PROBLEMS_MAX ? problems->count : UB_CONF_PROBLEMS_MAX;
    for (uint32_t i = 1; i < kept; i++) { /* by insertion: few, and equal places keep their order */
        struct ub_conf_problem one = list[i];
        uint32_t j = i;
        for (; j > 0 && before(one.at, list[j - 1].at); j--) {
            list[j] = list[j - 1];
        }
        list[j] = one;
    }
    for (uint32_t i = 0; i < kept; i++) {
        ub_buf_printf(out, "%s:%u:%u: %s\n", file, list[i].at.line, list[i].at.column,
                      list[i].words);
    }
    if (problems->count > kept) {
        ub_buf_printf(out, "%s:%u:%u: and %u more problems\n", file, list[kept - 1].at.line,
                      list[kept - 1].at.column, problems->count - kept);
    }
}

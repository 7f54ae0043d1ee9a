/* config_problems.h - what is wrong with a configuration, collected, then said in file order.
 *
 * A problem is one line, "FILE:LINE:COL: words". Whoever words it never quotes a secret: values are
 * quoted only where the schema says that they are none, and always as they stand in the file, not
 * as the environment filled them in.
 */
#ifndef UB_GATEWAY_CONFIG_PROBLEMS_H
#define UB_GATEWAY_CONFIG_PROBLEMS_H

#include "base/arena.h"
#include "base/buf.h"
#include <stdint.h>

#define UB_CONF_PROBLEMS_MAX 50 /* more are only counted */

/* A place in the file; lines and columns (in characters) from 1, line 0 = nowhere. */
struct ub_place {
    uint32_t line;
    uint32_t column;
};

struct ub_conf_problems {
    struct ub_arena *arena; /* holds the words */
    uint32_t count;         /* of all, also of those that are not kept */
    struct ub_conf_problem {
        struct ub_place at;
        const char *words;
    } list[UB_CONF_PROBLEMS_MAX];
};

void ub_conf_problem(struct ub_conf_problems *problems, struct ub_place at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints them in the order of their places. */
void ub_conf_problems_print(struct ub_conf_problems *problems, const char *file,
                            struct ub_buf *out);

#endif

/* signals.h - what an engine says about its load on its /metrics page: how many requests it runs, how
 * many wait, and how full its KV memory is.
 *
 * The page is the Prometheus text format, line by line; of hundreds of lines three are ours. It is
 * somebody else's text: what is not exactly as it should be is passed over, and a page without both
 * counts says nothing. Series of one name are added up (vLLM has one for each engine of a data
 * parallel group), shares are not: the fullest counts.
 *
 * The page comes in pieces as it arrives; only a line that is not all there yet is kept.
 */
#ifndef UB_HTTP_SIGNALS_H
#define UB_HTTP_SIGNALS_H

#include "base/slice.h"
#include "http/dialect.h"
#include <stddef.h>
#include <stdint.h>

#define UB_SIGNALS_LINE 512 /* longer lines are passed over */
#define UB_SIGNALS_MAX  1e6 /* more requests than any engine has */

struct ub_signals {
    double running;
    double waiting;
    double kv; /* 0..1; 0 when it does not say */
};

struct ub_signals_reader {
    enum ub_dialect dialect;
    struct ub_signals sum;
    bool has_running, has_waiting;
    bool skip; /* the present line is too long */
    size_t len;
    char line[UB_SIGNALS_LINE];
};

/* `dialect` must be an engine's. */
void ub_signals_begin(struct ub_signals_reader *reader, enum ub_dialect dialect);
void ub_signals_read(struct ub_signals_reader *reader, struct ub_slice chunk);
/* The page is over. False: it does not say what it should. */
bool ub_signals_end(struct ub_signals_reader *reader, struct ub_signals *out);

#endif

/* drill_report.h - the scorecard: as a table, as JSON, as a page.
 */
#ifndef UB_TOOLS_DRILL_REPORT_H
#define UB_TOOLS_DRILL_REPORT_H

#include "tools/drill_run.h"

struct ub_drill_about {
    const struct ub_drill_run *run;
    const char *against; /* the configuration's file, or a URL */
    uint32_t upstreams;  /* of the model; 0: not known */
    struct ub_slice shortened;
};

struct ub_drill_score {
    uint32_t verdicts[3]; /* by ub_drill_verdict */
    uint32_t below;       /* safe, where rescued is the best */
    uint32_t played;
    uint32_t missed; /* the sick one was not asked */
};

struct ub_drill_score ub_drill_score_of(const struct ub_drill_run *run);

void ub_drill_report_text(const struct ub_drill_about *about, struct ub_buf *out);
void ub_drill_report_json(const struct ub_drill_about *about, struct ub_buf *out);
void ub_drill_report_html(const struct ub_drill_about *about, struct ub_buf *out);

#endif

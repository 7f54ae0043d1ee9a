/* drill_answer.h - what a client of a drill got, read by the letter.
 *
 * Pure. Not with http/sse on purpose: the gateway reads with that, and the two shall check each
 * other. Where clients differ in what they put up with (API-FACTS in docs), this one puts up with
 * the least: an id line, a comment inside an event or with an empty line behind it, an event that is
 * not JSON, two ids in one stream, anything behind the end are all breaches, of which the first is
 * kept in words.
 */
#ifndef UB_TOOLS_DRILL_ANSWER_H
#define UB_TOOLS_DRILL_ANSWER_H

#include "base/buf.h"
#include "http/head.h"
#include <stdbool.h>
#include <stdint.h>

#define UB_DRILL_FINISH_MAX 40

enum ub_drill_advice { UB_DRILL_SAYS_NOTHING, UB_DRILL_SAYS_RETRY, UB_DRILL_SAYS_GIVE_UP };

struct ub_drill_answer {
    bool stream; /* was asked for */

    int status; /* 0: no head came */
    bool is_events;
    bool is_json;
    enum ub_drill_advice advice; /* x-should-retry */
    double after_ms;             /* retry-after-ms; < 0: not said */
    double after_s;              /* retry-after */

    struct ub_buf text; /* of the first choice */
    char finish[UB_DRILL_FINISH_MAX];
    bool done; /* [DONE] came */
    bool has_error;
    char code[64];     /* of the error */
    uint32_t payloads; /* events with text */
    uint32_t usages;
    uint64_t prompt_tokens;
    uint64_t answer_tokens;
    const char *wrong; /* the first breach of form, static text; NULL: none */

    struct ub_buf body; /* what is no stream */

    char id[80]; /* private from here on */
    char model[256];
    struct ub_buf line;
    struct ub_buf data;
    bool in_event;
    bool has_data;
    bool after_comment;
};

void ub_drill_answer_init(struct ub_drill_answer *answer, bool stream);
void ub_drill_answer_close(struct ub_drill_answer *answer);

void ub_drill_answer_head(struct ub_drill_answer *answer, const struct ub_http_head *head);
void ub_drill_answer_feed(struct ub_drill_answer *answer, struct ub_slice bytes);
/* Nothing more comes. */
void ub_drill_answer_end(struct ub_drill_answer *answer);

#endif

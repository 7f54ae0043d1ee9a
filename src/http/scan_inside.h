/* scan_inside.h - what the two halves of the scan share: scan.c knows keys and nesting, scan_values.c
 * what single values mean.
 */
#ifndef UB_HTTP_SCAN_INSIDE_H
#define UB_HTTP_SCAN_INSIDE_H

#include "http/gathered.h"
#include "http/json.h"
#include "http/prompt.h"
#include "http/scan.h"

/* What a key at the top level means to us. */
enum member {
    OTHER,
    MODEL,
    MESSAGES,
    PROMPT, /* text or numbers of tokens */
    STREAM,
    STREAM_OPTIONS,
    MAX_TOKENS,
    MAX_COMPLETION_TOKENS,
    MIN_TOKENS,
    TEMPERATURE,
    SEED,
    ECHO,
    CONTINUE_FINAL_MESSAGE,
    ADD_GENERATION_PROMPT,
    N,
    TOOLS,
    LOGPROBS,
    TOP_LOGPROBS,
    RESPONSE_FORMAT,
    GRAMMAR,
    USER,
    USER_ID,
    PROMPT_CACHE_KEY,
};

/* What a key of a message means to us. */
enum message_key { NOTHING, ROLE, CONTENT, PREFIX };

struct ub_scan {
    struct ub_json json;
    struct ub_prompt prompt;
    struct ub_scan_fields fields;
    enum member member;           /* which top-level member we are in */
    enum message_key message_key; /* whose value comes now, or which we are in */
    bool at_type;                 /* response_format: the value of `type` comes now */
    bool at_usage;                /* stream_options: the value of `include_usage` comes now */
    bool is_plain_text;           /* response_format.type is "text" */
    bool has_max_completion;
    bool failed;
    uint64_t member_begin; /* where the value of the member begins, when it is a container */
    enum member user_from;
    uint64_t key_hash;
    uint32_t key_count;
    /* From here on nothing is read that was not written before. */
    char bad[192];
    uint64_t keys[UB_SCAN_KEYS]; /* hashes. That two keys collide is for their sender to worry */
    struct gathered key;
    struct gathered value;
};

static inline struct ub_span ub_scan_value_span(const struct ub_scan *scan)
{
    return (struct ub_span){scan->json.begin, scan->json.at};
}

/* A value at the top level of any kind, or its opening bracket. */
void ub_scan_top_value(struct ub_scan *scan, enum ub_json_found found);
void ub_scan_want_boolean(struct ub_scan *scan, enum ub_json_found found, const char *param);

/* The whole of `value` (a text) or of json.text (a number) is there. */
void ub_scan_model_over(struct ub_scan *scan);
void ub_scan_user_over(struct ub_scan *scan);
void ub_scan_number_over(struct ub_scan *scan);

#endif

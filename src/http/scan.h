/* scan.h - the few fields of an OpenAI request body that we need, by one validating pass.
 *
 * Incremental: feed the body in any pieces as they arrive. No tree is built and nothing is
 * rewritten; positions are offsets into the whole body, so the model's name can be spliced out
 * later. The JSON must be valid (RFC 8259, UTF-8 included), an object, not nested deeper than
 * UB_SCAN_DEPTH, and no top-level key may stand twice (after unescaping): two readers must never
 * disagree on `model`.
 */
#ifndef UB_HTTP_SCAN_H
#define UB_HTTP_SCAN_H

#include "base/slice.h"
#include "policy/brain.h"
#include <stdint.h>

#define UB_SCAN_DEPTH 64
#define UB_SCAN_KEYS  256 /* top-level keys */

/* Where a value stands in the body: [begin, end). Both 0: not there. */
struct ub_span {
    uint64_t begin;
    uint64_t end;
};

struct ub_scan_fields {
    struct ub_span model; /* with its quotes */
    char model_name[256]; /* unescaped, zero-terminated; "" = missing, too long or not a string (see
                             bad) */
    bool stream;          /* "stream": true */
    bool has_include_usage;        /* stream_options.include_usage given... */
    bool include_usage;            /* ...and true */
    struct ub_span stream_options; /* the whole value */
    struct ub_span object;         /* the whole top-level object */
    uint32_t max_tokens;           /* max_tokens or max_completion_tokens; 0 = not given */
    uint32_t n;                    /* default 1 */
    bool has_tools;                /* tools or functions, not empty */
    bool has_logprobs;
    bool
        has_grammar; /* response_format other than text, or an engine's guided_* / grammar fields */
    bool has_temperature;
    double temperature;
    char user[128]; /* `user`, or `user_id`, or `prompt_cache_key` (first choice), "" = none */
    uint64_t prompt_bytes;  /* bytes of all strings inside messages, prompt, input */
    uint32_t prompt_tokens; /* estimate from these: 4 bytes of ASCII, or 1.5 characters of CJK, a
                               token */
    uint32_t prefix_count;  /* marks for prefix affinity: see ub_arrival.prefix */
    uint64_t prefix[UB_PREFIX_MARKS];
    uint32_t prefix_tokens[UB_PREFIX_MARKS];
};

struct ub_scan; /* about 2 KiB with its stack */

struct ub_scan *ub_scan_new(void); /* NULL without memory */
void ub_scan_free(struct ub_scan *scan);

/* False: the body is bad, see ub_scan_bad; stays false. */
bool ub_scan_feed(struct ub_scan *scan, struct ub_slice chunk);
/* The body is complete. */
bool ub_scan_finish(struct ub_scan *scan);
const struct ub_scan_fields *ub_scan_fields(const struct ub_scan *scan);

/* Words for the client ("invalid JSON at byte 17: ...", "duplicate key \"model\""). */
const char *ub_scan_bad(const struct ub_scan *scan);

#endif

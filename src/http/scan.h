/* scan.h - the few fields of an OpenAI request body that we need, by one validating pass.
 *
 * Incremental: feed the body in any pieces as they arrive; how it is cut changes nothing. No tree
 * is built and nothing is rewritten; positions are offsets into the whole body, so the model's name
 * can be spliced out later. The JSON must be valid (see json.h), and no top-level key, nor one in
 * stream_options, may stand twice (after unescaping): two readers must never disagree on `model`.
 * Fields of a type that we do not expect count as not given: the upstream will say so. Those that
 * decide how we answer and what we ask for (`stream`, `stream_options`) are named instead, so that
 * the client can be told: whether an upstream takes "true" for true is its own affair.
 */
#ifndef UB_HTTP_SCAN_H
#define UB_HTTP_SCAN_H

#include "base/slice.h"
#include "base/stock.h"
#include "http/edits.h"
#include "policy/brain.h"
#include <stdbool.h>
#include <stdint.h>

#define UB_SCAN_KEYS 256 /* top-level keys */

/* The last message of a chat. */
struct ub_message_fields {
    struct ub_span object;  /* both 0: there is no message */
    struct ub_span content; /* with its quotes; both 0 when it is no text */
    struct ub_span prefix;  /* the value of DeepSeek's "prefix", when it is a scalar... */
    bool is_prefix;         /* ...and true */
    bool is_assistant;
};

struct ub_scan_fields {
    struct ub_span object; /* the whole top-level object */
    struct ub_span model;  /* with its quotes */
    char model_name[256];  /* unescaped, zero-terminated; "" = not usable: see ub_scan_bad */
    bool stream;           /* "stream": true */
    struct ub_span stream_options; /* the whole value */
    bool has_stream_options;       /* it is an object; `null` counts as not given... */
    bool stream_options_empty;     /* ...and has no members */
    struct ub_span include_usage;  /* the value inside it */
    bool has_include_usage;        /* stream_options.include_usage given... */
    bool wants_usage;              /* ...and true */
    const char *wrong_param;       /* static: the first of these of a wrong type; NULL = none... */
    const char *wrong_want;        /* ...and what it has to be: "a boolean"... */
    const char *wrong_got;         /* ...and is: "a string" */
    uint32_t max_tokens;           /* max_completion_tokens, else max_tokens; 0 = not given */
    uint32_t n;                    /* default 1 */
    bool has_tools;                /* tools or functions, not empty */
    bool has_logprobs;
    bool has_echo;      /* vLLM's wish to hear the last message again */
    bool is_repeatable; /* temperature 0 or a seed: the same answer may come twice */
    bool has_grammar;   /* response_format other than text, or an engine's own kind of it */
    /* What a continuation changes (prefill.h). Spans of anything but a scalar are left empty. */
    struct ub_span max_tokens_at; /* where its number stands... */
    struct ub_span max_completion_tokens_at;
    struct ub_span min_tokens_at;          /* vLLM, SGLang */
    struct ub_span continue_final_message; /* vLLM, SGLang: the value... */
    struct ub_span add_generation_prompt;
    bool continues_final_message; /* ...and it is true */
    struct ub_message_fields last;
    char user[128];         /* prompt_cache_key, else user_id, else user; "" = none */
    uint64_t prompt_bytes;  /* of all strings inside messages, prompt, suffix, input */
    uint32_t prompt_tokens; /* estimate from these and the tools, see prompt.h */
    uint32_t prefix_count;  /* marks for prefix affinity: see ub_arrival.prefix */
    uint64_t prefix[UB_PREFIX_MARKS];
    uint32_t prefix_tokens[UB_PREFIX_MARKS];
};

struct ub_scan; /* about 5 KiB, nothing else is allocated */

/* NULL without memory. Comes from this stock (NULL: none), and goes back to it. */
struct ub_scan *ub_scan_new(struct ub_stock *stock);
void ub_scan_free(struct ub_stock *stock, struct ub_scan *scan);

/* False: the body is bad, see ub_scan_bad; stays false. */
bool ub_scan_feed(struct ub_scan *scan, struct ub_slice chunk);
/* The body is complete. False: it is bad. A model that is missing is not bad JSON: look for it. */
bool ub_scan_finish(struct ub_scan *scan);
/* Complete after ub_scan_finish. */
const struct ub_scan_fields *ub_scan_fields(const struct ub_scan *scan);

/* Words for the client ("invalid JSON at byte 17: ...", "duplicate key \"model\"", "\"model\" is
 * missing"); "" when all is well. */
const char *ub_scan_bad(const struct ub_scan *scan);

#endif

/* openai.h - what the answers of an OpenAI-compatible upstream mean.
 *
 * Engines and resellers speak dialects of one language, and wrap each other, so there is one set of
 * rules for all, but for whose words are believed (dialect.h). Refusals are judged by their status
 * first and by their words second, since `type` and `code` are often wrong (DeepSeek says
 * "invalid_request_error" for an empty account).
 *
 * Nothing is allocated or kept; the bytes are left as they are.
 */
#ifndef UB_HTTP_OPENAI_H
#define UB_HTTP_OPENAI_H

#include "base/error.h"
#include "base/slice.h"
#include "base/time.h"
#include "http/dialect.h"
#include "http/head.h"
#include <stdint.h>

#define UB_RETRY_AFTER_MAX UB_HOUR /* longer advice is not believed */
#define UB_CHOICES_MAX     63      /* that are told apart in a set; those beyond share bit 63 */

enum ub_finish {
    UB_FINISH_NONE, /* not finished */
    UB_FINISH_STOP,
    UB_FINISH_LENGTH,
    UB_FINISH_TOOLS, /* tool_calls, function_call */
    UB_FINISH_CONTENT_FILTER,
    UB_FINISH_NO_RESOURCE, /* DeepSeek's insufficient_system_resource: busy, midway */
    UB_FINISH_ABORTED,     /* vLLM's and SGLang's abort, OpenRouter's error */
    UB_FINISH_OTHER,
};

struct ub_openai_usage { /* 0 = not said */
    uint32_t input;
    uint32_t output;
    uint32_t cached; /* of the input */
};

/* One event of a stream, or a whole answer. */
struct ub_openai_chunk {
    enum ub_error error; /* not OK: it holds an error object, or a finish reason that is one */
    bool payload; /* something for the user: non-empty text, reasoning, tool calls, an unknown field
                     with something in it, a vector, or an end other than `stop` */
    bool usage_only; /* usage, and no choices: to be left out for those who did not ask for it */
    bool has_usage;
    bool null_usage;           /* "usage": null, as every chunk before the last says where usage was
                              asked for */
    uint32_t choices;          /* how many are in it */
    enum ub_finish finish;     /* of the last choice that has one */
    uint64_t finished;         /* which have one: bit n is the choice with index n */
    uint64_t open;             /* which say something and have none */
    uint64_t text_bytes;       /* of strings for the user, escaped as in JSON */
    struct ub_slice content;   /* of the last choice's delta, escaped as in JSON; empty: none */
    struct ub_slice reasoning; /* likewise its `reasoning_content` or `reasoning` */
    bool other; /* a delta says something else: a tool call, a refusal, content that is no string */
    struct ub_openai_usage usage;
    struct ub_slice usage_cut; /* the member `usage` (also `null`) with a comma: what has to go to
                                  make the rest valid without it; empty when there is none */
    struct ub_slice words;     /* the message of the error, escaped as in JSON */
};

/* False: not a whole JSON object. */
bool ub_openai_chunk_read(struct ub_slice data, enum ub_dialect dialect,
                          struct ub_openai_chunk *chunk);

/* A whole answer with a good status, not streamed. OK: a good one. Else BAD_ANSWER (not JSON, or
 * without choices and data), EMPTY_ANSWER (all is there, but nothing in it), or what its error
 * object says. `chunk` is what was read of it, as far as that came. */
enum ub_error ub_openai_answer(struct ub_slice body, enum ub_dialect dialect,
                               struct ub_openai_chunk *chunk);

/* The usage of an answer from its first bytes, where it stands in front of the rest, as in
 * llama-server's embeddings; else `usage` stays as it is. */
void ub_openai_usage_at_begin(struct ub_slice begin, enum ub_dialect dialect,
                              struct ub_openai_usage *usage);

/* The usage of a whole answer from its last bytes, where it stands near the end, as nearly
 * everywhere. False: it is not there. */
bool ub_openai_usage_at_end(struct ub_slice end, enum ub_dialect dialect,
                            struct ub_openai_usage *usage);

/* An answer with a status that is not good. Never OK. */
enum ub_error ub_openai_refusal(int status, struct ub_slice body, enum ub_dialect dialect);

/* Is the body an error object that an SDK understands: {"error":{"message":...}}? */
bool ub_openai_is_error(struct ub_slice body);

/* retry-after-ms, else retry-after (seconds, also fractions, or a date) as an instant after `now`;
 * 0 = none. `wall` is the time of day in nanoseconds since 1970. */
ub_ns ub_openai_retry_at(const struct ub_http_head *head, ub_ns now, ub_ns wall);

/* x-should-retry: 1 true, -1 false, 0 not said. */
int ub_openai_should_retry(const struct ub_http_head *head);

#endif

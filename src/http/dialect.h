/* dialect.h - what kind of server an upstream is, as far as the same words mean different things.
 *
 * Most of what engines and services say is understood alike, whoever says it: statuses, usage,
 * finish reasons, comments while queueing, error objects in each of their forms. They differ in
 * whose words are to be believed:
 *
 *   openai    OpenAI, resellers, anything in between: words count as well as statuses, since
 *             resellers hide an empty account behind any status
 *   deepseek  `type` and `code` say nothing ("invalid_request_error" also for an empty account):
 *             without a status they are not believed
 *   vllm, sglang, llama
 *             engines of one's own. They quote what the client sent in their messages (vLLM
 *             #49239), so a client could take an upstream down by sending "insufficient balance"
 *             where a number belongs. Of a message only what blames nobody counts: that the prompt
 *             is too long
 *   llama     besides: some faults of the client come as a 500 (llama.cpp #17572), and what came
 *             from the cache is in `timings`
 */
#ifndef UB_HTTP_DIALECT_H
#define UB_HTTP_DIALECT_H

#include <stdbool.h>

enum ub_dialect {
    UB_DIALECT_OPENAI,
    UB_DIALECT_DEEPSEEK,
    UB_DIALECT_VLLM,
    UB_DIALECT_SGLANG,
    UB_DIALECT_LLAMA,
};

static inline bool ub_dialect_is_engine(enum ub_dialect dialect)
{
    return dialect >= UB_DIALECT_VLLM;
}

#endif

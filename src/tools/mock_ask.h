/* mock_ask.h - what a request to the mock asks for.
 *
 * Read with a whole JSON tree: the mock may be lavish, and must not share the gateway's own reader,
 * so that the two check each other.
 */
#ifndef UB_TOOLS_MOCK_ASK_H
#define UB_TOOLS_MOCK_ASK_H

#include "base/buf.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

enum ub_mock_endpoint { UB_MOCK_CHAT, UB_MOCK_COMPLETIONS, UB_MOCK_EMBEDDINGS };

/* When a message of the assistant at the end is a partial answer, to be gone on from; else it is a
 * turn like any other. */
enum ub_ask_begun {
    UB_BEGUN_NEVER,     /* OpenAI */
    UB_BEGUN_BY_PREFIX, /* DeepSeek under /beta: its own "prefix": true... */
    UB_BEGUN_ELSEWHERE, /* ...which is refused without /beta */
    UB_BEGUN_BY_FLAG,   /* SGLang: "continue_final_message": true */
    UB_BEGUN_BY_FLAGS,  /* vLLM: the same, refused without "add_generation_prompt": false */
    UB_BEGUN_ALWAYS,    /* llama-server */
};

#define UB_ASK_BLOCK  256 /* bytes of prompt text in a block of the prefix cache: 64 tokens */
#define UB_ASK_BLOCKS 512 /* blocks that count; what follows is never taken from the cache */

struct ub_ask {
    char model[256];
    bool stream;
    bool include_usage;
    bool has_temperature;
    double temperature;
    bool has_seed;
    bool ignore_eos;
    bool has_tools;
    bool thinking_off;
    bool base64;         /* embeddings */
    uint32_t max_tokens; /* 0 = not given */
    uint32_t min_tokens;
    uint32_t n;
    uint32_t inputs; /* embeddings: how many */
    uint32_t dimensions;
    char call[64];       /* "call:NAME" in the last message of the user; "" = none */
    struct ub_buf begun; /* the partial answer to go on from */
    bool has_begun;
    uint32_t prompt_tokens;
    uint64_t prompt_hash; /* of roles and texts, without the partial answer */
    uint32_t blocks;
    uint64_t block[UB_ASK_BLOCKS]; /* chained: equal hash = equal prompt up to here */
    uint64_t *input_hash;          /* embeddings: one for each input */
};

/* False: the body is not what the API wants; `words` say why. Close it in either case.
 */
bool ub_ask_read(struct ub_ask *ask, enum ub_mock_endpoint endpoint, struct ub_slice body,
                 enum ub_ask_begun begun, struct ub_buf *words);
void ub_ask_close(struct ub_ask *ask);

#endif

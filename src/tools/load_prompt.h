/* load_prompt.h - how long the requests of `unbusy load` are, and what stands in them.
 *
 * Lengths are in tokens of four bytes, which is what everybody estimates for English. No two
 * prompts are alike from their first words on, so that no cache answers by accident - except where
 * a trace says that two share blocks: then they do, block by block.
 */
#ifndef UB_TOOLS_LOAD_PROMPT_H
#define UB_TOOLS_LOAD_PROMPT_H

#include "base/buf.h"
#include "base/random.h"
#include "tools/trace.h"

/* "200", "50..400" (uniform), or "lognormal:300:1.2" (mean and coefficient of variation). */
struct ub_lengths {
    uint32_t min;
    uint32_t max;
    double mu; /* of the logarithm */
    double sigma;
    bool lognormal;
};

bool ub_lengths_parse(const char *text, struct ub_lengths *lengths);
uint32_t ub_lengths_draw(const struct ub_lengths *lengths, struct ub_random *random);

enum ub_load_endpoint { UB_LOAD_CHAT, UB_LOAD_COMPLETIONS, UB_LOAD_EMBEDDINGS };

struct ub_load_question {
    enum ub_load_endpoint endpoint;
    const char *model;
    bool stream;
    bool exact; /* asks engines that know ignore_eos for exactly `answer` tokens */
    uint32_t prompt;
    uint32_t answer;
    uint64_t seed;         /* makes the prompt its own */
    const uint32_t *block; /* shared blocks it begins with */
    uint32_t blocks;
};

/* The request's JSON body, appended to `out`. */
void ub_load_question_write(const struct ub_load_question *question, struct ub_buf *out);

#endif

#include "tools/load_prompt.h"

#include "base/real.h"
#include "tools/arrival.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX 10000000u

bool ub_lengths_parse(const char *text, struct ub_lengths *lengths)
{
    *lengths = (struct ub_lengths){0};
    char *end;
    if (strncmp(text, "lognormal:", 10) == 0) {
        double mean = strtod(text + 10, &end);
        double cv = *end == ':' ? strtod(end + 1, &end) : -1.0;
        if (*end != '\0' || !(mean >= 1 && mean <= TOKENS_MAX && cv > 0 && cv <= 100)) {
            return false;
        }
        double variance = ub_log(1.0 + cv * cv);
        lengths->lognormal = true;
        lengths->sigma = sqrt(variance);
        lengths->mu = ub_log(mean) - variance / 2;
        return true;
    }
    unsigned long min = strtoul(text, &end, 10);
    unsigned long max = min;
    if (end != text && strncmp(end, "..", 2) == 0) {
        max = strtoul(end + 2, &end, 10);
    }
    lengths->min = (uint32_t)min;
    lengths->max = (uint32_t)max;
    return *end == '\0' && min >= 1 && min <= max && max <= TOKENS_MAX;
}

uint32_t ub_lengths_draw(const struct ub_lengths *lengths, struct ub_random *random)
{
    if (lengths->lognormal) {
        double value = ub_exp(lengths->mu + lengths->sigma * ub_draw_normal(random));
        return value < 1 ? 1 : value > TOKENS_MAX ? TOKENS_MAX : (uint32_t)(value + 0.5);
    }
    return lengths->min + ub_random_below(random, lengths->max - lengths->min + 1);
}

/* Words of three letters and a space: one token each. */
static void add_words(struct ub_buf *out, uint64_t seed, uint32_t tokens)
{
    char *to = ub_buf_reserve(out, (size_t)tokens * 4);
    if (to == NULL) {
        return;
    }
    struct ub_random random = {.state = seed};
    uint64_t draw = 0;
    for (uint32_t i = 0; i < tokens; i++) {
        if (i % 4 == 0) {
            draw = ub_random_u64(&random);
        }
        *to++ = (char)('a' + (draw & 31) % 26);
        *to++ = "aeiou"[(draw >> 5 & 31) % 5];
        *to++ = (char)('a' + (draw >> 10 & 31) % 26);
        *to++ = ' ';
        draw >>= 16;
    }
    out->len += (size_t)tokens * 4;
}

static void add_prompt(const struct ub_load_question *q, struct ub_buf *out)
{
    uint32_t left = q->prompt;
    for (uint32_t i = 0; i < q->blocks && left > 0; i++) {
        uint32_t take = left < UB_TRACE_BLOCK_TOKENS ? left : UB_TRACE_BLOCK_TOKENS;
        add_words(out, ub_mix64(q->block[i] + 1), take);
        left -= take;
    }
    add_words(out, q->seed, left);
}

void ub_load_question_write(const struct ub_load_question *q, struct ub_buf *out)
{
    ub_buf_add_text(out, "{\"model\":");
    ub_buf_add_json(out, ub_slice_of(q->model));
    if (q->endpoint == UB_LOAD_EMBEDDINGS) {
        ub_buf_add_text(out, ",\"input\":\"");
        add_prompt(q, out);
        ub_buf_add_text(out, "\"}");
        return;
    }
    ub_buf_printf(out, ",\"max_tokens\":%u", q->answer);
    if (q->exact) {
        ub_buf_add_text(out, ",\"ignore_eos\":true");
    }
    if (q->stream) {
        ub_buf_add_text(out, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    }
    bool chat = q->endpoint == UB_LOAD_CHAT;
    ub_buf_add_text(out,
                    chat ? ",\"messages\":[{\"role\":\"user\",\"content\":\"" : ",\"prompt\":\"");
    add_prompt(q, out);
    ub_buf_add_text(out, chat ? "\"}]}" : "\"}");
}

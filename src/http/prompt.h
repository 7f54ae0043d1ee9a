/* prompt.h - what we need to know about a prompt without keeping it: how long it is in tokens, and
 * marks by which another prompt that begins alike is recognised.
 *
 * A mark is the hash of everything from the start up to a fixed position; the positions are the
 * same for all prompts, UB_PROMPT_FIRST bytes first and then each about 1.3 times as far (the 32nd
 * is near 870 KB). So prompts with the same beginning share their first marks.
 */
#ifndef UB_HTTP_PROMPT_H
#define UB_HTTP_PROMPT_H

#include "base/slice.h"
#include "policy/brain.h"
#include <stdint.h>
#define XXH_STATIC_LINKING_ONLY /* the state's size */
#include <xxhash.h>

#define UB_PROMPT_FIRST 256

/* What a picture or a recording counts at most, however many bytes of base64 it has. */
#define UB_PROMPT_MEDIA_TOKENS 1000

struct ub_prompt {
    uint64_t bytes; /* of text */
    uint32_t mark_count;
    uint64_t mark[UB_PREFIX_MARKS];
    uint32_t mark_tokens[UB_PREFIX_MARKS];
    /* Private from here on. */
    uint64_t units;  /* small parts of a token */
    uint64_t hashed; /* bytes of text and of the separators between texts */
    uint64_t next_mark;
    uint64_t media_left; /* units that the medium may still count */
    bool media;
    XXH64_state_t hash;
};

void ub_prompt_init(struct ub_prompt *prompt);

/* A text may come in any pieces; end each with ub_prompt_text_over. */
void ub_prompt_text(struct ub_prompt *prompt, struct ub_slice piece);
void ub_prompt_text_over(struct ub_prompt *prompt);

/* Is the text that comes now a picture or a recording? Until its end. */
void ub_prompt_media(struct ub_prompt *prompt, bool media);

/* A token given by its number, as written. */
void ub_prompt_token(struct ub_prompt *prompt, struct ub_slice number);

/* Bytes of JSON that the engine turns into prompt text, tools for example: they are counted only.
 */
void ub_prompt_other(struct ub_prompt *prompt, uint64_t bytes);

uint32_t ub_prompt_tokens(const struct ub_prompt *prompt);

#endif

#include "http/prompt.h"

#include "http/text.h"

/* Four bytes of ASCII are a token, and so are 1.5 characters of Chinese, each three bytes of UTF-8.
 * So a byte of ASCII is 1/4 of a token, any other byte 2/9. */
#define UNITS            36
#define UNITS_ASCII_BYTE 9
#define UNITS_OTHER_BYTE 8

void ub_prompt_init(struct ub_prompt *prompt)
{
    *prompt = (struct ub_prompt){.next_mark = UB_PROMPT_FIRST};
    XXH64_reset(&prompt->hash, 0);
}

uint32_t ub_prompt_tokens(const struct ub_prompt *prompt)
{
    uint64_t tokens = (prompt->units + UNITS - 1) / UNITS;
    return tokens > UINT32_MAX ? UINT32_MAX : (uint32_t)tokens;
}

static void set_mark(struct ub_prompt *prompt)
{
    if (prompt->mark_count == UB_PREFIX_MARKS) {
        prompt->next_mark = UINT64_MAX;
        return;
    }
    prompt->mark[prompt->mark_count] = XXH64_digest(&prompt->hash);
    prompt->mark_tokens[prompt->mark_count] = ub_prompt_tokens(prompt);
    prompt->mark_count++;
    prompt->next_mark += prompt->next_mark * 3 / 10;
}

static void count(struct ub_prompt *prompt, struct ub_slice piece)
{
    uint64_t high = ub_text_count_high(piece.ptr, piece.len);
    uint64_t units = (piece.len - high) * UNITS_ASCII_BYTE + high * UNITS_OTHER_BYTE;
    if (prompt->media) {
        units = units < prompt->media_left ? units : prompt->media_left;
        prompt->media_left -= units;
    }
    prompt->units += units;
}

/* Not further than to the next mark. */
static void take(struct ub_prompt *prompt, struct ub_slice piece)
{
    if (!prompt->media || prompt->media_left > 0) {
        count(prompt, piece);
    }
    prompt->hashed += piece.len;
    XXH64_update(&prompt->hash, piece.ptr, piece.len);
    if (prompt->hashed == prompt->next_mark) {
        set_mark(prompt);
    }
}

static void add(struct ub_prompt *prompt, struct ub_slice piece)
{
    while (piece.len > 0) {
        uint64_t left = prompt->next_mark - prompt->hashed;
        size_t len = piece.len < left ? piece.len : (size_t)left;
        take(prompt, (struct ub_slice){piece.ptr, len});
        piece.ptr += len;
        piece.len -= len;
    }
}

void ub_prompt_text(struct ub_prompt *prompt, struct ub_slice piece)
{
    prompt->bytes += piece.len;
    add(prompt, piece);
}

/* 0xff never stands in UTF-8. It counts like a part of a token, which is what a template puts
 * between messages. */
void ub_prompt_text_over(struct ub_prompt *prompt)
{
    prompt->media = false;
    add(prompt, UB_LIT("\xff"));
}

void ub_prompt_media(struct ub_prompt *prompt, bool media)
{
    prompt->media = media;
    prompt->media_left = (uint64_t)UB_PROMPT_MEDIA_TOKENS * UNITS;
}

/* Whole and with its separator, so that it is one step for the hash. */
void ub_prompt_token(struct ub_prompt *prompt, struct ub_slice number)
{
    char text[32];
    size_t len = number.len < sizeof text - 1 ? number.len : sizeof text - 1;
    memcpy(text, number.ptr, len);
    text[len] = '\xff';
    prompt->units += UNITS;
    prompt->media = true; /* not counted by its digits */
    prompt->media_left = 0;
    add(prompt, (struct ub_slice){text, len + 1});
    prompt->media = false;
}

void ub_prompt_other(struct ub_prompt *prompt, uint64_t bytes)
{
    prompt->units += bytes * UNITS_ASCII_BYTE;
}

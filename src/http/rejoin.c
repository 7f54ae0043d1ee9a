#include "http/rejoin.h"

#include "base/digits.h"
#include "http/event.h"
#include "http/sse.h"
#include <stdio.h>

void ub_rejoin_init(struct ub_rejoin *rejoin, struct ub_delivered *delivered,
                    enum ub_resume_way way, enum ub_dialect dialect)
{
    *rejoin = (struct ub_rejoin){
        .delivered = delivered,
        .before = ub_delivered_tokens(delivered),
        .content = way == UB_RESUME_BY_PREFILL ? ub_delivered_content_tokens(delivered) : 0,
    };
    ub_seam_init(&rejoin->seam, ub_buf_slice(&delivered->content), way == UB_RESUME_BY_RESTART,
                 ub_seam_proof(dialect));
}

void ub_rejoin_close(struct ub_rejoin *rejoin)
{
    ub_buf_free(&rejoin->fresh);
    ub_buf_free(&rejoin->text);
    ub_buf_free(&rejoin->joined);
}

/* --- one event ------------------------------------------------------------------------------- */

struct numbers {
    char prompt[UB_DIGITS_MAX];
    char completion[UB_DIGITS_MAX];
    char total[UB_DIGITS_MAX];
    char label[80];
};

static void replace(struct ub_edits *edits, struct ub_span span, struct ub_slice text)
{
    if (span.end != 0 && text.len > 0) {
        ub_edits_add(edits, span, text);
    }
}

static void edit_face(struct ub_edits *edits, const struct ub_event_places *places,
                      const struct ub_delivered *delivered)
{
    replace(edits, places->id, ub_delivered_id(delivered));
    replace(edits, places->created, ub_delivered_created(delivered));
    replace(edits, places->model, ub_delivered_model(delivered));
}

/* The content that was delivered before moves from the prompt to the completion. Who began again
 * from the top has it there already. */
static void edit_usage(struct ub_edits *edits, const struct ub_rejoin *rejoin,
                       const struct ub_event_places *places, const struct ub_openai_usage *usage,
                       struct numbers *numbers)
{
    bool restarted = rejoin->seam.verdict == UB_SEAM_RESTART;
    uint32_t estimated = restarted ? rejoin->content : rejoin->before;
    if (places->usage.end == 0 || (restarted && rejoin->content == 0)) {
        return;
    }
    uint64_t prompt = usage->input > rejoin->content ? usage->input - rejoin->content : 0;
    uint64_t completion = (uint64_t)usage->output + (restarted ? 0 : rejoin->before);
    replace(edits, places->prompt_tokens, ub_digits(prompt, numbers->prompt));
    replace(edits, places->completion_tokens, ub_digits(completion, numbers->completion));
    replace(edits, places->total_tokens, ub_digits(prompt + completion, numbers->total));
    bool members = places->prompt_tokens.end != 0 || places->completion_tokens.end != 0;
    int len = snprintf(numbers->label, sizeof numbers->label,
                       "%s\"unbusy\":{\"resumed\":true,\"estimated_tokens\":%u}",
                       members ? "," : "", estimated);
    if (members) {
        ub_edits_insert(edits, places->usage.end - 1,
                        (struct ub_slice){numbers->label, (size_t)len});
    }
}

static void add_edited(struct ub_buf *out, struct ub_slice data, const struct ub_edits *edits)
{
    struct ub_slice parts[UB_EDITS_PARTS];
    uint32_t count = ub_edits_parts(edits, data, parts);
    for (uint32_t i = 0; i < count; i++) {
        ub_buf_add_slice(out, parts[i]);
    }
}

/* An event of our own, for text that has none to travel in. */
static void write_own(struct ub_rejoin *rejoin, struct ub_buf *out)
{
    const struct ub_delivered *delivered = rejoin->delivered;
    struct ub_buf *joined = &rejoin->joined;
    const struct {
        struct ub_slice key, value;
    } face[] = {
        {UB_LIT("\"id\":"), ub_delivered_id(delivered)},
        {UB_LIT("\"created\":"), ub_delivered_created(delivered)},
        {UB_LIT("\"model\":"), ub_delivered_model(delivered)},
    };
    ub_buf_clear(joined);
    ub_buf_add_text(joined, "{");
    for (size_t i = 0; i < UB_COUNT(face); i++) {
        if (face[i].value.len > 0) {
            ub_buf_add_slice(joined, face[i].key);
            ub_buf_add_slice(joined, face[i].value);
            ub_buf_add_text(joined, ",");
        }
    }
    ub_buf_add_text(joined, "\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,"
                            "\"delta\":{\"content\":");
    ub_buf_add_json(joined, ub_buf_slice(&rejoin->fresh));
    ub_buf_add_text(joined, "},\"finish_reason\":null}]}");
    ub_sse_write_event(out, ub_buf_slice(joined));
}

/* What the seam lets through of this event, into `fresh`. */
static void let_through(struct ub_rejoin *rejoin, const struct ub_openai_chunk *chunk)
{
    struct ub_slice before = ub_buf_slice(&rejoin->delivered->content);
    ub_buf_clear(&rejoin->fresh);
    ub_buf_clear(&rejoin->text);
    ub_unescape_add(&rejoin->half, chunk->content, &rejoin->text);
    bool over = chunk->finish != UB_FINISH_NONE || chunk->other;
    if (over) {
        ub_unescape_end(&rejoin->half, &rejoin->text);
    }
    ub_seam_add(&rejoin->seam, before, ub_buf_slice(&rejoin->text), &rejoin->fresh);
    if (over) {
        ub_seam_end(&rejoin->seam, before, &rejoin->fresh); /* it goes first */
    }
}

/* The client has it now. */
static void keep(struct ub_rejoin *rejoin, const struct ub_openai_chunk *chunk)
{
    struct ub_delivered *delivered = rejoin->delivered;
    ub_delivered_more(delivered, ub_buf_slice(&rejoin->fresh));
    if (chunk != NULL) {
        delivered->other = delivered->other || chunk->other;
        delivered->finished = delivered->finished || chunk->finish != UB_FINISH_NONE;
    }
}

static bool ran_out(const struct ub_rejoin *rejoin, const struct ub_buf *out)
{
    return rejoin->fresh.failed || rejoin->text.failed || rejoin->joined.failed || out->failed;
}

/* The event itself, changed. */
static void write_changed(struct ub_rejoin *rejoin, struct ub_slice data,
                          const struct ub_event_places *places, const struct ub_openai_chunk *chunk,
                          bool strip_usage, struct ub_buf *out)
{
    struct ub_edits edits;
    struct numbers numbers;
    edits.count = 0;
    edit_face(&edits, places, rejoin->delivered);
    if (places->content.end != 0 && chunk->content.len > 0) {
        ub_buf_clear(&rejoin->text);
        ub_buf_add_json(&rejoin->text, ub_buf_slice(&rejoin->fresh));
        replace(&edits, places->content, ub_buf_slice(&rejoin->text));
    }
    for (size_t i = 0; chunk->reasoning.len > 0 && i < UB_COUNT(places->reasoning); i++) {
        replace(&edits, places->reasoning[i], UB_LIT("null"));
    }
    if (strip_usage && chunk->usage_cut.len > 0) {
        uint64_t at = (uint64_t)(chunk->usage_cut.ptr - data.ptr);
        ub_edits_add(&edits, (struct ub_span){at, at + chunk->usage_cut.len}, UB_LIT(""));
    } else {
        edit_usage(&edits, rejoin, places, &chunk->usage, &numbers);
    }
    ub_buf_clear(&rejoin->joined);
    add_edited(&rejoin->joined, data, &edits);
    ub_sse_write_event(out, ub_buf_slice(&rejoin->joined));
}

enum ub_rejoin_found ub_rejoin_event(struct ub_rejoin *rejoin, struct ub_slice data,
                                     const struct ub_openai_chunk *chunk, bool strip_usage,
                                     struct ub_buf *out)
{
    struct ub_event_places places;
    size_t before = out->len;
    uint64_t others = ~(uint64_t)1; /* another choice has nobody to join */
    if (!ub_event_read(data, &places) || places.choices > 1 ||
        ((chunk->open | chunk->finished) & others) != 0) {
        rejoin->seam.verdict = UB_SEAM_DIVERGENCE;
    } else {
        let_through(rejoin, chunk);
    }
    if (rejoin->seam.verdict == UB_SEAM_DIVERGENCE) {
        return ran_out(rejoin, out) ? UB_REJOIN_NO_MEMORY : UB_REJOIN_DIVERGED;
    }
    bool carries = chunk->content.len > 0;
    bool has_text = rejoin->fresh.len > 0;
    if (has_text && !carries) {
        write_own(rejoin, out);
    }
    bool usage = (chunk->has_usage || chunk->null_usage) && chunk->choices == 0 && !strip_usage;
    if ((has_text && carries) || chunk->finish != UB_FINISH_NONE || chunk->other || usage) {
        write_changed(rejoin, data, &places, chunk, strip_usage, out);
    }
    if (ran_out(rejoin, out)) {
        return UB_REJOIN_NO_MEMORY;
    }
    keep(rejoin, chunk);
    return out->len > before ? UB_REJOIN_EVENT : UB_REJOIN_NOTHING;
}

enum ub_rejoin_found ub_rejoin_end(struct ub_rejoin *rejoin, struct ub_buf *out)
{
    ub_buf_clear(&rejoin->fresh);
    if (ub_seam_end(&rejoin->seam, ub_buf_slice(&rejoin->delivered->content), &rejoin->fresh) ==
        UB_SEAM_DIVERGENCE) {
        return UB_REJOIN_DIVERGED;
    }
    if (rejoin->fresh.len > 0) {
        write_own(rejoin, out);
    }
    if (ran_out(rejoin, out)) {
        return UB_REJOIN_NO_MEMORY;
    }
    keep(rejoin, NULL);
    return rejoin->fresh.len > 0 ? UB_REJOIN_EVENT : UB_REJOIN_NOTHING;
}

#include "http/prefill.h"

#include "base/digits.h"
#include "http/splice.h"

#define SMALL ((size_t)4096) /* bytes that are copied rather than being a piece of their own */

/* Bounds on tokens: three numbers. */
struct numbers {
    char text[3][UB_DIGITS_MAX];
    uint32_t count;
};

void ub_prefill_close(struct ub_prefill *prefill)
{
    ub_buf_free(&prefill->message);
    ub_buf_free(&prefill->glue);
    ub_buf_free(&prefill->target);
}

static void write_target(enum ub_dialect dialect, struct ub_slice target, struct ub_buf *out)
{
    const struct ub_slice path = UB_LIT("/chat/completions");
    if (dialect != UB_DIALECT_DEEPSEEK || target.len < path.len) {
        ub_buf_add_slice(out, target);
        return;
    }
    struct ub_slice base = {target.ptr, target.len - path.len};
    static const struct ub_slice ends[] = {UB_LIT("/v1"), UB_LIT("/beta")};
    for (size_t i = 0; i < UB_COUNT(ends); i++) {
        if (base.len >= ends[i].len &&
            memcmp(base.ptr + base.len - ends[i].len, ends[i].ptr, ends[i].len) == 0) {
            base.len -= ends[i].len;
        }
    }
    ub_buf_add_slice(out, base);
    ub_buf_add_text(out, "/beta/chat/completions");
}

/* --- the message ----------------------------------------------------------------------------- */

/* The text as the inside of a JSON string. */
static struct ub_slice add_escaped(struct ub_buf *out, struct ub_slice text)
{
    size_t before = out->len;
    ub_buf_add_json(out, text);
    if (out->failed) {
        return (struct ub_slice){"", 0};
    }
    return (struct ub_slice){out->ptr + before + 1, out->len - before - 2}; /* without quotes */
}

static void write_message(struct ub_buf *out, const struct ub_prefill_wish *wish)
{
    ub_buf_add_text(out, ",{\"role\":\"assistant\",\"content\":");
    ub_buf_add_json(out, ub_delivered_text(wish->delivered));
    if (wish->delivered->reasoning.len > 0) {
        ub_buf_add_text(out, ",\"reasoning_content\":");
        ub_buf_add_json(out, ub_buf_slice(&wish->delivered->reasoning));
    }
    if (wish->dialect == UB_DIALECT_DEEPSEEK) {
        ub_buf_add_text(out, ",\"prefix\":true");
    }
    ub_buf_add_text(out, "}");
}

static void make_longer(struct ub_edits *edits, struct ub_prefill *prefill,
                        const struct ub_prefill_wish *wish)
{
    const struct ub_message_fields *last = &wish->asked->last;
    struct ub_slice more = add_escaped(&prefill->message, ub_delivered_text(wish->delivered));
    ub_edits_insert(edits, last->content.end - 1, more);
    if (wish->dialect != UB_DIALECT_DEEPSEEK || last->is_prefix) {
        return;
    }
    if (last->prefix.end != 0) {
        ub_edits_add(edits, last->prefix, UB_LIT("true"));
    } else {
        ub_edits_insert(edits, last->object.begin + 1, UB_LIT("\"prefix\":true,"));
    }
}

static void edit_messages(struct ub_edits *edits, struct ub_prefill *prefill,
                          const struct ub_prefill_wish *wish)
{
    if (ub_resume_was_begun(wish->asked, wish->delivered->began)) {
        make_longer(edits, prefill, wish);
        return;
    }
    write_message(&prefill->message, wish);
    ub_edits_insert(edits, wish->asked->last.object.end, ub_buf_slice(&prefill->message));
}

/* --- what stands beside it ------------------------------------------------------------------- */

/* The flag's value, or the flag itself at the end of the object. */
static void set_flag(struct ub_edits *edits, const struct ub_scan_fields *asked,
                     struct ub_span value, struct ub_slice want, struct ub_slice member)
{
    if (value.end != 0) {
        ub_edits_add(edits, value, want);
    } else {
        ub_edits_insert(edits, asked->object.end - 1, member);
    }
}

static void set_flags(struct ub_edits *edits, const struct ub_prefill_wish *wish)
{
    const struct ub_scan_fields *asked = wish->asked;
    if (ub_dialect_is_engine(wish->dialect)) {
        set_flag(edits, asked, asked->continue_final_message, UB_LIT("true"),
                 UB_LIT(",\"continue_final_message\":true"));
        set_flag(edits, asked, asked->add_generation_prompt, UB_LIT("false"),
                 UB_LIT(",\"add_generation_prompt\":false"));
    }
}

/* A bound that is a plain number, and above what was delivered by the rest that may still come. */
static void shrink(struct ub_edits *edits, const struct ub_prefill_wish *wish, struct ub_span span,
                   uint32_t least, struct numbers *numbers)
{
    struct ub_slice text = ub_span_of(wish->body, span);
    uint64_t bound = 0;
    if (text.len == 0 || text.len > 10) {
        return;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return;
        }
        bound = bound * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    uint32_t spent = ub_delivered_tokens(wish->delivered);
    uint64_t left = bound > spent + (uint64_t)least ? bound - spent : least;
    ub_edits_add(edits, span, ub_digits(left, numbers->text[numbers->count++]));
}

/* --- the pieces ------------------------------------------------------------------------------ */

/* Pieces up to `small` bytes are glued to their neighbours. False: more than there is room for. */
static bool glue(struct ub_prefill *prefill, const struct ub_slice *parts, uint32_t count,
                 size_t small)
{
    bool open = false; /* the last piece is glue, and can grow */
    prefill->count = 0;
    ub_buf_clear(&prefill->glue);
    for (uint32_t i = 0; i < count; i++) {
        bool stays = parts[i].len > small;
        if (stays || !open) {
            if (prefill->count == UB_PREFILL_PARTS) {
                return false;
            }
            prefill->parts[prefill->count++] =
                stays ? parts[i] : (struct ub_slice){prefill->glue.ptr + prefill->glue.len, 0};
        }
        if (!stays) {
            ub_buf_add_slice(&prefill->glue, parts[i]);
            prefill->parts[prefill->count - 1].len += parts[i].len;
        }
        open = !stays;
    }
    return true;
}

static void gather(struct ub_prefill *prefill, const struct ub_slice *parts, uint32_t count)
{
    for (size_t small = SMALL;; small *= 8) {
        size_t room = 0;
        for (uint32_t i = 0; i < count; i++) {
            room += parts[i].len > small ? 0 : parts[i].len;
        }
        /* All at once: what points into it must not move. */
        if (ub_buf_reserve(&prefill->glue, room + 1) == NULL ||
            glue(prefill, parts, count, small)) {
            return;
        }
    }
}

bool ub_prefill_write(struct ub_prefill *prefill, const struct ub_prefill_wish *wish)
{
    struct ub_edits edits;
    struct ub_slice parts[UB_EDITS_PARTS];
    struct numbers numbers = {.count = 0};
    const struct ub_scan_fields *asked = wish->asked;
    *prefill = (struct ub_prefill){0};
    edits.count = 0;
    ub_splice_edits(&edits, asked, wish->model, true);
    edit_messages(&edits, prefill, wish);
    set_flags(&edits, wish);
    if (wish->max_tokens != 0) {
        uint32_t spent = ub_delivered_tokens(wish->delivered);
        prefill->shorter.tokens = wish->max_tokens > spent ? wish->max_tokens - spent : 1;
        ub_splice_shorten(&edits, wish->body, asked, &prefill->shorter);
    } else {
        shrink(&edits, wish, asked->max_tokens_at, 1, &numbers);
        shrink(&edits, wish, asked->max_completion_tokens_at, 1, &numbers);
        shrink(&edits, wish, asked->min_tokens_at, 0, &numbers);
    }
    write_target(wish->dialect, wish->target, &prefill->target);
    if (prefill->message.failed || prefill->target.failed) {
        return false;
    }
    gather(prefill, parts, ub_edits_parts(&edits, wish->body, parts));
    return !prefill->glue.failed;
}

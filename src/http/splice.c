#include "http/splice.h"

#include "base/digits.h"

#define USAGE   "\"include_usage\":true"
#define OPTIONS "\"stream_options\":{" USAGE "}"

static void ask_for_usage(struct ub_edits *edits, const struct ub_scan_fields *asked)
{
    bool is_there = asked->stream_options.end > 0;
    if (asked->wants_usage) {
        return;
    }
    if (asked->has_include_usage) {
        ub_edits_add(edits, asked->include_usage, UB_LIT("true"));
    } else if (asked->has_stream_options) {
        ub_edits_insert(edits, asked->stream_options.begin + 1,
                        asked->stream_options_empty ? UB_LIT(USAGE) : UB_LIT(USAGE ","));
    } else if (is_there) {
        ub_edits_add(edits, asked->stream_options, UB_LIT("{" USAGE "}"));
    } else {
        ub_edits_insert(edits, asked->object.end - 1,
                        UB_LIT("," OPTIONS)); /* there is a model before it */
    }
}

void ub_splice_edits(struct ub_edits *edits, const struct ub_scan_fields *asked,
                     struct ub_slice model, bool stream)
{
    if (!ub_slice_is(model, asked->model_name)) { /* its quotes stay */
        ub_edits_add(edits, (struct ub_span){asked->model.begin + 1, asked->model.end - 1}, model);
    }
    if (stream) {
        ask_for_usage(edits, asked);
    }
}

uint32_t ub_splice(struct ub_slice body, const struct ub_scan_fields *asked, struct ub_slice model,
                   bool stream, struct ub_slice parts[UB_SPLICE_PARTS])
{
    struct ub_edits edits;
    edits.count = 0; /* the list need not be cleared */
    ub_splice_edits(&edits, asked, model, stream);
    return ub_edits_parts(&edits, body, parts);
}

/* The value of a plain number, as far as it fits; UINT64_MAX: it is none. */
static uint64_t value_of(struct ub_slice text)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return UINT64_MAX;
        }
        value = value > UINT32_MAX ? value : value * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    return text.len == 0 ? UINT64_MAX : value;
}

static struct ub_slice number_of(struct ub_shorter *shorter)
{
    char digits[UB_DIGITS_MAX];
    struct ub_slice member =
        shorter->new_name ? UB_LIT(",\"max_completion_tokens\":") : UB_LIT(",\"max_tokens\":");
    struct ub_slice number = ub_digits(shorter->tokens, digits);
    memcpy(shorter->text, member.ptr, member.len);
    memcpy(shorter->text + member.len, number.ptr, number.len);
    return (struct ub_slice){shorter->text + member.len, number.len};
}

void ub_splice_shorten(struct ub_edits *edits, struct ub_slice body,
                       const struct ub_scan_fields *asked, struct ub_shorter *shorter)
{
    const struct ub_span bounds[] = {asked->max_tokens_at, asked->max_completion_tokens_at};
    struct ub_slice number = number_of(shorter);
    for (size_t i = 0; i < UB_COUNT(bounds); i++) { /* whatever else stands there gives way */
        if (bounds[i].end != 0 && value_of(ub_span_of(body, bounds[i])) > shorter->tokens) {
            ub_edits_add(edits, bounds[i], number);
        }
    }
    uint64_t least = value_of(ub_span_of(body, asked->min_tokens_at));
    if (asked->min_tokens_at.end != 0 && least != UINT64_MAX && least > shorter->tokens) {
        ub_edits_add(edits, asked->min_tokens_at, number);
    }
    if (bounds[0].end == 0 && bounds[1].end == 0) { /* there is a model before it */
        size_t len = (size_t)(number.ptr - shorter->text) + number.len;
        ub_edits_insert(edits, asked->object.end - 1, (struct ub_slice){shorter->text, len});
    }
}

uint32_t ub_splice_shorter(struct ub_slice body, const struct ub_scan_fields *asked,
                           struct ub_slice model, bool stream, struct ub_shorter *shorter,
                           struct ub_slice parts[UB_SPLICE_PARTS])
{
    struct ub_edits edits;
    edits.count = 0;
    ub_splice_edits(&edits, asked, model, stream);
    ub_splice_shorten(&edits, body, asked, shorter);
    return ub_edits_parts(&edits, body, parts);
}

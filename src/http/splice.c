#include "http/splice.h"

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

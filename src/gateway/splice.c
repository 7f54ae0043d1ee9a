#include "gateway/splice.h"

#define USAGE   "\"include_usage\":true"
#define OPTIONS "\"stream_options\":{" USAGE "}"

struct edit { /* [begin, end) becomes `text` */
    struct ub_span span;
    struct ub_slice text;
};

static struct edit no_edit(void)
{
    return (struct edit){.text = UB_LIT("")};
}

static struct edit insertion(uint64_t at, struct ub_slice text)
{
    return (struct edit){{at, at}, text};
}

static struct edit usage_edit(const struct ub_scan_fields *asked)
{
    bool is_there = asked->stream_options.end > 0;
    if (asked->wants_usage) {
        return no_edit();
    }
    if (asked->has_include_usage) {
        return (struct edit){asked->include_usage, UB_LIT("true")};
    }
    if (asked->has_stream_options) {
        return insertion(asked->stream_options.begin + 1,
                         asked->stream_options_empty ? UB_LIT(USAGE) : UB_LIT(USAGE ","));
    }
    if (is_there) {
        return (struct edit){asked->stream_options, UB_LIT("{" USAGE "}")};
    }
    return insertion(asked->object.end - 1, UB_LIT("," OPTIONS)); /* there is a model before it */
}

struct out {
    struct ub_slice *parts;
    uint32_t count;
};

static void add(struct out *out, struct ub_slice part)
{
    if (part.len > 0) {
        out->parts[out->count++] = part;
    }
}

static void add_between(struct out *out, struct ub_slice body, uint64_t begin, uint64_t end)
{
    add(out, (struct ub_slice){body.ptr + begin, (size_t)(end - begin)});
}

uint32_t ub_splice(struct ub_slice body, const struct ub_scan_fields *asked, struct ub_slice model,
                   bool stream, struct ub_slice parts[UB_SPLICE_PARTS])
{
    struct out out = {parts, 0};
    bool rename = !ub_slice_is(model, asked->model_name);
    struct edit usage = stream ? usage_edit(asked) : no_edit();
    bool wish = usage.text.len > 0;
    uint64_t at = 0;
    if (wish && usage.span.begin < asked->model.begin) {
        add_between(&out, body, at, usage.span.begin);
        add(&out, usage.text);
        at = usage.span.end;
        wish = false;
    }
    if (rename) {
        add_between(&out, body, at, asked->model.begin + 1); /* its opening quote stays */
        add(&out, model);
        at = asked->model.end - 1;
    }
    if (wish) {
        add_between(&out, body, at, usage.span.begin);
        add(&out, usage.text);
        at = usage.span.end;
    }
    add_between(&out, body, at, body.len);
    return out.count;
}

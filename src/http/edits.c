#include "http/edits.h"

#include <assert.h>

void ub_edits_add(struct ub_edits *edits, struct ub_span span, struct ub_slice text)
{
    assert(edits->count < UB_EDITS_MAX);
    uint32_t at = edits->count++;
    while (at > 0 && edits->list[at - 1].span.begin > span.begin) {
        edits->list[at] = edits->list[at - 1];
        at--;
    }
    edits->list[at] = (struct ub_edit){span, text};
}

void ub_edits_insert(struct ub_edits *edits, uint64_t at, struct ub_slice text)
{
    ub_edits_add(edits, (struct ub_span){at, at}, text);
}

uint32_t ub_edits_parts(const struct ub_edits *edits, struct ub_slice whole, struct ub_slice *parts)
{
    uint32_t count = 0;
    uint64_t at = 0;
    for (uint32_t i = 0; i < edits->count; i++) {
        const struct ub_edit *edit = &edits->list[i];
        assert(edit->span.begin >= at && edit->span.end <= whole.len);
        if (edit->span.begin > at) {
            parts[count++] = (struct ub_slice){whole.ptr + at, (size_t)(edit->span.begin - at)};
        }
        if (edit->text.len > 0) {
            parts[count++] = edit->text;
        }
        at = edit->span.end;
    }
    if (whole.len > at) {
        parts[count++] = (struct ub_slice){whole.ptr + at, (size_t)(whole.len - at)};
    }
    return count;
}

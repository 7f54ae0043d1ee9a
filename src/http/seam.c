#include "http/seam.h"

enum state {
    FRONT, /* white space before the first word */
    MATCH, /* comparing with what was delivered */
    GAP,   /* a restart is over; white space before what is new */
    OPEN,  /* all that comes is new */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

size_t ub_seam_trimmed(struct ub_slice text)
{
    while (text.len > 0 && is_blank(text.ptr[text.len - 1])) {
        text.len--;
    }
    return text.len;
}

uint32_t ub_seam_proof(enum ub_dialect dialect)
{
    /* llama-server can have prefills switched off, and then says nothing about it. */
    return dialect == UB_DIALECT_LLAMA ? 24 : 32;
}

void ub_seam_init(struct ub_seam *seam, struct ub_slice delivered, bool expects_restart,
                  uint32_t proof)
{
    memset(seam, 0, offsetof(struct ub_seam, blank));
    seam->expects_restart = expects_restart;
    seam->proof = proof;
    seam->len = delivered.len;
    seam->end = ub_seam_trimmed(delivered);
    while (seam->begin < seam->end && is_blank(delivered.ptr[seam->begin])) {
        seam->begin++;
    }
}

/* --- white space ----------------------------------------------------------------------------- */

static size_t breaks_in(struct ub_slice blank)
{
    size_t count = 0;
    for (size_t i = 0; i < blank.len; i++) {
        count += blank.ptr[i] == '\n';
    }
    return count;
}

/* What follows the last line break, or all of it. */
static struct ub_slice indentation(struct ub_slice blank)
{
    size_t at = blank.len;
    while (at > 0 && blank.ptr[at - 1] != '\n') {
        at--;
    }
    return (struct ub_slice){blank.ptr + at, blank.len - at};
}

/* How much of the white space `said` the client needs no more, as it `has` some: see seam.h. */
static size_t fitted(struct ub_slice has, struct ub_slice said)
{
    if (ub_slice_starts(said, has)) {
        return has.len;
    }
    size_t said_breaks = breaks_in(said);
    size_t has_breaks = breaks_in(has);
    if (said_breaks == 0) {
        return said.len; /* it has as much, or a line break, which is more */
    }
    if (has_breaks == 0) {
        return (size_t)((const char *)memchr(said.ptr, '\n', said.len) - said.ptr);
    }
    bool same = ub_slice_eq(indentation(said), indentation(has));
    return same && said_breaks <= has_breaks ? said.len : 0;
}

/* What is held of white space goes out, as far as the client needs it. */
static void release_blank(struct ub_seam *seam, struct ub_slice delivered, struct ub_buf *out)
{
    struct ub_slice has = {delivered.ptr + seam->end, seam->len - seam->end};
    size_t from = fitted(has, (struct ub_slice){seam->blank, seam->blank_len});
    ub_buf_add(out, seam->blank + from, seam->blank_len - from);
    seam->blank_len = 0;
}

/* White space at the beginning of `text` is held; false when no more has room. */
static bool hold_blank(struct ub_seam *seam, struct ub_slice *text)
{
    while (text->len > 0 && is_blank(*text->ptr)) {
        if (seam->blank_len == UB_SEAM_BLANK) {
            return false;
        }
        seam->blank[seam->blank_len++] = *text->ptr++;
        text->len--;
    }
    return true;
}

/* --- the verdict ----------------------------------------------------------------------------- */

/* Does the half of what was repeated stand anywhere else? Then the text repeats itself. */
static bool repeats_itself(const struct ub_seam *seam, struct ub_slice delivered)
{
    const char *begin = delivered.ptr + seam->begin;
    size_t half = seam->matched / 2 + 1;
    return memmem(begin + 1, seam->end - seam->begin - 1, begin, half) != NULL;
}

static bool is_proven(const struct ub_seam *seam, struct ub_slice delivered)
{
    bool whole = seam->begin + seam->matched == seam->end;
    uint32_t need = whole && seam->proof > UB_SEAM_WHOLE ? UB_SEAM_WHOLE : seam->proof;
    return seam->matched > 0 && seam->matched >= need && !repeats_itself(seam, delivered);
}

/* What was held was new after all. */
static void open_as_remainder(struct ub_seam *seam, struct ub_slice delivered, struct ub_buf *out)
{
    seam->verdict = UB_SEAM_REMAINDER;
    seam->state = OPEN;
    release_blank(seam, delivered, out);
    ub_buf_add(out, delivered.ptr + seam->begin, seam->matched);
}

/* It goes on in another way than what was delivered, or ends before it. */
static void mismatch(struct ub_seam *seam, struct ub_slice delivered, struct ub_buf *out)
{
    if (seam->expects_restart || is_proven(seam, delivered)) {
        seam->verdict = UB_SEAM_DIVERGENCE;
    } else {
        open_as_remainder(seam, delivered, out);
    }
}

static void all_matched(struct ub_seam *seam, struct ub_slice delivered, struct ub_buf *out)
{
    if (seam->expects_restart || is_proven(seam, delivered)) {
        seam->verdict = UB_SEAM_RESTART;
        seam->state = GAP;
        /* That in front is swallowed, too; unless there is nothing but white space to compare. */
        seam->blank_len = seam->matched > 0 ? 0 : seam->blank_len;
    } else {
        open_as_remainder(seam, delivered, out);
    }
}

static void front(struct ub_seam *seam, struct ub_slice delivered, struct ub_slice *text,
                  struct ub_buf *out)
{
    bool held = hold_blank(seam, text);
    if (held && text->len == 0) {
        return;
    }
    if (held) {
        seam->state = MATCH;
    } else if (seam->expects_restart) {
        seam->blank_len = 0; /* in front of what is swallowed */
    } else {
        open_as_remainder(seam, delivered, out);
    }
}

static void match(struct ub_seam *seam, struct ub_slice delivered, struct ub_slice *text,
                  struct ub_buf *out)
{
    const char *want = delivered.ptr + seam->begin + seam->matched;
    size_t left = seam->end - seam->begin - seam->matched;
    size_t i = 0;
    while (i < left && i < text->len && text->ptr[i] == want[i]) {
        i++;
    }
    seam->matched += i;
    text->ptr += i;
    text->len -= i;
    if (i == left) {
        all_matched(seam, delivered, out);
    } else if (text->len > 0) {
        mismatch(seam, delivered, out);
    }
}

static void gap(struct ub_seam *seam, struct ub_slice delivered, struct ub_slice *text,
                struct ub_buf *out)
{
    struct ub_slice has = {delivered.ptr + seam->end, seam->len - seam->end};
    bool held = hold_blank(seam, text);
    bool enough = ub_slice_starts((struct ub_slice){seam->blank, seam->blank_len}, has);
    if (!held || enough || text->len > 0) {
        seam->state = OPEN;
        release_blank(seam, delivered, out);
    }
}

enum ub_seam_verdict ub_seam_add(struct ub_seam *seam, struct ub_slice delivered,
                                 struct ub_slice text, struct ub_buf *out)
{
    while (text.len > 0 && seam->verdict != UB_SEAM_DIVERGENCE) {
        switch ((enum state)seam->state) {
        case FRONT:
            front(seam, delivered, &text, out);
            break;
        case MATCH:
            match(seam, delivered, &text, out);
            break;
        case GAP:
            gap(seam, delivered, &text, out);
            break;
        case OPEN:
            ub_buf_add_slice(out, text);
            text.len = 0;
            break;
        }
    }
    return seam->verdict;
}

enum ub_seam_verdict ub_seam_end(struct ub_seam *seam, struct ub_slice delivered,
                                 struct ub_buf *out)
{
    bool undecided = seam->verdict == UB_SEAM_UNDECIDED;
    if (undecided && seam->begin + seam->matched == seam->end) {
        all_matched(seam, delivered, out);
    } else if (undecided) {
        mismatch(seam, delivered, out);
    }
    if (seam->state == GAP) {
        seam->state = OPEN;
        release_blank(seam, delivered, out);
    }
    return seam->verdict;
}

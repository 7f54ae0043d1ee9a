#include "tools/drill_judge.h"

#include <math.h>

#define ADVICE_MAX_MS 60000.0 /* what both official SDKs obey */

const char *ub_drill_verdict_name(enum ub_drill_verdict verdict)
{
    static const char *const names[] = {"rescued", "safe", "failed"};
    return names[verdict];
}

static enum ub_drill_verdict failed(struct ub_buf *why, const char *words)
{
    ub_buf_add_text(why, words);
    return UB_DRILL_FAILED;
}

/* ---- a status that says no ---- */

/* What the official SDKs send again by themselves. */
static bool is_sent_again(int status)
{
    return status == 408 || status == 409 || status == 429 || status >= 500;
}

/* NULL: it is right. */
static const char *wrong_advice(const struct ub_drill_want *want,
                                const struct ub_drill_answer *answer)
{
    bool comes_back = answer->advice == UB_DRILL_SAYS_RETRY ||
                      (is_sent_again(answer->status) && answer->advice != UB_DRILL_SAYS_GIVE_UP);
    bool says_when = answer->after_ms >= 0 || answer->after_s >= 0;
    if (want->hopeless) {
        return comes_back || says_when ? "the client is told to come back, which changes nothing"
                                       : NULL;
    }
    if (!comes_back) {
        return says_when ? "when to come back, but not to come back" : NULL;
    }
    if (answer->after_ms <= 0 || answer->after_s <= 0) {
        return "the client comes back, and is not told when";
    }
    if (answer->after_ms > ADVICE_MAX_MS || answer->after_s * 1000 > ADVICE_MAX_MS) {
        return "advice over 60 s, which SDKs do not obey";
    }
    return fabs(answer->after_s * 1000 - answer->after_ms) > 1000
               ? "retry-after and retry-after-ms disagree"
               : NULL;
}

static enum ub_drill_verdict judge_refusal(const struct ub_drill_want *want,
                                           const struct ub_drill_answer *answer, struct ub_buf *why)
{
    if (answer->status < 400 || answer->status > 599) {
        ub_buf_printf(why, "status %d is neither an answer nor an error", answer->status);
        return UB_DRILL_FAILED;
    }
    if (!answer->has_error || !answer->is_json) {
        ub_buf_printf(why, "status %d without an error object", answer->status);
        return UB_DRILL_FAILED;
    }
    const char *wrong = answer->wrong != NULL ? answer->wrong : wrong_advice(want, answer);
    if (wrong != NULL) {
        ub_buf_printf(why, "status %d: %s", answer->status, wrong);
        return UB_DRILL_FAILED;
    }
    ub_buf_printf(why, "%d %s", answer->status, answer->code);
    if (answer->after_ms >= 0) {
        ub_buf_printf(why, ", come back in %.1f s", answer->after_ms / 1000);
    }
    return UB_DRILL_SAFE;
}

/* ---- words ---- */

/* False: what the client has is not the beginning of the answer; `why` says since where. */
static bool has_right_words(struct ub_slice whole, struct ub_slice text, struct ub_buf *why)
{
    if (text.len == 0 || ub_slice_starts(whole, text)) {
        return true;
    }
    size_t at = 0;
    while (at < text.len && at < whole.len && text.ptr[at] == whole.ptr[at]) {
        at++;
    }
    struct ub_slice rest = {text.ptr + at, text.len - at};
    size_t len = rest.len < whole.len ? rest.len : whole.len;
    bool again = at > 0 && len > 3 && memcmp(rest.ptr, whole.ptr, len) == 0;
    ub_buf_printf(
        why, again ? "begins again from the top at byte %zu" : "other words from byte %zu", at);
    return false;
}

static bool is_about(uint64_t got, uint64_t want)
{
    return got * 2 >= want && got <= want * 2;
}

/* NULL: right. */
static const char *wrong_usage(const struct ub_drill_want *want,
                               const struct ub_drill_answer *answer)
{
    if (answer->usages != 1) {
        return answer->usages == 0 ? "no usage, though it was asked for" : "usage more than once";
    }
    switch (want->usage) {
    case UB_DRILL_USAGE_EXACT:
        return answer->prompt_tokens == want->prompt_tokens &&
                       answer->answer_tokens == want->answer_tokens
                   ? NULL
                   : "usage is not what the answering upstream counted";
    case UB_DRILL_USAGE_ABOUT:
        return is_about(answer->prompt_tokens, want->prompt_tokens) &&
                       is_about(answer->answer_tokens, want->answer_tokens)
                   ? NULL
                   : "usage is far from the truth";
    default:
        return NULL;
    }
}

/* ---- an answer ---- */

static enum ub_drill_verdict judge_whole(const struct ub_drill_want *want,
                                         const struct ub_drill_answer *answer, struct ub_buf *why)
{
    struct ub_slice text = ub_buf_slice(&answer->text);
    if (answer->finish[0] == '\0') {
        return failed(why, "a cut that looks whole: no finish_reason");
    }
    if (strcmp(answer->finish, want->finish) != 0) {
        ub_buf_printf(why, "a cut that looks whole: finish_reason %s", answer->finish);
        return UB_DRILL_FAILED;
    }
    if (text.len < want->text.len) {
        ub_buf_printf(why, "a cut that looks whole: %zu of %zu bytes", text.len, want->text.len);
        return UB_DRILL_FAILED;
    }
    if (answer->stream && !answer->done) {
        return failed(why, "a cut that looks whole: no [DONE]");
    }
    const char *wrong = wrong_usage(want, answer);
    if (wrong != NULL) {
        return failed(why, wrong);
    }
    ub_buf_add_text(why, "the whole answer");
    return UB_DRILL_RESCUED;
}

static enum ub_drill_verdict judge_answer(const struct ub_drill_want *want,
                                          const struct ub_drill_seen *seen, struct ub_buf *why)
{
    const struct ub_drill_answer *answer = seen->answer;
    if (answer->stream != answer->is_events || answer->stream == answer->is_json) {
        return failed(why, "not the content type that was asked for");
    }
    if (!has_right_words(want->text, ub_buf_slice(&answer->text), why)) {
        return UB_DRILL_FAILED;
    }
    if (want->first_max_ns > 0 && seen->first_ns > want->first_max_ns) {
        ub_buf_printf(why, "held back: the first text came after %.1f s",
                      (double)seen->first_ns / 1e9);
        return UB_DRILL_FAILED;
    }
    if (answer->has_error) {
        if (!answer->stream) {
            return failed(why, "an error inside a 200");
        }
        ub_buf_printf(why, "error event %s after %zu bytes", answer->code, answer->text.len);
        return UB_DRILL_SAFE;
    }
    if (seen->end != UB_ERR_OK) {
        ub_buf_printf(why, "cut in silence after %zu bytes: no error event", answer->text.len);
        return UB_DRILL_FAILED;
    }
    return judge_whole(want, answer, why);
}

enum ub_drill_verdict ub_drill_judge(const struct ub_drill_want *want,
                                     const struct ub_drill_seen *seen, struct ub_buf *why)
{
    const struct ub_drill_answer *answer = seen->answer;
    if (seen->timed_out || seen->total_ns > want->time_max_ns) {
        ub_buf_printf(why, "no end after %.1f s", (double)seen->total_ns / 1e9);
        return UB_DRILL_FAILED;
    }
    if (want->calls_max > 0 && seen->calls > want->calls_max) {
        ub_buf_printf(why, "%u calls upstream, %u are allowed", seen->calls, want->calls_max);
        return UB_DRILL_FAILED;
    }
    if (answer->status == 0) {
        return failed(why, "the connection broke without an answer");
    }
    if (answer->status != 200) {
        return judge_refusal(want, answer, why);
    }
    bool cut = seen->end != UB_ERR_OK && !answer->has_error; /* says more than how it looks */
    if (answer->wrong != NULL && !cut) {
        return failed(why, answer->wrong);
    }
    return judge_answer(want, seen, why);
}

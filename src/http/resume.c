#include "http/resume.h"

#include <assert.h>

const char *ub_resume_bar_words(enum ub_resume_bar bar)
{
    static const char *const words[] = {
#define X(name, words) words,
        UB_RESUME_BARS(X)
#undef X
    };
    assert(bar >= 0 && bar < UB_RESUME_BAR_COUNT);
    return words[bar];
}

enum ub_resume_bar ub_resume_asked(const struct ub_scan_fields *asked, bool chat)
{
    if (!chat || !asked->stream) {
        return UB_RESUME_NOT_CHAT;
    }
    if (asked->n != 1) {
        return UB_RESUME_CHOICES;
    }
    if (asked->has_grammar) {
        return UB_RESUME_GRAMMAR;
    }
    if (asked->has_logprobs) {
        return UB_RESUME_LOGPROBS;
    }
    return asked->has_echo ? UB_RESUME_ECHO : UB_RESUME_NONE;
}

bool ub_resume_was_begun(const struct ub_scan_fields *asked, enum ub_dialect dialect)
{
    const struct ub_message_fields *last = &asked->last;
    switch (dialect) {
    case UB_DIALECT_OPENAI:
        return false;
    case UB_DIALECT_DEEPSEEK:
        return last->is_assistant && last->is_prefix;
    case UB_DIALECT_VLLM:
    case UB_DIALECT_SGLANG:
        return last->is_assistant && asked->continues_final_message;
    case UB_DIALECT_LLAMA:
        break;
    }
    return last->is_assistant;
}

enum ub_resume_way ub_resume_way(const struct ub_scan_fields *asked, enum ub_dialect from,
                                 enum ub_dialect to, bool text)
{
    const struct ub_message_fields *last = &asked->last;
    if (to == UB_DIALECT_OPENAI || !text || last->object.end == 0) {
        return UB_RESUME_BY_RESTART;
    }
    if (!last->is_assistant) {
        return UB_RESUME_BY_PREFILL;
    }
    /* Two messages of the assistant in a row are refused by many templates, so this one has to be
     * made longer: only where it was taken for a beginning, and is plain text. */
    return ub_resume_was_begun(asked, from) && last->content.end != 0 ? UB_RESUME_BY_PREFILL
                                                                      : UB_RESUME_BY_RESTART;
}

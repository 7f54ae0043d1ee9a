/* resume.h - may a broken stream go on at another upstream, and in which way?
 *
 *   delivered.h   what the client already has           prefill.h   the request that asks for the rest
 *   seam.h        where the new text joins the old      rejoin.h    its events in the old one's name
 *
 * There are two ways. A *prefill* hands what was delivered to the model as the beginning of its own
 * answer, so that it goes on from there; each dialect has its own words for it, and the openai
 * dialect has none. A *restart* sends the same request again and swallows what the client already
 * has; that works only where the same answer comes twice.
 */
#ifndef UB_HTTP_RESUME_H
#define UB_HTTP_RESUME_H

#include "http/dialect.h"
#include "http/scan.h"

/* Why not. Those of the request first, then those of its state. */
#define UB_RESUME_BARS(X)                                                         \
    X(NONE, "it can be resumed")                                                  \
    X(OFF, "the model is not to be resumed")                                      \
    X(NOT_CHAT, "only streamed chats are resumed")                                \
    X(CHOICES, "it has more than one choice")                                     \
    X(GRAMMAR, "its output follows a grammar")                                    \
    X(LOGPROBS, "log probabilities were asked for")                               \
    X(ECHO, "the last message is to be echoed")                                   \
    X(NOTHING, "nothing was delivered yet")                                       \
    X(REASONING, "it broke inside the reasoning")                                 \
    X(TOOLS, "more than text was delivered: a tool call, a refusal, or the like") \
    X(HALF, "it broke inside a character")                                        \
    X(FINISHED, "the answer was complete")                                        \
    X(TOO_LONG, "more was delivered than resume_buffer holds")                    \
    X(NO_MEMORY, "there was no memory to keep what was delivered")

enum ub_resume_bar {
#define X(name, words) UB_RESUME_##name,
    UB_RESUME_BARS(X)
#undef X
        UB_RESUME_BAR_COUNT
};

const char *ub_resume_bar_words(enum ub_resume_bar bar);

/* What the request says about it; known before the first attempt. `chat`: the endpoint is. */
enum ub_resume_bar ub_resume_asked(const struct ub_scan_fields *asked, bool chat);

enum ub_resume_way {
    UB_RESUME_BY_PREFILL,
    UB_RESUME_BY_RESTART, /* hopeless unless asked->is_repeatable */
};

/* Was the client's own last message the beginning of the answer, as an upstream of this dialect
 * sees it? */
bool ub_resume_was_begun(const struct ub_scan_fields *asked, enum ub_dialect dialect);

/* How to go on at an upstream of the dialect `to`, after the stream of one of the dialect `from`
 * broke. `text`: there is more than white space to hand over. */
enum ub_resume_way ub_resume_way(const struct ub_scan_fields *asked, enum ub_dialect from,
                                 enum ub_dialect to, bool text);

#endif

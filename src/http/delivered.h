/* delivered.h - what a client has of a stream, kept so that another upstream can go on.
 *
 * Fed with every event that goes to the client. Costs a copy of the token's text per event, and
 * memory for all of it up to `max`; beyond that the stream cannot be resumed any more, and what was
 * kept is given back.
 */
#ifndef UB_HTTP_DELIVERED_H
#define UB_HTTP_DELIVERED_H

#include "http/openai.h"
#include "http/resume.h"
#include "http/unescape.h"

#define UB_DELIVERED_MAX ((size_t)256 * 1024) /* by default: some 50,000 tokens */

struct ub_delivered {
    struct ub_buf content; /* unescaped */
    struct ub_buf reasoning;
    struct ub_buf face; /* id, created and model as the first event wrote them, one after another */
    uint16_t id_len, created_len, model_len; /* 0: it had none, or one that is absurdly long */
    uint32_t events;                         /* that had content */
    uint32_t reasoning_events;               /* that had reasoning alone */
    size_t max;
    enum ub_dialect began; /* of the upstream where the stream began */
    bool has_face;
    bool reasons; /* the last text was reasoning */
    bool finished;
    bool other;   /* something that is no text */
    bool choices; /* more than one, or not the first */
    bool too_long;
    struct ub_unescape content_half;
    struct ub_unescape reasoning_half;
};

void ub_delivered_init(struct ub_delivered *delivered, size_t max);
void ub_delivered_close(struct ub_delivered *delivered);

/* The same once more, for the stream that goes on from it. False: no memory; close it then, too. */
bool ub_delivered_copy(struct ub_delivered *copy, const struct ub_delivered *delivered);

/* One event as the client gets it: its data, and what they mean. */
void ub_delivered_add(struct ub_delivered *delivered, struct ub_slice data,
                      const struct ub_openai_chunk *chunk);

/* Text that went to the client in an event of our own making. */
void ub_delivered_more(struct ub_delivered *delivered, struct ub_slice text);

/* As if it had become too long: what was kept is given back. */
void ub_delivered_give_up(struct ub_delivered *delivered);

/* What stands in the way of resuming now. */
enum ub_resume_bar ub_delivered_bar(const struct ub_delivered *delivered);

/* The content without white space at its end: what a model is asked to go on from. Templates strip
 * it, tokenizers dislike it, and seam.h puts it right. */
struct ub_slice ub_delivered_text(const struct ub_delivered *delivered);

/* How an upstream of the dialect `to` can go on. */
enum ub_resume_way ub_delivered_way(const struct ub_delivered *delivered,
                                    const struct ub_scan_fields *asked, enum ub_dialect to);

/* Tokens, estimated: one for each event, more where events clearly held several. Those of the
 * content, and those of the reasoning as well. */
uint32_t ub_delivered_content_tokens(const struct ub_delivered *delivered);
uint32_t ub_delivered_tokens(const struct ub_delivered *delivered);

struct ub_slice ub_delivered_id(const struct ub_delivered *delivered);
struct ub_slice ub_delivered_created(const struct ub_delivered *delivered);
struct ub_slice ub_delivered_model(const struct ub_delivered *delivered);

/* Bytes that it holds, for who keeps a budget. */
static inline size_t ub_delivered_bytes(const struct ub_delivered *delivered)
{
    return delivered->content.cap + delivered->reasoning.cap + delivered->face.cap;
}

#endif

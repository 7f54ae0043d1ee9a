/* relay.h - what an upstream's stream says, event by event, and which of its bytes a client gets.
 *
 * Pull style. After each return `parts` holds bytes for the client, to be sent or kept before the
 * next call: as they came wherever possible, neighbours as one part, so that one read of plain
 * events is one part of one write. Left out are comments, `id:` lines, the usage chunk that the
 * client did not ask for, and [DONE], which only the brain's FINISH may say.
 *
 * No allocation for an event that lies whole in the bytes offered.
 *
 * A relay may keep what the client gets (`delivered`, see http/delivered.h), so that another stream
 * can go on when this one breaks. That one's relay continues from it: the client sees one stream
 * (http/rejoin.h). Each relay has what its own client would have: the old one's text, and its own.
 */
#ifndef UB_GATEWAY_RELAY_H
#define UB_GATEWAY_RELAY_H

#include "base/error.h"
#include "http/openai.h"
#include "http/rejoin.h"
#include "http/sse.h"

#define UB_RELAY_PARTS 24

enum ub_relay_found {
    UB_RELAY_MORE,    /* all bytes offered are used */
    UB_RELAY_FLUSH,   /* send the parts, then go on */
    UB_RELAY_PAYLOAD, /* the first payload is the last of the parts; comes once */
    UB_RELAY_DONE,    /* [DONE]: relay.error says how the stream is to be judged, OK = whole */
    UB_RELAY_BROKEN,  /* relay.error, relay.words; final */
};

struct ub_relay {
    struct ub_sse sse;
    struct ub_slice *parts; /* UB_RELAY_PARTS, lent: nothing is in them between two reads */
    uint32_t part_count;
    uint32_t events;     /* relayed, all in all */
    uint32_t payload;    /* payload events among them */
    bool commented;      /* said a comment: it is there, and waits */
    uint64_t text_bytes; /* in these, as escaped in JSON */
    uint64_t finished;   /* choices with a finish reason, as in ub_openai_chunk */
    uint64_t open;       /* choices whose last word was none */
    bool strip_usage;
    enum ub_dialect dialect;
    bool done;
    enum ub_error error;
    const char *words;
    bool keeps; /* what the client gets, in... */
    struct ub_delivered delivered;
    struct ub_rejoin *rejoin; /* NULL: no continuation */
    struct ub_openai_usage usage;
    struct ub_buf rewritten; /* an event that had to be written anew */
    struct ub_buf joined;    /* its data, when something was cut out of them */
};

void ub_relay_init(struct ub_relay *relay, enum ub_dialect dialect, bool strip_usage,
                   struct ub_slice *parts);
void ub_relay_close(struct ub_relay *relay);

/* Before the first byte: keep up to `max` bytes of text. */
void ub_relay_keep(struct ub_relay *relay, size_t max);

/* Before the first byte: the stream continues what was `delivered` by another one, and was asked to
 * do so in this way. False: no memory. */
bool ub_relay_continue(struct ub_relay *relay, const struct ub_delivered *delivered,
                       enum ub_resume_way way);

/* What was kept, to be closed by the caller; the relay keeps nothing from then on. */
struct ub_delivered ub_relay_take_delivered(struct ub_relay *relay);

enum ub_relay_found ub_relay_next(struct ub_relay *relay, struct ub_slice *in);

/* The upstream closed the stream. Sets relay.error: OK only when [DONE] had come. */
void ub_relay_end(struct ub_relay *relay);

#endif

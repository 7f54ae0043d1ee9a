/* rawhead.h - our own strict reading of a head, on the raw bytes, before any parser sees them.
 *
 * Pure and incremental: offer the bytes from the start of the head again and again, each time with
 * more of them (they may have moved); every byte is looked at once. The first thing that is wrong
 * decides, in the order of the bytes, so the verdict does not depend on how they came.
 *
 * It says where the head ends and what frames the body (RFC 9112, 6.3); http1 then has llhttp read
 * the same bytes, and refuses the message when the two disagree.
 */
#ifndef UB_HTTP_RAWHEAD_H
#define UB_HTTP_RAWHEAD_H

#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

/* Why a message is refused: a status, and constant words for the log. */
struct ub_http1_bad {
    int status; /* 400, 413, 414, 417, 431, 501, 502, 503, 505 */
    const char *words;
};

enum ub_rawhead_kind {
    UB_RAWHEAD_REQUEST,
    UB_RAWHEAD_RESPONSE,
    UB_RAWHEAD_TRAILER, /* fields after the last chunk: same rules, nothing that frames or routes */
};

enum ub_rawhead_found {
    UB_RAWHEAD_MORE,
    UB_RAWHEAD_DONE, /* `scanned` is its length, the empty line included */
    UB_RAWHEAD_BAD,
};

struct ub_rawhead {
    uint8_t kind;
    uint8_t minor; /* HTTP/1.minor */
    bool has_start_line;
    bool has_host;
    bool chunked;
    bool close;      /* Connection: close */
    bool keep_alive; /* Connection: keep-alive */
    bool expect_continue;
    uint16_t status;
    uint16_t fields;
    uint32_t scanned;
    uint32_t line_at; /* where the unfinished line starts */
    uint32_t head_max;
    uint32_t target_max;
    int64_t content_length; /* -1: none */
    struct ub_http1_bad bad;
};

void ub_rawhead_init(struct ub_rawhead *raw, enum ub_rawhead_kind kind, size_t head_max,
                     size_t target_max);

/* `bytes`: everything from the head's first byte on. */
enum ub_rawhead_found ub_rawhead_scan(struct ub_rawhead *raw, struct ub_slice bytes);

#endif

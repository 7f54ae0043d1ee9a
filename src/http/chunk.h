/* chunk.h - our own strict reading of the chunked coding's framing (RFC 9112, 7.1).
 *
 * Only lines are read here; data is counted. Byte by byte, so a split changes nothing. Chunk
 * extensions must be well formed and are bounded, per line and in sum: they carry no data, and a
 * peer could make us read them for ever.
 */
#ifndef UB_HTTP_CHUNK_H
#define UB_HTTP_CHUNK_H

#include "http/rawhead.h"

#define UB_CHUNK_EXTENSION_MAX      256  /* bytes in one line */
#define UB_CHUNK_EXTENSIONS_SUM_MAX 8192 /* bytes in one message */

enum ub_chunk_found {
    UB_CHUNK_MORE,
    UB_CHUNK_DATA, /* `left` > 0 bytes of data follow */
    UB_CHUNK_LAST, /* the line of the last chunk is complete; trailers follow */
    UB_CHUNK_BAD,
};

struct ub_chunk {
    uint8_t state;
    uint8_t digits;
    bool named;             /* the extension being read has a name */
    uint16_t extension_len; /* in this line */
    uint32_t extensions_sum;
    uint64_t left;   /* of the data of the current chunk */
    uint64_t budget; /* data that may still be announced; 413 above */
    struct ub_http1_bad bad;
};

void ub_chunk_init(struct ub_chunk *chunk, uint64_t body_max);

/* Reads framing up to the next data; `in` is advanced past it. */
enum ub_chunk_found ub_chunk_next(struct ub_chunk *chunk, struct ub_slice *in);

/* `len` <= left bytes of data were taken. */
void ub_chunk_took(struct ub_chunk *chunk, uint64_t len);

#endif

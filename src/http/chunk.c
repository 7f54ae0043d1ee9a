#include "http/chunk.h"

#include "http/octet.h"

#include <assert.h>

enum {
    SIZE,       /* digits of the size */
    NAME,       /* of an extension, after ';' */
    VALUE,      /* first byte after '=' */
    TOKEN,      /* a value that is a token */
    QUOTED,     /* inside a quoted string */
    QUOTED_END, /* after the closing quote */
    SIZE_LF,    /* after the CR of the line */
    DATA,
    DATA_CR,
    DATA_LF,
    LAST,
    BAD,
};

/* 2^60 bytes in one chunk is beyond anything real, and sums stay inside 64 bits. */
#define DIGITS_MAX 15

void ub_chunk_init(struct ub_chunk *chunk, uint64_t body_max)
{
    *chunk = (struct ub_chunk){.state = SIZE, .budget = body_max};
}

static int refuse(struct ub_chunk *chunk, int status, const char *words)
{
    chunk->bad = (struct ub_http1_bad){status, words};
    return BAD;
}

static int in_size(struct ub_chunk *chunk, char c)
{
    if (ub_octet_is(c, UB_OCTET_HEX)) {
        if (++chunk->digits > DIGITS_MAX) {
            return refuse(chunk, 400, "chunk size too large");
        }
        chunk->left = chunk->left * 16 + ub_octet_hex(c);
        return SIZE;
    }
    if (chunk->digits == 0) {
        return refuse(chunk, 400, "malformed chunk size");
    }
    if (c == '\r') {
        return SIZE_LF;
    }
    return c == ';' ? NAME : refuse(chunk, 400, "malformed chunk size");
}

/* chunk-ext without the "bad white space" that the grammar tolerates for the sake of old senders,
 * and without backslashes, where readers differ on the end of the string. A name has at least one
 * byte: `named` says whether there was one. */
static int in_extension(struct ub_chunk *chunk, char c)
{
    switch (chunk->state) {
    case NAME:
    case TOKEN:
        if (ub_octet_is(c, UB_OCTET_TOKEN)) {
            chunk->named = true;
            return chunk->state;
        }
        if (chunk->state == NAME && c == '=' && chunk->named) {
            return VALUE;
        }
        break;
    case VALUE:
        if (ub_octet_is(c, UB_OCTET_TOKEN)) {
            return TOKEN;
        }
        return c == '"' ? QUOTED : refuse(chunk, 400, "malformed chunk extension");
    case QUOTED:
        if (c == '"') {
            return QUOTED_END;
        }
        return ub_octet_is(c, UB_OCTET_QUOTED) ? QUOTED
                                               : refuse(chunk, 400, "malformed chunk extension");
    default: /* QUOTED_END */
        break;
    }
    /* llhttp 8.1 loses its way at a further extension behind a token value; so refuse that. */
    bool more = c == ';' && chunk->state != TOKEN;
    if (!chunk->named || (c != '\r' && !more)) {
        return refuse(chunk, 400, "malformed chunk extension");
    }
    chunk->named = false;
    return more ? NAME : SIZE_LF;
}

static bool extension_fits(struct ub_chunk *chunk)
{
    return ++chunk->extension_len <= UB_CHUNK_EXTENSION_MAX &&
           ++chunk->extensions_sum <= UB_CHUNK_EXTENSIONS_SUM_MAX;
}

static int line_done(struct ub_chunk *chunk)
{
    chunk->digits = 0;
    chunk->extension_len = 0;
    if (chunk->left == 0) {
        return LAST;
    }
    if (chunk->left > chunk->budget) {
        return refuse(chunk, 413, "body too large");
    }
    chunk->budget -= chunk->left;
    return DATA;
}

static int step(struct ub_chunk *chunk, char c)
{
    switch (chunk->state) {
    case SIZE:
        return in_size(chunk, c);
    case SIZE_LF:
        return c == '\n' ? line_done(chunk) : refuse(chunk, 400, "bare CR in a chunk line");
    case DATA_CR:
        return c == '\r' ? DATA_LF : refuse(chunk, 400, "chunk data longer than its size");
    case DATA_LF:
        return c == '\n' ? SIZE : refuse(chunk, 400, "bare CR after chunk data");
    default:
        return extension_fits(chunk) ? in_extension(chunk, c)
                                     : refuse(chunk, 400, "chunk extensions too long");
    }
}

enum ub_chunk_found ub_chunk_next(struct ub_chunk *chunk, struct ub_slice *in)
{
    size_t at = 0;
    while (chunk->state < DATA || chunk->state == DATA_CR || chunk->state == DATA_LF) {
        if (at == in->len) {
            *in = (struct ub_slice){in->ptr + at, 0};
            return UB_CHUNK_MORE;
        }
        chunk->state = (uint8_t)step(chunk, in->ptr[at]);
        at++;
    }
    *in = (struct ub_slice){in->ptr + at, in->len - at};
    return chunk->state == DATA   ? UB_CHUNK_DATA
           : chunk->state == LAST ? UB_CHUNK_LAST
                                  : UB_CHUNK_BAD;
}

void ub_chunk_took(struct ub_chunk *chunk, uint64_t len)
{
    assert(chunk->state == DATA && len <= chunk->left);
    chunk->left -= len;
    if (chunk->left == 0) {
        chunk->state = DATA_CR;
    }
}

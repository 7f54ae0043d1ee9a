/* http1.h - HTTP/1.1 messages from bytes, strictly. No sockets, no copies of bodies.
 *
 * Pull style: the caller offers bytes and asks what comes next, so it can stop at any point.
 *
 *     struct ub_slice in = what was read;
 *     for (;;) switch (ub_http1_next(&parser, &in)) {
 *         case UB_HTTP1_MORE: ...    all of `in` is used up; offer more (or ub_http1_eof)
 *         case UB_HTTP1_HEAD: ...    parser.head is complete, valid until the call after END
 *         case UB_HTTP1_BODY: ...    parser.body: decoded bytes, pointing into what was offered
 *         case UB_HTTP1_END: ...     message complete; `in` may hold the next one
 *         case UB_HTTP1_BAD: ...     parser.bad says why; close the connection
 *     }
 *
 * llhttp (strict) finds the parts. Before it sees a byte, our own readers (http/rawhead,
 * http/chunk) check it, since llhttp lets through what two readers could understand differently:
 * bare LF and CR, folded lines, missing or doubled Host, several or odd Content-Length,
 * Content-Length with Transfer-Encoding, other codings than exactly "chunked", white space before
 * the colon, control bytes, odd versions (RFC 9112, sections 2 to 7). Then both must agree on where
 * everything is. Nothing is ever repaired. However the bytes are split, the outcome is the same.
 *
 * Decisions where the RFC leaves room: an empty line before a request, absolute-form targets (this
 * is no forward proxy), white space inside chunk lines, and repeated equal Content-Length are
 * refused. Upgrade is ignored, as RFC 9110 (7.8) allows: Java's client asks for h2c with every
 * request. Trailers are checked and dropped. After a message that ends the connection, further
 * bytes are dropped.
 */
#ifndef UB_HTTP_HTTP1_H
#define UB_HTTP_HTTP1_H

#include "base/buf.h"
#include "http/chunk.h"
#include "http/head.h"
#include "http/rawhead.h"
#include <llhttp/llhttp.h>

enum ub_http1_side {
    UB_HTTP1_REQUESTS,  /* we are the server */
    UB_HTTP1_RESPONSES, /* we are the client */
};

enum ub_http1_found {
    UB_HTTP1_MORE,
    UB_HTTP1_HEAD,
    UB_HTTP1_BODY,
    UB_HTTP1_END,
    UB_HTTP1_BAD,
};

struct ub_http1_limits {
    size_t head_max;   /* bytes of start line and fields; 431 above; at most 1 MiB */
    size_t target_max; /* 414 above */
    uint64_t body_max; /* 413 above; UINT64_MAX for responses that stream */
};

#define UB_HTTP1_INTERIMS_MAX 16 /* 1xx responses before the final one */

struct ub_http1 {
    llhttp_t llhttp;
    const struct ub_http1_limits *limits; /* shared; outlives the parser */
    struct ub_http_head *head;            /* one allocation with its fields and bytes */
    struct ub_slice body;
    uint64_t body_len;       /* decoded bytes so far */
    struct ub_http1_bad bad; /* the status that a server answers with; 502 or 503 for responses */
    enum ub_http1_side side;
    bool keep_alive;   /* after END: may the connection be used again? */
    bool head_request; /* RESPONSES: the request was HEAD, so no body follows. Set by the
                          caller before the first byte */
    /* private from here on */
    uint8_t state;
    uint8_t interims;
    bool head_done;
    bool message_done;
    uint64_t left;     /* of a body with Content-Length */
    struct ub_buf raw; /* a head or a trailer section that came in pieces */
    struct ub_rawhead rawhead;
    struct ub_chunk chunk;
};

/* Nothing is allocated before the first byte of a head. */
void ub_http1_init(struct ub_http1 *parser, enum ub_http1_side side,
                   const struct ub_http1_limits *limits);
void ub_http1_close(struct ub_http1 *parser);

/* Gives the head's memory back before END; parser->head is NULL then. */
void ub_http1_forget_head(struct ub_http1 *parser);

/* Next thing in `in`, which is advanced past it. BAD is final. A failed allocation is BAD with 503.
 * Between messages no memory is held once MORE was returned. */
enum ub_http1_found ub_http1_next(struct ub_http1 *parser, struct ub_slice *in);

/* The peer closed. END: that completes a body that runs until close. MORE: it was between messages.
 * BAD: in the middle of one. */
enum ub_http1_found ub_http1_eof(struct ub_http1 *parser);

/* Has any byte of the next message arrived? */
bool ub_http1_is_idle(const struct ub_http1 *parser);

/* Writers append to `out`. Names and values must be clean: a CR, LF or NUL in one is our bug. */
void ub_http1_write_request(struct ub_buf *out, struct ub_slice method, struct ub_slice target);
void ub_http1_write_status(struct ub_buf *out, int status);
void ub_http1_write_field(struct ub_buf *out, struct ub_slice name, struct ub_slice value);
void ub_http1_write_end(struct ub_buf *out); /* the empty line */

/* "1a2b\r\n" into `out` (at least 18 bytes); returns its length. Follow the data with CRLF. */
size_t ub_http1_chunk_head(char *out, size_t data_len);

/* The reason phrase; "" for unknown codes. */
const char *ub_http1_reason(int status);

#endif

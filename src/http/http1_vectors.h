/* http1_vectors.h - for tests: messages, each with the trace that must come out. */
#ifndef UB_HTTP_HTTP1_VECTORS_H
#define UB_HTTP_HTTP1_VECTORS_H

#include "http/http1.h"

#define HOST "Host: a.example\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST
#define CH   "Transfer-Encoding: chunked\r\n"
#define OK   "HTTP/1.1 200 OK\r\n"

/* Small, so that rows reach them. */
static const struct ub_http1_limits limits = {.head_max = 512, .target_max = 64, .body_max = 64};

struct row {
    const char *name;
    const char *input;
    const char *want; /* the trace, or its start when it ends in "..." */
    size_t len;       /* of the input; 0: as a string */
};

static const struct row good_requests[] = {
    {"the smallest request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
     "GET / 1.1 keep no-body\n  Host: a\nend\n"},
    {"two requests in a row",
     "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
     "GET /1 1.1 keep no-body\n  Host: a\nend\nGET /2 1.1 keep no-body\n  Host: a\nend\n"},
    {"a body by length, and the next request behind it",
     POST "Content-Length: 5\r\n\r\nhello"
          "GET / HTTP/1.0\r\n\r\n",
     "POST / 1.1 keep len=5\n  Host: a.example\n  Content-Length: 5\nbody hello\nend\n"
     "GET / 1.0 close no-body\nend\n"},
    {"a body of length zero", POST "Content-Length: 0\r\n\r\n",
     "POST / 1.1 keep len=0 no-body\n  Host: a.example\n  Content-Length: 0\nend\n"},
    {"leading zeros in Content-Length are digits", POST "Content-Length: 0005\r\n\r\nhello",
     "POST / 1.1 keep len=5\n  Host: a.example\n  Content-Length: 0005\nbody hello\nend\n"},
    {"a chunked body", POST CH "\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
     "POST / 1.1 keep chunked\n  Host: a.example\n  Transfer-Encoding: chunked\nbody "
     "hello!\nend\n"},
    {"an empty chunked body, and the next request behind it",
     POST CH "\r\n0\r\n\r\n"
             "GET / HTTP/1.0\r\n\r\n",
     "POST / 1.1 keep chunked\n  Host: a.example\n  Transfer-Encoding: chunked\nend\n"
     "GET / 1.0 close no-body\nend\n"},
    {"the coding's name and chunk sizes ignore case",
     POST "transfer-encoding: CHUNKED\r\n\r\n0A\r\n0123456789\r\n0\r\n\r\n",
     "POST / 1.1 keep chunked\n  Host: a.example\n  transfer-encoding: CHUNKED\n"
     "body 0123456789\nend\n"},
    {"well-formed chunk extensions are read over",
     POST CH "\r\n2;a;d=\"x; y\";b=c\r\nhi\r\n0;e\r\n\r\n",
     "POST / 1.1 keep chunked\n  Host: a.example\n  Transfer-Encoding: chunked\nbody hi\nend\n"},
    {"trailers are read over", POST CH "\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\nEmpty:\r\n\r\n",
     "POST / 1.1 keep chunked\n  Host: a.example\n  Transfer-Encoding: chunked\nbody hi\nend\n"},
    {"white space around a value is no part of it", GET "A: \t b c\t \r\nB:\r\nC: \r\n\r\n",
     "GET / 1.1 keep no-body\n  Host: a.example\n  A: b c\n  B: \n  C: \nend\n"},
    {"bytes above 0x7f may stand in a value", GET "A: \xc3\xa4\xff\r\n\r\n",
     "GET / 1.1 keep no-body\n  Host: a.example\n  A: \xc3\xa4\xff\nend\n"},
    {"HTTP/1.1 with close; what follows is dropped", GET "Connection: close\r\n\r\nGET / HTTP",
     "GET / 1.1 close no-body\n  Host: a.example\n  Connection: close\nend\n"},
    {"close may stand in a list, and wins", GET "Connection: keep-alive, x,, CLOSE\r\n\r\n",
     "GET / 1.1 close no-body\n  Host: a.example\n  Connection: keep-alive, x,, CLOSE\nend\n"},
    {"HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n", "GET / 1.0 close no-body\nend\n"},
    {"HTTP/1.0 with keep-alive stays", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
     "GET / 1.0 keep no-body\n  Connection: Keep-Alive\nend\n"},
    {"Expect: 100-continue with a body", POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
     "POST / 1.1 keep len=1 expect\n  Host: a.example\n  Expect: 100-Continue\n"
     "  Content-Length: 1\nbody x\nend\n"},
    {"without a body there is nothing to expect", GET "Expect: 100-continue\r\n\r\n",
     "GET / 1.1 keep no-body\n  Host: a.example\n  Expect: 100-continue\nend\n"},
    {"HTTP/1.0 cannot expect",
     "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
     "POST / 1.0 close len=1\n  Expect: 100-continue\n  Content-Length: 1\nbody x\nend\n"},
    {"Upgrade is ignored, the body is a body",
     POST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
          "Content-Length: 2\r\n\r\nhi",
     "POST / 1.1 keep len=2\n  Host: a.example\n  Connection: Upgrade, HTTP2-Settings\n"
     "  Upgrade: h2c\n  HTTP2-Settings: AA\n  Content-Length: 2\nbody hi\nend\n"},
    {"Upgrade is ignored without a body too, and the next request is read",
     GET "Connection: upgrade\r\nUpgrade: websocket\r\n\r\nGET / HTTP/1.0\r\n\r\n",
     "GET / 1.1 keep no-body\n  Host: a.example\n  Connection: upgrade\n  Upgrade: websocket\n"
     "end\nGET / 1.0 close no-body\nend\n"},
    {"OPTIONS * is a request", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
     "OPTIONS * 1.1 keep no-body\n  Host: a.example\nend\n"},
    {"query and percent-encoding in the target", "GET /a%2Fb?c[]=d&e=%7B HTTP/1.1\r\n" HOST "\r\n",
     "GET /a%2Fb?c[]=d&e=%7B 1.1 keep no-body\n  Host: a.example\nend\n"},
    {"an IPv6 Host with port", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
     "GET / 1.1 keep no-body\n  Host: [::1]:8080\nend\n"},
    {"a Host with port", "GET / HTTP/1.1\r\nhOST:localhost:8080\r\n\r\n",
     "GET / 1.1 keep no-body\n  hOST: localhost:8080\nend\n"},
    {"a body as large as allowed",
     POST "Content-Length: 64\r\n\r\n"
          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
     "POST / 1.1 keep len=64\n  Host: a.example\n  Content-Length: 64\nbody 0123456789abcdef"
     "0123456789abcdef0123456789abcdef0123456789abcdef\nend\n"},
    {"an unfinished head is nothing yet", "GET / HTTP/1.1\r\nHost: a\r\n", ""},
    {"a half body is handed out", POST "Content-Length: 5\r\n\r\nhe",
     "POST / 1.1 keep len=5\n  Host: a.example\n  Content-Length: 5\nbody he"},
};

#define START_LINE "bad 400 malformed start line\n"
#define FIELD_LINE "bad 400 malformed field line\n"
#define LENGTH     "bad 400 invalid Content-Length\n"
#define BOTH       "bad 400 Content-Length with Transfer-Encoding\n"
#define CODING     "bad 400 Transfer-Encoding other than chunked\n"
#define TAB        "bad 400 tab in a field that frames the body\n"
#define CHUNKED    "POST / 1.1 keep chunked\n  Host: a.example\n  Transfer-Encoding: chunked\n"
#define SIZE       CHUNKED "bad 400 malformed chunk size\n"
#define EXTENSION  CHUNKED "bad 400 malformed chunk extension\n"
#define CONTROL    "bad 400 control byte in the head\n"

static const struct row bad_heads[] = {
    {"an empty line first", "\r\nGET / HTTP/1.1\r\n" HOST "\r\n", START_LINE},
    {"a bare LF after the request line", "GET / HTTP/1.1\n" HOST "\r\n", "bad 400 bare LF\n"},
    {"a bare LF after a field", GET "A: b\nC: d\r\n\r\n", "bad 400 bare LF\n"},
    {"a bare LF as the empty line", GET "\n", "bad 400 bare LF\n"},
    {"a bare CR in a value", GET "A: b\rC: d\r\n\r\n", "bad 400 bare CR\n"},
    {"a bare CR as a line end", "GET / HTTP/1.1\rHost: a\r\r", "bad 400 bare CR\n"},
    {"two CR before the LF", GET "A: b\r\r\n\r\n", "bad 400 bare CR\n"},
    {"a folded line", GET "A: b\r\n c\r\n\r\n", "bad 400 folded field line\n"},
    {"a folded line with a tab", GET "A: b\r\n\tc\r\n\r\n", "bad 400 folded field line\n"},
    {"a folded line right after the request line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
     "bad 400 folded field line\n"},
    {"a NUL in a value", GET "A: b\0c\r\n\r\n", CONTROL, sizeof(GET "A: b\0c\r\n\r\n") - 1},
    {"a NUL in the target", "GET /\0 HTTP/1.1\r\n" HOST "\r\n", CONTROL,
     sizeof("GET /\0 HTTP/1.1\r\n" HOST "\r\n") - 1},
    {"an escape byte in a value", GET "A: b\x1b\r\n\r\n", CONTROL},
    {"DEL in a value", GET "A: b\x7f\r\n\r\n", CONTROL},
    {"a vertical tab before chunked",
     POST "Transfer-Encoding: \x0b"
          "chunked\r\n\r\n",
     CONTROL},
    {"a field without colon", GET "abc\r\n\r\n", FIELD_LINE},
    {"a field without name", GET ": b\r\n\r\n", FIELD_LINE},
    {"a space before the colon", GET "A : b\r\n\r\n", "bad 400 white space before a colon\n"},
    {"a tab before the colon", GET "A\t: b\r\n\r\n", "bad 400 white space before a colon\n"},
    {"a space before the colon of Content-Length", POST "Content-Length : 5\r\n\r\nhello",
     "bad 400 white space before a colon\n"},
    {"a delimiter in a name", GET "A(b: c\r\n\r\n", FIELD_LINE},
    {"a byte above 0x7f in a name", GET "\xc3\xa4: c\r\n\r\n", FIELD_LINE},

    {"no Host", "GET / HTTP/1.1\r\nA: b\r\n\r\n", "bad 400 no Host\n"},
    {"two Hosts", GET "Host: b.example\r\n\r\n", "bad 400 more than one Host\n"},
    {"two equal Hosts", GET HOST "\r\n", "bad 400 more than one Host\n"},
    {"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" HOST "HOST: b\r\n\r\n",
     "bad 400 more than one Host\n"},
    {"an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "bad 400 invalid Host\n"},
    {"a Host with user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "bad 400 invalid Host\n"},
    {"a Host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "bad 400 invalid Host\n"},
    {"a Host that is a list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "bad 400 invalid Host\n"},
    {"a Host with a port of letters", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
     "bad 400 invalid Host\n"},
    {"a Host with an empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", "bad 400 invalid Host\n"},
    {"a Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
     "bad 400 invalid Host\n"},
    {"a Host with something behind the bracket", "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n",
     "bad 400 invalid Host\n"},

    {"a signed Content-Length", POST "Content-Length: +5\r\n\r\nhello", LENGTH},
    {"a negative Content-Length", POST "Content-Length: -5\r\n\r\nhello", LENGTH},
    {"a list in Content-Length", POST "Content-Length: 5,5\r\n\r\nhello", LENGTH},
    {"a list with space in Content-Length", POST "Content-Length: 5, 5\r\n\r\nhello", LENGTH},
    {"a hexadecimal Content-Length", POST "Content-Length: 0x5\r\n\r\nhello", LENGTH},
    {"an empty Content-Length", POST "Content-Length:\r\n\r\nhello", LENGTH},
    {"a blank inside Content-Length", POST "Content-Length: 1 0\r\n\r\nhello", LENGTH},
    {"a fraction in Content-Length", POST "Content-Length: 5.0\r\n\r\nhello", LENGTH},
    {"a Content-Length above 64 bits", POST "Content-Length: 18446744073709551621\r\n\r\nhello",
     LENGTH},
    {"two Content-Length", POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
     "bad 400 more than one Content-Length\n"},
    {"two equal Content-Length", POST "Content-Length: 5\r\nContent-length: 5\r\n\r\nhello",
     "bad 400 more than one Content-Length\n"},
    {"Content-Length before Transfer-Encoding", POST "Content-Length: 5\r\n" CH "\r\n0\r\n\r\n",
     BOTH},
    {"Content-Length after Transfer-Encoding", POST CH "Content-Length: 5\r\n\r\n0\r\n\r\n", BOTH},
    {"Content-Length zero with Transfer-Encoding", POST CH "Content-Length: 0\r\n\r\n0\r\n\r\n",
     BOTH},
    {"a tab after Content-Length", POST "Content-Length: 5\t\r\n\r\nhello", TAB},
    {"a tab before chunked", POST "Transfer-Encoding:\tchunked\r\n\r\n", TAB},
    {"another coding", POST "Transfer-Encoding: gzip\r\n\r\n", CODING},
    {"identity", POST "Transfer-Encoding: identity\r\n\r\n", CODING},
    {"a coding before chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n",
     "bad 501 Transfer-Encoding other than chunked\n"},
    {"a coding after chunked", POST "Transfer-Encoding: chunked, gzip\r\n\r\n", CODING},
    {"chunked twice in a list", POST "Transfer-Encoding: chunked, chunked\r\n\r\n", CODING},
    {"chunked twice in two fields", POST CH CH "\r\n0\r\n\r\n",
     "bad 400 more than one Transfer-Encoding\n"},
    {"an empty coding", POST "Transfer-Encoding:\r\n\r\n", CODING},
    {"a list with an empty element", POST "Transfer-Encoding: , chunked\r\n\r\n", CODING},
    {"something like chunked", POST "Transfer-Encoding: xchunked\r\n\r\n", CODING},
    {"chunked with a parameter", POST "Transfer-Encoding: chunked;a=b\r\n\r\n", CODING},
    {"chunked in quotes", POST "Transfer-Encoding: \"chunked\"\r\n\r\n", CODING},
    {"Transfer-Encoding in HTTP/1.0", "POST / HTTP/1.0\r\n" HOST CH "\r\n0\r\n\r\n",
     "bad 400 Transfer-Encoding in HTTP/1.0\n"},

    {"HTTP/0.9", "GET /\r\n\r\n", START_LINE},
    {"HTTP/1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", "bad 505 HTTP version other than 1.1 and 1.0\n"},
    {"HTTP/2.0", "GET / HTTP/2.0\r\n" HOST "\r\n", "bad 505 HTTP version other than 1.1 and 1.0\n"},
    {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
     "bad 505 HTTP version other than 1.1 and 1.0\n"},
    {"HTTP/1.10", "GET / HTTP/1.10\r\n" HOST "\r\n", START_LINE},
    {"HTTP/01.1", "GET / HTTP/01.1\r\n" HOST "\r\n", START_LINE},
    {"http in lower case", "GET / http/1.1\r\n" HOST "\r\n", START_LINE},
    {"another protocol", "GET / ICE/1.0\r\n" HOST "\r\n", START_LINE},
    {"two spaces before the target", "GET  / HTTP/1.1\r\n" HOST "\r\n", START_LINE},
    {"two spaces before the version", "GET /  HTTP/1.1\r\n" HOST "\r\n", START_LINE},
    {"a space after the version", "GET / HTTP/1.1 \r\n" HOST "\r\n", START_LINE},
    {"a tab in the request line", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", START_LINE},
    {"a space before the method", " GET / HTTP/1.1\r\n" HOST "\r\n", START_LINE},
    {"a space in the target", "GET /a b HTTP/1.1\r\n" HOST "\r\n", START_LINE},
    {"no target", "GET HTTP/1.1\r\n" HOST "\r\n", START_LINE},
    {"an absolute target", "GET http://a.example/ HTTP/1.1\r\n" HOST "\r\n",
     "bad 400 target is not a path\n"},
    {"a star with GET", "GET * HTTP/1.1\r\n" HOST "\r\n",
     "bad 400 target \"*\" with a method other than OPTIONS\n"},
    {"a fragment", "GET /#a HTTP/1.1\r\n" HOST "\r\n",
     "bad 400 character in the target that must be percent-encoded\n"},
    {"a backslash in the target", "GET /a\\b HTTP/1.1\r\n" HOST "\r\n",
     "bad 400 character in the target that must be percent-encoded\n"},
    {"a byte above 0x7f in the target", "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n",
     "bad 400 character in the target that must be percent-encoded\n"},
    {"a cut percent-encoding", "GET /%2 HTTP/1.1\r\n" HOST "\r\n",
     "bad 400 broken percent-encoding in the target\n"},
    {"CONNECT", "CONNECT a.example:443 HTTP/1.1\r\n" HOST "\r\n", "bad 501 method not supported\n"},
    {"an unknown method", "BREW / HTTP/1.1\r\n" HOST "\r\n", "bad 501 method not supported\n"},
    {"a method in lower case is another one", "get / HTTP/1.1\r\n" HOST "\r\n",
     "bad 501 method not supported\n"},
    {"TLS on a plain port", "\x16\x03\x01\x02", CONTROL},
    {"an unknown expectation", POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\n",
     "bad 417 Expect other than 100-continue\n"},
    {"a malformed Connection", GET "Connection: close/x\r\n\r\n", "bad 400 malformed Connection\n"},
    {"a Connection that would drop the frame",
     POST "Connection: keep-alive, Content-Length\r\nContent-Length: 1\r\n\r\nx",
     "bad 400 Connection names a field that frames or routes\n"},
    {"a declared body above the limit", POST "Content-Length: 65\r\n\r\n",
     "bad 413 body too large\n"},
};

static const struct row bad_bodies[] = {
    {"no chunk size", POST CH "\r\n\r\nhello", SIZE},
    {"a chunk size with 0x", POST CH "\r\n0x5\r\nhello\r\n0\r\n\r\n", SIZE},
    {"a signed chunk size", POST CH "\r\n+5\r\nhello\r\n0\r\n\r\n", SIZE},
    {"a space before the chunk size", POST CH "\r\n 5\r\nhello\r\n0\r\n\r\n", SIZE},
    {"a space after the chunk size", POST CH "\r\n5 \r\nhello\r\n0\r\n\r\n", SIZE},
    {"a bare LF after the chunk size", POST CH "\r\n5\nhello\r\n0\r\n\r\n", SIZE},
    {"a bare CR after the chunk size", POST CH "\r\n5\rhello\r\n0\r\n\r\n",
     CHUNKED "bad 400 bare CR in a chunk line\n"},
    {"a chunk size above 64 bits", POST CH "\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
     CHUNKED "bad 400 chunk size too large\n"},
    {"a chunk size of many zeros", POST CH "\r\n0000000000000005\r\nhello\r\n0\r\n\r\n",
     CHUNKED "bad 400 chunk size too large\n"},
    {"data longer than its chunk", POST CH "\r\n5\r\nhello!\r\n0\r\n\r\n",
     CHUNKED "body hello\nbad 400 chunk data longer than its size\n"},
    {"a bare LF after chunk data", POST CH "\r\n5\r\nhello\n0\r\n\r\n",
     CHUNKED "body hello\nbad 400 chunk data longer than its size\n"},
    {"a bare CR after chunk data", POST CH "\r\n5\r\nhello\r0\r\n\r\n",
     CHUNKED "body hello\nbad 400 bare CR after chunk data\n"},
    {"a chunk above the limit", POST CH "\r\n41\r\n", CHUNKED "bad 413 body too large\n"},
    {"chunks above the limit in sum", POST CH "\r\n2\r\nhi\r\n3f\r\n",
     CHUNKED "body hi\nbad 413 body too large\n"},
    {"an extension without name", POST CH "\r\n5;\r\nhello", EXTENSION},
    {"an extension with only a value", POST CH "\r\n5;=a\r\nhello", EXTENSION},
    {"an extension with an empty value", POST CH "\r\n5;a=\r\nhello", EXTENSION},
    {"a bare LF in an extension", POST CH "\r\n5;a\nhello", EXTENSION},
    {"a bare LF in a quoted extension", POST CH "\r\n5;a=\"\n\"\r\nhello", EXTENSION},
    {"a line end in a quoted extension", POST CH "\r\n5;a=\"\r\n\"\r\nhello", EXTENSION},
    {"something behind a quoted extension", POST CH "\r\n5;a=\"b\"c\r\nhello", EXTENSION},
    {"a backslash in a quoted extension", POST CH "\r\n5;a=\"b\\\"c\"\r\nhello", EXTENSION},
    {"an extension behind a token value", POST CH "\r\n5;a=b;c\r\nhello", EXTENSION},
    {"a space in an extension", POST CH "\r\n5; a=b\r\nhello", EXTENSION},
    {"a folded trailer", POST CH "\r\n0\r\nA: b\r\n c\r\n\r\n",
     CHUNKED "bad 400 folded field line\n"},
    {"a bare LF in the trailers", POST CH "\r\n0\r\nA: b\n\r\n", CHUNKED "bad 400 bare LF\n"},
    {"a bare LF instead of trailers", POST CH "\r\n0\r\n\n", CHUNKED "bad 400 bare LF\n"},
    {"a trailer that frames", POST CH "\r\n0\r\ncontent-length: 5\r\n\r\n",
     CHUNKED "bad 400 trailer field that frames or routes\n"},
    {"a trailer that routes", POST CH "\r\n0\r\nHost: b\r\n\r\n",
     CHUNKED "bad 400 trailer field that frames or routes\n"},
    {"a request in place of the trailers", POST CH "\r\n0\r\nGET / HTTP/1.1\r\n\r\n",
     CHUNKED "bad 400 white space before a colon\n"},
};

static const struct row responses[] = {
    {"an answer by length, and the next behind it",
     OK "Content-Length: 2\r\n\r\nhi"
        "HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n",
     "200 1.1 keep len=2\n  Content-Length: 2\nbody hi\nend\n"
     "503 1.1 keep len=0 no-body\n  Content-Length: 0\nend\n"},
    {"no reason and no space before it", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
     "200 1.1 keep len=0 no-body\n  Content-Length: 0\nend\n"},
    {"a chunked answer", OK CH "\r\n2\r\nhi\r\n0\r\n\r\n",
     "200 1.1 keep chunked\n  Transfer-Encoding: chunked\nbody hi\nend\n"},
    {"a body until close", OK "\r\nhello", "200 1.1 close until-close\nbody hello\nend\n"},
    {"an empty body until close", OK "\r\n", "200 1.1 close until-close\nend\n"},
    {"HTTP/1.0 until close", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhi",
     "200 1.0 close until-close\n  Connection: keep-alive\nbody hi\nend\n"},
    {"HTTP/1.0 kept alive",
     "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nh",
     "200 1.0 keep len=1\n  Connection: keep-alive\n  Content-Length: 1\nbody h\nend\n"},
    {"204 has no body", "HTTP/1.1 204 No Content\r\n\r\n", "204 1.1 keep no-body\nend\n"},
    {"204 with a length of zero", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
     "204 1.1 keep len=0 no-body\n  Content-Length: 0\nend\n"},
    {"304 has no body, whatever its length says",
     "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
     "304 1.1 keep len=5 no-body\n  Content-Length: 5\nend\n"},
    {"304 has no body, chunked or not", "HTTP/1.1 304 Not Modified\r\n" CH "\r\n",
     "304 1.1 keep chunked no-body\n  Transfer-Encoding: chunked\nend\n"},
    {"1xx is skipped",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
     "HTTP/1.1 204 No Content\r\n\r\n",
     "204 1.1 keep no-body\nend\n"},
    {"Upgrade as an offer is ignored",
     OK "Upgrade: h2,h2c\r\nConnection: Upgrade\r\nContent-Length: 1\r\n\r\nx",
     "200 1.1 keep len=1\n  Upgrade: h2,h2c\n  Connection: Upgrade\n  Content-Length: 1\n"
     "body x\nend\n"},

    {"a body cut short", OK "Content-Length: 5\r\n\r\nhe",
     "200 1.1 keep len=5\n  Content-Length: 5\nbody he\nbad 502 connection closed inside a "
     "message\n"},
    {"a chunked body without its end", OK CH "\r\n2\r\nhi\r\n",
     "200 1.1 keep chunked\n  Transfer-Encoding: chunked\nbody hi\n"
     "bad 502 connection closed inside a message\n"},
    {"a chunked body cut in its last line", OK CH "\r\n2\r\nhi\r\n0\r\n",
     "200 1.1 keep chunked\n  Transfer-Encoding: chunked\nbody hi\n"
     "bad 502 connection closed inside a message\n"},
    {"a head cut short", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
     "bad 502 connection closed inside a message\n"},
    {"only an interim answer", "HTTP/1.1 100 Continue\r\n\r\n",
     "bad 502 connection closed inside a message\n"},
    {"nothing at all is no answer and no error", "", ""},
    {"Content-Length with Transfer-Encoding", OK CH "Content-Length: 2\r\n\r\n",
     "bad 502 Content-Length with Transfer-Encoding\n"},
    {"two Content-Length", OK "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
     "bad 502 more than one Content-Length\n"},
    {"another coding", OK "Transfer-Encoding: gzip, chunked\r\n\r\n",
     "bad 502 Transfer-Encoding other than chunked\n"},
    {"Transfer-Encoding in HTTP/1.0", "HTTP/1.0 200 OK\r\n" CH "\r\n",
     "bad 502 Transfer-Encoding in HTTP/1.0\n"},
    {"a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "bad 502 bare LF\n"},
    {"101 unasked", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
     "bad 502 101 Switching Protocols unasked\n"},
    {"204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nhi",
     "bad 502 a body announced for a status that has none\n"},
    {"100 with a chunked body", "HTTP/1.1 100 Continue\r\n" CH "\r\n",
     "bad 502 a body announced for a status that has none\n"},
    {"HTTP/2 unasked", "HTTP/2.0 200 OK\r\n\r\n", "bad 502 HTTP version other than 1.1 and 1.0\n"},
    {"not HTTP", "220 smtp.example ESMTP\r\n", "bad 502 malformed status line\n"},
    {"four digits of status", "HTTP/1.1 2000 OK\r\n\r\n", "bad 502 malformed status line\n"},
    {"a status of letters", "HTTP/1.1 2xx OK\r\n\r\n", "bad 502 malformed status line\n"},
    {"a status beyond 599", "HTTP/1.1 600 OK\r\n\r\n", "bad 502 status outside 100 to 599\n"},
    {"a body until close above the limit",
     OK "\r\n0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef!",
     "200 1.1 close until-close\n"
     "body 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
     "bad 502 body too large\n"},
};

#endif

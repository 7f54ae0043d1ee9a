/* http1.c - what the HTTP/1.1 parser alone costs, in nanoseconds of CPU. */
#include "http/http1.h"
#include "base/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct ub_http1_limits limits = {
    .head_max = 65536, .target_max = 8192, .body_max = UINT64_MAX};

static const char head[] = "POST /v1/chat/completions HTTP/1.1\r\n"
                           "Host: 127.0.0.1:8080\r\n"
                           "Accept: application/json\r\n"
                           "Accept-Encoding: gzip, deflate\r\n"
                           "Connection: keep-alive\r\n"
                           "Content-Type: application/json\r\n"
                           "User-Agent: OpenAI/Python 1.109.1\r\n"
                           "X-Stainless-Lang: python\r\n"
                           "X-Stainless-Package-Version: 1.109.1\r\n"
                           "Authorization: Bearer sk-0123456789abcdef0123456789abcdef\r\n"
                           "Content-Length: 2048\r\n\r\n";

/* Offers `in` and takes all that comes of it. */
static void take_all(struct ub_http1 *parser, struct ub_slice in)
{
    enum ub_http1_found found;
    while ((found = ub_http1_next(parser, &in)) != UB_HTTP1_MORE) {
        if (found == UB_HTTP1_BAD) {
            fprintf(stderr, "bad: %s\n", parser->bad.words);
            exit(1);
        }
    }
}

static double ns_each(struct ub_http1 *parser, struct ub_slice in, int times)
{
    ub_ns best = UB_NEVER;
    for (int round = 0; round < 5; round++) {
        ub_ns start = ub_clock_cpu();
        for (int i = 0; i < times; i++) {
            take_all(parser, in);
        }
        best = ub_ns_min(best, ub_clock_cpu() - start);
    }
    return (double)best / times;
}

int main(void)
{
    static char request[sizeof head - 1 + 2048];
    memcpy(request, head, sizeof head - 1);
    memset(request + sizeof head - 1, 'x', 2048);
    static char event[4 + 180 + 2];
    memcpy(event, "b4\r\n", 4);
    memset(event + 4, 'x', 180);
    memcpy(event + 184, "\r\n", 2);

    struct ub_http1 parser;
    ub_http1_init(&parser, UB_HTTP1_REQUESTS, &limits);
    printf("2 KB POST with 10 fields       %6.0f ns\n",
           ns_each(&parser, (struct ub_slice){request, sizeof request}, 200000));
    ub_http1_close(&parser);

    ub_http1_init(&parser, UB_HTTP1_RESPONSES, &limits);
    take_all(&parser, UB_LIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
    printf("one chunk of 180 bytes a read  %6.0f ns\n",
           ns_each(&parser, (struct ub_slice){event, sizeof event}, 1000000));
    ub_http1_close(&parser);
    printf("a parser takes %zu bytes\n", sizeof parser);
    return 0;
}

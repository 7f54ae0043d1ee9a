/* openai.c - what understanding costs: the field scan of request bodies, the reading of event
 * streams, the reading of their chunks, keeping what was delivered, and joining a resumed stream.
 *
 * The best of several rounds of CPU time; a new row is a new line in one of the tables.
 */
#include "http/openai.h"
#include "base/buf.h"
#include "base/time.h"
#include "http/rejoin.h"
#include "http/scan.h"
#include "http/sse.h"

#include <stdio.h>
#include <stdlib.h>

#define BODY_BYTES 400000
#define PIECE      65536 /* bytes of one read */
#define ROUNDS     30

static void die(const char *words)
{
    fprintf(stderr, "%s\n", words);
    exit(1);
}

/* Bodies -------------------------------------------------------------------------------------- */

/* A body is `begin`, then `repeat` as often as there is room with `between` between, then `end`. */
static const struct body {
    const char *name;
    const char *begin;
    const char *repeat;
    const char *between;
    const char *end;
    size_t bytes;
} bodies[] = {
#define CHAT \
    "{\"model\":\"deepseek-chat\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\""
    {"English, 400 KB", CHAT,
     "The quick brown fox jumps over the lazy dog, and then it goes on to explain at length. ", "",
     "\"}]}", BODY_BYTES},
    {"English, 2 KB", CHAT,
     "The quick brown fox jumps over the lazy dog, and then it goes on to explain at length. ", "",
     "\"}]}", 2000},
    {"many short messages", "{\"model\":\"deepseek-chat\",\"messages\":[",
     "{\"role\":\"user\",\"content\":\"And what about this one? It is not as long as the "
     "others.\"}",
     ",", "]}", BODY_BYTES},
    {"Chinese", CHAT,
     "\xe6\x9c\x8d\xe5\x8a\xa1\xe5\x99\xa8\xe7\xb9\x81\xe5\xbf\x99\xef\xbc\x8c\xe8\xaf\xb7\xe7\xa8"
     "\x8d\xe5\x90\x8e\xe5\x86\x8d\xe8\xaf\x95\xe3\x80\x82 API ",
     "", "\"}]}", BODY_BYTES},
    {"Russian", CHAT,
     "\xd0\xa1\xd0\xb5\xd1\x80\xd0\xb2\xd0\xb5\xd1\x80 \xd0\xb7\xd0\xb0\xd0\xbd\xd1\x8f\xd1\x82. ",
     "", "\"}]}", BODY_BYTES},
    {"source code", CHAT,
     "    for (int i = 0; i < count; i++) {\\n        print(\\\"%d\\\\n\\\", list[i].value);\\n    "
     "}\\n",
     "", "\"}]}", BODY_BYTES},
    {"Chinese, escaped", CHAT, "\\u670d\\u52a1\\u5668\\u7e41\\u5fd9\\uff0c", "", "\"}]}",
     BODY_BYTES},
    {"a picture", CHAT, "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgG",
     "", "\"}]}", BODY_BYTES},
    {"tools", "{\"model\":\"m\",\"tools\":[",
     "{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"description\":\"The weather "
     "of "
     "a "
     "place\",\"parameters\":{\"type\":\"object\",\"properties\":{\"place\":{\"type\":\"string\"}},"
     "\"required\":[\"place\"]}}}",
     ",", "]}", BODY_BYTES},
    {"numbers of tokens", "{\"model\":\"m\",\"input\":[", "40,1723,5,39814", ",", "]}", BODY_BYTES},
};

static void write_body(struct ub_buf *out, const struct body *body)
{
    ub_buf_clear(out);
    ub_buf_add_text(out, body->begin);
    for (bool first = true; out->len < body->bytes; first = false) {
        ub_buf_add_text(out, first ? "" : body->between);
        ub_buf_add_text(out, body->repeat);
    }
    ub_buf_add_text(out, body->end);
    if (out->failed) {
        die("no memory");
    }
}

static void scan_once(const struct ub_buf *body)
{
    struct ub_scan *scan = ub_scan_new(NULL);
    if (scan == NULL) {
        die("no memory");
    }
    for (size_t at = 0; at < body->len; at += PIECE) {
        size_t len = body->len - at < PIECE ? body->len - at : PIECE;
        ub_scan_feed(scan, (struct ub_slice){body->ptr + at, len});
    }
    if (!ub_scan_finish(scan)) {
        die(ub_scan_bad(scan));
    }
    ub_scan_free(NULL, scan);
}

static void measure_bodies(void)
{
    struct ub_buf body = {0};
    printf("the fields of a request body\n");
    for (size_t i = 0; i < UB_COUNT(bodies); i++) {
        write_body(&body, &bodies[i]);
        size_t times = 1 + BODY_BYTES / body.len;
        ub_ns best = UB_NEVER;
        for (int round = 0; round < ROUNDS; round++) {
            ub_ns begin = ub_clock_cpu();
            for (size_t n = 0; n < times; n++) {
                scan_once(&body);
            }
            best = ub_ns_min(best, ub_clock_cpu() - begin);
        }
        double each_ns = (double)best / (double)times;
        printf("  %-20s %7zu bytes %8.1f us %6.2f GB/s\n", bodies[i].name, body.len, each_ns / 1000,
               (double)body.len / each_ns);
    }
    ub_buf_free(&body);
}

/* Events -------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *data;
} chunks[] = {
    {"a token of DeepSeek",
     "{\"id\":\"f1e2d3c4-a5b6-4c7d-8e9f-0a1b2c3d4e5f\",\"object\":\"chat.completion.chunk\","
     "\"created\":1718345013,\"model\":\"deepseek-chat\",\"choices\":[{\"index\":0,\"delta\":"
     "{\"content\":\" Hello\"},\"finish_reason\":null}]}"},
    {"a token of vLLM",
     "{\"id\":\"chatcmpl-0a1b2c3d4e5f\",\"object\":\"chat.completion.chunk\",\"created\":"
     "1718345013,"
     "\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
     "\"\xe6\x9c\x8d\xe5\x8a\xa1\","
     "\"reasoning_content\":null},\"logprobs\":null,\"finish_reason\":null,\"token_ids\":null}],"
     "\"usage\":null}"},
    {"a piece of tool call",
     "{\"id\":\"f1e2d3c4\",\"object\":\"chat.completion.chunk\",\"created\":1718345013,\"model\":"
     "\"deepseek-chat\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
     "\"function\":{\"arguments\":\"\\\"place\\\"\"}}]},\"finish_reason\":null}]}"},
    {"usage",
     "{\"id\":\"f1e2d3c4\",\"object\":\"chat.completion.chunk\",\"created\":1718345013,\"model\":"
     "\"deepseek-chat\",\"choices\":[],\"usage\":{\"prompt_tokens\":1200,\"completion_tokens\":340,"
     "\"total_tokens\":1540,\"prompt_tokens_details\":{\"cached_tokens\":1024},"
     "\"prompt_cache_hit_tokens\":1024,\"prompt_cache_miss_tokens\":176}}"},
};

#define TIMES 20000

/* Events of a stream whose reads end in the middle of an event (`cut`), or never do. */
static double event_ns(struct ub_slice event, size_t cut)
{
    struct ub_sse sse;
    ub_ns best = UB_NEVER;
    ub_sse_init(&sse, UB_SSE_EVENT_MAX);
    for (int round = 0; round < ROUNDS; round++) {
        int events = 0;
        ub_ns begin = ub_clock_cpu();
        for (int i = 0; i < TIMES; i++) {
            struct ub_slice first = {event.ptr, cut};
            struct ub_slice rest = {event.ptr + cut, event.len - cut};
            while (cut > 0 && ub_sse_next(&sse, &first) == UB_SSE_EVENT) {
                events++;
            }
            while (ub_sse_next(&sse, &rest) == UB_SSE_EVENT) {
                events++;
            }
        }
        best = ub_ns_min(best, ub_clock_cpu() - begin);
        if (events != TIMES) {
            die("events are missing");
        }
    }
    ub_sse_close(&sse);
    return (double)best / TIMES;
}

static double chunk_ns(struct ub_slice data)
{
    struct ub_openai_chunk chunk;
    ub_ns best = UB_NEVER;
    for (int round = 0; round < ROUNDS; round++) {
        ub_ns begin = ub_clock_cpu();
        for (int i = 0; i < TIMES; i++) {
            if (!ub_openai_chunk_read(data, UB_DIALECT_OPENAI, &chunk)) {
                die("a bad chunk");
            }
        }
        best = ub_ns_min(best, ub_clock_cpu() - begin);
    }
    return (double)best / TIMES;
}

#define STREAM 1000 /* events of a stream: what is kept has to grow again for each */

/* Keeping what was delivered, growth of its memory included. */
static double keep_ns(struct ub_slice data)
{
    struct ub_delivered delivered;
    struct ub_openai_chunk chunk;
    ub_ns best = UB_NEVER;
    ub_openai_chunk_read(data, UB_DIALECT_OPENAI, &chunk);
    for (int round = 0; round < ROUNDS; round++) {
        ub_ns begin = ub_clock_cpu();
        for (int i = 0; i < TIMES / STREAM; i++) {
            ub_delivered_init(&delivered, UB_DELIVERED_MAX);
            for (int n = 0; n < STREAM; n++) {
                ub_delivered_add(&delivered, data, &chunk);
            }
            ub_delivered_close(&delivered);
        }
        best = ub_ns_min(best, ub_clock_cpu() - begin);
    }
    return (double)best / TIMES;
}

/* The same event as part of a stream that was resumed: written anew under another name. */
static double rejoin_ns(struct ub_slice data)
{
    struct ub_delivered delivered;
    struct ub_openai_chunk chunk;
    struct ub_rejoin rejoin;
    struct ub_buf out = {0};
    ub_ns best = UB_NEVER;
    ub_openai_chunk_read(data, UB_DIALECT_OPENAI, &chunk);
    for (int round = 0; round < ROUNDS; round++) {
        ub_delivered_init(&delivered, UB_DELIVERED_MAX);
        ub_delivered_add(&delivered, data, &chunk);
        ub_rejoin_init(&rejoin, &delivered, UB_RESUME_BY_PREFILL, UB_DIALECT_VLLM);
        ub_ns begin = ub_clock_cpu();
        for (int i = 0; i < TIMES; i++) {
            ub_buf_clear(&out);
            if (ub_rejoin_event(&rejoin, data, &chunk, false, &out) > UB_REJOIN_EVENT) {
                die("not resumed");
            }
        }
        best = ub_ns_min(best, ub_clock_cpu() - begin);
        ub_rejoin_close(&rejoin);
        ub_delivered_close(&delivered);
    }
    ub_buf_free(&out);
    return (double)best / TIMES;
}

static void measure_chunks(void)
{
    struct ub_buf event = {0};
    printf(
        "one event of a stream                 find it   when cut   read it   keep it   rejoin\n");
    for (size_t i = 0; i < UB_COUNT(chunks); i++) {
        struct ub_slice data = ub_slice_of(chunks[i].data);
        ub_buf_clear(&event);
        ub_sse_write_event(&event, data);
        if (event.failed) {
            die("no memory");
        }
        struct ub_slice bytes = ub_buf_slice(&event);
        printf("  %-20s %7zu bytes %6.0f ns  %6.0f ns %6.0f ns %6.1f ns %6.0f ns\n", chunks[i].name,
               bytes.len, event_ns(bytes, 0), event_ns(bytes, bytes.len / 2), chunk_ns(data),
               keep_ns(data), rejoin_ns(data));
    }
    ub_buf_free(&event);
}

int main(void)
{
    measure_bodies();
    measure_chunks();
    return 0;
}

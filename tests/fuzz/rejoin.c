/* Round trip: an answer is cut at any points, each time another upstream goes on, by a prefill or
 * from the top. Its events are cut and escaped in any way. The client's texts are the whole answer,
 * and it is the same however the events were cut. */
#include "http/rejoin.h"
#include "fuzz.h"
#include "http/prefill.h"

#include "http/sse.h"
#include "http/text.h"
#include <jansson.h>

#define TEXT_MAX  400
#define TRIES_MAX 4

/* The client's side: what it has, and the accumulator beside it. */
struct client {
    struct ub_buf text;
    struct ub_delivered delivered;
    enum ub_seam_verdict verdict; /* of the last attempt */
};

/* One try: asked in a way, and cut after so many bytes of text. */
struct plan {
    enum ub_resume_way way;
    size_t len;
};

/* Any bytes as UTF-8. */
static void write_text(struct ub_buf *out, const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    const char *end = p + (size < TEXT_MAX ? size : TEXT_MAX);
    while (p < end) {
        const char *after = (*p & 0x80) != 0 ? ub_text_utf8(p, end) : p + 1;
        if (after == p) {
            ub_buf_add_text(out, "?");
            p++;
        } else {
            ub_buf_add(out, p, (size_t)(after - p));
            p = after;
        }
    }
}

static size_t character(struct ub_slice text)
{
    unsigned char c = (unsigned char)text.ptr[0];
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static uint32_t code_point(const char *p, size_t len)
{
    uint32_t code = len == 1 ? (unsigned char)*p : (unsigned char)*p & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        code = code << 6 | ((unsigned char)p[i] & 0x3f);
    }
    return code;
}

/* Escapes of one character: as is where that may be, or \uXXXX, surrogates perhaps in two events. */
static void write_character(struct ub_buf *out, struct ub_buf *next, const char *p, size_t len,
                            struct ub_random *random)
{
    uint32_t code = code_point(p, len);
    bool must = code < 0x20 || code == '"' || code == '\\';
    if (!must && ub_random_below(random, 3) > 0) {
        ub_buf_add(out, p, len);
    } else if (code < 0x10000) {
        ub_buf_printf(out, "\\u%04x", code);
    } else {
        ub_buf_printf(out, "\\u%04x", 0xd800 + ((code - 0x10000) >> 10));
        ub_buf_printf(ub_random_below(random, 2) == 0 ? out : next, "\\u%04X",
                      0xdc00 + ((code - 0x10000) & 0x3ff));
    }
}

/* The next event: some of the text, taken from it. `carry`: what is left of a pair. */
static void write_event(struct ub_buf *out, const char *id, struct ub_slice *text,
                        struct ub_buf *carry, struct ub_random *random)
{
    struct ub_buf next = {0};
    size_t count = carry->len > 0 ? 0 : 1 + ub_random_below(random, 12);
    ub_buf_clear(out);
    ub_buf_printf(out, "{\"id\":\"%s\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"", id);
    ub_buf_add_slice(out, ub_buf_slice(carry));
    while (count-- > 0 && text->len > 0 && next.len == 0) {
        size_t len = character(*text);
        write_character(out, &next, text->ptr, len, random);
        text->ptr += len;
        text->len -= len;
    }
    ub_buf_add_text(out, "\"}}]}");
    ub_buf_free(carry);
    *carry = next;
}

/* What the client reads. */
static void receive(struct client *client, struct ub_slice bytes, const char *id)
{
    struct ub_sse sse;
    ub_sse_init(&sse, UB_SSE_EVENT_MAX);
    while (ub_sse_next(&sse, &bytes) == UB_SSE_EVENT) {
        json_t *tree =
            json_loadb(sse.data.ptr, sse.data.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        UB_FUZZ_CHECK(tree != NULL, "bad JSON: %.*s", UB_SLICE_ARG(sse.data));
        const char *name = json_string_value(json_object_get(tree, "id"));
        UB_FUZZ_CHECK(name != NULL && strcmp(name, id) == 0, "another id: %.*s",
                      UB_SLICE_ARG(sse.data));
        json_t *choice = json_array_get(json_object_get(tree, "choices"), 0);
        json_t *content = json_object_get(json_object_get(choice, "delta"), "content");
        ub_buf_add(&client->text, json_string_value(content), json_string_length(content));
        json_decref(tree);
    }
    ub_sse_close(&sse);
}

static struct ub_openai_chunk chunk_of(const struct ub_buf *event)
{
    struct ub_openai_chunk chunk;
    UB_FUZZ_CHECK(ub_openai_chunk_read(ub_buf_slice(event), UB_DIALECT_VLLM, &chunk),
                  "a bad event: %.*s", UB_SLICE_ARG(*event));
    return chunk;
}

/* The first attempt; the client gets its events as they are. */
static void first_attempt(struct client *client, struct ub_slice text, struct ub_random *random)
{
    struct ub_buf event = {0}, carry = {0};
    ub_buf_add_slice(&client->text, text);
    do {
        write_event(&event, "first", &text, &carry, random);
        struct ub_openai_chunk chunk = chunk_of(&event);
        ub_delivered_add(&client->delivered, ub_buf_slice(&event), &chunk);
    } while (text.len > 0 || carry.len > 0);
    ub_buf_free(&event);
    ub_buf_free(&carry);
}

/* A later one says `text`, and then the end if it is the last. */
static void next_attempt(struct client *client, enum ub_resume_way way, struct ub_slice text,
                         bool last, struct ub_random *random)
{
    struct ub_buf event = {0}, carry = {0}, out = {0};
    struct ub_rejoin rejoin;
    enum ub_rejoin_found found = UB_REJOIN_NOTHING;
    ub_rejoin_init(&rejoin, &client->delivered, way, UB_DIALECT_VLLM);
    while (found <= UB_REJOIN_EVENT && (text.len > 0 || carry.len > 0)) {
        write_event(&event, "other", &text, &carry, random);
        struct ub_openai_chunk chunk = chunk_of(&event);
        found = ub_rejoin_event(&rejoin, ub_buf_slice(&event), &chunk, true, &out);
    }
    if (last && found <= UB_REJOIN_EVENT) {
        ub_rejoin_end(&rejoin, &out);
    }
    receive(client, ub_buf_slice(&out), "first");
    client->verdict = ub_rejoin_verdict(&rejoin);
    ub_rejoin_close(&rejoin);
    ub_buf_free(&event);
    ub_buf_free(&carry);
    ub_buf_free(&out);
}

/* The upstream gets the delivered text as its own beginning, says jansson. */
static void check_prefill(const struct client *client, struct ub_slice handed)
{
    static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\"}]}";
    struct ub_scan *scan = ub_scan_new(NULL);
    struct ub_prefill prefill;
    struct ub_buf whole = {0};
    ub_scan_feed(scan, ub_slice_of(body));
    ub_scan_finish(scan);
    ub_prefill_write(&prefill, &(struct ub_prefill_wish){.body = ub_slice_of(body),
                                                         .asked = ub_scan_fields(scan),
                                                         .model = UB_LIT("m"),
                                                         .dialect = UB_DIALECT_DEEPSEEK,
                                                         .delivered = &client->delivered});
    for (uint32_t i = 0; i < prefill.count; i++) {
        ub_buf_add_slice(&whole, prefill.parts[i]);
    }
    json_t *tree = json_loadb(whole.ptr, whole.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    json_t *content =
        json_object_get(json_array_get(json_object_get(tree, "messages"), 1), "content");
    struct ub_slice got = {json_string_value(content), json_string_length(content)};
    UB_FUZZ_CHECK(ub_slice_eq(got, handed), "the prefill is %.*s", UB_SLICE_ARG(whole));
    json_decref(tree);
    ub_buf_free(&whole);
    ub_prefill_close(&prefill);
    ub_scan_free(NULL, scan);
}

static struct ub_slice from(struct ub_slice text, size_t at)
{
    return (struct ub_slice){text.ptr + at, text.len - at};
}

/* Does the rest of the answer begin as all of it did? Then nobody can tell. */
static bool is_ambiguous(struct ub_slice whole, struct ub_slice rest)
{
    while (whole.len > 0 && strchr(" \n\t\r", *whole.ptr) != NULL) {
        whole = from(whole, 1);
    }
    while (rest.len > 0 && strchr(" \n\t\r", *rest.ptr) != NULL) {
        rest = from(rest, 1);
    }
    size_t same = 0;
    while (same < whole.len && same < rest.len && whole.ptr[same] == rest.ptr[same]) {
        same++;
    }
    return same >= UB_SEAM_WHOLE;
}

/* The end of a piece of at most `len` bytes, between characters. */
static size_t between(struct ub_slice text, size_t len)
{
    size_t at = 0;
    while (at < text.len && at + character(from(text, at)) <= len) {
        at += character(from(text, at));
    }
    return at;
}

/* Carries out the plan; false when nobody could have told remainder from restart. */
static bool play(struct client *client, struct ub_slice whole, const struct plan *plan,
                 struct ub_random *random)
{
    *client = (struct client){.text = {0}};
    ub_delivered_init(&client->delivered, UB_DELIVERED_MAX);
    first_attempt(client, (struct ub_slice){whole.ptr, between(whole, plan[0].len)}, random);
    for (int i = 1; i <= TRIES_MAX; i++) {
        struct ub_slice handed = ub_delivered_text(&client->delivered);
        enum ub_resume_way way = handed.len == 0 ? UB_RESUME_BY_RESTART : plan[i].way;
        struct ub_slice rest = way == UB_RESUME_BY_PREFILL ? from(whole, handed.len) : whole;
        if (way == UB_RESUME_BY_PREFILL && is_ambiguous(whole, rest)) {
            return false;
        }
        if (handed.len > 0) {
            check_prefill(client, handed);
        }
        bool last = i == TRIES_MAX;
        size_t len = last ? rest.len : between(rest, plan[i].len);
        next_attempt(client, way, (struct ub_slice){rest.ptr, len}, last, random);
        UB_FUZZ_CHECK(client->verdict != UB_SEAM_DIVERGENCE, "attempt %d diverges", i);
        UB_FUZZ_CHECK(client->text.len <= whole.len &&
                          memcmp(client->text.ptr, whole.ptr, client->text.len) == 0,
                      "attempt %d: the client has '%.*s' of '%.*s'", i, UB_SLICE_ARG(client->text),
                      UB_SLICE_ARG(whole));
        UB_FUZZ_CHECK(
            ub_slice_eq(ub_buf_slice(&client->text), ub_buf_slice(&client->delivered.content)),
            "attempt %d: '%.*s' is what we think the client has", i,
            UB_SLICE_ARG(client->delivered.content));
    }
    UB_FUZZ_CHECK(client->text.len == whole.len, "the client has %zu of %zu bytes",
                  client->text.len, whole.len);
    return true;
}

/* Something else than the answer: whatever comes of it, it does so however it is cut. */
static void play_other(struct ub_slice whole, enum ub_resume_way way, uint64_t seed)
{
    struct client clients[2];
    for (size_t i = 0; i < UB_COUNT(clients); i++) {
        struct ub_random random = {seed};
        size_t cut = between(whole, ub_random_below(&random, (uint32_t)whole.len + 1));
        struct ub_slice other = from(whole, between(whole, ub_random_below(&random, 40)));
        random.state += i;
        clients[i] = (struct client){.text = {0}};
        ub_delivered_init(&clients[i].delivered, UB_DELIVERED_MAX);
        first_attempt(&clients[i], (struct ub_slice){whole.ptr, cut}, &random);
        next_attempt(&clients[i], way, other, true, &random);
    }
    UB_FUZZ_CHECK(clients[0].verdict == clients[1].verdict, "verdicts %d and %d",
                  clients[0].verdict, clients[1].verdict);
    UB_FUZZ_CHECK(clients[0].verdict == UB_SEAM_DIVERGENCE ||
                      ub_slice_eq(ub_buf_slice(&clients[0].text), ub_buf_slice(&clients[1].text)),
                  "'%.*s' and '%.*s'", UB_SLICE_ARG(clients[0].text),
                  UB_SLICE_ARG(clients[1].text));
    for (size_t i = 0; i < UB_COUNT(clients); i++) {
        ub_buf_free(&clients[i].text);
        ub_delivered_close(&clients[i].delivered);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ub_random random = ub_fuzz_random(data, size);
    struct ub_buf whole = {0};
    write_text(&whole, data, size);
    ub_buf_add_text(&whole, "."); /* at least something */
    struct plan plan[TRIES_MAX + 1];
    for (size_t i = 0; i < UB_COUNT(plan); i++) {
        plan[i].way = (enum ub_resume_way)ub_random_below(&random, 2);
        plan[i].len = ub_random_below(&random, (uint32_t)whole.len + 1);
    }
    struct client client;
    play(&client, ub_buf_slice(&whole), plan, &random);
    ub_buf_free(&client.text);
    ub_delivered_close(&client.delivered);
    play_other(ub_buf_slice(&whole), plan[0].way, ub_random_u64(&random));
    ub_buf_free(&whole);
    return 0;
}

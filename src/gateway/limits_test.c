/* Limits as a client meets them: what the heads of answers say is left, who is turned away and when it
 * may come again, and that tokens are corrected by what was used. */
#include "gateway/admin.h"
#include "gateway/scrape.h"
#include "gateway/stage.h"

#include "base/test.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CHAT     "/v1/chat/completions"
#define ASK      "{\"model\":\"m\",\"max_tokens\":100,\"messages\":[]}"
#define LITTLE   "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[]}"
#define STREAM   "{\"model\":\"m\",\"max_tokens\":100,\"stream\":true,\"messages\":[]}"
#define SAYS     "{\"choices\":[{\"delta\":{\"content\":\"0123456789abcdef0123\"}}]}"
#define STOP     "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"
#define BAD      "plain 500 {\"error\":{\"message\":\"no\"}}"
#define USED(in) "\"usage\":{\"prompt_tokens\":" in ",\"completion_tokens\":30}"
#define GOOD                                                                          \
    "plain 200 {\"choices\":[{\"message\":{\"content\":\"hello\"},\"finish_reason\":" \
    "\"stop\"}]," USED("20") "}"
#define KEY   "Authorization: Bearer sk-t\r\n"
#define OTHER "Authorization: Bearer sk-u\r\n"

/* Their keys are "sk-t" and "sk-u". */
#define TENANTS(limits)                                                                           \
    "models:\n  - {name: m, retry: {attempts: 1}}\ntenants:\n"                                    \
    "  - name: t\n"                                                                               \
    "    keys: [{sha256: "                                                                        \
    "12ccad2ae47ed66bd36c79cd9207e9fcc7240fee258112de2c0591b173b09be6}]\n" limits "  - name: u\n" \
    "    keys: [{sha256: 67f63e7af646213dfe6f52a5c18618d441c9dff44c4222821b5953920fc16c45}]\n"

static struct ub_stage stage_of(const char *const *scripts, const char *yaml)
{
    struct ub_stage stage = {0};
    ub_stage_actor(&stage, scripts);
    ub_stage_open(&stage, yaml);
    return stage;
}

/* The value of a field as a number; -1: it is not there. */
static long long field(const struct ub_guest *guest, const char *name)
{
    char line[64];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = guest->head == NULL ? NULL : strcasestr(guest->head, line);
    return at == NULL ? -1 : strtoll(at + strlen(line), NULL, 10);
}

static bool has(const char *text, const char *part)
{
    return text != NULL && strcasestr(text, part) != NULL;
}

static void turned_away(void)
{
    struct ub_stage stage = stage_of((const char *const[]){GOOD, NULL},
                                     TENANTS("    requests: {rate: 3/min, burst: 2}\n"));
    struct ub_guest first = ub_guest_ask(stage.port, CHAT, KEY, ASK);
    struct ub_guest second = ub_guest_ask(stage.port, CHAT, KEY, ASK);
    struct ub_guest third = ub_guest_ask(stage.port, CHAT, KEY, ASK);
    struct ub_guest other = ub_guest_ask(stage.port, CHAT, OTHER, ASK);
    UB_CHECK(first.status == 200 && field(&first, "x-ratelimit-limit-requests") == 2 &&
                 field(&first, "x-ratelimit-remaining-requests") == 1 &&
                 has(first.head, "x-ratelimit-reset-requests: 20s\r\n"),
             "an answer says what is left");
    UB_CHECK(second.status == 200 && field(&second, "x-ratelimit-remaining-requests") == 0 &&
                 field(&second, "x-ratelimit-limit-tokens") == -1,
             "nothing more, and of tokens there is no limit");
    UB_CHECK(third.status == 429 && has(third.body.ptr, "\"code\":\"rate_limit_exceeded\"") &&
                 has(third.body.ptr, "requests of the owner of this API key"),
             "one more is turned away: %s", third.body.ptr);
    UB_CHECK(has(third.head, "x-should-retry: true\r\n") &&
                 field(&third, "retry-after-ms") > 19000 &&
                 field(&third, "retry-after-ms") <= 25000 && field(&third, "retry-after") >= 19 &&
                 field(&third, "x-ratelimit-remaining-requests") == 0,
             "and told when to come again, with a little jitter");
    UB_CHECK(other.status == 200 && field(&other, "x-ratelimit-limit-requests") == -1,
             "others are not meant");
    UB_CHECK(ub_actor_requests(&stage, 0) == 3, "nobody was asked for it");
    struct ub_buf page = {0};
    ub_scrape(&(struct ub_admin){.gateway = stage.gateway}, &page);
    ub_buf_add(&page, "", 1);
    UB_CHECK(has(page.ptr, "unbusy_limited_total{tenant=\"t\",limit=\"tenant_requests\"} 1\n"),
             "the metrics say who was turned away, and why");
    ub_buf_free(&page);
    ub_guest_free(&first);
    ub_guest_free(&second);
    ub_guest_free(&third);
    ub_guest_free(&other);
    ub_stage_close(&stage);
}

/* How many tokens are left after a request that got this script, of 1000 and a few a day. */
static long long left_after(const char *script, const char *body)
{
    struct ub_stage stage =
        stage_of((const char *const[]){script, GOOD, NULL},
                 TENANTS("    tokens: {rate: 24/h, burst: 1000}\n    requests: 1000/s\n"));
    struct ub_guest guest = ub_guest_ask(stage.port, CHAT, KEY, body);
    long long at_the_door = field(&guest, "x-ratelimit-remaining-tokens");
    UB_CHECK(at_the_door > 880 && at_the_door <= 900, "the estimate is taken at the door: %lld",
             at_the_door);
    ub_guest_free(&guest);
    guest = ub_guest_ask(stage.port, CHAT, KEY, LITTLE);
    long long left = field(&guest, "x-ratelimit-remaining-tokens");
    ub_guest_free(&guest);
    ub_stage_close(&stage);
    return left + 1; /* without the second one's estimate */
}

static void settled(void)
{
    UB_CHECK(left_after(GOOD, ASK) == 950, "what was reported is what it costs");
    UB_CHECK(left_after("stream\nevent " SAYS "\nevent " STOP
                        "\nevent {\"choices\":[]," USED("900") "}\ndone",
                        STREAM) == 70,
             "also more than was estimated");
    long long cut = left_after("stream\nevent " SAYS "\ncut", STREAM);
    UB_CHECK(cut < 1000 && cut >= 980, "a cut answer costs what was said of it: %lld", cut);
    UB_CHECK(left_after(BAD, ASK) == 1000, "none costs nothing");
}

/* No answer is reserved for where none will come. */
static void embeddings(void)
{
    struct ub_stage stage =
        stage_of((const char *const[]){"plain 200 "
                                       "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\","
                                       "\"index\":0,\"embedding\":[0.1]}],\"usage\":{"
                                       "\"prompt_tokens\":3,\"total_tokens\":3}}",
                                       NULL},
                 TENANTS("    tokens: {rate: 24/h, burst: 1000}\n"));
    struct ub_guest guest = ub_guest_ask(stage.port, "/v1/embeddings", KEY,
                                         "{\"model\":\"m\",\"input\":\"one two three\"}");
    long long left = field(&guest, "x-ratelimit-remaining-tokens");
    UB_CHECK(guest.status == 200 && left < 1000 && left > 985, "an embedding: %lld", left);
    ub_guest_free(&guest);
    ub_stage_close(&stage);
}

static void too_large(void)
{
    struct ub_stage stage = stage_of((const char *const[]){GOOD, NULL},
                                     TENANTS("    tokens: {rate: 600/min, burst: 10}\n"));
    struct ub_guest guest = ub_guest_ask(
        stage.port, CHAT, KEY,
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"one two three four five "
        "six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen\"}]}");
    UB_CHECK(guest.status == 429 && has(guest.head, "x-should-retry: false\r\n") &&
                 !has(guest.head, "retry-after") && has(guest.body.ptr, "too large"),
             "a prompt that never fits is not to be sent again: %s", guest.head);
    ub_guest_free(&guest);
    ub_stage_close(&stage);
}

/* Clients that retry all the time are told not to. */
static void retries(void)
{
    struct ub_stage stage = stage_of((const char *const[]){GOOD, NULL},
                                     TENANTS("    requests: {rate: 2/min, burst: 1}\n"));
    bool told = false;
    for (int i = 0; i < 4; i++) {
        struct ub_guest guest =
            ub_guest_ask(stage.port, CHAT, KEY "X-Stainless-Retry-Count: 1\r\n", ASK);
        told = guest.status == 429 && has(guest.head, "x-should-retry: false\r\n");
        ub_guest_free(&guest);
    }
    UB_CHECK(told, "after a few retries and nothing else");
    ub_stage_close(&stage);
}

int main(void)
{
    turned_away();
    settled();
    embeddings();
    too_large();
    retries();
    return ub_test_done();
}

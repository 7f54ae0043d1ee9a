/* Large bodies, a used up memory budget, and a hundred reloads under load with several workers. */
#include "gateway/stage.h"

#include "base/alloc.h"
#include "base/test.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CHAT  "/v1/chat/completions"
#define HELLO "{\"choices\":[{\"message\":{\"content\":\"hello\"},\"finish_reason\":\"stop\"}]}"
#define GOOD  "plain 200 " HELLO
#define BUSY  "plain 503 {}"
#define HE    "{\"choices\":[{\"delta\":{\"content\":\"he\"}}]}"
#define STOP  "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}"

/* {"model":"m","user":"xxxx..."} of this size; free it. */
static char *body_of(size_t size)
{
    const char *begin = "{\"model\":\"m\",\"pad\":\"";
    char *body = malloc(size + 1);
    memset(body, 'x', size);
    memcpy(body, begin, strlen(begin));
    memcpy(body + size - 2, "\"}", 3);
    return body;
}

static void a_large_body_is_sent_again(void)
{
    static const char *const busy[] = {BUSY, NULL};
    static const char *const good[] = {GOOD, NULL};
    struct ub_stage stage = {0};
    ub_stage_actor(&stage, busy);
    ub_stage_actor(&stage, good);
    ub_stage_open(&stage, "");
    char *body = body_of(3000000);
    struct ub_guest guest = ub_guest_ask(stage.port, CHAT, "", body);
    char *heard = ub_actor_heard(&stage, 1);
    UB_CHECK(guest.status == 200, "a body of 3 MB is refused by one and answered by another");
    UB_CHECK(strlen(heard) > 3000000 && strcmp(strstr(heard, "\r\n\r\n") + 4, body) == 0,
             "and came over whole");
    ub_free(heard);
    free(body);
    ub_guest_free(&guest);
    struct ub_budget *budget = &stage.gateway->budget;
    UB_CHECK(UB_AWAIT(atomic_load(&budget->memory) == 0 && atomic_load(&budget->file) == 0),
             "all of the budget is given back");
    ub_stage_close(&stage);
}

static void say_request(int fd, const char *body)
{
    char head[256];
    snprintf(head, sizeof head,
             "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
             strlen(body));
    ub_guest_say(fd, head);
    ub_guest_say(fd, body);
}

static void a_used_up_budget(void)
{
    static const char *const slow[] = {"hang", NULL};
    struct ub_stage stage = {0};
    ub_stage_actor(&stage, slow);
    ub_stage_open(&stage, "memory: 1MiB\n");
    char *body = body_of(900000);
    int first = ub_guest_dial(stage.port), second = ub_guest_dial(stage.port);
    say_request(first, body);
    UB_AWAIT(ub_actor_requests(&stage, 0) == 1);
    say_request(second, body); /* overdraws it: it is accepted in part */
    struct ub_guest guest = ub_guest_hear(second);
    UB_CHECK(guest.status == 503 && strstr(guest.body.ptr, "no_memory") != NULL,
             "a body that finds no memory waits, then is refused");
    ub_guest_free(&guest);
    UB_CHECK(atomic_load(&stage.gateway->budget.memory) < 2000000, "the budget has held");
    close(first);
    free(body);
    UB_CHECK(UB_AWAIT(atomic_load(&stage.gateway->budget.memory) == 0),
             "and is whole again when the first one leaves");
    ub_stage_close(&stage);
}

/* Whole on this side, and nothing more to come that would wake it. */
static void a_body_that_waits_at_its_last_byte(void)
{
    static const char *const slow[] = {"hang", GOOD, NULL};
    struct ub_stage stage = {0};
    ub_stage_actor(&stage, slow);
    ub_stage_open(&stage, "memory: 1MiB\ntimeouts: {body: 4s}\nmodels: [{name: m}]\n");
    char *big = body_of(1040000), *small = body_of(20000);
    int first = ub_guest_dial(stage.port), second = ub_guest_dial(stage.port);
    say_request(first, big);
    UB_AWAIT(ub_actor_requests(&stage, 0) == 1);
    size_t before = atomic_load(&stage.gateway->budget.memory);
    say_request(second, small);
    UB_AWAIT(atomic_load(&stage.gateway->budget.memory) > before);
    close(first);
    struct ub_guest guest = ub_guest_hear(second);
    UB_CHECK(guest.status == 200, "a body that waits for memory at its last byte goes on");
    ub_guest_free(&guest);
    free(big);
    free(small);
    ub_stage_close(&stage);
}

/* Bytes of answers that are not sent yet: each script is played by a, and b (if somebody asks it)
 * says nothing. */
static void what_is_held_counts(void)
{
    static const struct {
        const char *name, *before, *behind;
    } rows[] = {
        {"a stream without a payload so far", "stream\nevent {\"choices\":[],\"pad\":\"",
         "\"}\nhang"},
        {"a refusal so far", "bytes HTTP/1.1 503 Busy\\r\\nContent-Length: 99999\\r\\n\\r\\n",
         "\nhang"},
        {"a plain answer so far", "bytes HTTP/1.1 200 OK\\r\\nContent-Length: 99999\\r\\n\\r\\n",
         "\nhang"},
        {"a refusal that is kept", "plain 503 {\"pad\":\"", "\"}"},
        {"an empty answer that is kept", "plain 200 {\"choices\":[],\"pad\":\"", "\"}"},
        {"an empty stream that is kept", "stream\nevent {\"choices\":[],\"pad\":\"", "\"}\ndone"},
    };
    static char pad[50001], script[50200];
    memset(pad, 'x', sizeof pad - 1);
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_stage stage = {0};
        snprintf(script, sizeof script, "%s%s%s", rows[i].before, pad, rows[i].behind);
        ub_stage_actor(&stage, (const char *const[]){script, NULL});
        ub_stage_actor(&stage, (const char *const[]){"hang", NULL});
        ub_stage_open(&stage, "");
        _Atomic uint64_t *memory = &stage.gateway->budget.memory;
        bool kept = strstr(rows[i].name, "is kept") != NULL;
        int fd = ub_guest_dial(stage.port);
        say_request(fd, strstr(rows[i].name, "stream") != NULL ? "{\"model\":\"m\",\"stream\":true}"
                                                               : "{\"model\":\"m\"}");
        UB_AWAIT(ub_actor_hanging(&stage, kept) == 1);
        UB_CHECK(UB_AWAIT(atomic_load(memory) >= 50000 && atomic_load(memory) < 150000),
                 "%s counts: %llu", rows[i].name, (unsigned long long)atomic_load(memory));
        close(fd);
        UB_CHECK(UB_AWAIT(atomic_load(memory) == 0), "%s: and is given back", rows[i].name);
        ub_stage_close(&stage);
    }
}

struct crowd {
    uint16_t port;
    atomic_bool *stop;
    bool streams;
    int asked, good;
};

static void *ask_all_the_time(void *user)
{
    struct crowd *crowd = user;
    const char *body = crowd->streams ? "{\"model\":\"m\",\"stream\":true}" : "{\"model\":\"m\"}";
    const char *end = crowd->streams ? "data: [DONE]\n\n" : HELLO;
    int fd = ub_guest_dial(crowd->port);
    while (!atomic_load(crowd->stop)) {
        say_request(fd, body);
        struct ub_guest guest = ub_guest_hear(fd);
        crowd->asked++;
        crowd->good += guest.status == 200 && guest.whole && strstr(guest.body.ptr, end) != NULL;
        if (!guest.whole || crowd->asked % 5 == 0) { /* short connections and longer ones */
            ub_guest_free(&guest);
            fd = ub_guest_dial(crowd->port);
        } else {
            ub_free(guest.head);
            ub_buf_free(&guest.body);
        }
    }
    close(fd);
    return NULL;
}

static uint32_t served(const struct ub_stage *stage)
{
    return ub_actor_requests(stage, 0) + ub_actor_requests(stage, 1);
}

/* Each configuration meets requests before the next one comes. */
static void reload_under_load(struct ub_stage *stage, int times)
{
    static const char *const variants[] = {
        "models: [{name: m, tiers: [[a], [b]]}]\n",
        "models: [{name: m, tiers: [[b, a]]}, {name: n, tiers: [[a]]}]\n",
        "models: [{name: m, tiers: [[b]]}]\nlimits: {body: 32MiB}\n",
    };
    struct ub_buf words = {0};
    int good = 0;
    for (int i = 0; i < times; i++) {
        struct ub_config *config = ub_stage_config(stage, variants[i % 3]);
        good += ub_gateway_reload(stage->gateway, config, &words);
        ub_config_release(config);
        uint32_t before = served(stage);
        UB_AWAIT(served(stage) > before);
    }
    UB_CHECK(good == times, "a hundred reloads are taken over");
    ub_buf_free(&words);
}

static void reloads(void)
{
    static const char *const mixed[] = {GOOD, NULL};
    static const char *const streams[] = {
        "stream\nevent " HE "\nwait 5\nevent " HE "\nevent " STOP "\ndone", NULL};
    for (int kind = 0; kind < 2; kind++) {
        struct ub_stage stage = {.threads = 3};
        ub_stage_actor(&stage, kind == 0 ? mixed : streams);
        ub_stage_actor(&stage, kind == 0 ? mixed : streams);
        ub_stage_open(&stage, "models: [{name: m, tiers: [[a], [b]]}]\n");
        atomic_bool stop = false;
        struct crowd crowds[4];
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) {
            crowds[i] = (struct crowd){.port = stage.port, .stop = &stop, .streams = kind == 1};
            pthread_create(&threads[i], NULL, ask_all_the_time, &crowds[i]);
        }
        reload_under_load(&stage, 100);
        atomic_store(&stop, true);
        int asked = 0, good = 0;
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
            asked += crowds[i].asked;
            good += crowds[i].good;
        }
        UB_CHECK(asked > 50 && good == asked, "%s: %d of %d were answered meanwhile",
                 kind == 0 ? "plain answers" : "streams", good, asked);
        struct ub_brain_facts facts = ub_keeper_facts(stage.gateway->keeper);
        UB_CHECK(facts.requests == 0 && facts.running == 0, "and nobody is left in the house");
        ub_stage_close(&stage);
    }
}

int main(void)
{
    a_large_body_is_sent_again();
    a_used_up_budget();
    what_is_held_counts();
    a_body_that_waits_at_its_last_byte();
    reloads();
    return ub_test_done();
}

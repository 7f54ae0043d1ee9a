/* GET /v1/models where models have the name "*". */
#include "base/alloc.h"
#include "base/test.h"
#include "gateway/listing.h"
#include "gateway/stage.h"
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LIST  "{\"object\":\"list\",\"data\":[{\"id\":\"x\",\"max_model_len\":4096}]}"
#define ANY   "models:\n  - {name: \"*\", tiers: [[a], [b]]}\n"
#define ALONE "models:\n  - {name: \"*\", tiers: [[a]]}\n"
#define GET   "GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"
#define MODEL(name) \
    "{\"id\":\"" name "\",\"object\":\"model\",\"created\":0,\"owned_by\":\"unbusy\"}"

static const struct {
    const char *name;
    const char *a, *b; /* scripts; b NULL: there is only a */
    const char *upstream;
    const char *yaml;
    int status;
    const char *body;
    uint32_t asked; /* how often a was */
} rows[] = {
    {"nobody knows: an upstream is asked", "plain 200 " LIST, NULL, NULL, ALONE, 200, LIST, 1},
    {"the next one, when it has no such page", "plain 404 {}", "plain 200 " LIST, NULL, ANY, 200,
     LIST, 1},
    {"when it says something else", "plain 200 {\"a\":1}", "plain 200 " LIST, NULL, ANY, 200, LIST,
     1},
    {"when it breaks off", "cut", "plain 200 " LIST, NULL, ANY, 200, LIST, 1},
    {"nobody says", "plain 500 {}", "cut", NULL, ANY, 503,
     "{\"error\":{\"message\":\"every upstream is busy or failing\",\"type\":\"server_error\","
     "\"param\":null,\"code\":\"all_busy\"}}",
     1},
    {"names in the configuration are known, each once", "plain 200 " LIST, "plain 200 " LIST,
     ", models: {z: y, deep: y, \"*\": \"*\"}", ANY, 200,
     "{\"object\":\"list\",\"data\":[" MODEL("deep") "," MODEL("z") "]}", 0},
    {"a name with a model of its own is not there twice", "plain 200 " LIST, NULL,
     ", models: {z: y, m: m, \"*\": \"*\"}", ALONE "  - {name: m}\n", 200,
     "{\"object\":\"list\",\"data\":[" MODEL("m") "," MODEL("z") "]}", 0},
};

static struct ub_guest ask(const struct ub_stage *stage, const char *text)
{
    int fd = ub_guest_dial(stage->port);
    ub_guest_say(fd, text);
    return ub_guest_hear(fd);
}

static void lists(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        struct ub_stage stage = {.upstream = rows[i].upstream};
        ub_stage_actor(&stage, (const char *const[]){rows[i].a, NULL});
        if (rows[i].b != NULL) {
            ub_stage_actor(&stage, (const char *const[]){rows[i].b, NULL});
        }
        ub_stage_open(&stage, rows[i].yaml);
        struct ub_guest guest = ask(&stage, GET);
        UB_CHECK(guest.status == rows[i].status, "%s: status %d", rows[i].name, guest.status);
        UB_CHECK_TEXT(guest.body.ptr, rows[i].body, "%s", rows[i].name);
        UB_CHECK(ub_actor_requests(&stage, 0) == rows[i].asked, "%s: asked %u times", rows[i].name,
                 ub_actor_requests(&stage, 0));
        ub_guest_free(&guest);
        ub_stage_close(&stage);
    }
}

static void what_is_asked(void)
{
    struct ub_stage stage = {0};
    ub_stage_actor(&stage, (const char *const[]){"plain 200 " LIST, NULL});
    ub_stage_open(&stage, ALONE);
    struct ub_guest guest = ask(&stage, "GET /models HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                                        "Authorization: Bearer client\r\n\r\n{}");
    char *heard = ub_actor_heard(&stage, 0);
    UB_CHECK(strncmp(heard, "GET /v1/models HTTP/1.1\r\n", 25) == 0 &&
                 strstr(heard, "Authorization: Bearer sk-up-a\r\n") != NULL &&
                 strstr(heard, "client") == NULL,
             "the upstream hears what we want, not what the client sent: %s", heard);
    UB_CHECK(strstr(guest.head, "X-Unbusy-Upstream: a") != NULL, "the client hears who said it");
    ub_free(heard);
    ub_guest_free(&guest);
    ub_stage_close(&stage);
}

/* The name that an upstream has for a public one holds under "*", too. */
static void alias_under_any(void)
{
    struct ub_stage stage = {.upstream = ", models: {z: y, \"*\": \"*\"}"};
    ub_stage_actor(&stage, (const char *const[]){"plain 400 {}", NULL});
    ub_stage_open(&stage, ALONE);
    struct ub_guest guest =
        ub_guest_ask(stage.port, "/v1/chat/completions", "", "{\"model\":\"z\",\"messages\":[]}");
    char *heard = ub_actor_heard(&stage, 0);
    UB_CHECK(strstr(heard, "{\"model\":\"y\",") != NULL, "the upstream's own name is sent: %s",
             heard);
    ub_free(heard);
    ub_guest_free(&guest);
    ub_stage_close(&stage);
}

static void a_client_that_leaves(void)
{
    struct ub_stage stage = {0};
    ub_stage_actor(&stage, (const char *const[]){"hang", NULL});
    ub_stage_open(&stage, ALONE);
    int fd = ub_guest_dial(stage.port);
    ub_guest_say(fd, GET);
    UB_AWAIT(ub_actor_requests(&stage, 0) == 1);
    close(fd);
    ub_ns left_at = ub_clock_now();
    UB_CHECK(UB_AWAIT(ub_actor_hung_up_at(&stage, 0) != 0) &&
                 ub_actor_hung_up_at(&stage, 0) - left_at < UB_SECOND,
             "the upstream is let go when the client leaves");
    ub_stage_close(&stage);
}

#define BUSY                                                                                   \
    "{\"error\":{\"message\":\"every upstream is busy or failing\",\"type\":\"server_error\"," \
    "\"param\":null,\"code\":\"all_busy\"}}"
#define NEWER "{\"object\":\"list\",\"data\":[{\"id\":\"newer\"}]}"

static bool hears(const struct ub_stage *stage, const char *body)
{
    struct ub_guest guest = ask(stage, GET);
    bool same = guest.body.ptr != NULL && strcmp(guest.body.ptr, body) == 0;
    ub_guest_free(&guest);
    return same;
}

static void many_clients(const char *name, const char *script, const char *body)
{
    struct ub_stage stage = {0};
    ub_stage_actor(&stage, (const char *const[]){script, "plain 200 " NEWER, NULL});
    ub_stage_open(&stage, ALONE);
    int fd[10];
    for (size_t i = 0; i < UB_COUNT(fd); i++) {
        fd[i] = ub_guest_dial(stage.port);
        ub_guest_say(fd[i], GET);
    }
    UB_AWAIT(ub_actor_requests(&stage, 0) == 1);
    for (size_t i = 0; i < UB_COUNT(fd); i++) {
        struct ub_guest guest = ub_guest_hear(fd[i]);
        UB_CHECK_TEXT(guest.body.ptr, body, "%s", name);
        ub_guest_free(&guest);
    }
    UB_CHECK(ub_actor_requests(&stage, 0) == 1, "%s: an upstream was asked once", name);
    ub_stage_close(&stage);
}

static void what_is_known(void)
{
    struct ub_stage stage = {0};
    ub_stage_actor(
        &stage, (const char *const[]){"plain 500 {}", "plain 200 " LIST, "plain 200 " NEWER, NULL});
    ub_stage_open(&stage, ALONE);
    UB_CHECK(hears(&stage, BUSY), "nobody says");
    UB_CHECK(hears(&stage, LIST), "that is not remembered");
    UB_CHECK(hears(&stage, LIST) && ub_actor_requests(&stage, 0) == 2, "a list is");
    struct ub_buf words = {0};
    struct ub_config *config = ub_stage_config(&stage, ALONE);
    UB_CHECK(ub_gateway_reload(stage.gateway, config, &words), "a reload");
    ub_config_release(config);
    UB_CHECK(UB_AWAIT(hears(&stage, NEWER)), "what was known before it is not any more");
    ub_stage_close(&stage);
}

static void the_first_leaves(void)
{
    struct ub_stage stage = {0};
    ub_stage_actor(&stage, (const char *const[]){"wait 300\nplain 200 " LIST, NULL});
    ub_stage_open(&stage, ALONE);
    int first = ub_guest_dial(stage.port), other = ub_guest_dial(stage.port);
    ub_guest_say(first, GET);
    UB_AWAIT(ub_actor_requests(&stage, 0) == 1);
    ub_guest_say(other, GET);
    close(first);
    struct ub_guest guest = ub_guest_hear(other);
    UB_CHECK_TEXT(guest.body.ptr, LIST, "who has asked leaves: others hear the list nevertheless");
    ub_guest_free(&guest);
    ub_stage_close(&stage);
}

/* So long for each, and twice as long for all. */
static void upstreams_that_hang(void)
{
    struct ub_stage stage = {0};
    ub_stage_actor(&stage, (const char *const[]){"hang", NULL});
    ub_stage_actor(&stage, (const char *const[]){"hang", NULL});
    ub_stage_actor(&stage, (const char *const[]){"plain 200 " LIST, NULL});
    ub_ns patience_ns = ub_listing_each_ns;
    ub_listing_each_ns = 500 * UB_MS;
    ub_stage_open(&stage, "models:\n  - {name: \"*\", tiers: [[a], [b], [c]]}\n");
    UB_CHECK(hears(&stage, BUSY), "a list does not take for ever");
    UB_CHECK(ub_actor_requests(&stage, 1) == 1 && ub_actor_requests(&stage, 2) == 0,
             "in which two can be waited for");
    ub_stage_close(&stage);
    ub_listing_each_ns = patience_ns;
}

static int readable(const int *fds, size_t count)
{
    int found = 0;
    for (size_t i = 0; i < count; i++) {
        struct pollfd one = {.fd = fds[i], .events = POLLIN};
        found += poll(&one, 1, 0) == 1;
    }
    return found;
}

static void too_many_clients(void)
{
    struct ub_stage stage = {0};
    int fd[103];
    ub_stage_actor(&stage, (const char *const[]){"hang", NULL});
    ub_stage_open(&stage, ALONE);
    for (size_t i = 0; i < UB_COUNT(fd); i++) {
        fd[i] = ub_guest_dial(stage.port);
        ub_guest_say(fd[i], GET);
    }
    UB_CHECK(UB_AWAIT(readable(fd, UB_COUNT(fd)) == 3 && ub_actor_requests(&stage, 0) == 1),
             "a hundred wait, more are refused");
    for (size_t i = 0; i < UB_COUNT(fd); i++) {
        close(fd[i]);
    }
    UB_CHECK(UB_AWAIT(ub_actor_hung_up_at(&stage, 0) != 0),
             "the upstream is let go when the last one leaves");
    ub_stage_close(&stage);
}

int main(void)
{
    lists();
    many_clients("one answer is for all", "wait 300\nplain 200 " LIST, LIST);
    many_clients("so is that there is none", "wait 300\nplain 500 {}", BUSY);
    the_first_leaves();
    what_is_known();
    upstreams_that_hang();
    too_many_clients();
    what_is_asked();
    alias_under_any();
    a_client_that_leaves();
    return ub_test_done();
}

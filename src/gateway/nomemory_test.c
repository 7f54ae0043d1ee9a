/* Every allocation of a request fails once: the request gets a 503 (or, when not even that can be
 * said, its connection is closed), the process lives, and the next request is served.
 *
 * The gateway is a process of its own, so that only its allocations are counted. */
#include "gateway/stage.h"
#include "gateway/stage_inside.h"

#include "base/alloc.h"
#include "base/test.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FORKS_WITH_THREADS false
#endif
#endif
#ifndef FORKS_WITH_THREADS
#define FORKS_WITH_THREADS true
#endif

#define STOP (-1)

#define EVENT(text) "event {\"choices\":[{\"delta\":{\"content\":\"" text "\"}}]}\n"
#define FINISH      "event {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n"

static const char *const plain[] = {
    "plain 503 {}", "plain 200 {\"choices\":[{\"message\":{\"content\":\"hi\"}}]}", NULL};
static const char *const models[] = {"plain 200 {\"data\":[{\"id\":\"m\"}]}", NULL};
static const char *const stream[] = {
    "stream\n" EVENT("h") "raw data: {\"choices\":[{\"delta\":{\"con\nwait 2\n"
                          "raw tent\":\"he\"}}]}\\n\\n\n" FINISH "done",
    NULL};

/* Breaks each time, also when it is asked to go on. */
static const char *const breaks[] = {"stream\n" EVENT("he") "cut", NULL};

struct child {
    pid_t pid;
    int orders; /* write here which allocation is to fail */
    int reports;
    uint16_t port;
};

/* The gateway's process. */
static void live(int orders, int reports)
{
    uint16_t upstream, port;
    if (read(orders, &upstream, sizeof upstream) != sizeof upstream) {
        exit(2);
    }
    char yaml[512];
    snprintf(yaml, sizeof yaml,
             "listen: 127.0.0.1:0\nthreads: 1\naccess_log: /dev/null\n"
             "upstreams: [{name: a, url: 'http://127.0.0.1:%u', dialect: sglang}]\n"
             "models: [{name: '*', affinity: {cookie: c}, stall: 300ms,"
             " retry: {base: 1ms, attempts: 2, budget: 1}}]\n",
             upstream);
    struct ub_buf words = {0};
    struct ub_config *config = ub_config_parse("child", ub_slice_of(yaml), &words);
    struct ub_gateway *gateway = config == NULL ? NULL : ub_gateway_start(config, &words);
    if (gateway == NULL) {
        fprintf(stderr, "%.*s\n", (int)words.len, words.ptr);
        exit(2);
    }
    port = ub_gateway_port(gateway, 0);
    if (write(reports, &port, sizeof port) != sizeof port) {
        exit(2);
    }
    int64_t order;
    while (read(orders, &order, sizeof order) == sizeof order && order != STOP) {
        int64_t count = ub_alloc_count();
        ub_alloc_fail_nth(order);
        if (write(reports, &count, sizeof count) != sizeof count) {
            exit(2);
        }
    }
    ub_gateway_free(gateway);
    ub_config_release(config);
    exit(0);
}

static struct child start(void)
{
    struct child child;
    int orders[2], reports[2];
    if (pipe(orders) != 0 || pipe(reports) != 0) {
        abort();
    }
    child.pid = fork();
    if (child.pid == 0) {
        close(orders[1]);
        close(reports[0]);
        live(orders[0], reports[1]);
    }
    close(orders[0]);
    close(reports[1]);
    child.orders = orders[1];
    child.reports = reports[0];
    return child;
}

/* Says which allocation fails next; returns how many there were since the last order. */
static int64_t order(struct child *child, int64_t nth)
{
    int64_t count = -1;
    if (write(child->orders, &nth, sizeof nth) != sizeof nth ||
        read(child->reports, &count, sizeof count) != sizeof count) {
        return -1;
    }
    return count;
}

struct tally {
    int good, refused, closed, strange, dead_after;
};

static void count(struct tally *tally, const struct ub_guest *guest, bool streamed)
{
    bool whole = guest->whole && guest->status == 200 &&
                 (!streamed || strstr(guest->body.ptr, "[DONE]") != NULL);
    bool broken = guest->whole && guest->status == 200 && streamed &&
                  strstr(guest->body.ptr, "data: {\"error\"") != NULL;
    if (whole) {
        tally->good++;
    } else if (guest->status == 503 || broken) {
        tally->refused++;
    } else if (!guest->whole) {
        tally->closed++;
    } else {
        tally->strange++;
    }
}

static struct ub_guest ask(uint16_t port, const char *body)
{
    if (body != NULL) {
        return ub_guest_ask(port, "/chat/completions", "", body);
    }
    int fd = ub_guest_dial(port);
    ub_guest_say(fd, "GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    return ub_guest_hear(fd);
}

static bool introduce(struct child *child, const struct ub_actor *actor)
{
    uint16_t upstream = ub_actor_port(actor);
    return write(child->orders, &upstream, sizeof upstream) == sizeof upstream &&
           read(child->reports, &child->port, sizeof child->port) == sizeof child->port;
}

static bool end(struct child *child)
{
    int status = 0;
    int64_t stop = STOP;
    bool ended = write(child->orders, &stop, sizeof stop) == sizeof stop &&
                 waitpid(child->pid, &status, 0) == child->pid && WIFEXITED(status) &&
                 WEXITSTATUS(status) == 0;
    close(child->orders);
    close(child->reports);
    return ended;
}

/* `body` NULL: the list of models, which is remembered, so each time a new gateway is asked. */
static void every_allocation(const char *name, const char *const *scripts, const char *body,
                             bool streamed)
{
    struct child child = start();
    struct ub_actor *actor = ub_actor_start(scripts);
    bool up = introduce(&child, actor), ended = true;
    UB_CHECK(up, "%s: the gateway runs", name);
    struct tally tally = {0};
    int64_t nth = 0;
    bool failed = up;
    while (failed && nth < 1000) {
        nth++;
        order(&child, nth);
        struct ub_guest guest = ask(child.port, body);
        count(&tally, &guest, streamed);
        ub_guest_free(&guest);
        failed = order(&child, 0) >= nth;
        guest = ask(child.port, body);
        tally.dead_after += guest.status != 200 || !guest.whole;
        ub_guest_free(&guest);
        if (body == NULL) {
            ended &= end(&child);
            child = start();
            failed &= introduce(&child, actor);
        }
    }
    printf("# %s: %ld allocations; %d answered, %d refused, %d closed\n", name, (long)nth - 1,
           tally.good, tally.refused, tally.closed);
    UB_CHECK(nth > 5 && nth < 1000, "%s: each allocation has failed once", name);
    UB_CHECK(tally.strange == 0 && tally.refused > 0, "%s: the request gets a 503 or is closed",
             name);
    UB_CHECK(tally.dead_after == 0, "%s: the next one is answered", name);
    ended &= end(&child);
    UB_CHECK(ended, "%s: and the process ends well", name);
    ub_actor_stop(actor);
}

int main(void)
{
    every_allocation("a plain answer", plain,
                     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
                     false);
    if (FORKS_WITH_THREADS) {
        every_allocation("a list of models", models, NULL, false);
    } else {
        ub_test_skip("a list of models: the thread sanitizer takes no fork from several threads");
    }
    every_allocation("a stream that breaks, and is asked to go on", breaks,
                     "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\"}]}", true);
    every_allocation("a stream", stream, "{\"model\":\"m\",\"stream\":true}", true);
    return ub_test_done();
}

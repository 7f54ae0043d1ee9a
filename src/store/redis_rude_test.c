/* The client and servers that say nonsense, half of it, too much, or nothing. */
#include "store/redis.h"

#include "base/test.h"
#include "net/peer.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static struct ub_loop *loop;
static enum ub_redis_error ended_with;
static int ended;
static char ended_words[200];

static void on_done(struct ub_redis_call *call, enum ub_redis_error error,
                    const struct ub_redis_reply *reply, const char *words)
{
    (void)call, (void)reply;
    ended++;
    ended_with = error;
    snprintf(ended_words, sizeof ended_words, "%s", words);
}

/* A listener, the client's connection to it, and a command that waits there. */
struct meeting {
    int listener;
    struct ub_redis *redis;
    struct ub_peer peer;
    struct ub_redis_call call;
};

static struct meeting meet(void)
{
    uint16_t port = 0;
    struct meeting meeting = {.listener = ub_peer_listen(false, &port, 8)};
    struct ub_redis_options options = {.url = {.host = "127.0.0.1", .port = port},
                                       .timeout_ns = 100 * UB_MS,
                                       .commands_max = 100,
                                       .output_max = 1 << 20,
                                       .reply_max = 100000,
                                       .seed = 1};
    meeting.redis = ub_redis_new(loop, &options);
    meeting.peer = ub_peer_accept(loop, meeting.listener);
    ub_peer_hears(&meeting.peer, "PING\r\n");
    return meeting;
}

static void part(struct meeting *meeting)
{
    ub_redis_free(meeting->redis);
    ub_peer_close(&meeting->peer, false);
    close(meeting->listener);
    ub_loop_turn(loop, 0);
}

static bool is_ready(const struct meeting *meeting)
{
    return ub_redis_counts(meeting->redis).state == UB_REDIS_READY;
}

static void say_hello(struct meeting *meeting)
{
    ub_peer_say_text(&meeting->peer, "+PONG\r\n");
    UB_UNTIL(loop, is_ready(meeting));
}

static void ask(struct meeting *meeting)
{
    struct ub_slice arguments[] = {UB_LIT("GET"), UB_LIT("key")};
    ended = 0;
    meeting->call = (struct ub_redis_call){.done = on_done};
    ub_redis_send(meeting->redis, &meeting->call, arguments, 2);
    ub_peer_hears(&meeting->peer, "key");
}

static const struct {
    const char *name, *says;
    enum ub_redis_error want;
    bool stays; /* the connection is of use afterwards */
} answers[] = {
    {"LOADING", "-LOADING Redis is loading the dataset in memory\r\n", UB_REDIS_LOADING, true},
    {"READONLY: the name may lead elsewhere now",
     "-READONLY You can't write against a read only replica.\r\n", UB_REDIS_READONLY, false},
    {"MOVED", "-MOVED 12182 127.0.0.1:17003\r\n", UB_REDIS_MOVED, true},
    {"ASK", "-ASK 12182 127.0.0.1:17003\r\n", UB_REDIS_MOVED, true},
    {"CLUSTERDOWN", "-CLUSTERDOWN Hash slot not served\r\n", UB_REDIS_MOVED, true},
    {"NOSCRIPT", "-NOSCRIPT No matching script.\r\n", UB_REDIS_NOSCRIPT, true},
    {"WRONGTYPE", "-WRONGTYPE Operation against a key\r\n", UB_REDIS_WRONGTYPE, true},
    {"NOAUTH", "-NOAUTH Authentication required.\r\n", UB_REDIS_DENIED, true},
    {"BUSY", "-BUSY Redis is busy running a script.\r\n", UB_REDIS_BUSY, true},
    {"OOM", "-OOM command not allowed\r\n", UB_REDIS_OOM, true},
    {"another error", "-ERR unknown command\r\n", UB_REDIS_REFUSED, true},
    {"an error that only begins like a known one", "-MOVEDX y\r\n", UB_REDIS_REFUSED, true},
    {"an error without a word", "-\r\n", UB_REDIS_REFUSED, true},
    {"a text", "$3\r\nabc\r\n", UB_REDIS_OK, true},
    {"an array that is nil", "*-1\r\n", UB_REDIS_OK, true},
    {"words of HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", UB_REDIS_NONSENSE, false},
    {"zero bytes", "", UB_REDIS_NONSENSE, false}, /* said below */
    {"a type of RESP3", "%1\r\n+a\r\n+b\r\n", UB_REDIS_NONSENSE, false},
    {"a number without digits", ":x\r\n", UB_REDIS_NONSENSE, false},
    {"a number beyond 64 bits", ":99999999999999999999\r\n", UB_REDIS_NONSENSE, false},
    {"a text of length -5", "$-5\r\n", UB_REDIS_NONSENSE, false},
    {"an array of length -5", "*-5\r\n", UB_REDIS_NONSENSE, false},
    {"an array of 2 billion", "*2000000000\r\n", UB_REDIS_TOO_LARGE, false},
    {"an array beyond 32 bits", "*99999999999\r\n", UB_REDIS_NONSENSE, false},
    {"arrays ten deep", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
     UB_REDIS_NONSENSE, false},
    {"half a text, then nothing", "$10\r\nabc", UB_REDIS_TIMEOUT, true},
    {"half an array, then nothing", "*3\r\n:1\r\n", UB_REDIS_TIMEOUT, true},
    {"two answers to one command", "+OK\r\n+OK\r\n", UB_REDIS_OK, false},
};

static void test_answers(void)
{
    for (size_t i = 0; i < UB_COUNT(answers); i++) {
        struct meeting meeting = meet();
        say_hello(&meeting);
        ask(&meeting);
        struct ub_slice said = ub_slice_of(answers[i].says);
        ub_peer_say(&meeting.peer, said.len > 0 ? said : (struct ub_slice){"\0\0\r\n", 4});
        UB_UNTIL(loop, ended > 0);
        UB_CHECK(ended == 1 && (ended_with == answers[i].want ||
                                (ended_with == UB_REDIS_LOST && !answers[i].stays)),
                 "%s: %s", answers[i].name, ended_words);
        bool counted = answers[i].want == UB_REDIS_OK ||
                       ub_redis_counts(meeting.redis).errors[answers[i].want] > 0;
        UB_CHECK(counted, "%s is counted", answers[i].name);
        ub_loop_turn(loop, 0);
        UB_CHECK(is_ready(&meeting) == answers[i].stays, "%s: the connection %s", answers[i].name,
                 answers[i].stays ? "stays" : "is given up");
        part(&meeting);
    }
}

/* What stands in for PONG. */
static const struct {
    const char *name, *says;
    enum ub_redis_error want;
} greetings[] = {
    {"LOADING as a greeting", "-LOADING Redis is loading\r\n", UB_REDIS_LOADING},
    {"MASTERDOWN as a greeting", "-MASTERDOWN Link with MASTER is down\r\n", UB_REDIS_READONLY},
    {"NOAUTH as a greeting", "-NOAUTH Authentication required.\r\n", UB_REDIS_DENIED},
    {"nonsense as a greeting", "220 mail.example ESMTP\r\n", UB_REDIS_NONSENSE},
    {"silence as a greeting", NULL, UB_REDIS_TIMEOUT},
};

static void test_greetings(void)
{
    for (size_t i = 0; i < UB_COUNT(greetings); i++) {
        struct meeting meeting = meet();
        if (greetings[i].says != NULL) {
            ub_peer_say_text(&meeting.peer, greetings[i].says);
        }
        UB_CHECK(UB_UNTIL(loop, ub_redis_counts(meeting.redis).errors[greetings[i].want] == 1) &&
                     !is_ready(&meeting),
                 "%s: not ready", greetings[i].name);
        ub_peer_close(&meeting.peer, false);
        meeting.peer = ub_peer_accept(loop, meeting.listener);
        ub_peer_hears(&meeting.peer, "PING\r\n");
        say_hello(&meeting);
        UB_CHECK(is_ready(&meeting), "%s: the next try succeeds", greetings[i].name);
        part(&meeting);
    }
}

static void test_too_large(void)
{
    struct meeting meeting = meet();
    static char lot[200000];
    memset(lot, 'x', sizeof lot);
    say_hello(&meeting);
    ask(&meeting);
    ub_peer_say_text(&meeting.peer, "$1000000000\r\n");
    ub_peer_say(&meeting.peer, (struct ub_slice){lot, sizeof lot});
    UB_CHECK(UB_UNTIL(loop, ended == 1) && ended_with == UB_REDIS_LOST &&
                 ub_redis_counts(meeting.redis).errors[UB_REDIS_TOO_LARGE] == 1,
             "a text of a gigabyte is not waited for");
    part(&meeting);
}

static void test_byte_by_byte(void)
{
    struct meeting meeting = meet();
    say_hello(&meeting);
    ask(&meeting);
    const char *answer = "*2\r\n$3\r\nabc\r\n:17\r\n";
    for (size_t i = 0; answer[i] != '\0'; i++) {
        ub_peer_say(&meeting.peer, (struct ub_slice){answer + i, 1});
        ub_loop_turn(loop, 0);
    }
    UB_CHECK(UB_UNTIL(loop, ended == 1) && ended_with == UB_REDIS_OK,
             "an answer byte by byte is an answer");
    part(&meeting);
}

static void test_endings(void)
{
    struct meeting meeting = meet();
    say_hello(&meeting);
    ask(&meeting);
    ub_peer_say_text(&meeting.peer, "$10\r\nabc");
    ub_peer_close(&meeting.peer, true);
    UB_CHECK(UB_UNTIL(loop, ended == 1) && ended_with == UB_REDIS_LOST,
             "a reset in the middle of an answer");
    meeting.peer = ub_peer_accept(loop, meeting.listener);
    say_hello(&meeting);
    ask(&meeting);
    ub_redis_cancel(meeting.redis, &meeting.call);
    ub_peer_say_text(&meeting.peer, "+OK\r\n");
    ub_peer_finish(&meeting.peer);
    UB_CHECK(UB_UNTIL(loop, !is_ready(&meeting)) && ended == 0,
             "a cancelled command hears nothing, and a FIN ends the connection");
    part(&meeting);

    meeting = meet();
    say_hello(&meeting);
    ask(&meeting);
    part(&meeting);
    UB_CHECK(ended == 0, "a client may end while a command runs");
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    loop = ub_loop_new();
    test_answers();
    test_greetings();
    test_too_large();
    test_byte_by_byte();
    test_endings();
    ub_loop_free(loop);
    return ub_test_done();
}

/* The client and a real redis-server: commands, pipelines, accounts, TLS, and a server that is
 * stopped, killed and started again. */
#include "store/redis.h"

#include "base/alloc.h"
#include "base/test.h"
#include "net/peer.h"
#include "net/tls.h"
#include "store/real_redis.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct ub_loop *loop;

/* ---- a call that notes its end ---- */

struct noted {
    struct ub_redis_call call;
    enum ub_redis_error error;
    int ended;
    char text[200]; /* the reply as text, or the words */
};

static void write_reply(const struct ub_redis_reply *reply, char *out, size_t size)
{
    int len = 0;
    switch (reply->type) {
    case UB_REDIS_NIL:
        snprintf(out, size, "nil");
        break;
    case UB_REDIS_INTEGER:
        snprintf(out, size, "%lld", (long long)reply->integer);
        break;
    case UB_REDIS_ARRAY:
        out[0] = '\0';
        for (uint32_t i = 0; i < reply->count && (size_t)len + 2 < size; i++) {
            write_reply(reply->element[i], out + len, size - (size_t)len - 1);
            len += (int)strlen(out + len);
            len += snprintf(out + len, size - (size_t)len, ",");
        }
        break;
    default:
        snprintf(out, size, "%.*s", UB_SLICE_ARG(reply->text));
    }
}

static void on_done(struct ub_redis_call *call, enum ub_redis_error error,
                    const struct ub_redis_reply *reply, const char *words)
{
    struct noted *noted = call->user;
    noted->ended++;
    noted->error = error;
    snprintf(noted->text, sizeof noted->text, "%s", words);
    if (reply != NULL) {
        write_reply(reply, noted->text, sizeof noted->text);
    }
}

/* `command`: words with single spaces between them. */
static bool ask(struct ub_redis *redis, struct noted *noted, const char *command)
{
    struct ub_slice arguments[16];
    uint32_t count = 0;
    *noted = (struct noted){.call = {.done = on_done, .user = noted}};
    for (const char *at = command; at != NULL; count++) {
        const char *end = strchr(at, ' ');
        arguments[count] = (struct ub_slice){at, end == NULL ? strlen(at) : (size_t)(end - at)};
        at = end == NULL ? NULL : end + 1;
    }
    noted->error = ub_redis_send(redis, &noted->call, arguments, count);
    return noted->error == UB_REDIS_OK;
}

static const char *answer(struct ub_redis *redis, const char *command)
{
    static struct noted noted;
    if (ask(redis, &noted, command) && !UB_UNTIL(loop, noted.ended > 0)) {
        ub_redis_cancel(redis, &noted.call);
        return "no answer";
    }
    return noted.ended > 0 ? noted.text : ub_redis_error_label(noted.error);
}

/* ---- clients ---- */

static struct ub_redis_options options_for(uint16_t port)
{
    return (struct ub_redis_options){.url = {.host = "127.0.0.1", .port = port},
                                     .timeout_ns = 300 * UB_MS,
                                     .commands_max = 1000,
                                     .output_max = 8 << 20,
                                     .reply_max = 4 << 20,
                                     .seed = 1};
}

static bool becomes_ready(struct ub_redis *redis)
{
    return UB_UNTIL(loop, ub_redis_counts(redis).state == UB_REDIS_READY);
}

static void test_commands(struct ub_redis *redis)
{
    static const struct {
        const char *name, *command, *want;
    } rows[] = {
        {"a value is set", "SET a 1", "OK"},
        {"a value is read", "GET a", "1"},
        {"what is not there is nil", "GET nothing", "nil"},
        {"numbers", "INCRBY a 41", "42"},
        {"arrays", "MGET a nothing a", "42,nil,42,"},
        {"an empty array", "LRANGE none 0 -1", ""},
        {"nested arrays", "EVAL return{1,{2,{3}},'x'} 0", "1,2,3,,,x,"},
        {"a wrong type is an error", "LPUSH a x",
         "WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"a script that is not known", "EVALSHA 0123456789012345678901234567890123456789 0",
         "NOSCRIPT No matching script. Please use EVAL."},
    };
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        UB_CHECK_TEXT(answer(redis, rows[i].command), rows[i].want, "%s", rows[i].name);
    }
    struct ub_redis_counts counts = ub_redis_counts(redis);
    UB_CHECK(counts.errors[UB_REDIS_WRONGTYPE] == 1 && counts.errors[UB_REDIS_NOSCRIPT] == 1,
             "errors are counted by kind");
    UB_CHECK(counts.waiting == 0 && counts.answer_ns > 0, "nothing waits any more");
}

static void test_pipeline(struct ub_redis *redis)
{
    static struct noted noted[1001];
    bool sent = true, good = true;
    for (int i = 0; i < 1000; i++) {
        sent = sent && ask(redis, &noted[i], "INCR pipeline");
    }
    UB_CHECK(sent && ub_redis_counts(redis).waiting == 1000, "a thousand commands at once");
    UB_CHECK(!ask(redis, &noted[1000], "PING") && noted[1000].error == UB_REDIS_FULL,
             "one more is refused: the number is bounded");
    ub_redis_cancel(redis, &noted[500].call);
    UB_UNTIL(loop, noted[999].ended > 0);
    for (int i = 0; i < 1000; i++) {
        good = good && (noted[i].ended == 0 ? i == 500 : atoi(noted[i].text) == i + 1);
    }
    UB_CHECK(good, "each gets its own answer, in order; the cancelled one hears nothing");
}

static void test_large(struct ub_redis *redis)
{
    static char value[1 << 20];
    static struct noted noted;
    memset(value, 'v', sizeof value);
    struct ub_slice set[] = {UB_LIT("SET"), UB_LIT("large"), {value, sizeof value}};
    noted = (struct noted){.call = {.done = on_done, .user = &noted}};
    UB_CHECK(ub_redis_send(redis, &noted.call, set, 3) == UB_REDIS_OK &&
                 UB_UNTIL(loop, noted.ended) && noted.error == UB_REDIS_OK,
             "a value of a megabyte is written");
    UB_CHECK_TEXT(answer(redis, "STRLEN large"), "1048576", "it is whole");
    UB_CHECK(answer(redis, "GET large")[100] == 'v', "and read");
    bool full = false;
    static struct noted many[20];
    for (int i = 0; i < 20; i++) {
        many[i] = (struct noted){.call = {.done = on_done, .user = &many[i]}};
        many[i].error = ub_redis_send(redis, &many[i].call, set, 3);
        full = full || many[i].error == UB_REDIS_FULL;
        many[i].ended = many[i].error != UB_REDIS_OK;
    }
    UB_CHECK(full, "what is not sent yet is bounded in bytes, too");
    UB_CHECK(UB_UNTIL(loop, many[0].ended && ub_redis_counts(redis).waiting == 0),
             "and all that fitted is sent");
}

static void test_frozen(struct ub_redis *redis, struct ub_real_redis *server)
{
    static struct noted noted;
    ub_real_redis_signal(server, SIGSTOP);
    UB_CHECK(ask(redis, &noted, "INCR frozen") && UB_UNTIL(loop, noted.ended) &&
                 noted.error == UB_REDIS_TIMEOUT,
             "a server that is frozen: the command ends with a timeout");
    UB_CHECK(ub_redis_counts(redis).state == UB_REDIS_READY, "the connection is kept for now");
    ub_real_redis_signal(server, SIGCONT);
    UB_CHECK_TEXT(answer(redis, "GET frozen"), "1", "the late answer goes to nobody else");
    UB_CHECK(noted.ended == 1, "nor to the one that had given up");
    ub_real_redis_signal(server, SIGSTOP);
    ask(redis, &noted, "PING");
    UB_CHECK(UB_UNTIL(loop, ub_redis_counts(redis).state != UB_REDIS_READY),
             "when the silence lasts, the connection is given up");
    UB_CHECK_TEXT(answer(redis, "PING"), "down", "and commands are refused at once");
    ub_real_redis_signal(server, SIGCONT);
    UB_CHECK(becomes_ready(redis), "it is connected again by itself");
    UB_CHECK_TEXT(answer(redis, "PING"), "PONG", "and works");
}

static void test_killed(struct ub_redis *redis, struct ub_real_redis *server)
{
    static struct noted noted;
    ask(redis, &noted, "BLPOP nothing 0");
    ub_loop_turn(loop, UB_MS);
    ub_real_redis_kill(server);
    UB_CHECK(UB_UNTIL(loop, noted.ended) && noted.error == UB_REDIS_LOST,
             "the server is killed: what waits is lost, and told so");
    UB_CHECK_TEXT(answer(redis, "PING"), "down", "the next command is refused");
    UB_CHECK(UB_UNTIL(loop, ub_redis_counts(redis).errors[UB_REDIS_DOWN] > 3),
             "it is tried again and again");
    ub_real_redis_restart(server);
    UB_CHECK(becomes_ready(redis), "the server is back, and so is the connection");
    UB_CHECK_TEXT(answer(redis, "GET a"), "nil", "a new server, empty");
}

static void test_accounts(uint16_t port, struct ub_redis *admin)
{
    UB_CHECK_TEXT(answer(admin, "ACL SETUSER web on >s3:cret ~web:* +@all"), "OK", "a user");
    struct ub_redis_options options = options_for(port);
    const char *words =
        ub_redis_url_parse(UB_LIT("redis://web:s3%3Acret@127.0.0.1/5"), &options.url);
    options.url.port = port;
    struct ub_redis *redis = ub_redis_new(loop, &options);
    UB_CHECK(words == NULL && becomes_ready(redis), "a user with a password is admitted");
    UB_CHECK_TEXT(answer(redis, "SET web:a 5"), "OK", "it may do what it may");
    UB_CHECK(strncmp(answer(redis, "GET other"), "NOPERM", 6) == 0, "and nothing else");
    UB_CHECK_TEXT(answer(admin, "GET web:a"), "nil", "it works in its own database");
    ub_redis_free(redis);

    options.url.password[0] = 'X';
    redis = ub_redis_new(loop, &options);
    UB_CHECK(UB_UNTIL(loop, ub_redis_counts(redis).errors[UB_REDIS_DENIED] > 1),
             "a wrong password is denied, each time");
    UB_CHECK(ub_redis_counts(redis).state != UB_REDIS_READY, "and never ready");
    ub_redis_free(redis);
}

static void test_tls(void)
{
    static char folder[] = "/tmp/unbusy-redis-tls-XXXXXX";
    char command[600], cert[80], key[80], port[8], words[UB_TLS_WORDS];
    if (mkdtemp(folder) == NULL) {
        abort();
    }
    snprintf(command, sizeof command,
             "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
             "-days 2 -subj /CN=redis -addext subjectAltName=IP:127.0.0.1 -keyout key -out cert "
             "2>/dev/null",
             folder);
    UB_CHECK(system(command) == 0, "a certificate is made");
    snprintf(cert, sizeof cert, "%s/cert", folder);
    snprintf(key, sizeof key, "%s/key", folder);
    uint16_t tls_port = 0;
    close(ub_peer_listen(false, &tls_port, 1));
    snprintf(port, sizeof port, "%u", tls_port);
    const char *const more[] = {"--tls-port",
                                port,
                                "--tls-cert-file",
                                cert,
                                "--tls-key-file",
                                key,
                                "--tls-ca-cert-file",
                                cert,
                                "--tls-auth-clients",
                                "no",
                                NULL};
    struct ub_real_redis server;
    ub_real_redis_start(&server, more);
    struct ub_redis_options options = options_for(tls_port);
    options.url.tls = true;
    options.timeout_ns = 2 * UB_SECOND;
    options.tls_client = ub_tls_client_new(cert, true, words);
    struct ub_redis *redis = ub_redis_new(loop, &options);
    UB_CHECK(becomes_ready(redis), "connected with TLS");
    test_large(redis);
    ub_redis_free(redis);
    struct ub_tls_client *strict = ub_tls_client_new(NULL, true, words), *own = options.tls_client;
    options.tls_client = strict;
    redis = ub_redis_new(loop, &options);
    UB_CHECK(UB_UNTIL(loop, ub_redis_counts(redis).errors[UB_REDIS_DOWN] > 1),
             "a certificate that nobody vouches for is refused");
    ub_redis_free(redis);
    UB_UNTIL(loop, loop->counts.upstreams == 0);
    ub_tls_client_free(strict);
    ub_tls_client_free(own);
    ub_real_redis_end(&server);
    unlink(cert);
    unlink(key);
    rmdir(folder);
}

/* Every allocation fails once while a client is made, connects, asks and ends. */
static void test_no_memory(uint16_t port)
{
    int made = 0;
    bool good = true;
    for (int nth = 1; nth <= 60; nth++) {
        ub_alloc_fail_nth(nth);
        struct ub_redis_options options = options_for(port);
        struct ub_redis *redis = ub_redis_new(loop, &options);
        if (redis != NULL) {
            made++;
            good = good && becomes_ready(redis);
            static struct noted noted;
            if (ask(redis, &noted, "EVAL return{1,{2,{3}},'x'} 0")) {
                good = good && UB_UNTIL(loop, noted.ended == 1);
            }
            ub_redis_free(redis);
        }
        ub_loop_turn(loop, 0);
    }
    ub_alloc_fail_nth(0);
    UB_CHECK(good && made > 40, "without memory for once: it says so, and goes on");
}

int main(void)
{
    struct ub_real_redis server;
    signal(SIGPIPE, SIG_IGN);
    if (!ub_real_redis_start(&server, NULL)) {
        ub_test_skip("there is no redis-server");
        return ub_test_done();
    }
    loop = ub_loop_new();
    struct ub_redis_options options = options_for(server.port);
    struct ub_redis *redis = ub_redis_new(loop, &options);
    UB_CHECK_TEXT(answer(redis, "PING"), "down", "before it is connected, commands are refused");
    UB_CHECK(becomes_ready(redis), "connected");
    test_commands(redis);
    test_pipeline(redis);
    test_large(redis);
    test_frozen(redis, &server);
    test_killed(redis, &server);
    test_accounts(server.port, redis);
    test_no_memory(server.port);
    test_tls();
    ub_redis_free(redis);
    ub_loop_free(loop);
    ub_real_redis_end(&server);
    return ub_test_done();
}

#include "store/redis.h"

#include "base/alloc.h"
#include "base/random.h"
#include "store/redis_link.h"
#include "store/redis_reply.h"

#include <assert.h>
#include <stdio.h>

#define PAUSE_NS     (50 * UB_MS)    /* before the second try; doubled with each failure */
#define PAUSE_MAX_NS (3 * UB_SECOND) /* unless the options say otherwise */
#define SILENCE      3 /* times the time limit without an answer: the connection is given up */
#define GREETINGS    3 /* AUTH, SELECT, PING */

/* A command in the order of its answers. */
struct waiting {
    struct ub_redis_call *call; /* NULL: nobody wants the answer any more */
    ub_ns sent_at;
};

struct ub_redis {
    struct ub_loop *loop;
    struct ub_redis_options options;
    struct ub_redis_link *link;
    struct ub_tls_session session;
    struct ub_redis_counts counts;
    struct ub_random random;
    uint32_t failures; /* in a row; makes the pauses longer */
    struct ub_timer retry;
    struct ub_timer late;
    struct waiting *ring; /* commands number `first` up to `next`, at number % room */
    uint32_t room;
    uint64_t first, next;
    uint64_t judged; /* those before it are answered or timed out */
    struct ub_redis_call greeting[GREETINGS];
    uint32_t greetings; /* not answered yet */
    void (*changed)(void *user, bool ready, const char *words);
    void *changed_user;
};

static const struct {
    const char *label, *words;
} errors[] = {
#define X(name, label, words) {label, words},
    UB_REDIS_ERRORS(X)
#undef X
};

const char *ub_redis_error_label(enum ub_redis_error error)
{
    return errors[error].label;
}

const char *ub_redis_error_words(enum ub_redis_error error)
{
    return errors[error].words;
}

/* ---- commands and their answers ---- */

static struct waiting *waiting_of(struct ub_redis *redis, uint64_t number)
{
    return &redis->ring[number % redis->room];
}

static void end_call(struct ub_redis *redis, struct ub_redis_call *call, enum ub_redis_error error,
                     const struct ub_redis_reply *reply, const char *words)
{
    if (error != UB_REDIS_OK) {
        redis->counts.errors[error]++;
    }
    call->number = 0;
    call->done(call, error, reply, words);
}

/* The next instant at which somebody has waited too long. */
static void arm_late(struct ub_redis *redis)
{
    if (redis->first == redis->next) {
        ub_timer_stop(redis->loop, &redis->late);
        return;
    }
    ub_ns limit_ns = redis->options.timeout_ns;
    ub_ns at = waiting_of(redis, redis->first)->sent_at + SILENCE * limit_ns;
    if (redis->judged < redis->next) {
        at = ub_ns_min(at, waiting_of(redis, redis->judged)->sent_at + limit_ns);
    }
    ub_timer_start(redis->loop, &redis->late, at);
}

static enum ub_redis_error send_command(struct ub_redis *redis, struct ub_redis_call *call,
                                        const struct ub_slice *arguments, uint32_t count)
{
    if (redis->next - redis->first == redis->room) {
        return UB_REDIS_FULL;
    }
    size_t len = 0;
    char *command = ub_redis_command(arguments, count, &len);
    if (command == NULL) {
        return UB_REDIS_NO_MEMORY;
    }
    enum ub_redis_error error = ub_redis_link_write(redis->link, (struct ub_slice){command, len});
    ub_redis_command_free(command);
    if (error != UB_REDIS_OK) {
        return error;
    }
    bool idle = redis->first == redis->next;
    call->number = redis->next++;
    *waiting_of(redis, call->number) = (struct waiting){call, ub_clock_now()};
    redis->counts.commands++;
    if (idle) {
        arm_late(redis);
    }
    return UB_REDIS_OK;
}

enum ub_redis_error ub_redis_send(struct ub_redis *redis, struct ub_redis_call *call,
                                  const struct ub_slice *arguments, uint32_t count)
{
    assert(call->number == 0 && count > 0);
    enum ub_redis_error error = redis->counts.state == UB_REDIS_READY
                                    ? send_command(redis, call, arguments, count)
                                    : UB_REDIS_DOWN;
    if (error != UB_REDIS_OK) {
        redis->counts.errors[error]++;
    }
    return error;
}

void ub_redis_cancel(struct ub_redis *redis, struct ub_redis_call *call)
{
    if (call->number != 0) {
        waiting_of(redis, call->number)->call = NULL;
        call->number = 0;
    }
}

enum ub_redis_error ub_redis_unexpected(struct ub_redis *redis)
{
    redis->counts.errors[UB_REDIS_UNEXPECTED]++;
    return UB_REDIS_UNEXPECTED;
}

/* ---- the connection ---- */

static void tell_changed(struct ub_redis *redis, bool ready, const char *words)
{
    if (redis->changed != NULL) {
        redis->changed(redis->changed_user, ready, words);
    }
}

/* The connection, or the try to make one, is over. Everybody who waits is told, and may already ask
 * again: DOWN is the answer then. */
static void lose(struct ub_redis *redis, enum ub_redis_error error, const char *words)
{
    struct ub_redis_link *link = redis->link;
    bool was_ready = redis->counts.state == UB_REDIS_READY;
    redis->link = NULL;
    redis->counts.state = UB_REDIS_PAUSES;
    redis->counts.errors[error]++;
    redis->greetings = 0;
    ub_redis_link_close(link);
    ub_timer_stop(redis->loop, &redis->late);
    ub_ns window_ns = PAUSE_NS;
    for (uint32_t i = 0; i < redis->failures && window_ns < redis->options.pause_max_ns; i++) {
        window_ns *= 2;
    }
    redis->failures++;
    window_ns = ub_ns_min(window_ns, redis->options.pause_max_ns);
    ub_ns pause_ns = (ub_ns)((double)window_ns * (0.5 + 0.5 * ub_random_unit(&redis->random)));
    ub_timer_start(redis->loop, &redis->retry, ub_ns_after(ub_clock_now(), pause_ns));
    while (redis->first < redis->next) {
        struct ub_redis_call *call = waiting_of(redis, redis->first++)->call;
        if (call != NULL && was_ready) {
            end_call(redis, call, UB_REDIS_LOST, NULL, words);
        }
    }
    redis->judged = redis->next;
    tell_changed(redis, false, words);
}

static void on_replied(void *user, struct ub_redis_reply *reply)
{
    struct ub_redis *redis = user;
    if (redis->first == redis->next) {
        ub_redis_reply_free(reply);
        lose(redis, UB_REDIS_NONSENSE, "Redis answers what nobody asked");
        return;
    }
    struct waiting waiting = *waiting_of(redis, redis->first++);
    redis->judged = redis->judged < redis->first ? redis->first : redis->judged;
    arm_late(redis);
    enum ub_redis_error error = UB_REDIS_OK;
    const char *words = "ok";
    if (reply->type == UB_REDIS_FAULT) {
        error = ub_redis_fault_kind(reply->text);
        words = reply->text.ptr;
    } else if (redis->counts.state == UB_REDIS_READY) {
        redis->failures = 0;
    }
    if (waiting.call != NULL) {
        redis->counts.answers++;
        redis->counts.last_ns = ub_clock_now() - waiting.sent_at;
        redis->counts.answer_ns += redis->counts.last_ns;
        end_call(redis, waiting.call, error, error == UB_REDIS_OK ? reply : NULL, words);
    }
    ub_redis_reply_free(reply);
    /* After a failover the name may lead to the new primary: ask for it again. */
    if (error == UB_REDIS_READONLY && redis->counts.state == UB_REDIS_READY) {
        lose(redis, UB_REDIS_READONLY, ub_redis_error_words(UB_REDIS_READONLY));
    }
}

static void on_broken(void *user, enum ub_redis_error error, const char *words)
{
    lose(user, error, words);
}

static void on_late(struct ub_timer *timer)
{
    struct ub_redis *redis = timer->user;
    ub_ns now = ub_clock_now(), limit_ns = redis->options.timeout_ns;
    bool greets = redis->counts.state == UB_REDIS_DIALS;
    if (greets || now >= waiting_of(redis, redis->first)->sent_at + SILENCE * limit_ns) {
        lose(redis, UB_REDIS_TIMEOUT, "Redis has been silent for too long");
        return;
    }
    while (redis->judged < redis->next &&
           now >= waiting_of(redis, redis->judged)->sent_at + limit_ns) {
        struct waiting *waiting = waiting_of(redis, redis->judged++);
        struct ub_redis_call *call = waiting->call;
        waiting->call = NULL;
        if (call != NULL) {
            end_call(redis, call, UB_REDIS_TIMEOUT, NULL, ub_redis_error_words(UB_REDIS_TIMEOUT));
        }
    }
    arm_late(redis);
}

/* ---- greetings ---- */

static void on_greeted(struct ub_redis_call *call, enum ub_redis_error error,
                       const struct ub_redis_reply *reply, const char *words)
{
    (void)words, (void)reply;
    struct ub_redis *redis = call->user;
    if (redis->greetings == 0) {
        return; /* an earlier one failed */
    }
    if (error != UB_REDIS_OK) {
        redis->counts.errors[error]--; /* lose counts it */
        lose(redis, error, ub_redis_error_words(error));
    } else if (--redis->greetings == 0) {
        redis->counts.state = UB_REDIS_READY;
        redis->counts.connections++;
        ub_timer_stop(redis->loop, &redis->retry);
        tell_changed(redis, true, "connected");
    }
}

static bool greet(struct ub_redis *redis, const struct ub_slice *arguments, uint32_t count)
{
    struct ub_redis_call *call = &redis->greeting[redis->greetings++];
    *call = (struct ub_redis_call){.done = on_greeted, .user = redis};
    return send_command(redis, call, arguments, count) == UB_REDIS_OK;
}

static void on_opened(void *user)
{
    struct ub_redis *redis = user;
    const struct ub_redis_url *url = &redis->options.url;
    bool sent = true;
    if (url->password[0] != '\0') {
        bool named = url->user[0] != '\0';
        struct ub_slice auth[] = {UB_LIT("AUTH"), ub_slice_of(named ? url->user : url->password),
                                  ub_slice_of(url->password)};
        sent = greet(redis, auth, named ? 3 : 2);
    }
    if (sent && url->database != 0) {
        char text[16];
        int len = snprintf(text, sizeof text, "%u", url->database);
        struct ub_slice select[] = {UB_LIT("SELECT"), {text, (size_t)len}};
        sent = greet(redis, select, 2);
    }
    struct ub_slice ping[] = {UB_LIT("PING")};
    if (!sent || !greet(redis, ping, 1)) {
        lose(redis, UB_REDIS_NO_MEMORY, "no memory to greet Redis");
    }
}

static const struct ub_redis_link_handler link_handler = {
    .opened = on_opened, .replied = on_replied, .broken = on_broken};

/* Also when a try takes too long: the timer goes on until the connection is ready. */
static void on_retry(struct ub_timer *timer)
{
    struct ub_redis *redis = timer->user;
    if (redis->link != NULL) {
        lose(redis, UB_REDIS_TIMEOUT, "no connection to Redis in the time allowed");
        return;
    }
    struct ub_redis_link_options options = {
        .url = &redis->options.url,
        .tls_client = redis->options.tls_client,
        .session = &redis->session,
        .first = redis->failures,
        .output_max = redis->options.output_max,
        .reply_max = redis->options.reply_max,
    };
    redis->counts.state = UB_REDIS_DIALS;
    redis->link = ub_redis_link_open(redis->loop, &options, &link_handler, redis);
    if (redis->link == NULL) {
        lose(redis, UB_REDIS_NO_MEMORY, "no memory for a connection to Redis");
        return;
    }
    ub_timer_start(redis->loop, timer, ub_ns_after(ub_clock_now(), redis->options.timeout_ns));
}

/* ---- the whole ---- */

struct ub_redis *ub_redis_new(struct ub_loop *loop, const struct ub_redis_options *options)
{
    assert(options->commands_max > 0 && options->timeout_ns > 0);
    struct ub_redis *redis = ub_calloc(1, sizeof *redis);
    if (redis == NULL) {
        return NULL;
    }
    redis->room = options->commands_max < GREETINGS ? GREETINGS : options->commands_max;
    redis->ring = ub_calloc(redis->room, sizeof *redis->ring);
    if (redis->ring == NULL) {
        ub_free(redis);
        return NULL;
    }
    redis->loop = loop;
    redis->options = *options;
    redis->options.pause_max_ns = options->pause_max_ns > 0 ? options->pause_max_ns : PAUSE_MAX_NS;
    redis->random.state = options->seed;
    redis->first = redis->next = redis->judged = 1;
    redis->retry = (struct ub_timer){.fire = on_retry, .user = redis};
    redis->late = (struct ub_timer){.fire = on_late, .user = redis};
    ub_timer_start(loop, &redis->retry, ub_loop_now(loop));
    return redis;
}

void ub_redis_free(struct ub_redis *redis)
{
    if (redis == NULL) {
        return;
    }
    ub_redis_link_close(redis->link);
    ub_timer_stop(redis->loop, &redis->retry);
    ub_timer_stop(redis->loop, &redis->late);
    ub_tls_session_forget(&redis->session);
    ub_free(redis->ring);
    ub_free(redis);
}

void ub_redis_on_state(struct ub_redis *redis,
                       void (*changed)(void *user, bool ready, const char *words), void *user)
{
    redis->changed = changed;
    redis->changed_user = user;
}

struct ub_redis_counts ub_redis_counts(const struct ub_redis *redis)
{
    struct ub_redis_counts counts = redis->counts;
    counts.waiting = (uint32_t)(redis->next - redis->first);
    return counts;
}

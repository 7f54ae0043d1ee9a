#include "store/redis_link.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/embed.h"
#include "net/resolve.h"
#include "store/redis_reply.h"

#include <assert.h>
#include <errno.h>

#define ADDRESSES_MAX (2 * UB_RESOLVE_MAX)

/* The stream is opened again for each address that is tried, so a link ends when it is not wanted
 * any more and its stream is closed. */
struct ub_redis_link {
    struct ub_stream stream;
    struct ub_loop *loop;
    const struct ub_redis_link_handler *handler;
    void *user;
    struct ub_redis_link_options options;
    struct ub_resolving resolving;
    struct ub_task task; /* what must not happen from inside: see run_task */
    struct ub_address_ip address[ADDRESSES_MAX];
    uint32_t count, tried;
    uint32_t families; /* that the resolver has spoken about */
    struct ub_redis_reader *reader;
    struct ub_buf output;
    enum ub_redis_error error; /* of the last try */
    const char *words;
    bool streaming; /* the stream is open, or not yet closed */
    bool open;      /* TLS is done */
    bool unwanted;
};

static struct ub_redis_link *of_stream(struct ub_stream *stream)
{
    return UB_OWNER(stream, struct ub_redis_link, stream);
}

static void free_link(struct ub_redis_link *link)
{
    ub_resolve_cancel(&link->resolving);
    ub_task_drop(&link->task);
    ub_redis_reader_free(link->reader);
    ub_buf_wipe(&link->output); /* passwords went through it */
    ub_free(link);
}

void ub_redis_link_close(struct ub_redis_link *link)
{
    if (link == NULL) {
        return;
    }
    ub_task_drop(&link->task);
    ub_resolve_cancel(&link->resolving);
    link->unwanted = true;
    if (!link->streaming) {
        free_link(link);
    } else if (link->stream.state != UB_STREAM_CLOSED) {
        ub_stream_close(&link->stream, false);
    }
}

static void say_broken(struct ub_redis_link *link, enum ub_redis_error error, const char *words)
{
    if (!link->unwanted) {
        link->handler->broken(link->user, error, words);
    }
}

/* ---- sending ---- */

static void flush(struct ub_redis_link *link)
{
    struct ub_slice part = ub_buf_slice(&link->output);
    ssize_t sent = part.len == 0 ? 0 : ub_stream_write(&link->stream, &part, 1);
    if (sent < 0) {
        return; /* reading will say why */
    }
    ub_buf_drop(&link->output, (size_t)sent);
    ub_stream_want_write(&link->stream,
                         link->output.len > 0 || !ub_stream_is_flushed(&link->stream));
}

enum ub_redis_error ub_redis_link_write(struct ub_redis_link *link, struct ub_slice bytes)
{
    assert(link->open);
    if (bytes.len > link->options.output_max - link->output.len) {
        return UB_REDIS_FULL;
    }
    ub_buf_add_slice(&link->output, bytes);
    if (link->output.failed) {
        link->output.failed = false; /* what was written before stays, and is whole */
        return UB_REDIS_NO_MEMORY;
    }
    ub_loop_post(link->loop, &link->task);
    return UB_REDIS_OK;
}

/* ---- connecting ---- */

static const struct ub_stream_handler stream_handler;

/* The next address that can be dialled; when there is none left, that is the end. */
static void try_next(struct ub_redis_link *link)
{
    while (link->tried < link->count) {
        uint32_t index = (link->options.first + link->tried++) % link->count;
        int rc =
            ub_stream_connect(&link->stream, link->loop, &stream_handler, &link->address[index]);
        if (rc == 0) {
            link->streaming = true;
            link->loop->counts.dialled++;
            return;
        }
        link->error = rc == -ENOMEM ? UB_REDIS_NO_MEMORY : UB_REDIS_DOWN;
        link->words = "the connection to Redis cannot be opened";
    }
    say_broken(link, link->error, link->words);
}

static void run_task(struct ub_task *task)
{
    struct ub_redis_link *link = UB_OWNER(task, struct ub_redis_link, task);
    if (link->open) {
        flush(link);
    } else {
        try_next(link);
    }
}

static void on_found(struct ub_resolving *resolving, int family,
                     const struct ub_address_ip *addresses, int count, const char *words)
{
    (void)family;
    struct ub_redis_link *link = UB_OWNER(resolving, struct ub_redis_link, resolving);
    for (int i = 0; i < count && link->count < ADDRESSES_MAX; i++) {
        link->address[link->count++] = addresses[i];
    }
    if (words != NULL && link->count == 0) {
        link->words = words;
    }
    if (++link->families == 2) {
        ub_loop_post(link->loop, &link->task);
    }
}

static void on_opened(struct ub_stream *stream)
{
    struct ub_redis_link *link = of_stream(stream);
    const struct ub_redis_link_options *o = &link->options;
    if (o->url->tls && stream->tls == NULL) {
        struct ub_tls *tls = ub_tls_connect(o->tls_client, o->url->host, o->session);
        if (tls == NULL || !ub_stream_start_tls(stream, tls)) {
            ub_tls_free(stream->tls == tls ? NULL : tls);
            say_broken(link, UB_REDIS_NO_MEMORY, "no memory for TLS");
        }
        return;
    }
    link->open = true;
    link->handler->opened(link->user);
}

/* ---- reading ---- */

static void on_input(struct ub_stream *stream, struct ub_slice bytes)
{
    struct ub_redis_link *link = of_stream(stream);
    if (!ub_redis_reader_feed(link->reader, bytes)) {
        say_broken(link, UB_REDIS_NO_MEMORY, "no memory for an answer of Redis");
        return;
    }
    while (!link->unwanted) {
        struct ub_redis_reply *reply;
        enum ub_redis_error error = ub_redis_reader_next(link->reader, &reply);
        if (error != UB_REDIS_OK) {
            say_broken(link, error, ub_redis_error_words(error));
            return;
        }
        if (reply == NULL) {
            return;
        }
        link->handler->replied(link->user, reply);
    }
}

static void on_finished(struct ub_stream *stream, bool clean)
{
    (void)clean;
    say_broken(of_stream(stream), UB_REDIS_LOST, "Redis closed the connection");
}

static void on_writable(struct ub_stream *stream)
{
    flush(of_stream(stream));
}

static void on_broken(struct ub_stream *stream, enum ub_error error, const char *words)
{
    struct ub_redis_link *link = of_stream(stream);
    if (link->open || link->tried == link->count) {
        say_broken(link, link->open ? UB_REDIS_LOST : UB_REDIS_DOWN, words);
        return;
    }
    (void)error;
    link->error = UB_REDIS_DOWN;
    link->words = words;
    ub_stream_close(stream, false);
}

static void on_closed(struct ub_stream *stream)
{
    struct ub_redis_link *link = of_stream(stream);
    link->streaming = false;
    if (link->unwanted) {
        free_link(link);
    } else {
        try_next(link);
    }
}

static const struct ub_stream_handler stream_handler = {
    .opened = on_opened,
    .input = on_input,
    .finished = on_finished,
    .writable = on_writable,
    .broken = on_broken,
    .closed = on_closed,
};

struct ub_redis_link *ub_redis_link_open(struct ub_loop *loop,
                                         const struct ub_redis_link_options *options,
                                         const struct ub_redis_link_handler *handler, void *user)
{
    struct ub_redis_link *link = ub_calloc(1, sizeof *link);
    if (link == NULL) {
        return NULL;
    }
    link->loop = loop;
    link->handler = handler;
    link->user = user;
    link->options = *options;
    link->task.run = run_task;
    link->error = UB_REDIS_DOWN;
    link->words = "the name of the Redis server is not known";
    link->resolving.found = on_found;
    link->resolving.port = options->url->port;
    link->reader = ub_redis_reader_new(options->reply_max);
    if (link->reader == NULL ||
        !ub_resolve(loop, &link->resolving, ub_slice_of(options->url->host))) {
        ub_redis_reader_free(link->reader);
        ub_free(link);
        return NULL;
    }
    return link;
}

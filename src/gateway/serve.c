#include "gateway/serve.h"

#include "base/log.h"
#include "base/options.h"
#include "base/process.h"
#include "gateway/admin.h"
#include <signal.h>
#include <stdio.h>

#define ADMIN_HEAD_MAX ((size_t)16 * 1024)
#define ADMIN_BODY_MAX 4096

struct serve {
    const struct ub_serve_options *options;
    struct ub_loop *loop;
    struct ub_listener *listener;
    struct ub_gateway *gateway;
    struct ub_admin admin;
    struct ub_timer drain_timer;
    ub_ns drain_ns;
    bool draining;
    bool interrupted;
    atomic_bool ended;
};

/* What a signal handler may touch. */
static struct ub_loop *signal_loop;
static volatile sig_atomic_t asked_to_stop;
static volatile sig_atomic_t was_interrupt;
static volatile sig_atomic_t asked_to_reload;

static void on_signal(int number)
{
    if (number == SIGHUP) {
        asked_to_reload = 1;
    } else {
        asked_to_stop++;
        was_interrupt = number == SIGINT;
    }
    ub_loop_wake(signal_loop); /* one write to an eventfd */
}

static void catch_signals(struct ub_loop *loop)
{
    signal_loop = loop;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void release_signals(void)
{
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal_loop = NULL;
}

static bool reload(void *user, struct ub_buf *words)
{
    struct serve *serve = user;
    if (serve->options->file == NULL) {
        ub_buf_add_text(words, "there is no configuration file to load again");
        return false;
    }
    struct ub_config *config = ub_config_load(serve->options->file, words);
    bool ok = config != NULL && ub_gateway_reload(serve->gateway, config, words);
    while (words->len > 0 && words->ptr[words->len - 1] == '\n') {
        words->len--; /* the problems are lines; a message is not */
    }
    if (ok) {
        serve->drain_ns = config->drain_time_ns;
        UB_LOG(INFO, "configuration taken over file=%s upstreams=%u models=%u",
               serve->options->file, config->upstream_count, config->model_count);
    }
    ub_config_release(config);
    return ok;
}

static void reload_on_signal(struct serve *serve)
{
    struct ub_buf words = {0};
    if (!ub_admin_reload(&serve->admin, &words)) {
        UB_LOG(ERROR, "configuration refused, nothing has changed reason=\"%.*s\"", (int)words.len,
               words.ptr);
    }
    ub_buf_free(&words);
    if (serve->gateway->access != NULL) {
        ub_access_reopen(serve->gateway->access);
    }
}

static void workers_ended(void *user)
{
    struct serve *serve = user;
    atomic_store(&serve->ended, true);
    ub_loop_wake(serve->loop);
}

static void drain_is_over(struct ub_timer *timer)
{
    struct serve *serve = timer->user;
    UB_LOG(WARN, "cutting what still runs after the drain time");
    ub_gateway_hurry(serve->gateway);
}

static void stop(struct serve *serve)
{
    if (serve->draining) {
        ub_gateway_hurry(serve->gateway);
        return;
    }
    serve->draining = true;
    serve->interrupted = was_interrupt != 0;
    asked_to_stop = 1;
    UB_LOG(INFO, "draining");
    ub_timer_start(serve->loop, &serve->drain_timer, ub_loop_now(serve->loop) + serve->drain_ns);
    ub_gateway_drain(serve->gateway, workers_ended, serve);
}

static void woken(void *user)
{
    struct serve *serve = user;
    if (asked_to_reload) {
        asked_to_reload = 0;
        reload_on_signal(serve);
    }
    if (asked_to_stop > (serve->draining ? 1 : 0)) {
        stop(serve);
    }
    if (atomic_load(&serve->ended)) {
        ub_loop_stop(serve->loop);
    }
}

static bool open_admin(struct serve *serve, const struct ub_config *config, struct ub_buf *words)
{
    const char *why = "";
    if (!config->has_admin) {
        return true;
    }
    serve->listener = ub_listener_open(
        serve->loop,
        &(struct ub_listener_options){
            .host = ub_slice_of(config->admin.host),
            .port = config->admin.port,
            .exclusive = true,
            .handler = &ub_admin_handler,
            .user = &serve->admin,
            .limits = {.head_max = ADMIN_HEAD_MAX, .target_max = 4096, .body_max = ADMIN_BODY_MAX},
            .head_ns = config->head_time_ns,
            .body_ns = config->body_time_ns,
            .write_ns = config->write_time_ns,
            .idle_ns = config->idle_time_ns,
        },
        &why);
    if (serve->listener == NULL) {
        ub_buf_printf(words, "cannot listen on %s port %u: %s", config->admin.host,
                      config->admin.port, why);
    }
    return serve->listener != NULL;
}

static bool begin(struct serve *serve, struct ub_buf *words)
{
    struct ub_config *config = serve->options->config;
    serve->loop = ub_loop_new();
    if (serve->loop == NULL) {
        ub_buf_add_text(words, "out of memory or file descriptors");
        return false;
    }
    ub_loop_on_wake(serve->loop, woken, serve);
    serve->drain_ns = config->drain_time_ns;
    if (!open_admin(serve, config, words)) {
        return false;
    }
    serve->gateway = ub_gateway_start(config, words);
    serve->admin.gateway = serve->gateway;
    return serve->gateway != NULL;
}

static void finish(struct serve *serve)
{
    ub_gateway_free(serve->gateway);
    if (serve->loop != NULL) {
        if (serve->listener != NULL) {
            ub_listener_free(serve->listener);
        }
        ub_timer_stop(serve->loop, &serve->drain_timer);
        ub_loop_free(serve->loop);
    }
}

int ub_serve(const struct ub_serve_options *options)
{
    struct serve serve = {.options = options, .drain_timer = {.fire = drain_is_over}};
    struct ub_buf words = {0};
    serve.drain_timer.user = &serve;
    serve.admin = (struct ub_admin){.reload = reload, .user = &serve, .last_reload_ok = true};
    ub_process_raise_files();
    if (!begin(&serve, &words)) {
        fprintf(stderr, "unbusy serve: %.*s\n", (int)words.len, words.ptr);
        ub_buf_free(&words);
        finish(&serve);
        return UB_EXIT_FAILED;
    }
    catch_signals(serve.loop);
    options->ready(options->user, serve.gateway,
                   serve.listener == NULL ? 0 : ub_listener_port(serve.listener));
    ub_loop_run(serve.loop);
    release_signals();
    finish(&serve);
    ub_buf_free(&words);
    return serve.interrupted ? UB_EXIT_INTERRUPTED : UB_EXIT_GOOD;
}

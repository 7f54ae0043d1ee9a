#include "tools/mock_inside.h"

#include "base/alloc.h"
#include "base/random.h"

#define REOPEN_NS (100 * UB_MS) /* between tries to get the port back */

struct ub_mock_options ub_mock_defaults(void)
{
    return (struct ub_mock_options){
        .host = UB_LIT("127.0.0.1"),
        .threads = 1,
        .profile = *ub_engine_profile_find("8b"),
        .engines = 1,
        .speed = 1.0,
        .queue = 1000,
        .busy_status = 503,
        .queue_wait_ns = 10 * UB_MINUTE, /* DeepSeek's */
        .answer_min = 50,
        .answer_max = 400,
        .prefix_cache = true,
        .episodes = {.slow = 1.0, .turns = 1},
    };
}

ub_ns ub_mock_engine_now(const struct ub_mock_worker *worker, ub_ns now)
{
    return worker->engine_at + (ub_ns)((double)(now - worker->real_at) * worker->speed);
}

/* The other way round, rounded up: the engine must have got there when we look. */
static ub_ns real_of(const struct ub_mock_worker *worker, ub_ns engine_at)
{
    if (engine_at == UB_NEVER) {
        return UB_NEVER;
    }
    return worker->real_at + (ub_ns)((double)(engine_at - worker->engine_at) / worker->speed) + 1;
}

/* Episodes with turns must agree between processes, so they go by the wall clock. */
static bool episode_now(const struct ub_mock *mock, ub_ns *until)
{
    const struct ub_episodes *e = &mock->options.episodes;
    ub_ns now = ub_clock_now();
    ub_ns at = e->turns > 1 ? ub_clock_wall() : now - mock->started_at;
    bool bad = ub_episodes_bad(e, at, until);
    if (until != NULL && *until != UB_NEVER) {
        *until = now + (*until - at);
    }
    return bad;
}

bool ub_mock_is_bad(struct ub_mock *mock)
{
    pthread_mutex_lock(&mock->lock);
    bool bad = episode_now(mock, NULL);
    pthread_mutex_unlock(&mock->lock);
    return bad;
}

static void read_settings(struct ub_mock_worker *worker, ub_ns now)
{
    struct ub_mock *mock = worker->mock;
    pthread_mutex_lock(&mock->lock);
    bool bad = episode_now(mock, &worker->speed_until);
    double speed = mock->options.speed / (bad ? mock->options.episodes.slow : 1.0);
    worker->refuse_until = mock->refuse_until;
    pthread_mutex_unlock(&mock->lock);
    worker->engine_at = ub_mock_engine_now(worker, now);
    worker->real_at = now;
    worker->speed = speed;
}

/* `exclusive`: nobody else may listen there; for the very first one. */
static bool listener_open(struct ub_mock_worker *worker, bool exclusive, const char **words)
{
    const struct ub_mock *mock = worker->mock;
    const struct ub_listener_options options = {
        .host = ub_slice_of(mock->host),
        .port = mock->port,
        .exclusive = exclusive,
        .handler = &ub_mock_handler,
        .user = worker,
        .tls = mock->options.tls,
        .limits = {.head_max = 64 * 1024, .target_max = 8 * 1024, .body_max = UB_MOCK_BODY_MAX},
        .head_ns = UB_MINUTE,
        .body_ns = UB_MINUTE,
        .write_ns = 5 * UB_MINUTE,
        .idle_ns = 10 * UB_MINUTE,
    };
    worker->listener = ub_listener_open(worker->loop, &options, words);
    return worker->listener != NULL;
}

static void drained(void *user)
{
    struct ub_listener **place = user;
    ub_listener_free(*place);
    *place = NULL;
}

/* Closes or opens the listening socket as the settings say; returns when to look again. */
static ub_ns listener_follow(struct ub_mock_worker *worker, ub_ns now)
{
    if (worker->refuse_until > now) {
        for (int i = 0; i < UB_MOCK_DRAINS_MAX && worker->listener != NULL; i++) {
            if (worker->draining[i] == NULL) {
                worker->draining[i] = worker->listener;
                worker->listener = NULL;
                ub_listener_drain(worker->draining[i], drained, &worker->draining[i]);
            }
        }
        return worker->refuse_until;
    }
    const char *words;
    if (worker->listener == NULL && !listener_open(worker, false, &words)) {
        return now + REOPEN_NS;
    }
    return UB_NEVER;
}

static void note_load(struct ub_mock_worker *worker)
{
    struct ub_engine_load sum = {0};
    for (uint32_t i = 0; i < worker->mock->options.engines; i++) {
        struct ub_engine_load load = ub_engine_load(worker->engine[i]);
        sum.running += load.running;
        sum.waiting += load.waiting;
        sum.kv_tokens += load.kv_tokens;
        sum.preemptions += load.preemptions;
    }
    atomic_store_explicit(&worker->running, sum.running, memory_order_relaxed);
    atomic_store_explicit(&worker->waiting, sum.waiting, memory_order_relaxed);
    atomic_store_explicit(&worker->kv_tokens, sum.kv_tokens, memory_order_relaxed);
    atomic_store_explicit(&worker->preemptions, sum.preemptions, memory_order_relaxed);
}

/* The steps of all engines that are over by now. One lock for all their tokens. */
static ub_ns engines_run(struct ub_mock_worker *worker, ub_ns now)
{
    ub_ns engine_now = ub_mock_engine_now(worker, now);
    ub_ns wake_at = UB_NEVER;
    pthread_mutex_lock(&worker->lock);
    for (uint32_t i = 0; i < worker->mock->options.engines; i++) {
        struct ub_engine *engine = worker->engine[i];
        while (ub_engine_wake_at(engine) <= engine_now) {
            ub_engine_run(engine, engine_now);
            struct ub_engine_token token;
            while (ub_engine_next(engine, &token)) {
                ub_mock_job_token(token.user, &token, now);
            }
        }
        wake_at = ub_ns_min(wake_at, ub_engine_wake_at(engine));
    }
    pthread_mutex_unlock(&worker->lock);
    note_load(worker);
    return real_of(worker, wake_at);
}

static void tick(struct ub_timer *timer)
{
    struct ub_mock_worker *worker = timer->user;
    ub_ns now = ub_clock_now();
    unsigned settings = atomic_load(&worker->mock->settings);
    if (settings != worker->settings_seen || now >= worker->speed_until) {
        worker->settings_seen = settings;
        read_settings(worker, now);
    }
    ub_ns again = listener_follow(worker, now);
    again = ub_ns_min(again, engines_run(worker, now));
    again = ub_ns_min(again, worker->speed_until);
    if (again != UB_NEVER) {
        ub_timer_start(worker->loop, &worker->tick, again);
    }
}

static void woken(void *user)
{
    struct ub_mock_worker *worker = user;
    ub_timer_start(worker->loop, &worker->tick, ub_clock_now());
}

void ub_mock_tick_soon(struct ub_mock_worker *worker)
{
    ub_ns wake_at = UB_NEVER;
    for (uint32_t i = 0; i < worker->mock->options.engines; i++) {
        wake_at = ub_ns_min(wake_at, ub_engine_wake_at(worker->engine[i]));
    }
    wake_at = real_of(worker, wake_at);
    if (wake_at != UB_NEVER && (!worker->tick.armed || wake_at < worker->tick.at)) {
        ub_timer_start(worker->loop, &worker->tick, wake_at);
    }
    note_load(worker);
}

void ub_mock_settings_changed(struct ub_mock *mock)
{
    atomic_fetch_add(&mock->settings, 1);
    for (uint32_t i = 0; i < mock->workers; i++) {
        ub_loop_wake(mock->worker[i].loop);
    }
}

void ub_mock_refuse(struct ub_mock *mock, ub_ns for_ns)
{
    pthread_mutex_lock(&mock->lock);
    mock->refuse_until = ub_ns_after(ub_clock_now(), for_ns);
    pthread_mutex_unlock(&mock->lock);
    ub_mock_settings_changed(mock);
}

static void worker_close(struct ub_mock_worker *worker)
{
    if (worker->loop != NULL) {
        for (int i = 0; i < UB_MOCK_DRAINS_MAX; i++) {
            if (worker->draining[i] != NULL) {
                ub_listener_free(worker->draining[i]);
            }
        }
        if (worker->listener != NULL) {
            ub_listener_free(worker->listener);
        }
        /* Only now: the jobs that ended with the listeners have left their engines, which asked for
         * a tick. */
        ub_timer_stop(worker->loop, &worker->tick);
        ub_loop_free(worker->loop);
    }
    for (uint32_t i = 0; worker->engine != NULL && i < worker->mock->options.engines; i++) {
        ub_engine_free(worker->engine[i]);
    }
    ub_free(worker->engine);
    pthread_mutex_destroy(&worker->lock);
}

static bool worker_open(struct ub_mock_worker *worker, struct ub_mock *mock, const char **words)
{
    const struct ub_mock_options *options = &mock->options;
    *words = "out of memory";
    worker->mock = mock;
    pthread_mutex_init(&worker->lock, NULL);
    worker->tick = (struct ub_timer){.fire = tick, .user = worker};
    worker->speed = options->speed;
    worker->real_at = mock->started_at;
    worker->engine = ub_calloc(options->engines, sizeof(struct ub_engine *));
    if (worker->engine == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < options->engines; i++) {
        worker->engine[i] = ub_engine_new(&options->profile, mock->slots);
        if (worker->engine[i] == NULL) {
            return false;
        }
    }
    worker->loop = ub_loop_new();
    if (worker->loop == NULL || !listener_open(worker, mock->workers == 0, words)) {
        return false;
    }
    mock->port = ub_listener_port(worker->listener); /* the others join it */
    ub_loop_on_wake(worker->loop, woken, worker);
    return true;
}

static void *worker_run(void *user)
{
    struct ub_mock_worker *worker = user;
    worker->settings_seen = atomic_load(&worker->mock->settings) - 1; /* read them at once */
    ub_timer_start(worker->loop, &worker->tick, ub_clock_now());
    ub_loop_run(worker->loop);
    return NULL;
}

static struct ub_mock *mock_new(const struct ub_mock_options *options)
{
    struct ub_mock *mock = ub_calloc(1, sizeof *mock + options->threads * sizeof mock->worker[0]);
    if (mock == NULL) {
        return NULL;
    }
    mock->options = *options;
    mock->host = ub_strndup(options->host.ptr, options->host.len);
    mock->port = options->port;
    mock->started_at = ub_clock_now();
    pthread_mutex_init(&mock->lock, NULL);
    mock->last.max = UB_MOCK_LAST_MAX;
    uint32_t engines = options->threads * options->engines;
    uint32_t slots = options->slots;
    if (slots == 0) {
        slots = options->profile.seqs_max * engines;
    } else {
        mock->options.profile.seqs_max = (slots + engines - 1) / engines;
    }
    mock->slots = slots + options->queue;
    if (options->prefix_cache) {
        mock->cache = ub_calloc(UB_MOCK_CACHE_MAX, sizeof mock->cache[0]);
    }
    return mock;
}

struct ub_mock *ub_mock_start(const struct ub_mock_options *options, const char **words)
{
    struct ub_mock *mock = mock_new(options);
    if (mock == NULL || mock->host == NULL) {
        *words = "out of memory";
        if (mock != NULL) {
            ub_mock_stop(mock);
        }
        return NULL;
    }
    for (; mock->workers < options->threads; mock->workers++) {
        struct ub_mock_worker *worker = &mock->worker[mock->workers];
        if (!worker_open(worker, mock, words)) {
            worker_close(worker);
            ub_mock_stop(mock);
            return NULL;
        }
    }
    for (uint32_t i = 0; i < mock->workers; i++) {
        struct ub_mock_worker *worker = &mock->worker[i];
        worker->started = pthread_create(&worker->thread, NULL, worker_run, worker) == 0;
        if (!worker->started) {
            *words = "cannot start a thread";
            ub_mock_stop(mock);
            return NULL;
        }
    }
    return mock;
}

uint16_t ub_mock_port(const struct ub_mock *mock)
{
    return mock->port;
}

void ub_mock_stop(struct ub_mock *mock)
{
    for (uint32_t i = 0; i < mock->workers; i++) {
        ub_loop_stop(mock->worker[i].loop);
    }
    for (uint32_t i = 0; i < mock->workers; i++) {
        if (mock->worker[i].started) {
            pthread_join(mock->worker[i].thread, NULL);
        }
    }
    for (uint32_t i = 0; i < mock->workers; i++) {
        worker_close(&mock->worker[i]);
    }
    pthread_mutex_destroy(&mock->lock);
    ub_buf_free(&mock->last);
    ub_free(mock->cache);
    ub_free(mock->host);
    ub_free(mock);
}

/* mock_job.c - the life of one answer: refused or admitted, waiting for its place in an engine,
 * talking, ended. The engine says when there is a token; `pump` sends what there is, as fast as the
 * client reads. */
#include "tools/mock_inside.h"

#include "base/alloc.h"
#include "base/random.h"

#define CALL_TOKENS 5

/* ---- admission ---- */

static bool has_model(const struct ub_mock_options *options, const char *model)
{
    for (uint32_t i = 0; i < options->model_count; i++) {
        if (strcmp(options->model[i], model) == 0) {
            return true;
        }
    }
    return options->model_count == 0;
}

static void refuse(struct ub_mock_job *job, struct ub_mock_trouble trouble)
{
    job->outcome = UB_MOCK_ENDED_REFUSED;
    ub_mock_refuse_with(job, &trouble, 0);
}

/* The header's prank was read when the head came (its rate counts as well); else the script or the
 * rules are asked. */
static void choose_prank(struct ub_mock_job *job, uint64_t question)
{
    struct ub_mock *mock = job->worker->mock;
    const struct ub_mock_script *script = mock->options.script;
    uint64_t seed = ub_mix64(mock->options.seed ^ ub_mix64(job->number));
    if (job->prank.prank != UB_PRANK_NONE) {
        struct ub_random random = {.state = seed};
        if (ub_random_unit(&random) >= job->prank.rate) {
            job->prank = (struct ub_prank_rule){.prank = UB_PRANK_NONE};
        }
        return;
    }
    if (script != NULL) {
        job->is_chosen = true;
        job->question = question;
        script->choose(script->user, question, &job->prank);
        return;
    }
    bool bad = ub_mock_is_bad(mock);
    pthread_mutex_lock(&mock->lock);
    const struct ub_prank_rule *rule =
        ub_prank_pick(&mock->options.pranks, ub_clock_now() - mock->started_at, bad, seed);
    if (rule != NULL) {
        job->prank = *rule;
    }
    pthread_mutex_unlock(&mock->lock);
}

static bool take_place(struct ub_mock_job *job)
{
    struct ub_mock *mock = job->worker->mock;
    uint32_t in_flight = atomic_fetch_add(&mock->in_flight, 1) + 1;
    job->holds_place = true;
    if (in_flight > mock->slots) {
        return false;
    }
    uint32_t most = atomic_load(&mock->in_flight_max);
    while (in_flight > most &&
           !atomic_compare_exchange_weak(&mock->in_flight_max, &most, in_flight)) {
    }
    return true;
}

static void refuse_busy(struct ub_mock_job *job)
{
    const struct ub_mock_options *options = &job->worker->mock->options;
    enum ub_prank like = options->busy_status == 429   ? UB_PRANK_THROTTLED
                         : options->busy_status == 529 ? UB_PRANK_BUSY_529
                                                       : UB_PRANK_BUSY_503;
    struct ub_mock_trouble trouble = ub_mock_trouble_of(like, options->dialect);
    ub_mock_job_leave(job);
    job->outcome = UB_MOCK_ENDED_BUSY;
    ub_mock_refuse_with(job, &trouble, options->retry_after_ns);
}

/* ---- what it will say ---- */

/* Tokens of the prompt that an earlier one left in the cache; its own blocks are there from now
 * on. */
static uint32_t use_cache(struct ub_mock *mock, const struct ub_ask *ask)
{
    if (mock->cache == NULL) {
        return 0;
    }
    uint32_t hits = 0;
    for (uint32_t i = 0; i < ask->blocks; i++) {
        _Atomic uint64_t *place = &mock->cache[ask->block[i] & (UB_MOCK_CACHE_MAX - 1)];
        if (hits == i && atomic_load_explicit(place, memory_order_relaxed) == ask->block[i]) {
            hits++;
        } else {
            atomic_store_explicit(place, ask->block[i], memory_order_relaxed);
        }
    }
    uint32_t tokens = hits * (UB_ASK_BLOCK / 4);
    tokens = tokens < ask->prompt_tokens ? tokens : ask->prompt_tokens - 1;
    atomic_fetch_add(&mock->cache_queries, ask->prompt_tokens);
    atomic_fetch_add(&mock->cache_hits, tokens);
    return tokens;
}

/* How long the answer is: what the model would say by itself, within what the client allows. */
static void choose_length(struct ub_mock_job *job, const struct ub_ask *ask)
{
    const struct ub_mock_options *options = &job->worker->mock->options;
    uint32_t span = options->answer_max - options->answer_min + 1;
    uint32_t natural = options->answer_min + (uint32_t)(ub_mix64(job->talk + 17) % span);
    natural = natural > job->place.index ? natural - job->place.index : 1;
    natural = natural > ask->min_tokens ? natural : ask->min_tokens;
    if (job->call[0] != '\0') {
        natural = CALL_TOKENS;
    }
    uint32_t room = ask->max_tokens > 0 ? ask->max_tokens : UINT32_MAX;
    uint32_t prompt = job->prompt_tokens;
    if (options->context > 0 && (prompt >= options->context || options->context - prompt < room)) {
        room = prompt < options->context ? options->context - prompt : 1;
    }
    job->length = natural > room || (ask->ignore_eos && room != UINT32_MAX);
    job->answer = job->length ? room : natural;
    if (job->endpoint == UB_MOCK_EMBEDDINGS || job->prank.prank == UB_PRANK_EMPTY) {
        job->answer = 1;
        job->length = false;
    }
}

static void choose_words(struct ub_mock_job *job, struct ub_ask *ask)
{
    const struct ub_mock_options *options = &job->worker->mock->options;
    memcpy(job->model, ask->model, sizeof job->model);
    job->stream = ask->stream && job->endpoint != UB_MOCK_EMBEDDINGS;
    job->include_usage = ask->include_usage;
    job->n = ask->n;
    job->inputs = ask->inputs;
    job->dimensions = ask->dimensions;
    job->base64 = ask->base64;
    job->input_hash = ask->input_hash;
    ask->input_hash = NULL;
    job->talk = ub_mix64(options->seed ^ ask->prompt_hash);
    bool by_chance = ask->has_temperature && ask->temperature > 0 && !ask->has_seed;
    bool diverges = job->prank.prank == UB_PRANK_DIVERGE; /* of one begun, see mock_say.c */
    if (by_chance || (diverges && !ask->has_begun)) {
        job->talk = ub_mix64(job->talk ^ job->number);
    }
    if (ask->has_tools && ask->call[0] != '\0' && job->endpoint == UB_MOCK_CHAT) {
        memcpy(job->call, ask->call, sizeof job->call);
    }
    if (ask->has_begun && job->prank.prank != UB_PRANK_RESTART && !diverges &&
        !ub_talk_find(job->talk, ub_buf_slice(&ask->begun), &job->place)) {
        job->place = (struct ub_talk_place){ub_talk_tokens(ub_buf_slice(&ask->begun)), 0};
    }
    job->cached_tokens = use_cache(job->worker->mock, ask);
    job->prompt_tokens = ask->prompt_tokens + ub_talk_tokens(ub_buf_slice(&ask->begun));
    choose_length(job, ask);
    bool thinks = options->dialect == UB_MOCK_DEEPSEEK && !ask->thinking_off && !ask->has_begun &&
                  job->endpoint == UB_MOCK_CHAT && job->call[0] == '\0';
    job->reasoning = thinks ? job->answer / 4 : 0;
}

/* ---- start ---- */

static struct ub_engine *freest_engine(struct ub_mock_worker *worker)
{
    struct ub_engine *best = worker->engine[0];
    uint32_t best_load = UINT32_MAX;
    for (uint32_t i = 0; i < worker->mock->options.engines; i++) {
        struct ub_engine_load load = ub_engine_load(worker->engine[i]);
        if (load.running + load.waiting < best_load) {
            best_load = load.running + load.waiting;
            best = worker->engine[i];
        }
    }
    return best;
}

static void job_timer(struct ub_timer *timer);

static void admit(struct ub_mock_job *job)
{
    struct ub_mock_worker *worker = job->worker;
    const struct ub_mock_options *options = &worker->mock->options;
    ub_ns now = ub_clock_now();
    job->state = UB_JOB_WAITING;
    job->first_not_before = now + options->first_token_ns;
    if (job->prank.prank == UB_PRANK_LATE || job->prank.prank == UB_PRANK_STORM) {
        job->first_not_before = ub_ns_after(job->first_not_before, job->prank.delay_ns);
    }
    if (job->prank.prank == UB_PRANK_DRIP && !job->stream) {
        job->first_not_before =
            ub_ns_after(job->first_not_before, job->prank.every_ns * (ub_ns)job->answer);
    }
    job->wait_until = options->queue_wait_ns > 0 ? now + options->queue_wait_ns : UB_NEVER;
    uint32_t prompt = job->prompt_tokens > 0 ? job->prompt_tokens : 1;
    job->engine = freest_engine(worker);
    job->sequence = ub_engine_add(job->engine, job, prompt, job->cached_tokens, job->answer,
                                  ub_mock_engine_now(worker, now));
    if (job->sequence == 0) {
        refuse_busy(job);
        return;
    }
    if (job->stream) {
        ub_say_begin(job);
    }
    ub_ns keep_alive_ns = options->keep_alive_ns;
    if (job->prank.prank == UB_PRANK_QUEUED) {
        keep_alive_ns = job->prank.every_ns;
    } else if (job->prank.prank == UB_PRANK_STORM) {
        keep_alive_ns = UB_MS;
    }
    job->keep_alive_at = keep_alive_ns > 0 ? now + keep_alive_ns : UB_NEVER;
    job->keep_alive_ns = keep_alive_ns;
    ub_mock_job_wake(job, ub_ns_min(job->keep_alive_at, job->wait_until));
    ub_mock_tick_soon(worker);
}

static bool is_refused(struct ub_mock_job *job, const struct ub_ask *ask)
{
    const struct ub_mock_options *options = &job->worker->mock->options;
    if (!has_model(options, ask->model)) {
        refuse(job, ub_mock_trouble_of(UB_PRANK_NO_MODEL, options->dialect));
        return true;
    }
    uint32_t answer = ask->max_tokens > 0 ? ask->max_tokens : 1;
    if (options->context > 0 && (uint64_t)ask->prompt_tokens + answer > options->context) {
        refuse(job, ub_mock_trouble_of(UB_PRANK_CONTEXT, options->dialect));
        return true;
    }
    return false;
}

void ub_mock_job_start(struct ub_mock_job *job)
{
    struct ub_mock *mock = job->worker->mock;
    if (!job->has_key) {
        refuse(job, ub_mock_trouble_of(UB_PRANK_KEY_REFUSED, mock->options.dialect));
        return;
    }
    struct ub_buf words = {0};
    struct ub_ask ask;
    if (!ub_ask_read(&ask, job->endpoint, ub_buf_slice(&job->body), ub_mock_begun(job), &words)) {
        ub_buf_add(&words, "", 1);
        refuse(job,
               (struct ub_mock_trouble){400, words.failed ? "bad request" : words.ptr,
                                        "invalid_request_error", NULL, "invalid_request_error"});
    } else if (!is_refused(job, &ask)) {
        choose_prank(job, ask.prompt_hash);
        job->has_begun = ask.has_begun;
        choose_words(job, &ask);
        atomic_fetch_add(&mock->prank_count[job->prank.prank], 1);
        if (!ub_mock_prank_instead(job)) {
            if (take_place(job)) {
                admit(job);
            } else {
                refuse_busy(job);
            }
        }
    }
    ub_ask_close(&ask);
    ub_buf_free(&words);
    ub_buf_free(&job->body);
}

/* ---- tokens ---- */

static void note_token(struct ub_mock_job *job, const struct ub_engine_token *token, ub_ns now)
{
    struct ub_mock_worker *worker = job->worker;
    if (token->index == 1) {
        ub_ns engine_waited_ns = token->began_at - ub_mock_engine_now(worker, job->arrived_at);
        ub_histogram_add(&worker->queued, (ub_ns)((double)engine_waited_ns / worker->speed));
        ub_histogram_add(&worker->first_token, now - job->arrived_at);
        atomic_fetch_add(&worker->mock->prompt_tokens, job->prompt_tokens);
    } else {
        ub_histogram_add(&worker->between_tokens, now - job->token_at);
    }
    job->token_at = now;
    atomic_fetch_add_explicit(&worker->mock->answer_tokens, job->n, memory_order_relaxed);
    if (token->last) {
        ub_histogram_add(&worker->whole, now - job->arrived_at);
    }
}

void ub_mock_job_token(struct ub_mock_job *job, const struct ub_engine_token *token, ub_ns now)
{
    note_token(job, token, now);
    job->produced = token->index;
    if (token->last) {
        job->sequence = 0;
    }
    ub_mock_job_pump(job);
}

void ub_mock_job_respond(struct ub_mock_job *job, int64_t length)
{
    char id[32];
    snprintf(id, sizeof id, "mock-%llu", (unsigned long long)job->number);
    const struct ub_http_field fields[] = {
        {UB_LIT("content-type"),
         job->stream ? UB_LIT("text/event-stream; charset=utf-8") : UB_LIT("application/json")},
        {UB_LIT("x-request-id"), ub_slice_of(id)},
        {UB_LIT("cache-control"), UB_LIT("no-cache")},
    };
    if (!job->responded) {
        job->responded = true;
        ub_exchange_respond(job->exchange, 200, fields, job->stream ? 3 : 2, length);
    }
}

static void finish_plain(struct ub_mock_job *job)
{
    ub_buf_clear(&job->out);
    if (job->prank.prank == UB_PRANK_EMPTY) {
        ub_say_whole(job, &job->out, 0, "stop");
    } else {
        ub_say_whole(job, &job->out, job->sent, ub_say_reason(job));
    }
    if (job->out.failed) {
        ub_mock_job_abort(job, UB_MOCK_ENDED_DROPPED);
        return;
    }
    if (ub_mock_prank_plain(job)) {
        return;
    }
    struct ub_slice body = ub_buf_slice(&job->out);
    ub_mock_job_respond(job, (int64_t)body.len);
    ub_exchange_send(job->exchange, &body, 1);
    ub_mock_job_end(job, UB_MOCK_ENDED_COMPLETE);
}

static void finish_stream(struct ub_mock_job *job)
{
    ub_say_finish(job, job->prank.prank == UB_PRANK_EMPTY ? "stop" : ub_say_reason(job));
    if (!ub_mock_prank_end(job)) {
        ub_say_event(job, UB_LIT("[DONE]"));
        ub_mock_job_end(job, UB_MOCK_ENDED_COMPLETE);
    }
}

static void send_tokens(struct ub_mock_job *job, ub_ns now)
{
    while (job->sent < job->produced && !job->paused) {
        if (ub_mock_prank_before_token(job, now)) {
            return;
        }
        if (job->prank.prank != UB_PRANK_EMPTY) {
            job->paused = !ub_say_token(job, job->sent);
        }
        job->sent++;
    }
    if (job->sent == job->answer && !job->paused) {
        finish_stream(job);
    }
}

void ub_mock_job_pump(struct ub_mock_job *job)
{
    bool lives = job->state == UB_JOB_WAITING || job->state == UB_JOB_TALKING;
    if (!lives || job->closing) {
        return;
    }
    if (job->produced == 0 || job->prank.prank == UB_PRANK_QUEUED) {
        return;
    }
    ub_ns now = ub_clock_now();
    if (now < job->first_not_before) {
        ub_mock_job_wake(job, job->first_not_before);
        return;
    }
    if (job->state == UB_JOB_WAITING) {
        job->state = UB_JOB_TALKING;
        if (job->stream) {
            ub_mock_job_respond(job, -1);
            ub_say_first(job);
        }
    }
    if (job->stream) {
        send_tokens(job, now);
        return;
    }
    if (job->produced == job->answer) {
        job->sent = job->produced;
        finish_plain(job);
    }
}

/* ---- time ---- */

void ub_mock_job_wake(struct ub_mock_job *job, ub_ns at)
{
    if (at != UB_NEVER && (!job->timer.armed || at < job->timer.at)) {
        job->timer.fire = job_timer;
        job->timer.user = job;
        ub_timer_start(job->worker->loop, &job->timer, at);
    }
}

/* As DeepSeek does it: comments in a stream, blank lines before a plain answer. The head has to go
 * out for that, so the status is no longer free. */
static void keep_alive(struct ub_mock_job *job, ub_ns now)
{
    ub_mock_job_respond(job, -1);
    if (job->stream) {
        ub_say_comment(job, "keep-alive");
    } else {
        struct ub_slice line = UB_LIT("\n");
        ub_exchange_send(job->exchange, &line, 1);
    }
    job->keep_alive_at = now + job->keep_alive_ns;
}

static void job_timer(struct ub_timer *timer)
{
    struct ub_mock_job *job = timer->user;
    ub_ns now = ub_clock_now();
    if (ub_mock_prank_timer(job, now)) {
        return;
    }
    bool waits = job->state == UB_JOB_WAITING;
    if (waits && now >= job->wait_until && ub_engine_is_waiting(job->engine, job->sequence)) {
        ub_mock_job_abort(job, UB_MOCK_ENDED_WAITED);
        return;
    }
    if (waits && now >= job->keep_alive_at) {
        keep_alive(job, now);
    }
    ub_mock_job_pump(job);
    if (job->state == UB_JOB_WAITING) {
        ub_ns patience_ends = now < job->wait_until ? job->wait_until : UB_NEVER;
        ub_mock_job_wake(job, ub_ns_min(job->keep_alive_at, patience_ends));
    }
}

/* ---- end ---- */

void ub_mock_job_leave(struct ub_mock_job *job)
{
    if (job->sequence != 0) {
        ub_engine_cancel(job->engine, job->sequence);
        job->sequence = 0;
        ub_mock_tick_soon(job->worker);
    }
    if (job->holds_place) {
        job->holds_place = false;
        atomic_fetch_sub(&job->worker->mock->in_flight, 1);
    }
}

void ub_mock_job_end(struct ub_mock_job *job, enum ub_mock_outcome outcome)
{
    ub_mock_job_leave(job);
    job->outcome = outcome;
    if (job->prank.prank == UB_PRANK_SPLIT && job->queue.len > 0) {
        job->closing = true;
        return;
    }
    job->state = UB_JOB_ENDED;
    ub_timer_stop(job->worker->loop, &job->timer);
    ub_exchange_end(job->exchange);
}

void ub_mock_job_abort(struct ub_mock_job *job, enum ub_mock_outcome outcome)
{
    ub_mock_job_leave(job);
    job->outcome = outcome;
    job->state = UB_JOB_ENDED;
    ub_timer_stop(job->worker->loop, &job->timer);
    ub_exchange_abort(job->exchange);
}

/* A job that ended by itself keeps its outcome; the others were left by their client. */
void ub_mock_job_gone(struct ub_mock_job *job, enum ub_gone why)
{
    ub_mock_job_leave(job);
    ub_timer_stop(job->worker->loop, &job->timer);
    if (why == UB_GONE_CLIENT_LEFT && job->state != UB_JOB_ENDED) {
        job->outcome = UB_MOCK_ENDED_CANCELLED;
    }
    if (job->is_request) {
        atomic_fetch_add(&job->worker->mock->outcome[job->outcome], 1);
    }
    if (job->is_chosen) {
        const struct ub_mock_script *script = job->worker->mock->options.script;
        script->ended(script->user, job->question, job->outcome == UB_MOCK_ENDED_CANCELLED);
    }
    ub_buf_free(&job->body);
    ub_buf_free(&job->head);
    ub_buf_free(&job->open);
    ub_buf_free(&job->out);
    ub_buf_free(&job->queue);
    ub_free(job->input_hash);
    ub_free(job);
}

#include "tools/load_run.h"

#include "base/alloc.h"
#include <stdio.h>

/* One request on its way. */
struct ub_load_shot {
    struct ub_call call;
    struct ub_load_worker *worker;
    struct ub_load_shot *prev;
    struct ub_load_shot *next;
    struct ub_timer timeout;
    struct ub_buf body;
    struct ub_load_answer answer;
    ub_ns intended_at;
    ub_ns first_at; /* 0: no token yet */
    ub_ns last_at;
    int status; /* 0: no head yet */
};

static void gauge_up(struct ub_load_gauge *gauge)
{
    uint_fast64_t now = atomic_fetch_add(&gauge->now, 1) + 1;
    uint_fast64_t most = atomic_load(&gauge->most);
    while (now > most && !atomic_compare_exchange_weak(&gauge->most, &most, now)) {
    }
}

static void gauge_down(struct ub_load_gauge *gauge)
{
    atomic_fetch_sub(&gauge->now, 1);
}

static void schedule(struct ub_load_worker *worker);
static ub_ns time_of(struct ub_load_worker *worker, uint64_t index);

/* ---- the end of a shot ---- */

static void shot_free(struct ub_load_shot *shot)
{
    struct ub_load_worker *worker = shot->worker;
    ub_timer_stop(worker->loop, &shot->timeout);
    *(shot->prev == NULL ? &worker->shots : &shot->prev->next) = shot->next;
    if (shot->next != NULL) {
        shot->next->prev = shot->prev;
    }
    gauge_down(&worker->plan->gauges->open);
    if (shot->first_at != 0) {
        gauge_down(&worker->plan->gauges->talking);
    }
    ub_load_answer_close(&shot->answer);
    ub_buf_free(&shot->body);
    ub_free(shot);
}

static void note_whole(struct ub_load_worker *worker, const struct ub_load_shot *shot, ub_ns now)
{
    struct ub_load_result *result = &worker->result;
    uint64_t tokens =
        shot->answer.answer_tokens > 0 ? shot->answer.answer_tokens : shot->answer.events;
    result->whole++;
    result->prompt_tokens += shot->answer.prompt_tokens;
    result->answer_tokens += tokens;
    ub_histogram_add(&result->total, now - shot->intended_at);
    if (shot->first_at != 0 && tokens > 1) {
        ub_histogram_add(&result->per_token,
                         (shot->last_at - shot->first_at) / (ub_ns)(tokens - 1));
    }
}

/* `wrong` NULL: whole. `silent`: the service did as if it were. */
static void shot_end(struct ub_load_shot *shot, const char *wrong, bool silent)
{
    struct ub_load_worker *worker = shot->worker;
    struct ub_load_result *result = &worker->result;
    ub_ns now = ub_clock_now();
    pthread_mutex_lock(&worker->lock);
    result->open--;
    struct ub_load_second *second = ub_load_result_second(result, now - worker->started_at);
    if (wrong == NULL) {
        second->whole++;
        note_whole(worker, shot, now);
    } else {
        second->failed++;
        bool cut = silent || shot->answer.events > 0 || shot->answer.body.len > 0;
        result->cut += cut;
        result->silent += silent;
        result->failed += !cut;
        ub_load_result_error(result, wrong, 1);
    }
    pthread_mutex_unlock(&worker->lock);
    shot_free(shot);
    if (worker->plan->streams > 0) {
        worker->owed++;
        if (worker->next_at == UB_NEVER) {
            worker->next_at = time_of(worker, worker->index);
        }
    }
    schedule(worker);
}

static void on_head(struct ub_call *call, const struct ub_http_head *head)
{
    struct ub_load_shot *shot = call->user;
    shot->status = head->status;
}

static void on_body(struct ub_call *call, struct ub_slice chunk)
{
    struct ub_load_shot *shot = call->user;
    struct ub_load_worker *worker = shot->worker;
    if (shot->status != 200) {
        return;
    }
    uint32_t events = ub_load_answer_feed(&shot->answer, chunk);
    ub_ns now = ub_clock_now();
    pthread_mutex_lock(&worker->lock);
    worker->result.bytes += chunk.len;
    worker->result.events += events;
    if (events > 0) {
        struct ub_load_second *second =
            ub_load_result_second(&worker->result, now - worker->started_at);
        second->events += events;
        if (shot->first_at == 0) {
            ub_ns first_ns = now - shot->intended_at;
            ub_histogram_add(&worker->result.first_token, first_ns);
            double ms = (double)first_ns / 1e6;
            second->firsts++;
            second->first_sum_ms += ms;
            second->first_max_ms = ms > second->first_max_ms ? ms : second->first_max_ms;
            shot->first_at = now;
            gauge_up(&worker->plan->gauges->talking);
        } else {
            ub_histogram_add(&worker->result.gap, now - shot->last_at);
        }
        shot->last_at = now;
    }
    pthread_mutex_unlock(&worker->lock);
}

static void on_ended(struct ub_call *call, enum ub_error error, const char *words)
{
    struct ub_load_shot *shot = call->user;
    char name[UB_LOAD_ERROR_NAME];
    if (error != UB_ERR_OK) {
        snprintf(name, sizeof name, "%s: %s", ub_error_slug(error), words != NULL ? words : "");
        shot_end(shot, name, false);
        return;
    }
    if (shot->status != 200) {
        snprintf(name, sizeof name, "status %d", shot->status);
        shot_end(shot, name, false);
        return;
    }
    bool silent;
    const char *wrong = ub_load_answer_judge(&shot->answer, &silent);
    shot_end(shot, wrong, silent);
}

static const struct ub_call_handler shot_handler = {on_head, on_body, on_ended};

static void on_timeout(struct ub_timer *timer)
{
    struct ub_load_shot *shot = timer->user;
    ub_call_cancel(&shot->call);
    bool plain = !shot->answer.stream;
    shot_end(shot,
             shot->first_at != 0 ? "timeout after the first token"
             : plain             ? "timeout"
                                 : "timeout before the first token",
             false);
}

/* ---- sending ---- */

static struct ub_load_question question_of(struct ub_load_worker *worker, uint64_t index)
{
    const struct ub_load_plan *plan = worker->plan;
    struct ub_random random = {.state = ub_mix64(plan->seed ^ ub_mix64(index + 1))};
    struct ub_load_question q = {
        .endpoint = plan->endpoint,
        .model = plan->model,
        .stream = plan->stream,
        .exact = plan->exact,
        .seed = ub_random_u64(&random),
    };
    if (plan->trace != NULL) {
        const struct ub_trace_row *row = &plan->trace->row[index];
        q.prompt = row->prompt;
        q.answer = row->answer;
        q.block = plan->trace->block + row->first_block;
        q.blocks = row->blocks;
    } else {
        q.prompt = ub_lengths_draw(&plan->prompt, &random);
        q.answer = ub_lengths_draw(&plan->answer, &random);
    }
    return q;
}

static bool shot_send(struct ub_load_worker *worker, uint64_t index, ub_ns intended_at)
{
    const struct ub_load_plan *plan = worker->plan;
    struct ub_load_shot *shot = ub_calloc(1, sizeof *shot);
    if (shot == NULL) {
        return false;
    }
    struct ub_load_question question = question_of(worker, index);
    ub_load_question_write(&question, &shot->body);
    if (shot->body.failed) {
        ub_buf_free(&shot->body);
        ub_free(shot);
        return false;
    }
    shot->worker = worker;
    shot->intended_at = intended_at;
    shot->call.handler = &shot_handler;
    shot->call.user = shot;
    shot->timeout = (struct ub_timer){.fire = on_timeout, .user = shot};
    ub_load_answer_init(&shot->answer, plan->endpoint, plan->stream);
    shot->next = worker->shots;
    if (shot->next != NULL) {
        shot->next->prev = shot;
    }
    worker->shots = shot;
    gauge_up(&plan->gauges->open);
    struct ub_slice body = ub_buf_slice(&shot->body);
    const struct ub_call_request request = {
        .method = UB_LIT("POST"),
        .target = ub_slice_of(plan->target),
        .fields = plan->field,
        .field_count = plan->fields,
        .body = &body,
        .body_count = 1,
        .connect_by_ns = plan->timeout_ns,
    };
    ub_timer_start(worker->loop, &shot->timeout, intended_at + plan->timeout_ns);
    ub_call_start(&shot->call, worker->origin, &request);
    return true;
}

static void send_one(struct ub_load_worker *worker, ub_ns since_ns)
{
    struct ub_load_result *result = &worker->result;
    ub_ns intended_at = worker->started_at + worker->next_at;
    bool room = result->open < worker->plan->open_max;
    pthread_mutex_lock(&worker->lock);
    ub_load_result_second(result, worker->next_at)->due++;
    if (room) {
        result->sent++;
        result->open++;
        ub_histogram_add(&result->lateness, since_ns - worker->next_at);
    } else {
        result->not_sent++;
    }
    pthread_mutex_unlock(&worker->lock);
    if (room && !shot_send(worker, worker->index, intended_at)) {
        pthread_mutex_lock(&worker->lock);
        result->sent--;
        result->open--;
        result->not_sent++;
        pthread_mutex_unlock(&worker->lock);
    }
}

/* ---- the schedule ---- */

/* The time of entry `index`; the arrivals have to be asked one after the other. */
static ub_ns time_of(struct ub_load_worker *worker, uint64_t index)
{
    const struct ub_load_plan *plan = worker->plan;
    if (plan->trace != NULL) {
        return index < plan->trace->count
                   ? (ub_ns)((double)plan->trace->row[index].at / plan->speedup)
                   : UB_NEVER;
    }
    if (plan->streams > 0) {
        if (index < plan->streams) {
            return (ub_ns)((double)plan->ramp_ns * (double)index / plan->streams);
        }
        if (worker->owed == 0) {
            return UB_NEVER; /* until one has ended */
        }
        worker->owed--;
        return ub_clock_now() - worker->started_at;
    }
    return ub_arrivals_next(&worker->arrivals);
}

/* To this worker's next entry. */
static void advance(struct ub_load_worker *worker, bool first)
{
    const struct ub_load_plan *plan = worker->plan;
    uint32_t steps = first ? worker->id : plan->threads;
    if (first) {
        worker->index = 0;
        worker->next_at = time_of(worker, 0);
    }
    for (uint32_t i = 0; i < steps; i++) {
        worker->index++;
        worker->next_at = time_of(worker, worker->index);
    }
}

static bool is_over(const struct ub_load_worker *worker)
{
    const struct ub_load_plan *plan = worker->plan;
    ub_ns at = worker->next_at;
    if (at == UB_NEVER && plan->streams > 0) {
        at = ub_clock_now() - worker->started_at;
    }
    return worker->index >= plan->requests || at == UB_NEVER || at > plan->duration_ns;
}

static void schedule(struct ub_load_worker *worker)
{
    worker->over = worker->over || is_over(worker);
    if (worker->over && worker->shots == NULL) {
        ub_loop_stop(worker->loop);
        return;
    }
    if (!worker->over && worker->next_at != UB_NEVER) {
        ub_timer_start(worker->loop, &worker->due, worker->started_at + worker->next_at);
    }
}

static void on_due(struct ub_timer *timer)
{
    struct ub_load_worker *worker = timer->user;
    ub_ns since_ns = ub_clock_now() - worker->started_at;
    while (!worker->over && worker->next_at <= since_ns) {
        worker->over = is_over(worker);
        if (!worker->over) {
            send_one(worker, since_ns);
            advance(worker, false);
        }
    }
    schedule(worker);
}

/* ---- threads ---- */

static void on_wake(void *user)
{
    struct ub_load_worker *worker = user;
    if (!atomic_load(&worker->stop)) {
        return;
    }
    worker->over = true;
    ub_timer_stop(worker->loop, &worker->due);
    while (worker->shots != NULL) {
        struct ub_load_shot *shot = worker->shots;
        ub_call_cancel(&shot->call);
        shot_free(shot);
        pthread_mutex_lock(&worker->lock);
        worker->result.open--;
        worker->result.interrupted++;
        pthread_mutex_unlock(&worker->lock);
    }
    ub_loop_stop(worker->loop);
}

static void *worker_run(void *user)
{
    struct ub_load_worker *worker = user;
    advance(worker, true);
    schedule(worker);
    if (!worker->over || worker->shots != NULL) {
        ub_loop_run(worker->loop);
    }
    atomic_store(&worker->finished, true);
    return NULL;
}

bool ub_load_worker_start(struct ub_load_worker *worker, const struct ub_load_plan *plan,
                          uint32_t id, ub_ns started_at)
{
    worker->plan = plan;
    worker->id = id;
    worker->started_at = started_at;
    worker->due = (struct ub_timer){.fire = on_due, .user = worker};
    worker->arrivals = (struct ub_arrivals){
        .rate = plan->rate, .cv = plan->cv, .random = {.state = ub_mix64(plan->seed + 7)}};
    pthread_mutex_init(&worker->lock, NULL);
    worker->loop = ub_loop_new();
    worker->origin = worker->loop == NULL ? NULL : ub_origin_new(worker->loop, &plan->origin);
    if (worker->origin == NULL) {
        return false;
    }
    ub_loop_on_wake(worker->loop, on_wake, worker);
    worker->started = pthread_create(&worker->thread, NULL, worker_run, worker) == 0;
    return worker->started;
}

void ub_load_worker_stop(struct ub_load_worker *worker)
{
    atomic_store(&worker->stop, true);
    ub_loop_wake(worker->loop);
}

void ub_load_worker_join(struct ub_load_worker *worker)
{
    if (worker->started) {
        pthread_join(worker->thread, NULL);
    }
    if (worker->origin != NULL) {
        ub_origin_free(worker->origin);
    }
    if (worker->loop != NULL) {
        ub_loop_free(worker->loop);
    }
    pthread_mutex_destroy(&worker->lock);
}

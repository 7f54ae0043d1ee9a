#include "sim/engine.h"

#include "base/alloc.h"
#include <assert.h>
#include <string.h>

#define KV_BLOCK 16 /* tokens in a block of KV memory, vLLM's default */
#define NOBODY   UINT32_MAX

/* A caller that was stopped for longer than this goes on from there: a frozen server does not make
 * up for the time. */
#define CATCH_UP_NS (100 * UB_MS)

/* The first two: fitted on 100 requests of a vLLM 0.19 run each. The third from DeepSeek's
 * published production figures (open-infra-index, day 6). kv_tokens: memory of the cards less the
 * weights, divided by the bytes of one token. */
const struct ub_engine_profile ub_engine_profiles[] = {
    {"8b", "Llama-3.1-8B on one RTX PRO 6000", 12.46e6, 0.0916e6, 35.4, 0.036e6, 3.0, 2048, 128,
     570000},
    {"32b", "Qwen3-32B on two RTX PRO 6000", 26.56e6, 0.102e6, 159, 0.145e6, 22, 2048, 128, 440000},
    {"deepseek", "DeepSeek V3/R1, one H800 of a decode node", 15e6, 0.0502e6, 64, 0.248e6, 0, 2048,
     128, 600000},
    {"steady", "every stream gets one token each 40 ms; for benchmarks", 40e6, 0, 0, 0, 0, 1u << 30,
     1u << 16, 0},
    {"instant", "a step takes 1 ms and serves everybody; for tests", 1e6, 0, 0, 0, 0, 1u << 30,
     1u << 16, 0},
    {NULL},
};

enum seq_state { SEQ_FREE, SEQ_WAITING, SEQ_RUNNING };

struct seq {
    void *user;
    uint32_t generation; /* counts the uses of this slot; part of the id */
    uint32_t prev;       /* neighbours in `waiting`, `running` or `free` */
    uint32_t next;
    uint32_t prompt;
    uint32_t answer;
    uint32_t produced; /* tokens of the answer so far */
    uint32_t context;  /* tokens computed and held in KV memory */
    uint32_t cached;
    uint32_t blocks; /* of KV memory held */
    ub_ns began_at;  /* begin of the first step; 0 = not yet */
    bool emits;      /* the running step gives it a token */
    uint8_t state;
};

struct list {
    uint32_t first;
    uint32_t last;
    uint32_t count;
};

struct ub_engine {
    struct ub_engine_profile profile;
    uint32_t slots;      /* seqs_max + waiting_max */
    uint32_t slots_used; /* beyond these, slots were never touched */
    struct list waiting;
    struct list running;
    struct list spare;
    ub_ns step_ends; /* UB_NEVER: no step runs */
    uint64_t blocks_used;
    uint64_t blocks_max; /* UINT64_MAX: no bound */
    uint32_t tokens;     /* of the step that ended */
    uint32_t token_next;
    struct ub_engine_token *token; /* [seqs_max] */
    struct ub_engine_load total;
    struct seq seq[];
};

const struct ub_engine_profile *ub_engine_profile_find(const char *name)
{
    for (const struct ub_engine_profile *p = ub_engine_profiles; p->name != NULL; p++) {
        if (strcmp(p->name, name) == 0) {
            return p;
        }
    }
    return NULL;
}

static void list_push(struct ub_engine *e, struct list *list, uint32_t i)
{
    e->seq[i].prev = list->last;
    e->seq[i].next = NOBODY;
    *(list->last == NOBODY ? &list->first : &e->seq[list->last].next) = i;
    list->last = i;
    list->count++;
}

static void list_push_front(struct ub_engine *e, struct list *list, uint32_t i)
{
    e->seq[i].prev = NOBODY;
    e->seq[i].next = list->first;
    *(list->first == NOBODY ? &list->last : &e->seq[list->first].prev) = i;
    list->first = i;
    list->count++;
}

static void list_remove(struct ub_engine *e, struct list *list, uint32_t i)
{
    struct seq *s = &e->seq[i];
    *(s->prev == NOBODY ? &list->first : &e->seq[s->prev].next) = s->next;
    *(s->next == NOBODY ? &list->last : &e->seq[s->next].prev) = s->prev;
    list->count--;
}

struct ub_engine *ub_engine_new(const struct ub_engine_profile *profile, uint32_t waiting_max)
{
    assert(profile->seqs_max > 0 && profile->step_tokens > 0);
    uint32_t slots = profile->seqs_max + waiting_max;
    struct ub_engine *e = ub_calloc(1, sizeof *e + slots * sizeof e->seq[0]);
    if (e == NULL) {
        return NULL;
    }
    e->token = ub_malloc(profile->seqs_max * sizeof e->token[0]);
    if (e->token == NULL) {
        ub_free(e);
        return NULL;
    }
    e->profile = *profile;
    e->slots = slots;
    e->waiting = e->running = e->spare = (struct list){NOBODY, NOBODY, 0};
    e->step_ends = UB_NEVER;
    e->blocks_max = profile->kv_tokens == 0 ? UINT64_MAX : profile->kv_tokens / KV_BLOCK;
    return e;
}

void ub_engine_free(struct ub_engine *engine)
{
    if (engine != NULL) {
        ub_free(engine->token);
        ub_free(engine);
    }
}

/* The slot that an id names, or NOBODY when its sequence has ended. */
static uint32_t slot_of(const struct ub_engine *e, ub_engine_id id)
{
    uint32_t i = (uint32_t)id - 1;
    bool lives = i < e->slots_used && e->seq[i].state != SEQ_FREE &&
                 e->seq[i].generation == (uint32_t)(id >> 32);
    return lives ? i : NOBODY;
}

/* Room for `tokens` of context. False: the KV memory is full. A sequence that has the memory to
 * itself always gets room: a longer one than fits is refused by real servers at the door, and would
 * otherwise be thrown out and begun again for ever. */
static bool kv_grow(struct ub_engine *e, struct seq *s, uint32_t tokens)
{
    uint32_t want = (tokens + KV_BLOCK - 1) / KV_BLOCK;
    if (want <= s->blocks) {
        return true;
    }
    bool alone = e->blocks_used == s->blocks;
    if (!alone && e->blocks_used + (want - s->blocks) > e->blocks_max) {
        return false;
    }
    e->blocks_used += want - s->blocks;
    s->blocks = want;
    return true;
}

static uint32_t slot_take(struct ub_engine *e)
{
    uint32_t i = e->spare.first;
    if (i != NOBODY) {
        list_remove(e, &e->spare, i);
        return i;
    }
    return e->slots_used < e->slots ? e->slots_used++ : NOBODY;
}

static void kv_release(struct ub_engine *e, struct seq *s)
{
    e->blocks_used -= s->blocks;
    s->blocks = 0;
    s->context = 0;
}

static void seq_end(struct ub_engine *e, uint32_t i)
{
    struct seq *s = &e->seq[i];
    list_remove(e, s->state == SEQ_RUNNING ? &e->running : &e->waiting, i);
    kv_release(e, s);
    s->state = SEQ_FREE;
    s->emits = false;
    list_push(e, &e->spare, i);
}

/* Last in, first out: the youngest gives way and starts over at the head of the queue. */
static void preempt_last(struct ub_engine *e)
{
    uint32_t i = e->running.last;
    struct seq *s = &e->seq[i];
    list_remove(e, &e->running, i);
    kv_release(e, s);
    s->cached = 0;
    s->emits = false;
    s->state = SEQ_WAITING;
    list_push_front(e, &e->waiting, i);
    e->total.preemptions++;
}

/* What the step under construction will do. */
struct plan {
    uint32_t budget;
    uint32_t n;
    double context;
    double prefill;
    double cross;
};

/* Give a sequence its part of the step: one token to decode, or a chunk of its prompt (after a
 * preemption: of prompt and answer so far). False: no KV memory. */
static bool plan_seq(struct ub_engine *e, struct seq *s, struct plan *plan)
{
    uint32_t need = s->prompt + s->produced - s->context;
    uint32_t take = need < plan->budget ? need : plan->budget;
    if (!kv_grow(e, s, s->context + take)) {
        return false;
    }
    plan->budget -= take;
    plan->n++;
    if (need == 1 && s->produced > 0) {
        plan->context += s->context;
    } else {
        plan->prefill += take;
        plan->cross += (double)take * ((double)s->context + (double)take / 2);
        e->total.prompt_tokens += s->produced == 0 ? take : 0;
    }
    s->context += take;
    s->emits = take == need;
    return true;
}

static void plan_running(struct ub_engine *e, struct plan *plan)
{
    uint32_t i = e->running.first;
    while (i != NOBODY && plan->budget > 0) {
        if (plan_seq(e, &e->seq[i], plan)) {
            i = e->seq[i].next;
            continue;
        }
        uint32_t victim = e->running.last;
        preempt_last(e);
        i = victim == i ? NOBODY : i;
    }
}

static void plan_waiting(struct ub_engine *e, struct plan *plan, ub_ns now)
{
    while (plan->budget > 0 && e->waiting.count > 0 && e->running.count < e->profile.seqs_max) {
        uint32_t i = e->waiting.first;
        struct seq *s = &e->seq[i];
        s->context = s->cached;
        if (!plan_seq(e, s, plan)) {
            s->context = 0;
            return;
        }
        list_remove(e, &e->waiting, i);
        s->began_at = s->began_at == 0 ? now : s->began_at;
        s->state = SEQ_RUNNING;
        list_push(e, &e->running, i);
    }
}

static void step_begin(struct ub_engine *e, ub_ns now)
{
    struct plan plan = {.budget = e->profile.step_tokens};
    uint64_t preemptions = e->total.preemptions;
    plan_running(e, &plan);
    if (e->total.preemptions == preemptions) { /* who was thrown out does not return at once */
        plan_waiting(e, &plan, now);
    }
    if (plan.n == 0) {
        e->step_ends = UB_NEVER;
        return;
    }
    const struct ub_engine_profile *p = &e->profile;
    double ns = p->step_ns + p->sequence_ns * plan.n + p->context_ns * plan.context +
                p->prefill_ns * plan.prefill + p->prefill_cross_ns * plan.cross;
    e->step_ends = ub_ns_after(now, (ub_ns)ns + 1);
    e->total.steps++;
}

static void step_end(struct ub_engine *e)
{
    e->tokens = 0;
    e->token_next = 0;
    for (uint32_t i = e->running.first; i != NOBODY;) {
        struct seq *s = &e->seq[i];
        uint32_t next = s->next;
        if (s->emits) {
            s->emits = false;
            s->produced++;
            e->total.answer_tokens++;
            e->token[e->tokens++] = (struct ub_engine_token){
                .id = (uint64_t)s->generation << 32 | (i + 1),
                .user = s->user,
                .began_at = s->began_at,
                .index = s->produced,
                .last = s->produced == s->answer,
            };
            if (s->produced == s->answer) {
                seq_end(e, i);
            }
        }
        i = next;
    }
}

ub_engine_id ub_engine_add(struct ub_engine *engine, void *user, uint32_t prompt, uint32_t cached,
                           uint32_t answer, ub_ns now)
{
    assert(prompt > 0 && answer > 0 && cached < prompt);
    struct ub_engine *e = engine;
    uint32_t i = slot_take(e);
    if (i == NOBODY) {
        return 0;
    }
    struct seq *s = &e->seq[i];
    *s = (struct seq){
        .user = user,
        .generation = s->generation + 1,
        .prompt = prompt,
        .answer = answer,
        .cached = cached,
        .state = SEQ_WAITING,
    };
    list_push(e, &e->waiting, i);
    ub_engine_id id = (uint64_t)s->generation << 32 | (i + 1);
    if (e->step_ends == UB_NEVER) {
        step_begin(e, now);
    }
    return id;
}

void ub_engine_cancel(struct ub_engine *engine, ub_engine_id id)
{
    uint32_t i = slot_of(engine, id);
    if (i != NOBODY) {
        seq_end(engine, i);
    }
    /* A token of it that lies ready is not handed out any more. */
    for (uint32_t t = engine->token_next; t < engine->tokens; t++) {
        if (engine->token[t].id == id) {
            engine->token[t].id = 0;
        }
    }
}

bool ub_engine_is_waiting(const struct ub_engine *engine, ub_engine_id id)
{
    uint32_t i = slot_of(engine, id);
    return i != NOBODY && engine->seq[i].state == SEQ_WAITING;
}

ub_ns ub_engine_wake_at(const struct ub_engine *engine)
{
    return engine->step_ends;
}

void ub_engine_run(struct ub_engine *engine, ub_ns now)
{
    if (engine->step_ends > now) {
        return;
    }
    assert(engine->token_next == engine->tokens); /* the caller takes every token */
    ub_ns at = ub_ns_max(engine->step_ends, now - CATCH_UP_NS);
    step_end(engine);
    step_begin(engine, at);
}

bool ub_engine_next(struct ub_engine *engine, struct ub_engine_token *token)
{
    while (engine->token_next < engine->tokens) {
        *token = engine->token[engine->token_next++];
        if (token->id != 0) {
            return true;
        }
    }
    return false;
}

struct ub_engine_load ub_engine_load(const struct ub_engine *engine)
{
    struct ub_engine_load load = engine->total;
    load.running = engine->running.count;
    load.waiting = engine->waiting.count;
    load.kv_tokens = engine->blocks_used * KV_BLOCK;
    return load;
}

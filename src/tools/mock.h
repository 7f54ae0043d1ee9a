/* mock.h - a model server that is as slow, full, rude or broken as real ones.
 *
 * In this process, on threads of its own: the demo and the tests start it with ub_mock_start,
 * `unbusy mock` is the same with a command line around it. It speaks the OpenAI API over HTTP/1.1,
 * takes its time from sim/engine, and does wrong what tools/prank lists.
 *
 * Each thread is a replica of its own with its own engines (data-parallel, as vLLM does it), behind
 * one address; slots and queue are shared out among them.
 */
#ifndef UB_TOOLS_MOCK_H
#define UB_TOOLS_MOCK_H

#include "base/slice.h"
#include "base/time.h"
#include "sim/engine.h"
#include "tools/episode.h"
#include "tools/prank.h"
#include <stdbool.h>
#include <stdint.h>

#define UB_MOCK_DIALECTS(X) \
    X(OPENAI, "openai")     \
    X(DEEPSEEK, "deepseek") \
    X(VLLM, "vllm")         \
    X(SGLANG, "sglang")     \
    X(LLAMA, "llama")

enum ub_mock_dialect {
#define X(name, slug) UB_MOCK_##name,
    UB_MOCK_DIALECTS(X)
#undef X
        UB_MOCK_DIALECT_COUNT
};

#define UB_MOCK_MODELS_MAX 32

struct ub_tls_server; /* net/tls.h */

/* Who runs several mocks as one decides itself what goes wrong where. Called on the mocks' threads;
 * `question` is the same number for the same prompt. */
struct ub_mock_script {
    /* A request has come; `rule` is NONE. In place of the rules, unless the request brings its own. */
    void (*choose)(void *user, uint64_t question, struct ub_prank_rule *rule);
    /* Nothing more is done for it. `cancelled`: the client left before its end. */
    void (*ended)(void *user, uint64_t question, bool cancelled);
    void *user;
};

struct ub_mock_options {
    struct ub_slice host; /* literal address */
    uint16_t port;        /* 0: a free one */
    uint32_t threads;
    enum ub_mock_dialect dialect;
    const char *model[UB_MOCK_MODELS_MAX]; /* texts outlive the mock; none: any name is fine */
    uint32_t model_count;
    const char *key;                  /* NULL: any */
    struct ub_tls_server *tls;        /* NULL: plain; outlives the mock */
    struct ub_engine_profile profile; /* of each engine */
    uint32_t engines;                 /* in each thread */
    double speed;                     /* 1: as the profile says; 2: twice as fast */
    ub_ns first_token_ns;             /* added before each first token */
    uint32_t slots;                   /* answers at once, in all; 0: what the engines hold */
    uint32_t queue;                   /* more may wait */
    int busy_status;                  /* for the rest: 429, 503 or 529 */
    ub_ns retry_after_ns;             /* said then; 0: nothing */
    ub_ns keep_alive_ns;              /* while waiting for the first token; 0: never */
    ub_ns queue_wait_ns;              /* closes the connection of who waits longer; 0: never */
    uint32_t context;                 /* tokens of prompt and answer; 0: no bound */
    uint32_t answer_min;              /* tokens of an answer when nobody says stop */
    uint32_t answer_max;
    bool prefix_cache;
    uint64_t seed;
    struct ub_episodes episodes;
    struct ub_prank_set pranks;
    const struct ub_mock_script *script; /* NULL: the rules decide; outlives the mock */
};

/* What the command line starts with. */
struct ub_mock_options ub_mock_defaults(void);

struct ub_mock;

/* Listening when it returns. NULL: `words` (static text) say why. */
struct ub_mock *ub_mock_start(const struct ub_mock_options *options, const char **words);
uint16_t ub_mock_port(const struct ub_mock *mock);
void ub_mock_stop(struct ub_mock *mock); /* closes everything at once, and frees it */

/* `unbusy mock` */
int ub_cmd_mock(int argc, char **argv);

#endif

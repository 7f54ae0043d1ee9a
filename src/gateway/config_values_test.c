/* What comes out of a good configuration. */
#include "base/alloc.h"
#include "base/test.h"
#include "gateway/config.h"
#include "gateway/config_starter.h"
#include <stdio.h>
#include <stdlib.h>

static const char yaml[] =
    "listen: ['127.0.0.1:0', '[::1]:81', 'localhost:82']\n"
    "admin: :9090\n"
    "threads: 3\n"
    "half_close: true\n"
    "memory: 2GiB\n"
    "resume_buffer: 1MiB\n"
    "access_log: '-'\n"
    "flight_record: flight\n"
    "limits: {body: 1MiB, requests: 7}\n"
    "queue: {size: 5, wait: 3s}\n"
    "timeouts: {head: 1s, body: 2s, write: 3s, idle: 4s, connect: 5s, drain: 6s}\n"
    "upstreams:\n"
    "- name: official\n"
    "  url: HTTPS://API.Example.org/v1/\n"
    "  dialect: deepseek\n"
    "  key: sk-${UB_TEST_KEY}-$${x}\n"
    "  models: {chat: flash, think: pro}\n"
    "  concurrency: 500\n"
    "  zone: east\n"
    "  price: {input: 1.5, output: 4}\n"
    "- {name: rack, url: 'http://[fd00::1]:8000', dialect: vllm}\n"
    "- {name: small, url: 'http://10.0.0.1', models: [chat], verify: false, concurrency: off}\n"
    "models:\n"
    "- name: chat\n"
    "  tiers: [[official, rack], [small]]\n"
    "  balance: round_robin\n"
    "  affinity: {cookie: c, header: x-h, client_ip: true, prefix: false}\n"
    "  patience: 1s\n"
    "  first_token: {min: 2s, max: 3s}\n"
    "  total: 4s\n"
    "  stall: 5s\n"
    "  retry: {attempts: 9, base: 1s, cap: 7s, budget: 0.5}\n"
    "  hedge: {budget: 0.25}\n"
    "  slow_over: 8s\n"
    "  heartbeat: {after: 0, every: 9s}\n"
    "  requests: 10/s\n"
    "  resume: false\n"
    "- name: think\n"
    "- name: '*'\n"
    "tenants:\n"
    "- name: web\n"
    "  keys: [{sha256: '0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef'}]\n"
    "  class: critical\n"
    "  models: [chat, 't*']\n"
    "  requests: {rate: 1.5/s, burst: 9}\n"
    "  tokens: 60000/min\n"
    "  concurrency: 5\n"
    "  limits: [{model: think, tokens: 7/h}, {model: chat, requests: 1/s}]\n"
    "- {name: rest, keys: [{sha256: "
    "'ff23456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef'}]}\n";

static struct ub_config *parse(const char *file, const char *text)
{
    struct ub_buf problems = {0};
    struct ub_config *config = ub_config_parse(file, ub_slice_of(text), &problems);
    UB_CHECK(config != NULL && problems.len == 0, "it is good: %.*s",
             UB_SLICE_ARG(ub_buf_slice(&problems)));
    ub_buf_free(&problems);
    return config;
}

static bool is(const char *got, const char *want)
{
    return got == NULL || want == NULL ? got == want : strcmp(got, want) == 0;
}

static void check_top(const struct ub_config *c)
{
    UB_CHECK(is(c->file, "dir/f"), "the file's name is kept");
    UB_CHECK(c->listen_count == 3 && is(c->listen[0].host, "127.0.0.1") && c->listen[0].port == 0 &&
                 is(c->listen[1].host, "::1") && c->listen[1].port == 81 &&
                 is(c->listen[2].host, "127.0.0.1") && c->listen[2].port == 82,
             "addresses to listen on");
    UB_CHECK(c->has_admin && is(c->admin.host, "0.0.0.0") && c->admin.port == 9090,
             "a port alone is all addresses");
    UB_CHECK(c->threads == 3 && c->half_close && !c->open && c->memory == (uint64_t)2 << 30,
             "numbers and switches");
    UB_CHECK(c->body_max == 1 << 20 && c->requests_max == 7 && c->resume_buffer == 1 << 20,
             "limits");
    UB_CHECK(!c->models[0].resume && c->models[1].resume,
             "streams are resumed unless a model says otherwise");
    UB_CHECK(c->head_time_ns == UB_SECOND && c->body_time_ns == 2 * UB_SECOND &&
                 c->write_time_ns == 3 * UB_SECOND && c->idle_time_ns == 4 * UB_SECOND &&
                 c->connect_time_ns == 5 * UB_SECOND && c->drain_time_ns == 6 * UB_SECOND,
             "each timeout is in its place");
    UB_CHECK(is(c->access_log, "-") && is(c->flight_record, "dir/flight"),
             "stdout stays; other paths start at the folder of the file");
    UB_CHECK(c->tls_cert == NULL && !c->tls_allow_12, "no tls");
}

static void check_upstreams(const struct ub_config *c)
{
    const struct ub_upstream_config *u = c->upstreams;
    UB_CHECK(c->upstream_count == 3 && c->routes.upstream_count == 3, "three upstreams");
    UB_CHECK(is(u[0].name, "official") && u[0].tls && is(u[0].host, "api.example.org") &&
                 u[0].port == 443 && is(u[0].path, "/v1") && u[0].dialect == UB_DIALECT_DEEPSEEK,
             "an https URL in its parts");
    UB_CHECK(is(u[0].key, "sk-secret-${x}"), "variables are filled in, and $$ is a plain dollar");
    UB_CHECK(u[0].concurrency == 500 && is(u[0].zone, "east") && u[0].tls_verify &&
                 u[0].price_input == 1.5 && u[0].price_cached < 0 && u[0].price_output == 4,
             "limits, zone, prices; one that is not given is not known");
    UB_CHECK(u[0].name_count == 2 && is(u[0].names[1].public_name, "think") &&
                 is(u[0].names[1].upstream_name, "pro"),
             "names and what they are called there");
    UB_CHECK(!u[1].tls && is(u[1].host, "fd00::1") && u[1].port == 8000 && is(u[1].path, "") &&
                 u[1].key == NULL && u[1].name_count == 0 && u[1].dialect == UB_DIALECT_VLLM,
             "an http URL with an IPv6 address");
    UB_CHECK(u[2].port == 80 && !u[2].tls_verify && is(u[2].names[0].upstream_name, "chat"),
             "a list maps names to themselves");
    UB_CHECK(u[0].id != 0 && u[0].id != u[1].id && c->routes.upstreams[0].key == u[0].id &&
                 c->routes.upstreams[0].concurrency == 500 &&
                 c->routes.upstreams[1].concurrency == 0 && !c->routes.upstreams[0].learns &&
                 c->routes.upstreams[1].learns && !c->routes.upstreams[2].learns,
             "the brain gets identities and known limits");
}

static void check_models(const struct ub_config *c)
{
    const struct ub_model_spec *m = c->routes.models;
    const struct ub_model_policy *p = &m[0].policy;
    UB_CHECK(c->model_count == 3 && c->routes.model_count == 3 && c->routes.queue_size == 5,
             "three models and a queue");
    UB_CHECK(p->balance == UB_BALANCE_ROUND_ROBIN && p->patience_ns == UB_SECOND &&
                 p->first_token_min_ns == 2 * UB_SECOND && p->first_token_max_ns == 3 * UB_SECOND &&
                 p->total_ns == 4 * UB_SECOND && p->stall_ns == 5 * UB_SECOND &&
                 p->slow_over_ns == 8 * UB_SECOND && p->slot_wait_ns == 3 * UB_SECOND &&
                 p->heartbeat_after_ns == 0 && p->heartbeat_every_ns == 9 * UB_SECOND,
             "each time of a model is in its place");
    UB_CHECK(p->hedge_budget == 0.25, "hedge.budget");
    UB_CHECK(p->retry.attempts == 9 && p->retry.base_ns == UB_SECOND &&
                 p->retry.cap_ns == 7 * UB_SECOND && p->retry.budget == 0.5 &&
                 p->retry.budget_per_s == ub_model_policy_default().retry.budget_per_s,
             "retries");
    UB_CHECK(p->affinity == (UB_AFFINITY_COOKIE | UB_AFFINITY_HEADER | UB_AFFINITY_CLIENT) &&
                 is(c->models[0].affinity_cookie, "c") && is(c->models[0].affinity_header, "x-h"),
             "affinity");
    UB_CHECK(m[0].tiers == 2 && m[0].tier[0].count == 2 && m[0].tier[0].member[1] == 1 &&
                 m[0].tier[1].count == 1 && m[0].tier[1].member[0] == 2,
             "tiers");
    UB_CHECK(m[1].tiers == 1 && m[1].tier[0].count == 2 && m[1].tier[0].member[0] == 0 &&
                 m[1].tier[0].member[1] == 1 && m[1].policy.balance == UB_BALANCE_ADAPTIVE,
             "without tiers: all that serve it, and one that lists no models serves all");
    UB_CHECK(m[2].tier[0].count == 1 && m[2].tier[0].member[0] == 1, "* at those that serve all");
}

static void check_names(const struct ub_config *c)
{
    UB_CHECK(ub_config_model(c, UB_LIT("chat")) == 0 && ub_config_model(c, UB_LIT("think")) == 1,
             "a model by its name");
    UB_CHECK(ub_config_model(c, UB_LIT("other")) == 2, "another name is *");
    UB_CHECK(ub_config_model(c, (struct ub_slice){NULL, 0}) == -1, "no name is no model");
    static const char longest[UB_MODEL_NAME_MAX + 1];
    UB_CHECK(ub_config_model(c, (struct ub_slice){longest, sizeof longest}) == -1,
             "nor is one that is too long");
    UB_CHECK(ub_slice_is(ub_config_upstream_model(c, 0, 0, UB_LIT("chat")), "flash"),
             "the name sent upstream");
    UB_CHECK(ub_slice_is(ub_config_upstream_model(c, 1, 0, UB_LIT("chat")), "chat"),
             "the same where the upstream lists none");
    UB_CHECK(ub_slice_is(ub_config_upstream_model(c, 1, 2, UB_LIT("other")), "other"),
             "* passes the name on");
}

static void check_tenants(const struct ub_config *c)
{
    const struct ub_tenant_config *t = c->tenants;
    UB_CHECK(c->tenant_count == 2 && is(t[0].name, "web") && t[0].class == UB_TRAFFIC_CRITICAL &&
                 t[0].key_count == 1 && t[0].keys[0][0] == 0x01 && t[0].keys[0][15] == 0xef &&
                 t[0].keys[0][31] == 0xef && t[0].model_count == 2 && is(t[0].models[0], "chat"),
             "a tenant");
    UB_CHECK(t[1].class == UB_TRAFFIC_STANDARD && t[1].model_count == 1 && is(t[1].models[0], "*"),
             "a tenant with defaults");
}

static bool rate_is(const struct ub_rate *rate, uint64_t amount, ub_ns per_ns, uint64_t burst)
{
    return rate->amount == amount && rate->per_ns == per_ns && rate->burst == burst;
}

static void check_limits(const struct ub_config *c)
{
    const struct ub_tenant_spec *t = c->routes.tenants;
    const struct ub_share_spec *s = c->routes.shares;
    UB_CHECK(c->routes.tenant_count == 2 && t[0].key != 0 && t[0].key != t[1].key &&
                 t[0].class == UB_TRAFFIC_CRITICAL && t[0].concurrency == 5 &&
                 rate_is(&t[0].quota.requests, 3, 2 * UB_SECOND, 9) &&
                 rate_is(&t[0].quota.tokens, 60000, UB_MINUTE, 60000),
             "a tenant's limits");
    UB_CHECK(t[1].concurrency == 0 && t[1].quota.requests.amount == 0 &&
                 t[1].quota.tokens.amount == 0 &&
                 rate_is(&c->routes.models[0].quota.requests, 10, UB_SECOND, 10),
             "none, and those of a model");
    UB_CHECK(c->routes.share_count == 2 && s[0].model == 0 && s[1].model == 1 && s[0].tenant == 0 &&
                 rate_is(&s[0].quota.requests, 1, UB_SECOND, 1) && s[0].quota.tokens.amount == 0 &&
                 rate_is(&s[1].quota.tokens, 7, UB_HOUR, 7),
             "those of a tenant and a model, in the order of the models");
}

/* Without `models`, they follow from the upstreams. */
static void check_derived(void)
{
    struct ub_config *c = parse("f", "upstreams:\n"
                                     "- {name: a, url: 'http://a', models: [x, y]}\n"
                                     "- {name: b, url: 'http://b', models: {y: z}}\n");
    if (c != NULL) {
        UB_CHECK(c->model_count == 2 && is(c->models[0].name, "x") && is(c->models[1].name, "y") &&
                     c->routes.models[0].tier[0].count == 1 &&
                     c->routes.models[1].tier[0].count == 2,
                 "each name that is listed, at those that list it");
        UB_CHECK(ub_config_model(c, UB_LIT("z")) == -1, "and no other name");
        UB_CHECK(c->listen_count == 1 && c->listen[0].port == 8080 && !c->has_admin &&
                     c->routes.queue_size == 10000 &&
                     c->routes.models[0].policy.affinity == UB_AFFINITY_PREFIX,
                 "defaults");
    }
    ub_config_release(c);
    c = parse("f", "upstreams:\n"
                   "- {name: a, url: 'http://a', models: [x]}\n"
                   "- {name: b, url: 'http://b'}\n"
                   "- {name: c, url: 'http://c', models: ['*', x]}\n");
    if (c != NULL) {
        UB_CHECK(c->model_count == 2 && c->routes.models[0].tier[0].count == 3 &&
                     is(c->models[1].name, "*") && c->routes.models[1].tier[0].count == 2,
                 "those that list none serve everything");
        UB_CHECK(ub_slice_is(ub_config_upstream_model(c, 2, 1, UB_LIT("q")), "q"),
                 "* in a list passes names on, too");
    }
    ub_config_release(c);
}

/* A copy that differs in what the caller changed, and outlives the original's last other holder. */
static void check_copy(struct ub_config *config)
{
    struct ub_arena *arena;
    struct ub_config *copy = ub_config_derive(config, &arena);
    if (!UB_CHECK(copy != NULL, "a copy is made")) {
        return;
    }
    struct ub_address *listen = ub_arena_array(arena, 1, sizeof *listen);
    listen[0] = (struct ub_address){ub_arena_text(arena, UB_LIT("127.0.0.9")), 0};
    copy->listen = listen;
    copy->listen_count = 1;
    UB_CHECK(config->listen_count == 3 && is(config->listen[0].host, "127.0.0.1"),
             "what is changed in the copy stays in the copy");
    ub_config_release(config);
    UB_CHECK(is(copy->file, "dir/f") && is(copy->upstreams[0].key, "sk-secret-${x}") &&
                 is(copy->listen[0].host, "127.0.0.9"),
             "the copy keeps what it shares");
    UB_CHECK(ub_config_model(copy, UB_LIT("think")) == 1 &&
                 ub_config_model(copy, UB_LIT("other")) == 2,
             "and finds models");
    ub_config_release(copy);
}

static const struct {
    const char *name;
    const char *deepseek, *openai, *base; /* NULL = not set */
    uint32_t upstreams;                   /* 0: nothing comes of it */
    uint32_t models;
} env_rows[] = {
    {"nothing is set", NULL, NULL, NULL, 0, 0},
    {"DeepSeek's key", "sk-1", NULL, NULL, 2, 4},
    {"an empty key is none", "", NULL, NULL, 0, 0},
    {"OpenAI's key alone says not where", NULL, "sk-2", NULL, 0, 0},
    {"OpenAI's key and URL", NULL, "sk-2", "http://127.0.0.1:1/v1", 1, 1},
    {"DeepSeek goes first", "sk-1", "sk-2", "http://127.0.0.1:8080/v1", 2, 4},
};

static void set(const char *name, const char *value)
{
    if (value != NULL) {
        setenv(name, value, 1);
    } else {
        unsetenv(name);
    }
}

static void check_environment(void)
{
    for (size_t i = 0; i < UB_COUNT(env_rows); i++) {
        struct ub_buf problems = {0}, starter = {0};
        set("DEEPSEEK_API_KEY", env_rows[i].deepseek);
        set("OPENAI_API_KEY", env_rows[i].openai);
        set("OPENAI_BASE_URL", env_rows[i].base);
        struct ub_config *config = ub_config_from_environment(&problems);
        uint32_t upstreams = config != NULL ? config->upstream_count : 0;
        uint32_t models = config != NULL ? config->model_count : 0;
        UB_CHECK(upstreams == env_rows[i].upstreams && models == env_rows[i].models &&
                     problems.len == 0,
                 "environment: %s: %u, %u %.*s", env_rows[i].name, upstreams, models,
                 UB_SLICE_ARG(ub_buf_slice(&problems)));
        bool made = ub_config_starter(&starter);
        ub_buf_add(&starter, "", 1);
        UB_CHECK(made == (upstreams > 0) && strstr(starter.ptr, "sk-1") == NULL &&
                     strstr(starter.ptr, "sk-2") == NULL,
                 "and a file that does not hold the key");
        ub_config_release(config);
        ub_buf_free(&problems);
        ub_buf_free(&starter);
    }
    set("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1");
    set("DEEPSEEK_API_KEY", NULL);
    struct ub_buf problems = {0};
    struct ub_config *config = ub_config_from_environment(&problems);
    UB_CHECK(config == NULL && problems.len > 0, "a URL that is ourselves is refused");
    ub_config_release(config);
    ub_buf_free(&problems);
}

/* Every allocation fails once: no crash, no leak, and never a configuration that lacks something. */
static void check_no_memory(void)
{
    int failed = 0;
    bool good = true, over = false;
    for (int64_t n = 1; !over; n++) {
        struct ub_buf problems = {0};
        ub_alloc_fail_nth(n);
        struct ub_config *config = ub_config_parse("dir/f", ub_slice_of(yaml), &problems);
        over = ub_alloc_count() < n; /* it needs no more than that */
        ub_alloc_fail_nth(0);
        if (config != NULL) {
            good = good && config->tenant_count == 2 && config->model_count == 3 &&
                   config->upstreams[0].key != NULL && problems.len == 0;
        }
        failed += config == NULL ? 1 : 0;
        ub_config_release(config);
        ub_buf_free(&problems);
    }
    UB_CHECK(good && failed > 5, "every allocation may fail (%d of them)", failed);
}

int main(void)
{
    setenv("UB_TEST_KEY", "secret", 1);
    struct ub_config *config = parse("dir/f", yaml);
    if (config != NULL) {
        check_top(config);
        check_upstreams(config);
        check_models(config);
        check_names(config);
        check_tenants(config);
        check_limits(config);
        UB_CHECK(ub_config_hold(config) == config, "held twice");
        ub_config_release(config);
        UB_CHECK(is(config->file, "dir/f"), "and still there after one release");
        check_copy(config);
    }
    ub_config_release(NULL);
    check_derived();
    check_environment();
    check_no_memory();
    return ub_test_done();
}

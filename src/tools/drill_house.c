#include "tools/drill_house.h"

#include "base/alloc.h"
#include "base/random.h"
#include "tools/mock_talk.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- time ---- */

/* A silent upstream with the defaults takes half of ten minutes until somebody else is asked. The
 * decisions are the same when the waits are shorter, as long as their order stays. */
static const struct bound {
    const char *name;
    size_t offset;
    ub_ns most_ns;
} bounds[] = {
#define BOUND(name, field, most)                            \
    {                                                       \
        name, offsetof(struct ub_model_policy, field), most \
    }
    BOUND("patience", patience_ns, 500 * UB_MS),
    BOUND("first_token.min", first_token_min_ns, 500 * UB_MS),
    BOUND("first_token.max", first_token_max_ns, 1500 * UB_MS),
    BOUND("total", total_ns, 12 * UB_SECOND),
    BOUND("stall", stall_ns, 2 * UB_SECOND),
    BOUND("queue.wait", slot_wait_ns, 3 * UB_SECOND),
    BOUND("heartbeat.after", heartbeat_after_ns, 500 * UB_MS),
    BOUND("heartbeat.every", heartbeat_every_ns, 500 * UB_MS),
    BOUND("retry.base", retry.base_ns, 100 * UB_MS),
    BOUND("retry.cap", retry.cap_ns, UB_SECOND),
#undef BOUND
};

static void shorten(struct ub_model_policy *policy, struct ub_buf *words)
{
    for (size_t i = 0; i < UB_COUNT(bounds); i++) {
        ub_ns *value = (ub_ns *)(void *)((char *)policy + bounds[i].offset);
        if (*value > bounds[i].most_ns) {
            ub_buf_printf(words, "%s%s %g s -> %g s", words->len > 0 ? ", " : "", bounds[i].name,
                          (double)*value / 1e9, (double)bounds[i].most_ns / 1e9);
            *value = bounds[i].most_ns;
        }
    }
}

/* ---- the model ---- */

static bool has_member(const struct ub_drill_house *house, uint16_t upstream)
{
    for (uint32_t i = 0; i < house->count; i++) {
        if (house->member[i] == upstream) {
            return true;
        }
    }
    return false;
}

static void find_members(struct ub_drill_house *house, const struct ub_model_spec *model)
{
    for (uint32_t t = 0; t < model->tiers; t++) {
        for (uint32_t m = 0; m < model->tier[t].count; m++) {
            uint16_t upstream = model->tier[t].member[m];
            if (!has_member(house, upstream)) {
                house->member[house->count++] = upstream;
            }
        }
    }
}

bool ub_drill_house_init(struct ub_drill_house *house, struct ub_config *config, uint32_t model,
                         bool full_time, struct ub_buf *shortened)
{
    *house =
        (struct ub_drill_house){.config = ub_config_hold(config), .model = model, .dead_fd = -1};
    uint32_t most = config->upstream_count;
    house->member = ub_calloc(most, sizeof *house->member);
    house->mock = ub_calloc(most, sizeof(struct ub_mock *));
    house->upstream = ub_calloc(most, sizeof *house->upstream);
    if (house->member == NULL || house->mock == NULL || house->upstream == NULL) {
        ub_drill_house_close(house);
        return false;
    }
    find_members(house, &config->routes.models[model]);
    house->policy = config->routes.models[model].policy;
    if (!full_time) {
        shorten(&house->policy, shortened);
    }
    return true;
}

bool ub_drill_house_resumes(const struct ub_drill_house *house)
{
    bool resumes = house->config->models[house->model].resume;
    for (uint32_t i = 0; resumes && i < house->count; i++) {
        if (house->config->upstreams[house->member[i]].dialect != UB_DIALECT_OPENAI) {
            return true;
        }
    }
    return false;
}

/* ---- the upstreams ---- */

static enum ub_mock_dialect dialect_of(enum ub_dialect dialect)
{
    static const enum ub_mock_dialect dialects[] = {
        [UB_DIALECT_OPENAI] = UB_MOCK_OPENAI, [UB_DIALECT_DEEPSEEK] = UB_MOCK_DEEPSEEK,
        [UB_DIALECT_VLLM] = UB_MOCK_VLLM,     [UB_DIALECT_SGLANG] = UB_MOCK_SGLANG,
        [UB_DIALECT_LLAMA] = UB_MOCK_LLAMA,
    };
    return dialects[dialect];
}

static struct ub_mock *start_mock(const struct ub_upstream_config *upstream,
                                  const struct ub_mock_script *script, const char **why)
{
    struct ub_mock_options options = ub_mock_defaults();
    options.profile = *ub_engine_profile_find("instant");
    options.dialect = dialect_of(upstream->dialect);
    options.key = upstream->key != NULL ? UB_DRILL_KEY : NULL;
    options.answer_min = options.answer_max = UB_DRILL_TOKENS;
    options.prefix_cache = false;
    options.seed = UB_DRILL_SEED;
    options.script = script;
    return ub_mock_start(&options, why);
}

/* A port that is ours, so that nobody else gets it, and that takes no connection. */
static bool hold_dead_port(struct ub_drill_house *house)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    house->dead_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (house->dead_fd < 0 || bind(house->dead_fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(house->dead_fd, (struct sockaddr *)&address, &len) != 0) {
        return false;
    }
    house->dead_port = ntohs(address.sin_port);
    return true;
}

bool ub_drill_house_open(struct ub_drill_house *house, struct ub_drill_scripts *scripts,
                         struct ub_buf *words)
{
    const char *why = "no free port";
    bool good = hold_dead_port(house);
    for (uint32_t i = 0; good && i < house->count; i++) {
        ub_drill_upstream_init(&house->upstream[i], scripts, i);
        house->mock[i] = start_mock(&house->config->upstreams[house->member[i]],
                                    &house->upstream[i].script, &why);
        good = house->mock[i] != NULL;
    }
    if (!good) {
        ub_buf_printf(words, "the fault servers do not start: %s", why);
    }
    return good;
}

void ub_drill_house_close(struct ub_drill_house *house)
{
    for (uint32_t i = 0; house->mock != NULL && i < house->count; i++) {
        if (house->mock[i] != NULL) {
            ub_mock_stop(house->mock[i]);
        }
    }
    if (house->dead_fd >= 0) {
        close(house->dead_fd);
    }
    ub_config_release(house->config);
    ub_free(house->member);
    ub_free(house->mock);
    ub_free(house->upstream);
    *house = (struct ub_drill_house){.dead_fd = -1};
}

void ub_drill_house_text(uint64_t question, struct ub_buf *out)
{
    uint64_t talk = ub_mix64(UB_DRILL_SEED ^ question); /* as mock_job.c has it */
    char piece[UB_TALK_PIECE];
    for (uint32_t i = 0; i < UB_DRILL_TOKENS; i++) {
        ub_buf_add_slice(out, ub_talk_piece(talk, i, piece));
    }
}

/* ---- the configuration ---- */

static uint16_t port_of(const struct ub_drill_house *house, uint32_t upstream, uint32_t dead)
{
    for (uint32_t i = dead; i < house->count; i++) {
        if (house->member[i] == upstream) {
            return ub_mock_port(house->mock[i]);
        }
    }
    return house->dead_port;
}

/* The identity stays, and so do limits, prices, names and dialect. */
static void redirect(struct ub_upstream_config *upstream, uint16_t port)
{
    upstream->tls = false;
    upstream->ca = NULL;
    upstream->host = "127.0.0.1";
    upstream->port = port;
    upstream->path = upstream->path[0] == '\0' ? "" : "/v1"; /* those that the mock knows */
    upstream->key = upstream->key != NULL ? UB_DRILL_KEY : NULL;
}

struct ub_config *ub_drill_house_config(const struct ub_drill_house *house, uint32_t dead)
{
    static const struct ub_address listen = {"127.0.0.1", 0};
    const struct ub_config *from = house->config;
    struct ub_arena *arena;
    struct ub_config *config = ub_config_derive(house->config, &arena);
    if (config == NULL) {
        return NULL;
    }
    struct ub_upstream_config *upstreams =
        ub_arena_array(arena, from->upstream_count, sizeof *upstreams);
    struct ub_model_spec *models = ub_arena_array(arena, from->model_count, sizeof *models);
    struct ub_upstream_spec *specs = ub_arena_array(arena, from->upstream_count, sizeof *specs);
    if (upstreams == NULL || models == NULL || specs == NULL) {
        ub_config_release(config);
        return NULL;
    }
    memcpy(upstreams, from->upstreams, from->upstream_count * sizeof *upstreams);
    for (uint32_t i = 0; i < from->upstream_count; i++) {
        redirect(&upstreams[i], port_of(house, i, dead));
        specs[i] = from->routes.upstreams[i];
        specs[i].shared = false;
    }
    memcpy(models, from->routes.models, from->model_count * sizeof *models);
    for (uint32_t i = 0; i < from->model_count; i++) {
        models[i].quota = (struct ub_quota){0}; /* no limit */
    }
    models[house->model].policy = house->policy;
    config->upstreams = upstreams;
    config->share = (struct ub_share_config){0}; /* a drill takes nothing from anybody */
    config->routes.upstreams = specs;
    config->routes.models = models;
    config->listen = &listen;
    config->listen_count = 1;
    config->has_admin = false;
    config->tls_cert = config->tls_key = config->tls_client_ca = NULL;
    config->tenants = NULL;
    config->routes.tenants = NULL;
    config->routes.shares = NULL;
    config->tenant_count = config->routes.tenant_count = config->routes.share_count = 0;
    config->open = true;
    config->threads = 1;
    config->access_log = config->flight_record = NULL;
    return config;
}

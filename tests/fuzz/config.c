/* The configuration: any text gives either a whole configuration or problems with places. */
#include "gateway/config.h"
#include "fuzz.h"
#include "gateway/config_problems.h"

#define SECRET "9f8e-never-to-be-printed" /* its first 4 bytes are looked for */

__attribute__((constructor)) static void fill_environment(void)
{
    setenv("S", SECRET, 1);
    setenv("H", "127.0.0.1:80", 1);
}

/* "f:LINE:COL: words", the places inside the text and in order. */
static void check_problems(struct ub_slice text, struct ub_slice problems)
{
    unsigned lines = 1, count = 0, last = 0;
    for (size_t i = 0; i < text.len; i++) {
        lines += text.ptr[i] == '\n' || text.ptr[i] == '\r' || (unsigned char)text.ptr[i] >= 0x80;
    }
    while (problems.len > 0) {
        unsigned line = 0, column = 0;
        char words[2];
        const char *end = memchr(problems.ptr, '\n', problems.len);
        UB_FUZZ_CHECK(end != NULL, "a problem ends its line");
        UB_FUZZ_CHECK(sscanf(problems.ptr, "f:%u:%u: %1s", &line, &column, words) == 3,
                      "a problem has a place and words: %.*s", UB_SLICE_ARG(problems));
        UB_FUZZ_CHECK(line >= 1 && line <= lines + 1 && column >= 1, "place %u:%u of %u lines",
                      line, column, lines);
        UB_FUZZ_CHECK(line >= last, "in order");
        last = line;
        count++;
        problems.len -= (size_t)(end + 1 - problems.ptr);
        problems.ptr = end + 1;
    }
    UB_FUZZ_CHECK(count <= UB_CONF_PROBLEMS_MAX + 1, "%u problems", count);
}

static void check_model(const struct ub_config *config, uint32_t index)
{
    const struct ub_model_spec *spec = &config->routes.models[index];
    const char *name = config->models[index].name;
    UB_FUZZ_CHECK(spec->key != 0 && name != NULL && name[0] != '\0', "model %u has a name", index);
    UB_FUZZ_CHECK(ub_config_model(config, ub_slice_of(name)) == (int)index, "%s is found", name);
    UB_FUZZ_CHECK(spec->tiers >= 1 && spec->tiers <= UB_TIERS_MAX, "%u tiers", spec->tiers);
    for (uint32_t i = 0; i < spec->tiers; i++) {
        UB_FUZZ_CHECK(spec->tier[i].count >= 1 && spec->tier[i].count <= UB_TIER_MAX, "tier %u", i);
        for (uint32_t j = 0; j < spec->tier[i].count; j++) {
            uint32_t member = spec->tier[i].member[j];
            UB_FUZZ_CHECK(member < config->upstream_count, "member %u", member);
            struct ub_slice sent =
                ub_config_upstream_model(config, member, index, ub_slice_of(name));
            UB_FUZZ_CHECK(sent.len > 0 && memchr(sent.ptr, '"', sent.len) == NULL,
                          "the name sent upstream can stand in JSON");
        }
    }
    const struct ub_model_policy *policy = &spec->policy;
    UB_FUZZ_CHECK(policy->first_token_min_ns <= policy->first_token_max_ns &&
                      policy->retry.attempts >= 1 && policy->retry.base_ns <= policy->retry.cap_ns,
                  "bounds of %s", name);
}

static void check_quota(const struct ub_quota *quota)
{
    const struct ub_rate *rates[] = {&quota->requests, &quota->tokens};
    for (size_t i = 0; i < UB_COUNT(rates); i++) {
        UB_FUZZ_CHECK(rates[i]->amount == 0 ||
                          (rates[i]->amount <= UB_RATE_AMOUNT_MAX && rates[i]->burst >= 1 &&
                           rates[i]->per_ns >= UB_MS && rates[i]->per_ns <= UB_RATE_PER_MAX),
                      "a rate that the brain takes");
    }
}

static void check_limits(const struct ub_routes *routes)
{
    uint32_t before = 0;
    for (uint32_t i = 0; i < routes->model_count; i++) {
        check_quota(&routes->models[i].quota);
    }
    for (uint32_t i = 0; i < routes->tenant_count; i++) {
        check_quota(&routes->tenants[i].quota);
        UB_FUZZ_CHECK(routes->tenants[i].key != 0 && routes->tenants[i].class < UB_TRAFFIC_CLASSES,
                      "a tenant that the brain takes");
    }
    for (uint32_t i = 0; i < routes->share_count; i++) {
        const struct ub_share_spec *share = &routes->shares[i];
        uint32_t order = ((uint32_t)share->tenant << 16 | share->model) + 1;
        check_quota(&share->quota);
        UB_FUZZ_CHECK(share->tenant < routes->tenant_count && share->model < routes->model_count &&
                          order > before,
                      "shares in order");
        before = order;
    }
}

static void check_good(const struct ub_config *config)
{
    UB_FUZZ_CHECK(config->listen_count > 0 && config->upstream_count > 0 && config->model_count > 0,
                  "something of everything");
    UB_FUZZ_CHECK(config->upstream_count == config->routes.upstream_count &&
                      config->model_count == config->routes.model_count,
                  "the brain sees the same");
    for (uint32_t i = 0; i < config->upstream_count; i++) {
        const struct ub_upstream_config *upstream = &config->upstreams[i];
        UB_FUZZ_CHECK(upstream->name != NULL && upstream->host != NULL && upstream->port != 0 &&
                          upstream->id != 0 && upstream->id == config->routes.upstreams[i].key,
                      "upstream %u is complete", i);
        UB_FUZZ_CHECK(upstream->path[0] == '\0' || upstream->path[0] == '/', "its path");
        for (const char *c = upstream->key; c != NULL && *c != '\0'; c++) {
            UB_FUZZ_CHECK(*c > ' ' && *c < 0x7f, "its key can stand in a head");
        }
    }
    for (uint32_t i = 0; i < config->model_count; i++) {
        check_model(config, i);
    }
    check_limits(&config->routes);
    for (uint32_t i = 0; i < config->tenant_count; i++) {
        UB_FUZZ_CHECK(config->tenants[i].name != NULL && config->tenants[i].key_count > 0 &&
                          config->tenants[i].model_count > 0,
                      "tenant %u is complete", i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ub_slice text = {(const char *)data, size};
    struct ub_buf problems = {0};
    struct ub_config *config = ub_config_parse("f", text, &problems);
    UB_FUZZ_CHECK((config != NULL) == (problems.len == 0), "good, or words why not");
    if (config != NULL) {
        check_good(config);
    } else {
        check_problems(text, ub_buf_slice(&problems));
        bool written = memmem(text.ptr, text.len, SECRET, 4) != NULL; /* fuzzers learn it */
        UB_FUZZ_CHECK(written || memmem(problems.ptr, problems.len, SECRET, 4) == NULL,
                      "no secret in %.*s", UB_SLICE_ARG(ub_buf_slice(&problems)));
    }
    ub_config_release(config);
    ub_buf_free(&problems);
    return 0;
}

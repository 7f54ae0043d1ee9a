#include "gateway/config_starter.h"

#include "gateway/config.h"
#include <stdlib.h>

static const char top[] =
    "# unbusy: all keys and their defaults are in docs/CONFIG.md.\n"
    "# After a change: `unbusy check`, then SIGHUP to the running gateway.\n"
    "\n"
    "listen: 127.0.0.1:8080   # the API; clients use http://127.0.0.1:8080/v1 as their base URL\n"
    "admin: 127.0.0.1:9090    # /metrics /healthz /readyz\n"
    "access_log: \"-\"          # one line of JSON for each request, on stdout\n"
    "\n"
    "upstreams:\n";

/* Limits and prices as DeepSeek publishes them: both are per account *and model*, so each model is
 * an upstream of its own. Prices are off-peak. */
static const char deepseek[] =
    "  # DeepSeek limits requests at the same time per account and model, and has a price per "
    "model:\n"
    "  # one entry for each. Prices are CNY per million tokens, off-peak (weekdays 9-12 and 14-18\n"
    "  # in Beijing cost twice as much).\n"
    "  - name: official\n"
    "    url: https://api.deepseek.com\n"
    "    dialect: deepseek\n"
    "    key: ${DEEPSEEK_API_KEY}\n"
    "    models:\n"
    "      deepseek-flash: deepseek-flash\n"
    "      deepseek-chat: deepseek-flash       # the names until July 2026, for old clients\n"
    "      deepseek-reasoner: deepseek-flash\n"
    "    concurrency: 2500\n"
    "    price: {input: 1.0, cached: 0.02, output: 4.0}\n"
    "  - name: official-pro\n"
    "    url: https://api.deepseek.com\n"
    "    dialect: deepseek\n"
    "    key: ${DEEPSEEK_API_KEY}\n"
    "    models: [deepseek-v4-pro]\n"
    "    concurrency: 500\n"
    "    price: {input: 4.5, cached: 0.15, output: 13.5}\n";

static const char openai[] =
    "  # Without a list of models it is asked for whatever name the client asks for.\n"
    "  - name: openai\n"
    "    url: ${OPENAI_BASE_URL}\n"
    "    dialect: openai\n"
    "    key: ${OPENAI_API_KEY}\n";

static const char bottom[] =
    "\n"
    "# More upstreams make it never busy. For example:\n"
    "#  - {name: rack1, url: \"http://10.0.0.11:8000/v1\", dialect: vllm}\n"
    "#\n"
    "# Then say in which order they are used:\n"
    "# models:\n"
    "#   - name: deepseek-chat\n"
    "#     tiers: [[official], [rack1]]\n"
    "#\n"
    "# And who may come in (`unbusy key new` makes a key and its line):\n"
    "# tenants:\n"
    "#   - {name: web, keys: [{sha256: \"...\"}]}\n";

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0';
}

bool ub_config_starter(struct ub_buf *yaml)
{
    bool has_deepseek = is_set("DEEPSEEK_API_KEY");
    if (!has_deepseek && !(is_set("OPENAI_API_KEY") && is_set("OPENAI_BASE_URL"))) {
        return false;
    }
    ub_buf_add_text(yaml, top);
    ub_buf_add_text(yaml, has_deepseek ? deepseek : openai);
    ub_buf_add_text(yaml, bottom);
    return true;
}

struct ub_config *ub_config_from_environment(struct ub_buf *problems)
{
    struct ub_buf yaml = {0};
    struct ub_config *config = NULL;
    if (ub_config_starter(&yaml)) {
        if (yaml.failed) {
            ub_buf_add_text(problems, "environment:1:1: out of memory\n");
        } else {
            config = ub_config_parse("environment", ub_buf_slice(&yaml), problems);
        }
    }
    ub_buf_free(&yaml);
    return config;
}

#include "tools/demo.h"

#include "base/alloc.h"
#include "tools/mock.h"
#include <assert.h>

#define MOCKS 3

struct ub_demo {
    struct ub_mock *mocks[MOCKS];
};

static struct ub_prank_rule rule_of(const char *text)
{
    struct ub_prank_rule rule;
    bool good = ub_prank_parse(ub_slice_of(text), &rule, NULL);
    assert(good);
    return rule;
}

/* One as it should be, one that takes its time, one that says busy or breaks half of the time. */
static struct ub_mock_options options_of(int which)
{
    struct ub_mock_options options = ub_mock_defaults();
    options.host = UB_LIT("127.0.0.1");
    options.port = 0;
    options.threads = 1;
    options.seed = (uint64_t)which + 1;
    options.speed = 4;
    if (which == 1) {
        options.first_token_ns = 3 * UB_SECOND;
        options.speed = 1;
    } else if (which == 2) {
        options.pranks.count = 2;
        options.pranks.rule[0] = rule_of("503:0.4");
        options.pranks.rule[1] = rule_of("no-resource:0.2;after=0");
    }
    return options;
}

struct ub_demo *ub_demo_start(struct ub_buf *words)
{
    struct ub_demo *demo = ub_calloc(1, sizeof *demo);
    const char *why = "out of memory";
    for (int i = 0; i < MOCKS && demo != NULL; i++) {
        struct ub_mock_options options = options_of(i);
        demo->mocks[i] = ub_mock_start(&options, &why);
        if (demo->mocks[i] == NULL) {
            ub_demo_stop(demo);
            demo = NULL;
        }
    }
    if (demo == NULL) {
        ub_buf_printf(words, "the demo's upstreams do not start: %s\n", why);
    }
    return demo;
}

struct ub_config *ub_demo_config(const struct ub_demo *demo, struct ub_buf *words)
{
    static const char *const names[MOCKS] = {"good", "slow", "flaky"};
    struct ub_buf text = {0};
    ub_buf_add_text(&text, "listen: 127.0.0.1:8080\nadmin: 127.0.0.1:9090\nupstreams:\n");
    for (int i = 0; i < MOCKS; i++) {
        ub_buf_printf(&text, "  - {name: %s, url: \"http://127.0.0.1:%u/v1\"}\n", names[i],
                      ub_mock_port(demo->mocks[i]));
    }
    ub_buf_add_text(&text, "models:\n  - {name: demo, tiers: [[good, slow, flaky]]}\n");
    struct ub_config *config =
        text.failed ? NULL : ub_config_parse("(demo)", ub_buf_slice(&text), words);
    ub_buf_free(&text);
    return config;
}

void ub_demo_stop(struct ub_demo *demo)
{
    for (int i = 0; i < MOCKS && demo != NULL; i++) {
        if (demo->mocks[i] != NULL) {
            ub_mock_stop(demo->mocks[i]);
        }
    }
    ub_free(demo);
}

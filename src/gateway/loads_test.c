/* Engines are asked for their load; what they answer to that is nobody's fault, and delays nobody. */
#include "gateway/loads.h"

#include "base/alloc.h"
#include "base/test.h"
#include "gateway/admin.h"
#include "gateway/scrape.h"
#include "gateway/stage.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE(running, waiting)                                                              \
    "bytes HTTP/1.1 200 OK\\r\\nContent-Length: 67\\r\\n\\r\\n"                             \
    "vllm:num_requests_running{a=\"b\"} " running ".0\\nvllm:num_requests_waiting " waiting \
    ".0\\n"

/* The value of a series in /metrics, or -1. */
static double metric(const struct ub_stage *stage, const char *series)
{
    struct ub_buf text = {0};
    ub_scrape(&(struct ub_admin){.gateway = stage->gateway}, &text);
    ub_buf_add(&text, "", 1);
    const char *at = strstr(text.ptr, series);
    double value = at == NULL ? -1 : strtod(at + strlen(series), NULL);
    ub_buf_free(&text);
    return value;
}

static double reads(const struct ub_stage *stage)
{
    return metric(stage, "\nunbusy_upstream_load_reads_total{upstream=\"a\"} ");
}

static double failures(const struct ub_stage *stage)
{
    return metric(stage, "\nunbusy_upstream_load_failures_total{upstream=\"a\"} ");
}

static bool facts(const struct ub_stage *stage, struct ub_target_facts *out)
{
    struct ub_setup *setup = ub_gateway_setup(stage->gateway);
    const struct ub_routes *routes = &setup->config->routes;
    bool found = ub_keeper_target(stage->gateway->keeper, routes->upstreams[0].key,
                                  routes->models[0].key, out);
    ub_setup_release(setup);
    return found;
}

static bool others_are(const struct ub_stage *stage, uint32_t others, uint32_t waiting)
{
    struct ub_target_facts f;
    return facts(stage, &f) && f.load_known && f.others == others && f.waiting == waiting;
}

static void test_told(void)
{
    struct ub_stage stage = {.upstream = ", dialect: vllm"};
    ub_stage_actor(&stage, (const char *const[]){PAGE("8", "5"), PAGE("3", "0"), NULL});
    ub_stage_open(&stage, "");
    UB_CHECK(UB_AWAIT(reads(&stage) >= 2 && others_are(&stage, 3, 0)), "the brain is told");
    UB_CHECK(failures(&stage) == 0, "and nothing failed");
    char *heard = ub_actor_heard(&stage, 0);
    UB_CHECK(strncmp(heard, "GET /metrics HTTP/1.1\r\n", 23) == 0, "the page is beside /v1: %.30s",
             heard);
    ub_free(heard);
    ub_stage_close(&stage);
}

static const struct {
    const char *name;
    const char *script;
} bad[] = {
    {"no such page", "plain 404 {}"},
    {"another page", "plain 200 {\"load\":1}"},
    {"an error", "plain 500 {}"},
    {"a connection that breaks", "cut"},
    {"a page that breaks off", "bytes HTTP/1.1 200 OK\\r\\nContent-Length: 900\\r\\n\\r\\nvllm:"},
    {"silence", "hang"},
    {"a page without an end", "big 3000000"},
};

static void test_failures(void)
{
    for (size_t i = 0; i < UB_COUNT(bad); i++) {
        struct ub_stage stage = {.upstream = ", dialect: vllm"};
        ub_stage_actor(&stage, (const char *const[]){bad[i].script, PAGE("8", "5"), NULL});
        ub_stage_open(&stage, "");
        UB_CHECK(UB_AWAIT(failures(&stage) == 1), "%s: counted", bad[i].name);
        UB_CHECK(UB_AWAIT(reads(&stage) >= 1 && others_are(&stage, 13, 5)), "%s: and asked again",
                 bad[i].name);
        struct ub_target_facts f;
        UB_CHECK(facts(&stage, &f) && f.error_share == 0 && f.state == UB_UPSTREAM_UP,
                 "%s: it does not speak against the upstream", bad[i].name);
        ub_stage_close(&stage);
    }
}

/* Less and less often. */
static void test_never_tells(void)
{
    struct ub_stage stage = {.upstream = ", dialect: llama"};
    ub_stage_actor(&stage, (const char *const[]){"plain 501 {}", NULL});
    ub_stage_open(&stage, "");
    UB_CHECK(UB_AWAIT(failures(&stage) >= 5), "it never tells");
    ub_ns began = ub_clock_now();
    uint32_t before = ub_actor_requests(&stage, 0);
    UB_CHECK(UB_AWAIT(ub_actor_requests(&stage, 0) >= before + 2), "and is asked all the same");
    UB_CHECK(ub_clock_now() - began > 4 * ub_loads_period_ns, "but not each time");
    ub_stage_close(&stage);
}

static void test_off(const char *upstream)
{
    struct ub_stage stage = {.upstream = upstream};
    ub_stage_actor(&stage, (const char *const[]){"plain 404 {}", NULL});
    ub_stage_open(&stage, "");
    const struct timespec some = {.tv_nsec = (long)(3 * ub_loads_period_ns)};
    nanosleep(&some, NULL); /* that something does not happen cannot be awaited */
    UB_CHECK(ub_actor_requests(&stage, 0) == 0, "%s: nobody is asked", upstream);
    ub_stage_close(&stage);
}

int main(void)
{
    ub_loads_period_ns = 50 * UB_MS;
    test_told();
    test_failures();
    test_never_tells();
    test_off(", dialect: vllm, load: off");
    test_off(", dialect: openai");
    return ub_test_done();
}

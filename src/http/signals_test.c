#include "http/signals.h"

#include "base/test.h"
#include <string.h>

#define BOTH "vllm:num_requests_running 3\nvllm:num_requests_waiting 2\n"

static const struct {
    const char *name;
    enum ub_dialect dialect;
    const char *page;
    bool good;
    double running, waiting, kv;
} rows[] = {
    {"vLLM", UB_DIALECT_VLLM,
     "# HELP vllm:num_requests_running Number of requests in model execution batches.\n"
     "# TYPE vllm:num_requests_running gauge\n"
     "vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 8.0\n"
     "vllm:num_requests_waiting{engine=\"0\",model_name=\"m\"} 5.0\n"
     "vllm:num_requests_waiting_by_reason{reason=\"capacity\"} 900\n"
     "vllm:kv_cache_usage_perc{engine=\"0\"} 0.25\n",
     true, 8, 5, 0.25},
    {"an older vLLM", UB_DIALECT_VLLM, BOTH "vllm:gpu_cache_usage_perc 0.5\n", true, 3, 2, 0.5},
    {"SGLang", UB_DIALECT_SGLANG,
     "sglang:num_running_reqs{model_name=\"a b\"} 12\nsglang:num_queue_reqs 1e+02\n"
     "sglang:token_usage 0.9\n",
     true, 12, 100, 0.9},
    {"llama-server", UB_DIALECT_LLAMA,
     "llamacpp:requests_processing 4\nllamacpp:requests_deferred 1\n", true, 4, 1, 0},
    {"the engines of a group are added up, and the fullest counts", UB_DIALECT_VLLM,
     BOTH
     "vllm:num_requests_running{engine=\"1\"} 4\nvllm:num_requests_waiting{engine=\"1\"} 0\n"
     "vllm:kv_cache_usage_perc{engine=\"0\"} 0.7\nvllm:kv_cache_usage_perc{engine=\"1\"} 0.2\n",
     true, 7, 2, 0.7},
    {"braces and quotes in a label", UB_DIALECT_VLLM,
     "vllm:num_requests_running{m=\"a}\\\"} 9 \"} 1\nvllm:num_requests_waiting 0\n", true, 1, 0, 0},
    {"a timestamp", UB_DIALECT_VLLM,
     "vllm:num_requests_running 1 1700000000000\nvllm:num_requests_waiting\t2\t-5\n", true, 1, 2,
     0},
    {"the last line has no end", UB_DIALECT_VLLM,
     "vllm:num_requests_waiting 2\nvllm:num_requests_running 3", true, 3, 2, 0},
    {"nothing of an engine's is left when it is another's", UB_DIALECT_SGLANG, BOTH, false, 0, 0,
     0},
    {"one of the two is missing", UB_DIALECT_VLLM, "vllm:num_requests_running 3\n", false, 0, 0, 0},
    {"no number", UB_DIALECT_VLLM, "vllm:num_requests_running x\nvllm:num_requests_waiting 2\n",
     false, 0, 0, 0},
    {"not a number", UB_DIALECT_VLLM,
     "vllm:num_requests_running NaN\nvllm:num_requests_waiting +Inf\n", false, 0, 0, 0},
    {"less than nothing", UB_DIALECT_VLLM,
     "vllm:num_requests_running -1\nvllm:num_requests_waiting 2\n", false, 0, 0, 0},
    {"more than any engine has", UB_DIALECT_VLLM,
     "vllm:num_requests_running 1e300\nvllm:num_requests_waiting 2\n", false, 0, 0, 0},
    {"labels that never end", UB_DIALECT_VLLM,
     "vllm:num_requests_running{a=\"} 1\nvllm:num_requests_waiting 2\n", false, 0, 0, 0},
    {"no blank before the value", UB_DIALECT_VLLM,
     "vllm:num_requests_running{}1\nvllm:num_requests_waiting 2\n", false, 0, 0, 0},
    {"something behind the value", UB_DIALECT_VLLM,
     "vllm:num_requests_running 1 x\nvllm:num_requests_waiting 2\n", false, 0, 0, 0},
    {"a share above one is passed over", UB_DIALECT_VLLM, BOTH "vllm:kv_cache_usage_perc 1.5\n",
     true, 3, 2, 0},
    {"a page about something else", UB_DIALECT_VLLM, "<html>\n</html>\n", false, 0, 0, 0},
    {"nothing", UB_DIALECT_VLLM, "", false, 0, 0, 0},
};

static bool read_page(enum ub_dialect dialect, struct ub_slice page, size_t piece,
                      struct ub_signals *out)
{
    struct ub_signals_reader reader;
    ub_signals_begin(&reader, dialect);
    while (page.len > 0) {
        size_t len = piece < page.len ? piece : page.len;
        ub_signals_read(&reader, (struct ub_slice){page.ptr, len});
        page = (struct ub_slice){page.ptr + len, page.len - len};
    }
    return ub_signals_end(&reader, out);
}

static void test_long_lines(void)
{
    char page[2000];
    memset(page, 'x', sizeof page);
    memcpy(page, "vllm:num_requests_running{a=\"", 29);
    memcpy(page + 1000, "\"} 1\n" BOTH, sizeof "\"} 1\n" BOTH - 1);
    struct ub_slice text = {page, 1000 + sizeof "\"} 1\n" BOTH - 1};
    for (size_t piece = 1; piece < 1100; piece += 333) {
        struct ub_signals got;
        bool good = read_page(UB_DIALECT_VLLM, text, piece, &got);
        UB_CHECK(good && got.running == 3, "a line of a thousand bytes is passed over");
    }
}

int main(void)
{
    for (size_t i = 0; i < UB_COUNT(rows); i++) {
        bool as_wanted = true;
        for (size_t piece = 1; piece < 300; piece += 7) {
            struct ub_signals got;
            bool good = read_page(rows[i].dialect, ub_slice_of(rows[i].page), piece, &got);
            as_wanted &= good == rows[i].good;
            as_wanted &= !good || (got.running == rows[i].running &&
                                   got.waiting == rows[i].waiting && got.kv == rows[i].kv);
        }
        UB_CHECK(as_wanted, "%s", rows[i].name);
    }
    test_long_lines();
    return ub_test_done();
}

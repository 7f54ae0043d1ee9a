/* Two minutes of Mooncake's conversations against four upstreams with a prefix cache each: with
 * prefix affinity much more of the prompts is found in the caches than without, and the load stays
 * even. */
#include "base/alloc.h"
#include "sim/world.h"
#include "tools/trace.h"

#include <stdio.h>

#define UPSTREAMS 4

struct marks {
    uint32_t count;
    uint64_t hash[UB_PREFIX_MARKS];
    uint32_t tokens[UB_PREFIX_MARKS];
};

/* Ids of the trace are chained already: one stands for the whole beginning up to its block. */
static struct marks marks_of(const struct ub_trace *trace, const struct ub_trace_row *row)
{
    struct marks marks = {0};
    for (uint32_t i = 0; i < row->blocks && marks.count < UB_PREFIX_MARKS; i++) {
        marks.hash[marks.count] = ub_mix64(trace->block[row->first_block + i] + 1);
        marks.tokens[marks.count++] = (i + 1) * UB_TRACE_BLOCK_TOKENS;
    }
    return marks;
}

/* Share of the prompts' blocks that were at the same upstream before; `max_share`: of the busiest
 * upstream, of all attempts. */
static double hits(const struct ub_trace *trace, struct marks *marks, uint32_t affinity,
                   double *max_share)
{
    struct ub_brain_limits limits = {.requests = 400, .prefixes = 16384};
    struct ub_world *world =
        ub_world_new((struct ub_world_options){.seed = 8, .limits = limits, .quiet = true});
    const char *const names[UPSTREAMS] = {"a", "b", "c", "d"};
    ub_world_policy(world, 0)->affinity = affinity;
    for (int i = 0; i < UPSTREAMS; i++) {
        ub_world_upstream(world, names[i], 300 * UB_MS)->prefill_ns = 40 * UB_US;
    }
    uint32_t blocks_max = 0;
    for (uint32_t i = 0; i < trace->count; i++) {
        marks[i] = marks_of(trace, &trace->row[i]);
        ub_world_ask(world, (struct ub_ask){.at = trace->row[i].at,
                                            .prompt_tokens = trace->row[i].prompt,
                                            .answer_tokens = trace->row[i].answer,
                                            .prefix_count = marks[i].count,
                                            .prefix = marks[i].hash,
                                            .prefix_tokens = marks[i].tokens});
    }
    for (uint32_t i = 0; i < trace->block_count; i++) {
        blocks_max = trace->block[i] > blocks_max ? trace->block[i] : blocks_max;
    }
    ub_world_run(world);
    uint8_t *seen = ub_calloc(blocks_max + 1, 1);
    uint64_t found = 0, all = 0, started[UPSTREAMS] = {0}, max = 0;
    for (uint32_t i = 0; seen != NULL && i < trace->count; i++) {
        const struct ub_trace_row *row = &trace->row[i];
        int at = ub_world_result(world, i + 1).upstream->name[0] - 'a';
        started[at]++;
        max = started[at] > max ? started[at] : max;
        for (uint32_t b = 0; b < row->blocks; b++, all++) {
            uint8_t *block = &seen[trace->block[row->first_block + b]];
            found += *block >> at & 1;
            *block = (uint8_t)(*block | 1 << at);
        }
    }
    *max_share = (double)max / trace->count;
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    ub_free(seen);
    ub_world_free(world);
    return (double)found / (double)all;
}

int main(int argc, char **argv)
{
    char path[512];
    snprintf(path, sizeof path, "%s/traces/mooncake_conversation_2min.jsonl.gz",
             argc > 1 ? argv[1] : "tests/data");
    struct ub_trace trace = {0};
    struct ub_buf words = {0};
    bool read = UB_CHECK(ub_trace_read(&trace, path, &words), "the trace is read");
    struct marks *marks = ub_calloc(trace.count + 1, sizeof *marks);
    if (read && marks != NULL) {
        double max_without, max_with;
        double without = hits(&trace, marks, 0, &max_without);
        double with = hits(&trace, marks, UB_AFFINITY_PREFIX, &max_with);
        UB_CHECK(with > 1.3 * without,
                 "%.1f %% of the blocks are found warm, without affinity %.1f", 100 * with,
                 100 * without);
        UB_CHECK(max_with < 0.25 * 1.3, "and nobody has more than its share: %.0f %%",
                 100 * max_with);
    }
    ub_free(marks);
    ub_trace_free(&trace);
    ub_buf_free(&words);
    return ub_test_done();
}

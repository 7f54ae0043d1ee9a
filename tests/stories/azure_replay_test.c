/* Ten minutes of Azure's conversation trace against three upstreams, one of which refuses everybody
 * for a third of the time and has one outage: who asks it alone gets two answers of three, through
 * the brain everybody is answered. */
#include "sim/world.h"
#include "tools/trace.h"

#include <stdio.h>

#define HOST_LIMIT 400

static struct ub_world *asked(const struct ub_trace *trace, bool alone)
{
    struct ub_brain_limits limits = {.requests = HOST_LIMIT};
    struct ub_world *world =
        ub_world_new((struct ub_world_options){.seed = 8, .limits = limits, .quiet = true});
    struct ub_sim_upstream *moody = ub_world_upstream(world, "moody", 300 * UB_MS);
    moody->fault = UB_FAULT_BUSY_503;
    moody->bad_from = UB_HOUR + 20 * UB_SECOND;
    moody->bad_every_ns = 60 * UB_SECOND;
    moody->bad_for_ns = 20 * UB_SECOND;
    if (alone) {
        ub_world_policy(world, 0)->retry.attempts = 1;
    } else {
        ub_world_upstream(world, "steady", 500 * UB_MS);
        ub_world_upstream(world, "slow", 900 * UB_MS)->prefill_ns = 300 * UB_US;
    }
    for (uint32_t i = 0; i < trace->count; i++) {
        ub_world_ask(world, (struct ub_ask){.at = trace->row[i].at,
                                            .prompt_tokens = trace->row[i].prompt,
                                            .answer_tokens = trace->row[i].answer,
                                            .whole = i % 3 == 0});
    }
    return world;
}

static double answered(struct ub_world *world)
{
    uint32_t good = 0;
    for (uint32_t i = 1; i <= ub_world_asked(world); i++) {
        good += ub_world_result(world, i).outcome == UB_SIM_FINISHED;
    }
    UB_CHECK(ub_world_broken(world) == NULL, "every promise was kept");
    double share = (double)good / (double)ub_world_asked(world);
    ub_world_free(world);
    return share;
}

int main(int argc, char **argv)
{
    char path[512];
    snprintf(path, sizeof path, "%s/traces/azure2023_conv_10min.csv.gz",
             argc > 1 ? argv[1] : "tests/data");
    struct ub_trace trace = {0};
    struct ub_buf words = {0};
    if (UB_CHECK(ub_trace_read(&trace, path, &words), "the trace is read")) {
        UB_CHECK(trace.count == 2867, "all of it");
        struct ub_world *world = asked(&trace, true);
        ub_world_run(world);
        double alone = answered(world);
        UB_CHECK(alone > 0.3 && alone < 0.75, "the moody one alone answers %.1f %%", 100 * alone);

        world = asked(&trace, false);
        ub_world_run_until(world, 300 * UB_SECOND);
        ub_world_kill(world, "moody"); /* nothing was begun there that is not cut now */
        ub_world_run_until(world, 330 * UB_SECOND);
        ub_world_restart(world, "moody");
        ub_world_run(world);
        double together = answered(world);
        UB_CHECK(together > 0.99,
                 "through the brain %.2f %% are answered, streams cut by the kill "
                 "counted as lost",
                 100 * together);
    }
    ub_trace_free(&trace);
    ub_buf_free(&words);
    return ub_test_done();
}

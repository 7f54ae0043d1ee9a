#include "sim/upstream.h"

#include "base/real.h"

#include <assert.h>

/* Irwin-Hall: the sum of twelve uniform draws, close enough to normal and free of libm. */
static double draw_normal(struct ub_random *random)
{
    double sum = -6.0;
    for (int i = 0; i < 12; i++) {
        sum += ub_random_unit(random);
    }
    return sum;
}

ub_ns ub_latency_draw(const struct ub_latency *latency, struct ub_random *random)
{
    double mean = (double)latency->mean_ns;
    double sigma = latency->sigma;
    switch (latency->kind) {
    case UB_LATENCY_EXPONENTIAL:
        return (ub_ns)(-mean * ub_log(1.0 - ub_random_unit(random)));
    case UB_LATENCY_LOGNORMAL:
        return (ub_ns)(mean * ub_exp(sigma * draw_normal(random) - sigma * sigma / 2));
    case UB_LATENCY_FIXED:
        break;
    }
    return latency->mean_ns;
}

static bool in_episode(const struct ub_sim_upstream *u, ub_ns now)
{
    if (u->bad_for_ns == 0) {
        return true;
    }
    if (now < u->bad_from) {
        return false;
    }
    ub_ns since = now - u->bad_from;
    return (u->bad_every_ns == 0 ? since : since % u->bad_every_ns) < u->bad_for_ns;
}

enum ub_fault ub_sim_upstream_fault(struct ub_sim_upstream *u, uint32_t prompt_tokens, ub_ns now,
                                    struct ub_random *random)
{
    if (u->down) {
        return UB_FAULT_CONNECT_REFUSED;
    }
    if (u->fault != UB_FAULT_NONE && in_episode(u, now) &&
        (u->fault_share == 0 || ub_random_unit(random) < u->fault_share)) {
        enum ub_fault fault = u->fault;
        if (u->fault_left > 0 && --u->fault_left == 0) {
            u->fault = UB_FAULT_NONE;
        }
        return fault;
    }
    return u->context_tokens != 0 && prompt_tokens > u->context_tokens ? UB_FAULT_CONTEXT_TOO_LONG
                                                                       : UB_FAULT_NONE;
}

ub_ns ub_sim_upstream_pause(const struct ub_sim_upstream *u, enum ub_fault fault)
{
    return u->pause_ns != 0 ? u->pause_ns : ub_fault_facts(fault)->pause_ns;
}

void ub_sim_upstream_run(struct ub_sim_upstream *u, int by, ub_ns now)
{
    assert(by >= 0 || u->running >= (uint32_t)-by);
    u->busy_ns += (double)u->running * (double)(now - u->busy_until);
    u->busy_until = now;
    u->running = (uint32_t)((int)u->running + by);
    if (u->running > u->running_max) {
        u->running_max = u->running;
    }
}

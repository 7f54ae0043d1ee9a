/* draw.h - a storm: everything about it is drawn from its seed, so the seed is the whole report. */
#ifndef UB_STORMS_DRAW_H
#define UB_STORMS_DRAW_H

#include "sim/world.h"

#define UB_STORM_ACTS 64

/* What the seed's last digits choose; the rest is drawn inside. */
enum ub_storm_kind {
    UB_STORM_PLAIN,
    UB_STORM_STILL,      /* the clock stands still: everything happens at a few instants */
    UB_STORM_CROWD,      /* hundreds at the same instant, small holds */
    UB_STORM_TINY_HOUSE, /* few request slots, reused all the time; late words */
    UB_STORM_WIDE,       /* 64 upstreams in a tier, and a second such tier */
    UB_STORM_DEEP,       /* 16 tiers */
    UB_STORM_NO_QUEUE,   /* concurrency everywhere, queue of length 0 */
    UB_STORM_RELOADS,    /* reload in the middle of everything, down to no upstream at all */
    UB_STORM_DRAIN,
    UB_STORM_EXTREME, /* policies of zeros and nanoseconds */
    UB_STORM_LIARS,   /* late words, needless wake-ups, all the time */
    UB_STORM_LINES,   /* everybody is well, too few slots: no slot stays idle while one waits */
    UB_STORM_LIMITS,  /* tenants, shares and models with limits */
    UB_STORM_KINDS
};

enum ub_storm_act_type {
    UB_STORM_RELOAD,
    UB_STORM_EMPTY, /* reload with nothing in it */
    UB_STORM_KILL,
    UB_STORM_RESTART,
    UB_STORM_SICKEN, /* another fault */
    UB_STORM_MISCHIEF,
    UB_STORM_SLEEP,
    UB_STORM_SNAPSHOT,
    UB_STORM_DRAINS,
    UB_STORM_ACT_TYPES
};

struct ub_storm_act {
    ub_ns at;
    enum ub_storm_act_type type;
    uint32_t upstream;
};

struct ub_storm {
    uint64_t seed;
    enum ub_storm_kind kind;
    struct ub_random random;
    struct ub_world *world;
    struct ub_flight *flight; /* the caller's, or NULL */
    uint32_t upstreams;
    uint32_t models;
    uint32_t tenants;
    uint32_t acts;
    struct ub_storm_act act[UB_STORM_ACTS];
    ub_ns span_ns; /* arrivals lie in it */
    uint64_t prefix[UB_PREFIX_MARKS];
    uint32_t prefix_tokens[UB_PREFIX_MARKS];
};

/* The world with its upstreams, policies and requests; acts are drawn and not yet done. False
 * without memory. */
bool ub_storm_draw(struct ub_storm *storm, uint64_t seed, bool trace, struct ub_flight *flight);
struct ub_brain_limits ub_storm_limits(uint64_t seed);

struct ub_sim_upstream *ub_storm_upstream(struct ub_storm *storm, uint32_t index);
void ub_storm_sicken(struct ub_storm *storm, struct ub_sim_upstream *upstream);
/* Another set of upstreams, tiers and policies for the next reload; at least one is left. */
void ub_storm_reshape(struct ub_storm *storm);

#endif

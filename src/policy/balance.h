/* balance.h - choose the upstream for one attempt among those that may have it.
 *
 * Pure: the caller brings the facts and the chance, so the gateway and the simulator give the same
 * answer to the same question.
 *
 *   round_robin     one after the other
 *   least_request   fewest in flight, relative to warmth
 *   dynamic_weight  the article's rule: weight = 1 / (0.01 x mean response time in ms + 0.1), less
 * the error share, and 60 % less above a threshold; spread by smooth weighted round robin adaptive
 * least cost, where cost = expected time to the first payload x tokens in flight, raised by errors
 * and by coldness. Hot and cold (Prequal, NSDI'24) instead of simply "the best": an upstream with
 * more tokens in flight than 84 % of its tier and a quarter above the mean is hot, and waits until
 * no cold one is left
 *
 * The last two look at up to 16 candidates one by one; of more, 8 are drawn.
 */
#ifndef UB_POLICY_BALANCE_H
#define UB_POLICY_BALANCE_H

#include "base/random.h"
#include "policy/routes.h"

/* What we believe about one candidate. */
struct ub_candidate {
    uint32_t member;    /* position in the tier */
    uint32_t inflight;  /* requests, of all models */
    uint64_t tokens;    /* in flight */
    ub_ns expect_ns;    /* to the first payload, for this request; 0 = not known */
    double response_ns; /* mean of complete answers; 0 = not known */
    double error_share; /* 0..1 of recent attempts */
    double warmth;      /* 0.1..1: slow start after it came (back) */
};

/* The state that the two round robins keep for one tier. Plain zeroes at first. */
struct ub_turns {
    uint32_t next;
    double credit[UB_TIER_MAX];
};

/* Draws those to look at: writes indices below `count` (1..64) and returns how many. */
uint32_t ub_balance_look_at(enum ub_balance kind, uint32_t count, uint32_t looked_at[UB_TIER_MAX],
                            struct ub_random *random);

/* Index into `candidates` (count >= 1). `own_tokens`: what this request will add. */
uint32_t ub_balance_pick(enum ub_balance kind, const struct ub_candidate *candidates,
                         uint32_t count, uint64_t own_tokens, ub_ns slow_over_ns,
                         struct ub_turns *turns, struct ub_random *random);

/* The article's weight. `response_ns` 0 (not known) counts as 100 ms. */
double ub_balance_weight(double response_ns, double error_share, ub_ns slow_over_ns);

/* Slow start (Envoy): how much of its full share an upstream gets `since` it came back, linear from
 * 10 % to all of it over a minute. 0 = it has always been there. */
double ub_balance_warmth(ub_ns since, ub_ns now);

#endif

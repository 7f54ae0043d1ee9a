#include "policy/balance.h"

#include <assert.h>
#include <stdbool.h>

#define SCAN_MAX     16
#define SAMPLES      8
#define HOT_QUANTILE 0.84 /* Prequal, NSDI'24 */
#define HOT_FACTOR   1.25
#define HOT_MIN      4 /* with fewer candidates a quantile means nothing */
#define ERROR_FLOOR  0.05
#define WARM_NS      UB_MINUTE
#define WARM_MIN     0.1

double ub_balance_warmth(ub_ns since, ub_ns now)
{
    if (since == 0 || now - since >= WARM_NS) {
        return 1.0;
    }
    double share = (double)(now - since) / (double)WARM_NS;
    return share > WARM_MIN ? share : WARM_MIN;
}

double ub_balance_weight(double response_ns, double error_share, ub_ns slow_over_ns)
{
    double ms = (response_ns > 0 ? response_ns : (double)(100 * UB_MS)) / (double)UB_MS;
    double weight = (1.0 - error_share) / (0.01 * ms + 0.1);
    bool slow = slow_over_ns > 0 && response_ns > (double)slow_over_ns;
    weight *= slow ? 0.4 : 1.0;
    return weight > 1e-6 ? weight : 1e-6;
}

static uint32_t round_robin(const struct ub_candidate *c, uint32_t count, struct ub_turns *turns)
{
    uint32_t best = 0;
    uint32_t best_distance = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t distance = (c[i].member + UB_TIER_MAX - turns->next) % UB_TIER_MAX;
        if (distance < best_distance) {
            best = i;
            best_distance = distance;
        }
    }
    turns->next = (c[best].member + 1) % UB_TIER_MAX;
    return best;
}

/* Smooth weighted round robin (nginx): everyone gains its weight, the richest pays the sum. */
static uint32_t dynamic_weight(const struct ub_candidate *c, uint32_t count, ub_ns slow_over_ns,
                               struct ub_turns *turns)
{
    double sum = 0;
    uint32_t best = 0;
    for (uint32_t i = 0; i < count; i++) {
        double weight =
            ub_balance_weight(c[i].response_ns, c[i].error_share, slow_over_ns) * c[i].warmth;
        sum += weight;
        turns->credit[c[i].member] += weight;
        if (turns->credit[c[i].member] > turns->credit[c[best].member]) {
            best = i;
        }
    }
    turns->credit[c[best].member] -= sum;
    return best;
}

/* Among equals chance decides: the k-th equal replaces the earlier ones with probability 1/k. */
struct least {
    double value;
    uint32_t index;
    uint32_t equals;
};

static void offer(struct least *least, double value, uint32_t index, struct ub_random *random)
{
    if (least->equals == 0 || value < least->value) {
        *least = (struct least){value, index, 1};
    } else if (value == least->value) {
        least->equals++;
        if (ub_random_below(random, least->equals) == 0) {
            least->index = index;
        }
    }
}

static uint32_t least_request(const struct ub_candidate *c, uint32_t count,
                              struct ub_random *random)
{
    struct least least = {0};
    for (uint32_t i = 0; i < count; i++) {
        offer(&least, (double)(c[i].inflight + 1) / c[i].warmth, i, random);
    }
    return least.index;
}

/* The load above which a candidate is hot; UINT64_MAX when nobody is. */
static uint64_t hot_above(const struct ub_candidate *c, uint32_t count)
{
    if (count < HOT_MIN) {
        return UINT64_MAX;
    }
    uint64_t sorted[UB_TIER_MAX];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t tokens = c[i].tokens;
        uint32_t at = i;
        for (; at > 0 && sorted[at - 1] > tokens; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = tokens;
        sum += tokens;
    }
    uint64_t quantile = sorted[(uint32_t)(HOT_QUANTILE * (double)(count - 1))];
    uint64_t mean = (uint64_t)(HOT_FACTOR * (double)sum / (double)count);
    return quantile > mean ? quantile : mean;
}

/* An upstream that nobody has tried yet is expected to be as good as the best that we know. */
static ub_ns best_known(const struct ub_candidate *c, uint32_t count)
{
    ub_ns best = UB_NEVER;
    for (uint32_t i = 0; i < count; i++) {
        ub_ns expect_ns = c[i].expect_ns;
        if (expect_ns > 0 && expect_ns < best) {
            best = expect_ns;
        }
    }
    return best == UB_NEVER ? UB_MS : best;
}

static uint32_t adaptive(const struct ub_candidate *c, uint32_t count, uint64_t own_tokens,
                         struct ub_random *random)
{
    uint64_t hot = hot_above(c, count);
    ub_ns unknown_ns = best_known(c, count);
    struct least cold = {0}, any = {0};
    for (uint32_t i = 0; i < count; i++) {
        ub_ns expect_ns = c[i].expect_ns > 0 ? c[i].expect_ns : unknown_ns;
        double works = 1.0 - c[i].error_share;
        works = works > ERROR_FLOOR ? works : ERROR_FLOOR;
        double cost = (double)expect_ns * (double)(c[i].tokens + own_tokens + 1) /
                      (works * works * c[i].warmth);
        offer(&any, cost, i, random);
        if (c[i].tokens <= hot) {
            offer(&cold, cost, i, random);
        }
    }
    return cold.equals > 0 ? cold.index : any.index;
}

uint32_t ub_balance_look_at(enum ub_balance kind, uint32_t count, uint32_t looked_at[UB_TIER_MAX],
                            struct ub_random *random)
{
    assert(count >= 1 && count <= UB_TIER_MAX);
    for (uint32_t i = 0; i < count; i++) {
        looked_at[i] = i;
    }
    bool takes_turns = kind == UB_BALANCE_ROUND_ROBIN || kind == UB_BALANCE_DYNAMIC_WEIGHT;
    if (takes_turns || count <= SCAN_MAX) {
        return count;
    }
    for (uint32_t i = 0; i < SAMPLES; i++) { /* the first steps of a shuffle */
        uint32_t j = i + ub_random_below(random, count - i);
        uint32_t drawn = looked_at[j];
        looked_at[j] = looked_at[i];
        looked_at[i] = drawn;
    }
    return SAMPLES;
}

uint32_t ub_balance_pick(enum ub_balance kind, const struct ub_candidate *candidates,
                         uint32_t count, uint64_t own_tokens, ub_ns slow_over_ns,
                         struct ub_turns *turns, struct ub_random *random)
{
    assert(count >= 1 && count <= UB_TIER_MAX);
    switch (kind) {
    case UB_BALANCE_ROUND_ROBIN:
        return round_robin(candidates, count, turns);
    case UB_BALANCE_DYNAMIC_WEIGHT:
        return dynamic_weight(candidates, count, slow_over_ns, turns);
    case UB_BALANCE_LEAST_REQUEST:
        return least_request(candidates, count, random);
    case UB_BALANCE_ADAPTIVE:
        break;
    }
    return adaptive(candidates, count, own_tokens, random);
}

#include "policy/share.h"

#include "policy/brain.h"

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

void ub_share_begin(struct ub_share *share, uint32_t limit, uint32_t nodes_min, ub_ns now)
{
    *share = (struct ub_share){.limit = limit,
                               .nodes = 1,
                               .nodes_min = nodes_min,
                               .leased_until = ub_ns_after(now, UB_SHARE_LEASE_NS)};
}

uint32_t ub_share_want(struct ub_share *share, uint32_t wanted)
{
    uint32_t faded = share->wanted - share->wanted / 4 - (share->wanted > 0 && share->wanted < 4);
    share->wanted = wanted > faded ? wanted : faded;
    return share->wanted;
}

void ub_share_granted(struct ub_share *share, uint32_t part, uint32_t others, uint32_t nodes,
                      ub_ns asked_at)
{
    share->part = min_u32(part, share->limit);
    share->others = others;
    share->nodes = nodes > 0 ? nodes : 1;
    share->leased_until = ub_ns_after(asked_at, UB_SHARE_VALID_NS);
}

bool ub_share_is_leased(const struct ub_share *share, ub_ns now)
{
    return now < share->leased_until;
}

uint32_t ub_share_part(const struct ub_share *share, ub_ns now)
{
    if (ub_share_is_leased(share, now)) {
        return min_u32(share->part, share->limit);
    }
    uint32_t nodes = share->nodes > share->nodes_min ? share->nodes : share->nodes_min;
    uint32_t fair = share->limit / (nodes > 0 ? nodes : 1);
    uint32_t left = share->others < share->limit ? share->limit - share->others : 0;
    fair = fair > 0 ? fair : 1;
    bool grace = now < ub_ns_after(share->leased_until, UB_SHARE_GRACE_NS);
    uint32_t part = grace ? min_u32(fair, left) : fair;
    return part > 0 ? part : 1;
}

/* ---- tenants ---- */

#define GAIN  0.3 /* of a new sample; there are five a second */
#define SPARE 1.2
#define IDLE  20
#define MOST  (4.0 * UB_PART_WHOLE)

static double share_of_rate(double per_ns, const struct ub_rate *rate)
{
    return rate->amount == 0 ? 0 : per_ns * (double)rate->per_ns / (double)rate->amount;
}

uint32_t ub_share_needs(struct ub_share_need *need, const struct ub_share_use *use, ub_ns now)
{
    if (need->at != 0 && now > need->at) {
        double passed_ns = (double)(now - need->at);
        double requests = (double)(use->asked - need->asked) / passed_ns;
        double tokens = (double)(use->asked_tokens - need->asked_tokens) / passed_ns;
        need->per_ns += GAIN * (requests - need->per_ns);
        need->tokens_per_ns += GAIN * (tokens - need->tokens_per_ns);
    }
    need->at = now;
    need->asked = use->asked;
    need->asked_tokens = use->asked_tokens;
    double most = use->concurrency == 0 ? 0 : (double)use->inside / (double)use->concurrency;
    double rates[] = {share_of_rate(need->per_ns, &use->quota->requests),
                      share_of_rate(need->tokens_per_ns, &use->quota->tokens)};
    for (int i = 0; i < 2; i++) {
        most = rates[i] > most ? rates[i] : most;
    }
    double parts = most * SPARE * UB_PART_WHOLE;
    uint32_t wanted = (uint32_t)(parts < MOST ? parts : MOST);
    uint32_t least = UB_PART_WHOLE / (IDLE * (use->nodes > 0 ? use->nodes : 1));
    return wanted > least ? wanted : least;
}

#include "policy/affinity.h"

#include "base/random.h"

#define WAYS     4u
#define PAYS_MIN (500 * UB_MS)

/* ceil(1.25 (total + 1) / count) in integers. */
bool ub_affinity_fits(uint32_t inflight, uint64_t total, uint32_t count)
{
    uint64_t bound = (5 * (total + 1) + 4 * (uint64_t)count - 1) / (4 * (uint64_t)count);
    return (uint64_t)inflight + 1 <= bound;
}

uint64_t ub_affinity_score(uint64_t session, uint64_t upstream_key)
{
    return ub_mix64(session ^ ub_mix64(upstream_key));
}

bool ub_affinity_pays(ub_ns penalty_ns, ub_ns saved_ns)
{
    return penalty_ns <= ub_ns_max(saved_ns, PAYS_MIN);
}

static struct ub_prefix_entry *set_of(struct ub_prefixes prefixes, uint64_t hash)
{
    uint32_t sets = prefixes.size / WAYS;
    return &prefixes.entry[(ub_mix64(hash) & (sets - 1)) * WAYS];
}

uint16_t ub_prefix_find(struct ub_prefixes prefixes, uint64_t hash)
{
    struct ub_prefix_entry *set = set_of(prefixes, hash);
    for (uint32_t i = 0; i < WAYS; i++) {
        if (set[i].hash == hash && hash != 0) {
            return set[i].target;
        }
    }
    return UB_PREFIX_NONE;
}

void ub_prefix_put(struct ub_prefixes prefixes, uint64_t hash, uint16_t target)
{
    struct ub_prefix_entry *set = set_of(prefixes, hash);
    struct ub_prefix_entry *place = set;
    uint32_t now = ++*prefixes.clock;
    uint32_t oldest = 0;
    for (uint32_t i = 0; i < WAYS; i++) {
        /* A difference, so that the clock may turn over. */
        uint32_t age = set[i].hash == 0 ? UINT32_MAX : now - set[i].used;
        if (set[i].hash == hash) {
            place = &set[i];
            break;
        }
        if (age > oldest) {
            place = &set[i];
            oldest = age;
        }
    }
    *place = (struct ub_prefix_entry){hash, now, target};
}

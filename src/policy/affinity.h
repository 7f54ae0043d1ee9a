/* affinity.h - send related requests to the same place, as long as that is not worse.
 *
 * A session (cookie, header, client address) is placed by rendezvous hashing under a load bound
 * (Mirrokni, Thorup, Zadimoghaddam 2018): an upstream takes it only while it has at most
 * ceil(1.25 x mean) requests in flight, this one included; else the next in its order does. A
 * prompt that begins like an earlier one goes where that one went: the hashes of ever longer
 * beginnings are looked up in a table, longest first.
 */
#ifndef UB_POLICY_AFFINITY_H
#define UB_POLICY_AFFINITY_H

#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

/* May an upstream with `inflight` take one more, when all `count` of its tier have `total`? */
bool ub_affinity_fits(uint32_t inflight, uint64_t total, uint32_t count);

/* Rendezvous (highest random weight, Thaler and Ravishankar 1998): the member with the highest
 * score is the first choice of this session. */
uint64_t ub_affinity_score(uint64_t session, uint64_t upstream_key);

/* Is staying worth it? `penalty_ns`: how much later the first token is expected there than at the
 * best other place; `saved_ns`: prefill time that the warm cache saves. Half a second is never
 * worth moving. */
bool ub_affinity_pays(ub_ns penalty_ns, ub_ns saved_ns);

/* Which target served a prompt with this beginning last. Four entries to a set, the oldest goes. */
struct ub_prefix_entry {
    uint64_t hash; /* 0: empty */
    uint32_t used; /* turn of the clock */
    uint16_t target;
};

struct ub_prefixes {
    struct ub_prefix_entry *entry;
    uint32_t size; /* a power of two, >= 4 */
    uint32_t *clock;
};

#define UB_PREFIX_NONE UINT16_MAX

uint16_t ub_prefix_find(struct ub_prefixes prefixes, uint64_t hash);
void ub_prefix_put(struct ub_prefixes prefixes, uint64_t hash, uint16_t target);

#endif

/* share.h - one limit, several gateways: what this one may take of it.
 *
 * They meet at Redis. Several times a second each says how much it wants, and takes a lease on a
 * part; what Redis hands out is never more than the limit together (store/lease.h). A part is given
 * up by its own gateway only, so nobody gets it while it may still be in use, and the lease of one
 * that is dead runs out by itself.
 *
 * Who hears nothing until its lease has run out goes on alone, with a fair part: the limit, divided
 * by the gateways that were known, at least one. To less it goes down at once. It does not grow into
 * what others held when Redis was last heard of, though: their requests may take a while. Only after
 * UB_SHARE_GRACE_NS everybody is taken to have gone down to a fair part, too.
 *
 * A gateway that has just started waits for one lease's time before it goes on alone.
 */
#ifndef UB_POLICY_SHARE_H
#define UB_POLICY_SHARE_H

#include "base/time.h"
#include "policy/routes.h"
#include <stdbool.h>
#include <stdint.h>

#define UB_SHARE_ASK_NS   (200 * UB_MS)   /* how often to ask */
#define UB_SHARE_VALID_NS (700 * UB_MS)   /* a lease, from the moment of asking */
#define UB_SHARE_LEASE_NS (1 * UB_SECOND) /* at Redis: longer, so that ours has ended first */
#define UB_SHARE_GRACE_NS (10 * UB_SECOND)

struct ub_share {
    uint32_t limit;
    uint32_t part;      /* of the lease */
    uint32_t others;    /* what others held then */
    uint32_t nodes;     /* gateways that were there then */
    uint32_t nodes_min; /* that there are, as far as the configuration knows */
    uint32_t wanted;    /* lately: see ub_share_want */
    ub_ns leased_until;
};

void ub_share_begin(struct ub_share *share, uint32_t limit, uint32_t nodes_min, ub_ns now);

/* How much to ask for when this much is wanted now: a need that has gone is forgotten step by step,
 * so that parts do not go to and fro with each request. */
uint32_t ub_share_want(struct ub_share *share, uint32_t wanted);

/* A lease that was asked for at `asked_at` has been granted. */
void ub_share_granted(struct ub_share *share, uint32_t part, uint32_t others, uint32_t nodes,
                      ub_ns asked_at);

bool ub_share_is_leased(const struct ub_share *share, ub_ns now);

/* What may be taken now. */
uint32_t ub_share_part(const struct ub_share *share, ub_ns now);

/* ---- tenants: one part of all their limits ---- */

/* How much a tenant asks of one gateway, smoothed over a second or so. Zeroed: nothing yet. */
struct ub_share_need {
    ub_ns at;
    uint64_t asked, asked_tokens; /* then */
    double per_ns, tokens_per_ns;
};

/* What is known of it now. */
struct ub_share_use {
    const struct ub_quota *quota; /* the whole, as `concurrency` */
    uint32_t concurrency;
    uint32_t inside;              /* requests in the house */
    uint64_t asked, asked_tokens; /* so far, those included that were turned away */
    uint32_t nodes;
};

/* Of UB_PART_WHOLE, what it wants here: of the limit that is needed most, and a bit more, since who
 * only just gets what it wants waits. At least a twentieth of an equal part: the first ones to come
 * should not be turned away before Redis has heard of them. */
uint32_t ub_share_needs(struct ub_share_need *need, const struct ub_share_use *use, ub_ns now);

#endif

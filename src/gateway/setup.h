/* setup.h - a configuration in use: with the slots that the brain gave it, and what can be prepared
 * once instead of for each request.
 *
 * Immutable and counted. A request holds the setup it arrived under until it is over, so a reload
 * never changes what a running request sees.
 */
#ifndef UB_GATEWAY_SETUP_H
#define UB_GATEWAY_SETUP_H

#include "base/buf.h"
#include "gateway/config.h"
#include "gateway/endpoint.h"
#include "gateway/keeper.h"
#include "gateway/trust.h"
#include <stdatomic.h>

struct ub_site { /* one upstream */
    const struct ub_upstream_config *config;
    uint16_t slot;
    struct ub_buf lines[2];                    /* of heads: the fields that are always the same; [1]
                                                * for streams. With the key in them: a secret */
    struct ub_slice target[UB_ENDPOINT_COUNT]; /* "/v1/chat/completions"; empty for UNKNOWN */
    struct ub_slice load_target;               /* "/metrics", beside "/v1" and not below it */
    struct ub_trust *trust;                    /* held; NULL: plain HTTP */
};

struct ub_setup {
    atomic_uint holders;
    struct ub_config *config; /* held */
    struct ub_site *sites;    /* by index in the configuration */
    uint16_t *upstream_slots; /* the same order */
    uint16_t *model_slots;
    uint16_t *tenant_slots;
    int32_t *site_of; /* by brain slot: index of the site, -1 = none here */
    uint32_t slot_count;
    char *text;                /* what the slices point into */
    struct ub_tls_server *tls; /* NULL: clients speak plain HTTP */
};

/* Makes a setup of `config` (held from then on) and tells the brain. NULL: `words` says why, and
 * nothing has changed. `slot_count`: ub_brain_limits.upstreams. `before`: the setup so far, to
 * share with, or NULL. */
struct ub_setup *ub_setup_new(struct ub_config *config, struct ub_keeper *keeper,
                              uint32_t slot_count, const struct ub_setup *before,
                              struct ub_buf *words);

struct ub_setup *ub_setup_hold(struct ub_setup *setup);
void ub_setup_release(struct ub_setup *setup);

/* NULL when this slot is not one of this setup. */
const struct ub_site *ub_setup_site(const struct ub_setup *setup, uint16_t slot);

#endif

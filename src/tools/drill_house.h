/* drill_house.h - what stands around the gateway of a drill: a mock in place of each upstream, and
 * the user's configuration with these addresses in it.
 *
 * Nothing leaves this machine: an upstream that the drilled model does not use gets an address where
 * nobody listens. Keys are replaced; tenants are left out, and everybody is admitted, since nobody
 * has a key of theirs.
 */
#ifndef UB_TOOLS_DRILL_HOUSE_H
#define UB_TOOLS_DRILL_HOUSE_H

#include "gateway/config.h"
#include "tools/drill_script.h"

#define UB_DRILL_TOKENS 24 /* of each answer */
#define UB_DRILL_SEED   7  /* of all mocks: each would give the same answer */
#define UB_DRILL_KEY    "drill"

struct ub_drill_house {
    struct ub_config *config; /* the user's; held */
    uint32_t model;
    struct ub_model_policy policy; /* of that model, shortened */
    uint32_t count;                /* its upstreams */
    uint16_t *member; /* index in the configuration, each once, in the order of the tiers */
    struct ub_mock **mock;
    struct ub_drill_upstream *upstream;
    int dead_fd; /* holds the port where nobody listens */
    uint16_t dead_port;
};

/* Finds the model's upstreams, and how long the drill waits: as configured, or with nothing longer
 * than a few seconds; `shortened` gets what that changed, empty for nothing. False without memory. */
bool ub_drill_house_init(struct ub_drill_house *house, struct ub_config *config, uint32_t model,
                         bool full_time, struct ub_buf *shortened);
/* Starts the mocks. False: `words` says why. */
bool ub_drill_house_open(struct ub_drill_house *house, struct ub_drill_scripts *scripts,
                         struct ub_buf *words);
void ub_drill_house_close(struct ub_drill_house *house); /* several times is fine */

/* For one gateway. `dead`: so many upstreams of the model, the first ones, are not there. NULL
 * without memory. */
struct ub_config *ub_drill_house_config(const struct ub_drill_house *house, uint32_t dead);

/* Is a stream that broke promised to go on at another of them? Not when the model's `resume` is off,
 * nor with OpenAI's own dialect, which has no way to say it. */
bool ub_drill_house_resumes(const struct ub_drill_house *house);

/* What a mock says to this question. */
void ub_drill_house_text(uint64_t question, struct ub_buf *out);

#endif

/* episode.h - when an upstream has its bad times.
 *
 * Time is cut into cycles of mean / share; each has one bad episode of random length (half to one
 * and a half of `mean`) at a random place. So over any longer time the bad share is `share`. With
 * `turn` I of N, the episode stays in the I-th part of each cycle: upstreams with the same seed,
 * share and mean, and with different turns, are never bad together.
 *
 * Pure and stateless: the same seed and instant give the same answer.
 */
#ifndef UB_TOOLS_EPISODE_H
#define UB_TOOLS_EPISODE_H

#include "base/buf.h"
#include "base/slice.h"
#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

struct ub_episodes {
    double share; /* 0: never bad */
    ub_ns mean_ns;
    uint32_t turn; /* 0 .. turns - 1 */
    uint32_t turns;
    double slow; /* in bad times the engine runs at 1/slow of its speed */
    uint64_t seed;
};

/* "share=0.28,mean=20s[,turn=1/3][,slow=4][,seed=7]". False: `words` say why. */
bool ub_episodes_parse(struct ub_slice text, struct ub_episodes *episodes, struct ub_buf *words);

/* Is it bad at `at`? Where turns are to fit together, `at` must come from a common clock. `until`
 * (may be NULL) is when that changes at the earliest. */
bool ub_episodes_bad(const struct ub_episodes *episodes, ub_ns at, ub_ns *until);

#endif

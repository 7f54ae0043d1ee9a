/* loads.h - asks engines of one's own for their load, and tells the brain.
 *
 * For the whole process, on the first worker's loop: each engine once a second, spread over it. One that does not tell (no such page, no connection) is asked less and less often, up to each
 * ten seconds. It is no attempt: nothing of it speaks for or against the upstream but the figures
 * themselves, and no request waits for it.
 */
#ifndef UB_GATEWAY_LOADS_H
#define UB_GATEWAY_LOADS_H

#include "gateway/worker.h"

/* Only tests ask more often; set it before anything runs. */
extern ub_ns ub_loads_period_ns;

/* Begins to ask, on the worker's thread. NULL without memory: then nobody is asked. */
struct ub_loads *ub_loads_new(struct ub_worker *worker);

/* Its thread has ended. NULL is fine. */
void ub_loads_free(struct ub_loads *loads);

#endif

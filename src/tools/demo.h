/* demo.h - what `unbusy serve` runs without a configuration: three mock upstreams in this process,
 * of which one is slow and one fails, so that there is something to watch.
 */
#ifndef UB_TOOLS_DEMO_H
#define UB_TOOLS_DEMO_H

#include "base/buf.h"
#include "gateway/config.h"

struct ub_demo;

/* Starts the mocks. NULL: `words` says why. */
struct ub_demo *ub_demo_start(struct ub_buf *words);

/* The configuration for them; released by the caller. NULL: see `words`. */
struct ub_config *ub_demo_config(const struct ub_demo *demo, struct ub_buf *words);

void ub_demo_stop(struct ub_demo *demo); /* NULL is fine */

#endif

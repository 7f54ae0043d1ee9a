/* view.h - what one worker sees of a setup: the setup, and its own connections to the upstreams.
 *
 * Belongs to one worker's thread, counted without atomics: the worker holds its present view, each
 * request the one it arrived under, each attempt the one it was started from. After a reload a new
 * view shares the connection pools of the old one wherever the address stayed.
 */
#ifndef UB_GATEWAY_VIEW_H
#define UB_GATEWAY_VIEW_H

#include "gateway/setup.h"
#include "net/call.h"

struct ub_pool; /* an origin, counted by the views that share it */

struct ub_view {
    uint32_t holders;
    struct ub_setup *setup; /* held */
    struct ub_pool **pools; /* by site index */
};

/* NULL without memory. `before` may be NULL. */
struct ub_view *ub_view_new(struct ub_loop *loop, struct ub_setup *setup,
                            const struct ub_view *before);
struct ub_view *ub_view_hold(struct ub_view *view);
void ub_view_release(struct ub_view *view);

struct ub_origin *ub_view_origin(const struct ub_view *view, const struct ub_site *site);

#endif

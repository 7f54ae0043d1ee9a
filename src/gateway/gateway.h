/* gateway.h - the whole of body 1: the brain's keeper, the workers, and what they share.
 *
 *     start -> (reload ...) -> drain -> wait -> free
 *
 * For one thread, the main one; the workers are threads of their own.
 */
#ifndef UB_GATEWAY_GATEWAY_H
#define UB_GATEWAY_GATEWAY_H

#include "base/buf.h"
#include "gateway/worker.h"

/* Opens the listeners and starts the workers. `config` is held. NULL: what is wrong is in `words`.
 */
struct ub_gateway *ub_gateway_start(struct ub_config *config, struct ub_buf *words);

/* The real port of the n-th `listen` address. */
uint16_t ub_gateway_port(const struct ub_gateway *gateway, uint32_t n);

/* Goes by this configuration from now on: listeners and connections whose address stays are kept,
 * running requests go on as they began. False: nothing has changed, and `words` says why. */
bool ub_gateway_reload(struct ub_gateway *gateway, struct ub_config *config, struct ub_buf *words);

/* New requests are refused, connections are closed as they become idle; workers end when nothing
 * runs any more. `ended` is called on a worker's thread by the last of them. */
void ub_gateway_drain(struct ub_gateway *gateway, void (*ended)(void *user), void *user);

/* What still runs is cut. */
void ub_gateway_hurry(struct ub_gateway *gateway);

/* Waits for the workers; drains and hurries them when that was not done. */
void ub_gateway_free(struct ub_gateway *gateway);

/* The setup in use, held for the caller. */
struct ub_setup *ub_gateway_setup(struct ub_gateway *gateway);

/* Would a request be answered now? NULL when yes, else words. */
const char *ub_gateway_unready(struct ub_gateway *gateway);

#endif

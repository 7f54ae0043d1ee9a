/* doors.h - a worker's listeners, and how a reload changes them.
 *
 * A door whose address stays in the configuration is never closed: it gets the new options. New
 * addresses are opened, those that are gone are drained.
 */
#ifndef UB_GATEWAY_DOORS_H
#define UB_GATEWAY_DOORS_H

#include "gateway/worker.h"

/* Opens the listeners of the worker's present view. False: `address` (of the configuration) could
 * not be opened, `words` says why. */
bool ub_doors_open(struct ub_worker *worker, const struct ub_address **address, const char **words);

/* After a new view: keeps, opens, drains. What cannot be opened is said in the log. */
void ub_doors_update(struct ub_worker *worker);

/* No new connections; each door goes when its last exchange is over. */
void ub_doors_drain(struct ub_worker *worker);

/* At once. */
void ub_doors_close(struct ub_worker *worker);

/* The port of the n-th door in the order of the configuration at the start, 0 when there is none.
 */
uint16_t ub_doors_port(const struct ub_worker *worker, uint32_t n);

#endif

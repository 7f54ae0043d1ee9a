/* serve.h - the gateway as a process: signals, the admin pages, reloading, and a bounded end.
 *
 * SIGTERM and SIGINT drain (a second one cuts what still runs), SIGHUP loads the file again and
 * opens the access log anew. Runs on the calling thread, which must be the main one.
 */
#ifndef UB_GATEWAY_SERVE_H
#define UB_GATEWAY_SERVE_H

#include "gateway/gateway.h"

struct ub_serve_options {
    struct ub_config *config; /* the caller's; held as long as it is needed */
    const char *file;         /* what a reload reads; NULL: there is nothing to reload */
    /* Everything listens: the first screen. `admin_port` is where, 0 without admin pages. */
    void (*ready)(void *user, const struct ub_gateway *gateway, uint16_t admin_port);
    void *user;
};

/* Until it is told to stop. Returns the exit code. */
int ub_serve(const struct ub_serve_options *options);

#endif

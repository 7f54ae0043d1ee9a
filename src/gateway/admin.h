/* admin.h - the pages for operators: /healthz, /readyz, /metrics, POST /admin/reload.
 *
 * They live on the main thread's loop, apart from the workers, so that a scrape delays nobody.
 */
#ifndef UB_GATEWAY_ADMIN_H
#define UB_GATEWAY_ADMIN_H

#include "gateway/gateway.h"
#include "net/exchange.h"

struct ub_admin {
    struct ub_gateway *gateway;
    /* Loads the file again. False: `words` says why not. */
    bool (*reload)(void *user, struct ub_buf *words);
    void *user;
    uint64_t reloads;
    bool last_reload_ok;
};

/* What the admin listener is opened with; its user is a ub_admin. */
extern const struct ub_exchange_handler ub_admin_handler;

/* Reloads and keeps count. */
bool ub_admin_reload(struct ub_admin *admin, struct ub_buf *words);

#endif

/* auth.h - which tenant a request belongs to, by its API key. */
#ifndef UB_GATEWAY_AUTH_H
#define UB_GATEWAY_AUTH_H

#include "gateway/config.h"
#include "http/head.h"

/* The key that the client shows: `Authorization: Bearer KEY`, else `x-api-key`, else `api-key`.
 * Empty when there is none, or when the deciding field is there twice or malformed. */
struct ub_slice ub_auth_key(const struct ub_http_head *head);

/* SHA-256 of a key, as the configuration has it. */
void ub_auth_hash(struct ub_slice key, uint8_t out[32]);

/* Index of the tenant whose key this is, or -1. Looks at every key of every tenant whatever it
 * finds, so that the time tells nothing about them. */
int ub_auth_tenant(const struct ub_config *config, struct ub_slice key);

/* May this tenant use the model? */
bool ub_auth_allows(const struct ub_tenant_config *tenant, struct ub_slice model);

/* Was the request made by a web page that this machine does not serve itself? A browser on the machine
 * reaches loopback addresses for any page that it shows, and a form or a plain-text POST asks nobody
 * first (Fetch standard, "CORS-safelisted"); what such a page cannot do is leave `Origin` out or
 * choose it. Origins that are not of the web (an editor, a desktop program) are not meant. */
bool ub_auth_is_foreign_page(const struct ub_http_head *head);

#endif

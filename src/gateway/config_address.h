/* config_address.h - addresses to listen on, and base URLs of upstreams. */
#ifndef UB_GATEWAY_CONFIG_ADDRESS_H
#define UB_GATEWAY_CONFIG_ADDRESS_H

#include "base/arena.h"
#include "gateway/config.h"

/* "127.0.0.1:8080", "[::1]:8080", "localhost:8080", ":8080" (all IPv4 addresses). The host is
 * allocated without brackets, "localhost" as 127.0.0.1. NULL, or what is wrong. */
const char *ub_conf_address_parse(struct ub_slice text, struct ub_arena *arena,
                                  struct ub_address *out);

/* Scheme, host, port and path of an upstream's base URL. NULL, or what is wrong. */
const char *ub_conf_url_parse(struct ub_slice text, struct ub_arena *arena,
                              struct ub_upstream_config *out);

#endif

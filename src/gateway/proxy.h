/* proxy.h - whether an upstream is reached through a proxy, as HTTPS_PROXY and NO_PROXY say. */
#ifndef UB_GATEWAY_PROXY_H
#define UB_GATEWAY_PROXY_H

#include "base/slice.h"

/* Does `list` (NO_PROXY: names with commas; "*" is everybody, a name covers what is below it, with or
 * without a leading dot) name this host? */
bool ub_proxy_spares(struct ub_slice list, struct ub_slice host);

/* The proxy for https to this host, from the environment; empty = none. The text is getenv's. */
struct ub_slice ub_proxy_for(struct ub_slice host);

#endif

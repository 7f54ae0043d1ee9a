/* resolve.h - addresses of names: literals, /etc/hosts, DNS by c-ares, with a cache of their TTLs.
 *
 * Both families are asked at once and reported as they come, so that a slow or dead one delays
 * nobody (RFC 8305, section 3). Answers are kept for their TTL, at least a second and at most five
 * minutes, for at most 256 names; when DNS fails, what was known is good for another hour (in the
 * spirit of RFC 8767): an upstream does not go down with a name server.
 */
#ifndef UB_NET_RESOLVE_H
#define UB_NET_RESOLVE_H

#include "base/slice.h"
#include "net/address.h"
#include "net/loop.h"

#define UB_RESOLVE_MAX 8 /* addresses of one family */

struct ub_resolver; /* one for each loop, made with the first name */

struct ub_resolving {
    /* Once for each family, AF_INET6 and AF_INET in any order; `count` 0: it has none, or nobody
     * knows (`words`: static text, for the log). */
    void (*found)(struct ub_resolving *resolving, int family, const struct ub_address_ip *addresses,
                  int count, const char *words);
    uint16_t port;
    struct ub_resolving *prev, *next; /* private from here on; those who wait for `name` */
    struct ub_name *name;
    struct ub_task task;
    struct ub_address_ip literal;
    bool waits[2]; /* IPv6, IPv4 */
};

/* Set found and port, zero the rest. False without memory. `found` comes later, never from inside;
 * it may cancel, but its memory has to stay until it returns. */
bool ub_resolve(struct ub_loop *loop, struct ub_resolving *resolving, struct ub_slice host);
void ub_resolve_cancel(struct ub_resolving *resolving);

void ub_resolver_free(struct ub_resolver *resolver); /* NULL is fine */

/* For tests: asks this server ("127.0.0.1:port") instead of the system's, from then on. */
bool ub_resolver_use(struct ub_loop *loop, const char *server);

#endif

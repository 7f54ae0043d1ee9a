/* address.h - socket addresses: from and to text. No names here, see resolve.h. */
#ifndef UB_NET_ADDRESS_H
#define UB_NET_ADDRESS_H

#include "base/slice.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define UB_ADDRESS_TEXT 48 /* room for any address without port, zero included */

struct ub_address_ip {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t len;
};

/* A literal: "127.0.0.1", "::1", "[::1]". False: it is not one. */
bool ub_address_parse(struct ub_slice text, uint16_t port, struct ub_address_ip *out);

/* Without port; an IPv4 address inside IPv6 (::ffff:a.b.c.d) is written as IPv4. Returns the length
 * of what stands in `out` (at least UB_ADDRESS_TEXT bytes). */
size_t ub_address_text(const struct ub_address_ip *address, char *out);

/* Of the address alone, the port left out; IPv4 inside IPv6 hashes as IPv4. */
uint64_t ub_address_hash(const struct ub_address_ip *address);

uint16_t ub_address_port(const struct ub_address_ip *address);

#endif

/* ip.h - IP addresses, hosts and ports as text, for those who never see a socket. */
#ifndef UB_BASE_IP_H
#define UB_BASE_IP_H

#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>

/* Four decimal numbers from 0 to 255, without leading zeros (some readers take those as octal). */
bool ub_ip4_parse(struct ub_slice text, uint8_t out[4]);

/* RFC 4291, 2.2: groups, one "::", an IPv4 tail. No zone, no brackets. */
bool ub_ip6_parse(struct ub_slice text, uint8_t out[16]);

/* 127.0.0.0/8, ::1, or an IPv4 loopback address mapped into IPv6. */
bool ub_ip_is_loopback(struct ub_slice text);

/* "host", "host:port" or "[v6]:port"; `port` is empty when there is none, `host` has no brackets.
 * False: a bracket that is not closed, or a colon without a port. */
bool ub_host_split(struct ub_slice text, struct ub_slice *host, struct ub_slice *port,
                   bool *bracketed);

/* Decimal digits up to 65535. */
bool ub_port_parse(struct ub_slice text, uint16_t *port);

#endif

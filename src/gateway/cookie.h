/* cookie.h - the affinity cookie: which upstream a browser session was served by.
 *
 * Its value is the upstream's key (a hash of its name and URL) in hex, so it means the same to
 * every replica and after every reload, and tells a client nothing but "the same as before".
 */
#ifndef UB_GATEWAY_COOKIE_H
#define UB_GATEWAY_COOKIE_H

#include "base/slice.h"
#include <stdint.h>

#define UB_COOKIE_MAX 192 /* bytes of a Set-Cookie value of ours, with its name */

/* The key that cookie `name` in this Cookie header holds; 0 when there is none or it is not ours.
 */
uint64_t ub_cookie_read(struct ub_slice header, const char *name);

/* A Set-Cookie value into `out`; 0 when the name is too long. Returns the length. */
size_t ub_cookie_write(char out[UB_COOKIE_MAX], const char *name, uint64_t key);

#endif

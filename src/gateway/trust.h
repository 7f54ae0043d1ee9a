/* trust.h - whom we believe when we talk TLS to an upstream: a set of CA certificates, read once
 * and shared by all upstreams, workers and setups that name the same.
 *
 * Counted, thread-safe. The system's store costs megabytes and milliseconds, so a reload keeps it.
 */
#ifndef UB_GATEWAY_TRUST_H
#define UB_GATEWAY_TRUST_H

#include "base/buf.h"
#include "net/tls.h"
#include <stdatomic.h>
#include <stdint.h>

struct ub_trust {
    atomic_uint holders;
    char *ca; /* NULL: the system's */
    bool verify;
    int64_t changed_ns; /* of the file, to notice that it was replaced */
    int64_t size;
    struct ub_tls_client *client;
};

/* NULL: `words` says why. */
struct ub_trust *ub_trust_new(const char *ca, bool verify, struct ub_buf *words);
struct ub_trust *ub_trust_hold(struct ub_trust *trust);
void ub_trust_release(struct ub_trust *trust); /* NULL is fine */

/* Is it the same, and the file as it was? */
bool ub_trust_is(const struct ub_trust *trust, const char *ca, bool verify);

#endif

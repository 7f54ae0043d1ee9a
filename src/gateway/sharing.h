/* sharing.h - limits that this gateway shares with others, by leases from Redis.
 *
 * A thread with a loop of its own: several times a second it looks at what the brain wants of each
 * shared upstream, asks Redis for a part of its concurrency, and tells the brain what it has. No
 * worker ever waits for it. When Redis does not answer, each limit goes on with a fair part
 * (policy/share.h), which is said in the log once, and in the metrics.
 */
#ifndef UB_GATEWAY_SHARING_H
#define UB_GATEWAY_SHARING_H

#include "base/buf.h"
#include "store/redis.h"

struct ub_gateway;
struct ub_config;
struct ub_sharing;

/* Nothing runs yet. NULL: `words` says why. */
struct ub_sharing *ub_sharing_new(struct ub_gateway *gateway, const struct ub_config *config,
                                  struct ub_buf *words);
bool ub_sharing_start(struct ub_sharing *sharing); /* the thread */
void ub_sharing_free(struct ub_sharing *sharing);  /* NULL is fine */

/* Does it do what this configuration says? Limits may differ, they are looked at each time. */
bool ub_sharing_suits(const struct ub_sharing *sharing, const struct ub_config *config);

struct ub_sharing_facts {
    struct ub_redis_counts redis;
    uint32_t nodes; /* gateways that share, as far as is known */
    bool alone;     /* some limit has no lease */
};
struct ub_sharing_facts ub_sharing_facts(struct ub_sharing *sharing);

#endif

/* real_redis.h - for tests: a redis-server of one's own, with its own port and folder. */
#ifndef UB_STORE_REAL_REDIS_H
#define UB_STORE_REAL_REDIS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ub_real_redis {
    pid_t pid; /* 0: does not run */
    uint16_t port;
    char folder[40];
};

/* False: there is no redis-server here, and `server` needs no end. `options` (NULL-terminated, may be
 * NULL): more of its command line. Aborts when it does not come up. */
bool ub_real_redis_start(struct ub_real_redis *server, const char *const *options);
/* Once more at the same port; what it knew is gone. */
void ub_real_redis_restart(struct ub_real_redis *server);
void ub_real_redis_signal(const struct ub_real_redis *server, int signal); /* SIGSTOP, SIGCONT */
void ub_real_redis_kill(struct ub_real_redis *server);                     /* at once */
void ub_real_redis_end(struct ub_real_redis *server); /* kills, and removes its folder */

#endif

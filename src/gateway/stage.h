/* stage.h - for tests: a whole gateway in this process, between upstreams that play a script and
 * clients that are bare sockets.
 *
 * A script is lines, played once for each request; the n-th request to an upstream gets its n-th
 * script, the last one again and again:
 *     plain STATUS JSON    a whole answer
 *     stream               the head of an event stream (chunked)
 *     event JSON           one event of it
 *     raw TEXT             bytes inside the stream, \n and \r as written so
 *     bytes TEXT           bytes on the connection, instead of an answer
 *     field NAME: VALUE    goes into the head that follows
 *     done                 [DONE] and the end of the stream
 *     end                  the end of the stream without [DONE]
 *     wait MS              it takes its time, unless the gateway closes before
 *     big N                the start of a plain answer of N bytes of text, and all of it
 *     cut                  the connection is closed
 *     reset                the connection is reset
 *     hang                 nothing more until the gateway closes; the instant is noted
 */
#ifndef UB_GATEWAY_STAGE_H
#define UB_GATEWAY_STAGE_H

#include "base/buf.h"
#include "gateway/gateway.h"
#include <pthread.h>

#define UB_ACTORS_MAX  4
#define UB_SCRIPTS_MAX 8

struct ub_actor; /* an upstream */

struct ub_stage {
    uint32_t threads;     /* set it before ub_stage_open; 0 = one */
    const char *upstream; /* likewise: more keys for each upstream, ", zone: x"; NULL = none */
    struct ub_actor *actors[UB_ACTORS_MAX];
    uint32_t actor_count;
    struct ub_gateway *gateway;
    uint16_t port;
};

/* Adds an upstream called a, b, c, d; scripts end with NULL. The texts outlive the stage, the list
 * need not. */
void ub_stage_actor(struct ub_stage *stage, const char *const *scripts);

/* Starts the gateway with all actors as upstreams; `yaml` is added behind "listen:" and
 * "upstreams:", "" = one model "m", a tier for each actor. Aborts when it cannot. */
void ub_stage_open(struct ub_stage *stage, const char *yaml);

/* The configuration that ub_stage_open makes. */
struct ub_config *ub_stage_config(const struct ub_stage *stage, const char *yaml);

void ub_stage_close(struct ub_stage *stage); /* the actors too */

/* What an actor has seen. */
uint32_t ub_actor_requests(const struct ub_stage *stage, uint32_t actor);
char *ub_actor_heard(const struct ub_stage *stage, uint32_t actor);      /* a copy; ub_free */
uint32_t ub_actor_hanging(const struct ub_stage *stage, uint32_t actor); /* how often it began to */
ub_ns ub_actor_hung_up_at(const struct ub_stage *stage, uint32_t actor);

/* A client. */
struct ub_guest {
    int fd;
    int status;
    char *head;         /* of the response; zero-terminated */
    struct ub_buf body; /* without its framing; zero-terminated behind len */
    bool whole;         /* the framing was complete */
    bool closed;        /* the gateway closed the connection */
    ub_ns first_ns;     /* until the first byte of the body */
    ub_ns total_ns;
};

int ub_guest_dial(uint16_t port);
void ub_guest_say(int fd, const char *text);

/* POST of `body` to `path` with more header lines ("" or "Name: value\r\n..."), and the answer. */
struct ub_guest ub_guest_ask(uint16_t port, const char *path, const char *more, const char *body);
/* The answer to what was said on fd. */
struct ub_guest ub_guest_hear(int fd);
void ub_guest_free(struct ub_guest *guest);

#endif

/* answerer.h - for tests of the server: a handler that does what the target says ("/hello",
 * "/stream", "/cut", "/big" ...) and notes what it is told. */
#ifndef UB_NET_ANSWERER_H
#define UB_NET_ANSWERER_H

#include "net/peer.h"
#include "net/server.h"

extern struct ub_answerer {
    struct ub_loop *loop;
    struct ub_listener *listener;
    struct ub_buf told; /* "head /x, body 3, end, gone done; " */
    struct ub_exchange *running;
    size_t wanted, sent; /* of "/big" */
} ub_answerer;

struct ub_listener_options ub_answerer_options(void);
void ub_answerer_open(struct ub_listener_options options);
void ub_answerer_close(void);
struct ub_peer ub_answerer_dial(void);

const char *ub_answerer_told(void);
bool ub_answerer_was_told(const char *text);

/* Answers by hand. */
void ub_answerer_respond(struct ub_exchange *exchange, int64_t length);
void ub_answerer_send(struct ub_exchange *exchange, const char *text);

#endif

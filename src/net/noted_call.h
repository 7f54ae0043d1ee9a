/* noted_call.h - for tests of calls: one that notes what it is told. */
#ifndef UB_NET_NOTED_CALL_H
#define UB_NET_NOTED_CALL_H

#include "net/call.h"
#include "net/peer.h"

struct ub_noted_call {
    struct ub_call call;
    struct ub_loop *loop;
    struct ub_buf told; /* "head 200, body abc, ended ok" */
    bool over;
    enum ub_error error;
    bool pause_at_head, pause_at_body, cancel_at_head, cancel_at_body;
    size_t body_len;
};

extern const struct ub_call_handler ub_noted_handler;

/* GET, or POST with a body. */
struct ub_call_request ub_noted_request(const struct ub_slice *body, uint32_t count);
void ub_noted_start(struct ub_noted_call *noted, struct ub_loop *loop, struct ub_origin *to);
bool ub_noted_ends(struct ub_noted_call *noted); /* waits for it */
/* The peer hears the call's request and answers it, and the call ends. */
#define UB_NOTED_GOOD "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
void ub_noted_good_answer(struct ub_noted_call *noted, struct ub_peer *peer);

const char *ub_noted_told(struct ub_noted_call *noted);

struct ub_origin *ub_noted_origin(struct ub_loop *loop, uint16_t to, const char *host,
                                  const char *proxy);

#endif

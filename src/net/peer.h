/* peer.h - for tests: the other end of a connection as a bare socket that says exactly what it is
 * told and notes what it hears. Everything waits by turning the loop under test. */
#ifndef UB_NET_PEER_H
#define UB_NET_PEER_H

#include "base/buf.h"
#include "net/loop.h"

struct ub_peer {
    struct ub_loop *loop;
    int fd;
    struct ub_buf heard;
    bool finished; /* FIN or reset by the other side */
    bool reset;
};

/* Turns the loop until `condition`; false after ten seconds. */
#define UB_UNTIL(loop, condition)                                            \
    ({                                                                       \
        ub_ns until_limit = ub_clock_now() + 10 * UB_SECOND;                 \
        bool until_met;                                                      \
        while (!(until_met = (condition)) && ub_clock_now() < until_limit) { \
            ub_loop_turn((loop), UB_MS);                                     \
        }                                                                    \
        until_met;                                                           \
    })

/* A connection to 127.0.0.1; with receive_buffer > 0 its SO_RCVBUF. Aborts when it cannot. */
struct ub_peer ub_peer_dial(struct ub_loop *loop, uint16_t port, int receive_buffer);

/* A listening socket on 127.0.0.1 (or ::1), its port in `port`, and the next connection to it. */
int ub_peer_listen(bool v6, uint16_t *port, int backlog);
struct ub_peer ub_peer_accept(struct ub_loop *loop, int listener);

void ub_peer_say(struct ub_peer *peer, struct ub_slice bytes);
void ub_peer_say_text(struct ub_peer *peer, const char *text);
void ub_peer_hear(struct ub_peer *peer);                    /* what is there now */
bool ub_peer_hears(struct ub_peer *peer, const char *text); /* waits until it was heard */
bool ub_peer_sees_end(struct ub_peer *peer);                /* waits for FIN or reset */
const char *ub_peer_text(struct ub_peer *peer);             /* all that was heard */
void ub_peer_finish(struct ub_peer *peer);                  /* FIN only */
void ub_peer_close(struct ub_peer *peer, bool reset);

#endif

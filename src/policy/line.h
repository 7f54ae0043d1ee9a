/* line.h - the line in front of upstreams whose slots are all taken; a part of state.h.
 *
 * queue.c says who waits, serve.c who gets a slot that is free, outlook.c how long it will take. The
 * rules are told in queue.c.
 */
#ifndef UB_POLICY_LINE_H
#define UB_POLICY_LINE_H

#include "base/random.h"
#include "base/time.h"
#include "policy/brain.h"
#include "policy/skew.h"

struct request;

#define FLOW_BUCKETS 256

/* Those who wait for one model in one class. */
struct line {
    uint64_t clock;   /* tokens that the flow served last had got: who comes (back) starts there */
    uint32_t root;    /* flows that wait, as a heap: the one that has got least comes first */
    uint32_t flows;   /* in the heap */
    uint32_t waiting; /* requests */
    ub_ns served_at;  /* the latest one, or since when somebody waits here */
    double gap_ns;    /* mean time between two that are served, since then */
    uint32_t samples; /* that made it, up to LINE_SAMPLES_MAX */
};

#define LINE_SAMPLES     16 /* so many tell how fast a line moves */
#define LINE_SAMPLES_MAX 32

/* Its key in the heap is what it has got: tokens, an answer's twice. */
struct flow {
    uint16_t model, tenant;
    uint8_t class;
    uint32_t next;                 /* of the same bucket; also links the free list */
    uint32_t refs;                 /* requests in the house that wait or waited here */
    uint32_t first, last, waiting; /* requests, oldest first, linked by next and previous */
    uint32_t ticket;               /* of the next */
    ub_ns standing_since;          /* somebody waits here without a break */
};

/* queue.c: who waits for a slot. */
/* False: the line is full, also of those whom this request may displace. Who waits already keeps its
 * place. */
bool enter_line(struct ub_brain *brain, struct request *request, ub_ns now,
                struct ub_random *random);
bool has_place(const struct ub_brain *brain, const struct request *request);
void leave_line(struct ub_brain *brain, struct request *request);
/* The same, with a slot of this target. */
void leave_line_served(struct ub_brain *brain, struct request *request, uint16_t target);
/* It has used that many tokens, an answer's counted twice. */
void settle_flow(struct ub_brain *brain, struct request *request, uint32_t tokens);
void leave_flow(struct ub_brain *brain, struct request *request);
uint32_t used_tokens(uint32_t tokens_in, uint32_t tokens_out);
uint32_t find_flow(const struct ub_brain *brain, const struct request *request); /* 0: none */
/* It waits, and shall no longer. */
void dismiss(struct ub_brain *brain, struct request *request, enum ub_reason reason, ub_ns now,
             struct ub_random *random);

/* serve.c: who gets a slot that is free. */
bool serves_newest(const struct ub_brain *brain, const struct flow *flow);
/* One slot of this upstream may be free, or any number of them. */
void serve_upstream(struct ub_brain *brain, uint16_t upstream, ub_ns now, struct ub_random *random);
void serve_whole_upstream(struct ub_brain *brain, uint16_t upstream, ub_ns now,
                          struct ub_random *random);
void serve_all_lines(struct ub_brain *brain, ub_ns now, struct ub_random *random);

/* outlook.c: the place in the line, 1 = next, and the time until there is a slot; 0 = nobody knows. Of
 * a request that does not wait: if it began to. */
struct outlook {
    uint32_t position;
    ub_ns wait_ns;
};
struct outlook outlook_of(const struct ub_brain *brain, const struct request *request);
/* Until those have a slot who wait now, whoever of them is served first; 0 = nobody knows. */
ub_ns line_time(const struct ub_brain *brain, const struct request *request);
ub_ns answer_time(const struct ub_brain *brain, uint16_t model); /* mean; 0 = nobody knows */
bool is_in_sight(const struct ub_brain *brain, const struct request *request, ub_ns now);

#endif

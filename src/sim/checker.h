/* checker.h - what every body relies on, checked from outside at each event and action.
 *
 * The checker keeps its own account of requests, attempts and routes and never looks into the
 * brain. The first promise that is broken is kept as words; later ones are its consequences.
 *
 * Promises: a reason with every action; one terminal action per request and no attempt running
 * after it; attempts numbered from 1, no more than the policy's, one at a time or a second one beside it at another
 * upstream until one of them speaks; START only on
 * upstreams of the routes that the request arrived with, never over a known concurrency, never twice
 * on a silent one, never after a client's fault, never again for a body that cannot be sent again;
 * FORWARD once; CUT only after it, ANSWER only before; FINISH only for a complete answer, or after
 * FORWARD for one that lacks but its end; DROP only for a client that left; heartbeats not early; nobody past its deadline; extra attempts
 * within the budgets of their model and of their upstream;
 * no more requests of a tenant than its concurrency, and than its rate allows;
 * a slot is used for another upstream only when nothing runs there.
 */
#ifndef UB_SIM_CHECKER_H
#define UB_SIM_CHECKER_H

#include "policy/brain.h"

struct ub_checker;

/* `slack_ns`: how late the body may wake the brain. NULL without memory. */
struct ub_checker *ub_checker_new(const struct ub_brain_limits *limits, ub_ns slack_ns);
void ub_checker_free(struct ub_checker *checker);

/* The body slept: deadlines may be missed by that much more. */
void ub_checker_slack(struct ub_checker *checker, ub_ns more_ns);

/* From now on nobody may wait in line while an upstream has a free slot. Only true of a world with
 * one model and one tier whose upstreams are well and have a known concurrency. */
void ub_checker_no_idle_slots(struct ub_checker *checker);

/* Before the step, except ROUTES: after it, because slots are looked up. */
void ub_checker_event(struct ub_checker *checker, const struct ub_brain *brain,
                      const struct ub_event *event);
/* The brain has nothing more to say for now. */
void ub_checker_drained(struct ub_checker *checker, const struct ub_brain *brain);
void ub_checker_action(struct ub_checker *checker, const struct ub_action *action, ub_ns now);

/* Everything that was asked is over: is nothing left, in our account and in the brain's? */
void ub_checker_quiet(struct ub_checker *checker, const struct ub_brain *brain);

/* NULL: all promises were kept. Else words, owned by the checker. */
const char *ub_checker_broken(const struct ub_checker *checker);

#endif

/* arrival.h - when requests come: evenly, at random, in bursts.
 *
 * The gaps between arrivals have the mean 1 / rate and the coefficient of variation `cv`: 0 is a
 * metronome, 1 a Poisson process, more comes in bursts (Gamma; real LLM traffic has 1 to 3).
 */
#ifndef UB_TOOLS_ARRIVAL_H
#define UB_TOOLS_ARRIVAL_H

#include "base/random.h"
#include "base/time.h"

struct ub_arrivals {
    double rate; /* per second, > 0 */
    double cv;   /* >= 0 */
    struct ub_random random;
    double at_s; /* of the last one; starts at 0 */
};

/* The next arrival, since the start. */
ub_ns ub_arrivals_next(struct ub_arrivals *arrivals);

/* A draw from the Gamma distribution with this shape (> 0) and scale 1. */
double ub_draw_gamma(struct ub_random *random, double shape);
/* From the standard normal distribution. */
double ub_draw_normal(struct ub_random *random);

#endif

#include "tools/arrival.h"

#include <math.h>

static double open_unit(struct ub_random *random)
{
    return 1.0 - ub_random_unit(random); /* in (0, 1], fit for a logarithm */
}

double ub_draw_normal(struct ub_random *random)
{
    double radius = sqrt(-2.0 * log(open_unit(random)));
    return radius * cos(2.0 * M_PI * ub_random_unit(random)); /* Box and Muller 1958 */
}

/* Marsaglia and Tsang 2000; for shapes below 1 by way of shape + 1. */
double ub_draw_gamma(struct ub_random *random, double shape)
{
    double boost = 1.0;
    if (shape < 1.0) {
        boost = pow(open_unit(random), 1.0 / shape);
        shape += 1.0;
    }
    double d = shape - 1.0 / 3.0;
    double c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double x = ub_draw_normal(random);
        double v = 1.0 + c * x;
        if (v <= 0.0) {
            continue;
        }
        v = v * v * v;
        if (log(open_unit(random)) < 0.5 * x * x + d - d * v + d * log(v)) {
            return boost * d * v;
        }
    }
}

ub_ns ub_arrivals_next(struct ub_arrivals *arrivals)
{
    double gap = 1.0;
    if (arrivals->cv > 0.0) {
        double shape = 1.0 / (arrivals->cv * arrivals->cv);
        gap = ub_draw_gamma(&arrivals->random, shape) / shape;
    }
    arrivals->at_s += gap / arrivals->rate;
    return arrivals->at_s < 9e9 ? (ub_ns)(arrivals->at_s * 1e9) : UB_NEVER;
}

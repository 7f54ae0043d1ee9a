#include "tools/arrival.h"

#include "base/real.h"
#include <math.h>

static double open_unit(struct ub_random *random)
{
    return 1.0 - ub_random_unit(random); /* in (0, 1], fit for a logarithm */
}

double ub_draw_normal(struct ub_random *random)
{
    double x, square;
    do { /* a point in the unit circle: Marsaglia and Bray 1964 */
        x = 2.0 * ub_random_unit(random) - 1.0;
        double y = 2.0 * ub_random_unit(random) - 1.0;
        square = x * x + y * y;
    } while (square >= 1.0 || square == 0.0);
    return x * sqrt(-2.0 * ub_log(square) / square);
}

/* Marsaglia and Tsang 2000; for shapes below 1 by way of shape + 1. */
double ub_draw_gamma(struct ub_random *random, double shape)
{
    double boost = 1.0;
    if (shape < 1.0) {
        boost = ub_exp(ub_log(open_unit(random)) / shape);
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
        if (ub_log(open_unit(random)) < 0.5 * x * x + d - d * v + d * ub_log(v)) {
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

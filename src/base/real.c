#include "base/real.h"

#include "base/slice.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* ln 2 in two parts: the upper has 21 trailing zero bits, so k * LN2_HI is exact for |k| < 2^20. */
#define LN2_HI 0x1.62e42fee00000p-1
#define LN2_LO 0x1.a39ef35793c76p-33

static const double inverse_factorial[] = {
    1.0,
    1.0,
    1.0 / 2,
    1.0 / 6,
    1.0 / 24,
    1.0 / 120,
    1.0 / 720,
    1.0 / 5040,
    1.0 / 40320,
    1.0 / 362880,
    1.0 / 3628800,
    1.0 / 39916800,
    1.0 / 479001600,
    1.0 / 6227020800,
};

static double scale2(double x, int exponent)
{
    while (exponent > 1000) {
        x *= 0x1p1000;
        exponent -= 1000;
    }
    while (exponent < -1000) {
        x *= 0x1p-1000;
        exponent += 1000;
    }
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return x * power;
}

/* x = k ln2 + r with |r| <= ln2 / 2, then the Taylor series of exp(r) to the 13th power. */
double ub_exp(double x)
{
    if (x != x) {
        return x;
    }
    if (x > 709.782712893384) {
        return (double)INFINITY;
    }
    if (x < -745.2) {
        return 0.0;
    }
    int k = (int)(x / (LN2_HI + LN2_LO) + (x < 0 ? -0.5 : 0.5));
    double r = (x - (double)k * LN2_HI) - (double)k * LN2_LO;
    double sum = inverse_factorial[UB_COUNT(inverse_factorial) - 1];
    for (int n = (int)UB_COUNT(inverse_factorial) - 2; n >= 0; n--) {
        sum = sum * r + inverse_factorial[n];
    }
    return scale2(sum, k);
}

/* x = m 2^e with m in [sqrt(1/2), sqrt(2)), then ln m = 2 atanh((m - 1) / (m + 1)) as a series. */
double ub_log(double x)
{
    if (x != x || x < 0) {
        return (double)NAN;
    }
    if (x == 0) {
        return -(double)INFINITY;
    }
    if (x > 0x1.fffffffffffffp1023) {
        return x;
    }
    int e = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        e = -54;
    }
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    e += (int)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffffu) | ((uint64_t)1023 << 52);
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        e++;
    }
    double s = (m - 1.0) / (m + 1.0);
    double z = s * s;
    double sum = 0.0;
    for (int n = 23; n >= 1; n -= 2) {
        sum = sum * z + 1.0 / (double)n;
    }
    return (double)e * LN2_HI + (2.0 * s * sum + (double)e * LN2_LO);
}

double ub_decay_share(double dt, double tau)
{
    return dt <= 0 ? 0.0 : 1.0 - ub_exp(-dt / tau);
}

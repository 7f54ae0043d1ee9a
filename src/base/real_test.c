#include "base/real.h"

#include "base/test.h"
#include <math.h>

static double relative_error(double got, double want)
{
    return want == 0 ? fabs(got) : fabs(got / want - 1);
}

int main(void)
{
    double worst_exp = 0, worst_log = 0;
    for (int i = -7000; i <= 7000; i++) {
        double x = i * 0.1;
        worst_exp = fmax(worst_exp, relative_error(ub_exp(x), exp(x)));
        double y = exp(x) * 1.01;
        worst_log = fmax(worst_log, fabs(ub_log(y) - log(y)) / fmax(1, fabs(log(y))));
    }
    UB_CHECK(worst_exp < 1e-14, "exp agrees with libm (worst %.2g)", worst_exp);
    UB_CHECK(worst_log < 1e-14, "log agrees with libm (worst %.2g)", worst_log);
    UB_CHECK(ub_exp(0) == 1 && ub_log(1) == 0, "exp 0 and log 1 are exact");
    UB_CHECK(ub_exp(-800) == 0 && isinf(ub_exp(800)), "exp saturates");
    UB_CHECK(isinf(ub_log(0)) && isnan(ub_log(-1)), "log has its edges");
    UB_CHECK(relative_error(ub_log(5e-324), log(5e-324)) < 1e-14, "log takes subnormals");
    UB_CHECK(ub_decay_share(0, 10) == 0, "no time, no share");
    UB_CHECK(fabs(ub_decay_share(10, 10) - 0.6321205588) < 1e-9, "one tau, 63 %%");
    return ub_test_done();
}

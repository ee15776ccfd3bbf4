#include "reports/statistics/reliability.h"

#include <math.h>
#include <stdbool.h>

#include "reports/statistics/distribution.h"

double reliability_mtbf_bound(double hours, int failures, double confidence)
{
    if (!(hours > 0) || failures < 0)
        return NAN;
    return 2 * hours / distribution_chi_square_quantile(confidence, 2.0 * failures + 2);
}

double reliability_mtbf_upper(double hours, int failures, double confidence)
{
    if (!(hours > 0) || failures < 1)
        return NAN;
    return 2 * hours / distribution_chi_square_quantile(1 - confidence, 2.0 * failures);
}

double reliability_arrhenius(double activation_ev, double use_c, double stress_c)
{
    static const double boltzmann_ev = 8.617333262e-5, zero_c_k = 273.15;
    return exp(activation_ev / boltzmann_ev * (1 / (use_c + zero_c_k) - 1 / (stress_c + zero_c_k)));
}

double reliability_test_hours(double mtbf_h, int failures, double confidence)
{
    if (!(mtbf_h > 0) || failures < 0)
        return NAN;
    return mtbf_h * distribution_chi_square_quantile(confidence, 2.0 * failures + 2) / 2;
}

/* P(at most r of n fail) = I_good(n - r, r + 1) (NIST DLMF 8.17.5). */
static bool enough(int n, double good, int failures, double confidence)
{
    return n > failures &&
           distribution_beta(good, (double)n - failures, failures + 1.0) <= 1 - confidence;
}

int reliability_test_units(double good, int failures, double confidence)
{
    enum { MOST = 10000000 };
    int few = failures, many = MOST; /* few are not enough, many are */
    if (!(good > 0 && good < 1) || !(confidence > 0 && confidence < 1) || failures < 0 ||
        failures >= MOST || !enough(MOST, good, failures, confidence))
        return -1;
    while (many - few > 1) {
        const int half = few + (many - few) / 2;
        if (enough(half, good, failures, confidence))
            many = half;
        else
            few = half;
    }
    return many;
}

#include "reports/statistics/reliability.h"

#include <math.h>

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

#include "reports/statistics/association.h"

#include <math.h>

double association_phi(const struct association *a)
{
    double n11 = (double)a->both, n10 = (double)a->first_only, n01 = (double)a->second_only,
           n00 = (double)a->neither;
    double scale = sqrt((n11 + n10) * (n01 + n00) * (n11 + n01) * (n10 + n00));
    return scale > 0 ? (n11 * n00 - n10 * n01) / scale : NAN;
}

static double log_choose(double n, double k)
{
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

double association_p(const struct association *a)
{
    double first = (double)(a->both + a->first_only), second = (double)(a->both + a->second_only);
    double n = first + (double)(a->second_only + a->neither), p = 0;
    double most = fmin(first, second);
    for (double k = (double)a->both; k <= most; k++) {
        double term =
            exp(log_choose(first, k) + log_choose(n - first, second - k) - log_choose(n, second));
        p += term;
        if (term < p * 1e-17)
            break;
    }
    return fmin(p, 1);
}

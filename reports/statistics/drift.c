#include "reports/statistics/drift.h"

#include <math.h>

#include "reports/statistics/distribution.h"

struct drift drift_test(const struct series *one, const struct series *others,
                        const struct drift_rule *rule)
{
    struct drift d = {.p = NAN};
    double s1 = series_deviation(one), s2 = series_deviation(others);
    double v1 = s1 * s1 / (double)one->count, v2 = s2 * s2 / (double)others->count;
    d.shift = series_mean(one) - series_mean(others);
    d.sigmas = s2 > 0 ? d.shift / s2 : NAN;
    if (one->count < 2 || others->count < 2 || !(v1 + v2 > 0))
        return d;
    double df = (double)(one->count < others->count ? one->count : others->count) - 1;
    double t = (fabs(d.shift) - rule->least * s2) / sqrt(v1 + v2);
    double p = 2 * distribution_t_upper(t, df);
    d.p = fmin(p, 1);
    d.alarm = d.p < rule->rate / rule->comparisons;
    return d;
}

#include "reports/statistics/yield.h"

#include <math.h>

double yield_first(const struct yield *y)
{
    return y->units > 0 ? (double)y->first_pass / (double)y->units : NAN;
}

double yield_last(const struct yield *y)
{
    return y->units > 0 ? (double)y->last_pass / (double)y->units : NAN;
}

double yield_rolled(const struct yield *steps, int count)
{
    double product = 1;
    int used = 0;
    for (int i = 0; i < count; i++)
        if (steps[i].units > 0) {
            product *= yield_first(&steps[i]);
            used++;
        }
    return used ? product : NAN;
}

void yield_interval(int64_t passed, int64_t units, double *low, double *high)
{
    static const double z = 1.959963984540054;
    double n = (double)units, p = n > 0 ? (double)passed / n : NAN;
    double centre = (p + z * z / (2 * n)) / (1 + z * z / n);
    double half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    *low = n > 0 ? fmax(centre - half, 0) : 0;
    *high = n > 0 ? fmin(centre + half, 1) : 1;
}

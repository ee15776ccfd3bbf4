#include "reports/statistics/capability.h"

#include <math.h>

static double width(double sigma, double lsl, double usl)
{
    return sigma > 0 ? (usl - lsl) / (6 * sigma) : NAN;
}

/* The nearer limit counts; fmin() leaves a missing one (NAN) out. */
static double nearer(double mean, double sigma, double lsl, double usl)
{
    return sigma > 0 ? fmin((usl - mean) / (3 * sigma), (mean - lsl) / (3 * sigma)) : NAN;
}

struct capability capability_of(double mean, double sigma_within, double sigma_overall, double lsl,
                                double usl)
{
    return (struct capability){
        .cp = width(sigma_within, lsl, usl),
        .cpk = nearer(mean, sigma_within, lsl, usl),
        .pp = width(sigma_overall, lsl, usl),
        .ppk = nearer(mean, sigma_overall, lsl, usl),
    };
}

double capability_sigma_moving_range(const struct series *s)
{
    return series_moving_range(s) / CAPABILITY_D2;
}

void subgroups_add(struct subgroups *g, const struct series *group)
{
    double s = series_deviation(group);
    if (group->count < 2)
        return; /* one value says nothing about the spread within */
    g->values += group->count;
    g->groups++;
    g->squares += s * s * (double)(group->count - 1);
}

double subgroups_sigma(const struct subgroups *g)
{
    return g->groups ? sqrt(g->squares / (double)(g->values - g->groups)) : NAN;
}

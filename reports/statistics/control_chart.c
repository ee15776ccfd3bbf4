#include "reports/statistics/control_chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "reports/statistics/capability.h"

struct imr_limits imr_limits_of(const struct series *s)
{
    struct imr_limits l = {.mean = series_mean(s), .mr_bar = series_moving_range(s)};
    l.sigma = l.mr_bar / CAPABILITY_D2;
    l.ucl = l.mean + 3 * l.sigma;
    l.lcl = l.mean - 3 * l.sigma;
    l.mr_ucl = 3.267 * l.mr_bar; /* D4 of ranges of two */
    return l;
}

/* How many of the last `of` points lie `sigmas` or more beyond, on the side of the latest. */
static int beyond(const struct control_rules *r, int of, int sigmas)
{
    int n = 0;
    for (int i = 0; i < of && i < r->seen; i++)
        n += r->sides[i] == r->sides[0] && abs(r->zones[i]) >= sigmas;
    return n;
}

unsigned control_rules_add(struct control_rules *r, double value, double centre, double sigma)
{
    if (!(sigma > 0) || !isfinite(value))
        return 0;
    double z = (value - centre) / sigma;
    int zone = z > 3 ? 3 : z > 2 ? 2 : z > 1 ? 1 : z < -3 ? -3 : z < -2 ? -2 : z < -1 ? -1 : 0;
    memmove(r->zones + 1, r->zones, sizeof r->zones - 1);
    memmove(r->sides + 1, r->sides, sizeof r->sides - 1);
    r->zones[0] = (signed char)zone;
    r->sides[0] = (signed char)((z > 0) - (z < 0));
    r->seen += r->seen < CONTROL_LOOKS_BACK;
    unsigned broken = 0;
    if (r->sides[0] == 0) /* on the line is on no side */
        return 0;
    broken |= abs(zone) >= 3 ? 1u : 0;
    /* The latest point must be one of those that make the pattern. */
    broken |= abs(zone) >= 2 && beyond(r, 3, 2) >= 2 ? 2u : 0;
    broken |= abs(zone) >= 1 && beyond(r, 5, 1) >= 4 ? 4u : 0;
    broken |= beyond(r, 8, 0) == 8 ? 8u : 0;
    return broken;
}

struct ewma_limits ewma_limits_of(double lambda, double start, double sigma)
{
    double half = 3 * sigma * sqrt(lambda / (2 - lambda));
    return (struct ewma_limits){start + half, start - half};
}

double ewma_next(double lambda, double z, double value)
{
    return lambda * value + (1 - lambda) * z;
}

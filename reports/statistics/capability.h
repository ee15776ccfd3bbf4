/* Process capability: how the spread of a figure fits between its limits.
 *
 * Cp and Cpk use the spread within subgroups (short term), Pp and Ppk the overall standard
 * deviation (AIAG SPC, 2nd edition; NIST/SEMATECH handbook 6.1.6). Without subgroups the spread
 * within is the mean moving range over d2 = 1.128. One limit alone: Cp and Pp are NAN, Cpk and Ppk
 * hold against that limit. */
#ifndef TAKT_REPORTS_STATISTICS_CAPABILITY_H
#define TAKT_REPORTS_STATISTICS_CAPABILITY_H

#include "reports/statistics/series.h"

#define CAPABILITY_D2 1.128 /* mean range of two standard normal values, as tables print it */

struct capability {
    double cp, cpk, pp, ppk; /* NAN where limits or spread do not allow one */
};

/* lsl or usl NAN: no such limit. A sigma that is not above 0 gives NAN. */
struct capability capability_of(double mean, double sigma_within, double sigma_overall, double lsl,
                                double usl);
double capability_sigma_moving_range(const struct series *s);

/* Subgroups, taken in one by one: the pooled deviation within them, sqrt(sum of squares within /
 * (values - groups)). All zero is empty. */
struct subgroups {
    int64_t values, groups;
    double squares;
};
void subgroups_add(struct subgroups *g, const struct series *group);
double subgroups_sigma(const struct subgroups *g); /* NAN without a group of two */

#endif

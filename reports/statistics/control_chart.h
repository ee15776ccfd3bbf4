/* Control charts over values in the order they were made.
 *
 * I-MR: limits at mean +- 3 MR/1.128 for the individual values, 3.267 MR for the moving ranges
 * (NIST/SEMATECH handbook 6.3.2.2). EWMA: z = lambda x + (1 - lambda) z, limits at start +-
 * 3 sigma sqrt(lambda / (2 - lambda)) (6.3.2.4), which the first few z do not need in full.
 *
 * The Western Electric rules (handbook 6.3.2) look back from each point, in order of their number:
 *   1  beyond 3 sigma                      2  two of three beyond 2 sigma, same side
 *   3  four of five beyond 1 sigma         4  eight in a row on one side
 * Together they raise one false alarm in 91.75 points of a steady process. */
#ifndef TAKT_REPORTS_STATISTICS_CONTROL_CHART_H
#define TAKT_REPORTS_STATISTICS_CONTROL_CHART_H

#include "reports/statistics/series.h"

enum { CONTROL_RULES = 4, CONTROL_LOOKS_BACK = 8 };

struct imr_limits {
    double mean, mr_bar, sigma; /* sigma = mr_bar / 1.128 */
    double ucl, lcl, mr_ucl;    /* of the values, and of the moving ranges (whose lower one is 0) */
};
struct imr_limits imr_limits_of(const struct series *s); /* NANs below two values */

/* The rules over a stream: the zones of the last eight points are all it remembers. All zero is a
 * chart that has seen none. */
struct control_rules {
    signed char zones[CONTROL_LOOKS_BACK]; /* the latest first: sigmas beyond, -3 to 3 */
    signed char sides[CONTROL_LOOKS_BACK];
    int seen;
};
/* The rules this point breaks: bit 0 for rule 1, ... A rule speaks at the point that completes its
 * pattern, and again as long as the pattern holds. A sigma that is not above 0 breaks none. */
unsigned control_rules_add(struct control_rules *r, double value, double centre, double sigma);

struct ewma_limits {
    double ucl, lcl;
};
struct ewma_limits ewma_limits_of(double lambda, double start, double sigma);
double ewma_next(double lambda, double z, double value);

#endif

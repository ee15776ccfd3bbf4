/* Yields, as counts that grow. */
#ifndef TAKT_REPORTS_STATISTICS_YIELD_H
#define TAKT_REPORTS_STATISTICS_YIELD_H

#include <stdint.h>

/* Of a whole line or of one step. All zero is empty; counts of two stretches of different units
 * add up. */
struct yield {
    int64_t units;      /* judged at least once */
    int64_t first_pass; /* passed at the first attempt */
    int64_t last_pass;  /* passed at the last */
};

/* First-pass yield: units passed at the first attempt / units. NAN while there are none. */
double yield_first(const struct yield *y);
double yield_last(const struct yield *y);
/* Rolled throughput yield: the product of the steps' first-pass yields, the share of units that go
 * through every step at the first attempt when steps fail on their own. Steps without a unit are
 * left out; NAN when all are. */
double yield_rolled(const struct yield *steps, int count);
/* Wilson's interval for a share of `units` at confidence 0.95: what a yield of few units says. */
void yield_interval(int64_t passed, int64_t units, double *low, double *high);

#endif

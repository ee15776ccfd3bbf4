/* Sums over a series of values that grow with it: everything a figure's statistics need, kept in
 * the room of one struct, so that a value is taken in once and two stretches can be joined.
 *
 * Sums run over the distance to the first value, each as a pair of doubles (106 bits: error-free
 * sum and product after Knuth and Dekker). So the variance of 10000000.1, 10000000.3, ... (NIST
 * StRD NumAcc4) keeps every digit that the values themselves have. */
#ifndef TAKT_REPORTS_STATISTICS_SERIES_H
#define TAKT_REPORTS_STATISTICS_SERIES_H

#include <stdint.h>

struct series_sum {
    double high, low;
};

/* All zero is an empty series. */
struct series {
    int64_t count;
    double first, last, lowest, highest;
    struct series_sum sum, squares;  /* of x - first */
    struct series_sum neighbours;    /* of (x - first)(the one before it - first) */
    struct series_sum moving_ranges; /* of |x - the one before it| */
};

/* Takes a value in. One that is not finite is left out and answered with -1. */
int series_add(struct series *s, double value);
/* `s` followed by `next`, as if all had been added to one. */
void series_join(struct series *s, const struct series *next);

/* NAN while there are too few values. */
double series_mean(const struct series *s);
double series_deviation(const struct series *s); /* sample standard deviation, n - 1 */
/* Lag-1 autocorrelation as NIST StRD defines it: sum of neighbours' products over the sum of
 * squares, both about the mean of all; NAN when all values are the same. */
double series_lag1(const struct series *s);
double series_moving_range(const struct series *s); /* mean of |x(i) - x(i-1)| */

#endif

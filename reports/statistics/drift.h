/* Does one station, slot or instrument measure differently from the others?
 *
 * Welch's two-sample t test of means (unequal variances), on the sums of two series, with one
 * degree of freedom less than the smaller one has values: its rate is then never above the stated
 * one, whatever the sizes and variances (Mickey, Brown, Ann. Math. Statist. 37 (1966)). With
 * enough units any difference becomes significant, so the test asks for more than none: the null
 * hypothesis is that the means differ by no more than `least` deviations of the other series, and
 * an alarm says that they differ by more. For n comparisons made together each is held against rate
 * / n (Bonferroni): the chance of any false alarm among them stays at or below `rate`. */
#ifndef TAKT_REPORTS_STATISTICS_DRIFT_H
#define TAKT_REPORTS_STATISTICS_DRIFT_H

#include <stdbool.h>

#include "reports/statistics/series.h"

struct drift_rule {
    double rate;     /* of any false alarm among the comparisons, e.g. 0.01 */
    double least;    /* a shift that does not matter, in deviations of the others, e.g. 0.5 */
    int comparisons; /* made together, at least 1 */
};

struct drift {
    double shift;  /* mean of one less mean of the others, in the figure's unit */
    double sigmas; /* the same in deviations of the others */
    double p;      /* of a shift at least this large when the true one is `least`; two sides */
    bool alarm;
};

/* p is NAN and there is no alarm below two values on either side, or when neither side varies. */
struct drift drift_test(const struct series *one, const struct series *others,
                        const struct drift_rule *rule);

#endif

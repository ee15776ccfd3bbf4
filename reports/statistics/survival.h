/* How many of a lot are still good after how long, when some were taken out or the test ended
 * before they failed: the product-limit estimate (Kaplan and Meier 1958). Pure. */
#ifndef TAKT_REPORTS_STATISTICS_SURVIVAL_H
#define TAKT_REPORTS_STATISTICS_SURVIVAL_H

#include <stdbool.h>
#include <stddef.h>

struct survival_unit {
    double hours; /* watched for */
    bool failed;  /* else it was good when it was last seen */
};

/* From this hour on, this part is good. */
struct survival_step {
    double hours;
    int at_risk, failed; /* just before, and at that hour */
    double good;
    double deviation; /* Greenwood's, of `good` */
};

/* Sorts the units by their hours. `steps` has room for `count`; returns how many there are. Who was
 * taken out at the hour of a failure counts as at risk then. */
size_t survival_estimate(struct survival_unit *units, size_t count, struct survival_step *steps);

/* Do two lots fail alike? The log-rank test (Mantel 1966; Peto and Peto 1972): at each hour at
 * which a unit of either failed, how many failures fall to the first lot if both fail alike. */
struct survival_comparison {
    int failed[2];
    double expected[2];
    double chi_square; /* of one degree of freedom; NAN where nothing can be compared */
    double p;          /* chance of such a difference, or a larger one, between equal lots */
};
/* Sorts both. */
void survival_log_rank(struct survival_unit *first, size_t first_count,
                       struct survival_unit *second, size_t second_count,
                       struct survival_comparison *out);

#endif

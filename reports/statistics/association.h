/* Do two failures come together? A table of units by whether each was seen. */
#ifndef TAKT_REPORTS_STATISTICS_ASSOCIATION_H
#define TAKT_REPORTS_STATISTICS_ASSOCIATION_H

#include <stdint.h>

struct association {
    int64_t both, first_only, second_only, neither; /* units */
};

/* Phi, the correlation of two yes/no marks: -1 to 1, NAN when one mark is the same everywhere. */
double association_phi(const struct association *a);
/* Chance of this many together, or more, were they independent (Fisher's exact test, one side). */
double association_p(const struct association *a);

#endif

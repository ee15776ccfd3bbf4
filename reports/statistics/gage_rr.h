/* Gage repeatability and reproducibility of a crossed, balanced study (AIAG MSA, 4th edition):
 * every operator measures every part the same number of times. */
#ifndef TAKT_REPORTS_STATISTICS_GAGE_RR_H
#define TAKT_REPORTS_STATISTICS_GAGE_RR_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/base/error.h"

/* Two of each at least; more than these are refused, for the range method's tables end there. */
enum { GAGE_PARTS_MAX = 25, GAGE_OPERATORS_MAX = 25, GAGE_TRIALS_MAX = 25 };

/* Values by part, then operator, then trial. */
struct gage_study {
    int parts, operators, trials;
    const double *values; /* [parts * operators * trials] */
};

enum gage_row { GAGE_PART, GAGE_OPERATOR, GAGE_INTERACTION, GAGE_REPEATABILITY, GAGE_TOTAL };
enum { GAGE_ROWS = 5 };

/* Two-way ANOVA with interaction. When the interaction's p is above `pool_above` (AIAG: 0.25) its
 * squares and freedoms join repeatability's, and F of part and operator are against that; the
 * table keeps the interaction's own row. Variance components below 0 are 0. */
struct gage_anova {
    struct {
        double ss, ms, f, p; /* NAN where a row has none */
        int df;
    } rows[GAGE_ROWS];
    bool pooled;
    double var_grr, var_repeatability, var_reproducibility, var_operator, var_interaction, var_part,
        var_total;
    double percent_sv; /* 100 sigma GRR / sigma total */
    int ndc;           /* 1.41 sigma part / sigma GRR, truncated */
};

/* Average and range method: EV, AV, GRR, PV, TV are standard deviations. Constants 1/d2* as AIAG
 * prints them. */
struct gage_range {
    double r_bar, x_diff, r_part;
    double ev, av, grr, pv, tv;
    double percent_sv;
    int ndc;
};

/* ERROR_INPUT naming what is too few or too many, or that no value varies. */
int gage_rr(const struct gage_study *study, double pool_above, struct gage_anova *anova,
            struct gage_range *range, struct error *err);

#endif

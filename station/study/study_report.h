/* What a study found. Pure: functions over units and results.
 *
 * Escapes: a unit is one when it passed although what is true of it lies beyond its figure's limit
 * by more than the measurement's uncertainty U, or when its defect has no degrees. U is
 * 3 sigma of the gage study (repeatability and reproducibility, ANOVA) and the mean deviation from
 * the truth over the units without a defect. Where a figure has no formula of physics, the median
 * of the five units nearest in strength stands for its truth.
 *
 * False fails: units without a defect that did not pass. */
#ifndef TAKT_STATION_STUDY_STUDY_REPORT_H
#define TAKT_STATION_STUDY_STUDY_REPORT_H

#include "station/study/population.h"
#include "station/study/study_run.h"

enum { GAGE_PARTS = 10, GAGE_OPERATORS = 3, GAGE_TRIALS = 3 };
enum { GAGE_RUNS = GAGE_PARTS * GAGE_OPERATORS * GAGE_TRIALS };

struct study_kind_report {
    int units, found, errors;
    int beyond;  /* truly beyond limit and uncertainty */
    int escapes; /* of those, passed */
    /* Strength at which half, and 99.9 %, are found: a logistic curve through what was found. NAN
     * for kinds without degrees and where all or none were found. */
    double strength_50, strength_999;
    double first_all; /* the lowest strength from which on every one was found; NAN: none was */
};

struct study_figure_report {
    /* NAN: no gage study, or no part varies in it. %SV of a figure in which the parts are alike by
     * design is of the way to its limit (three sigma over it). */
    double sigma_grr, percent_sv;
    double mean; /* of the gage study's parts */
    int ndc;
    double bias, spread; /* of measured less true, units without a defect; NAN: no truth */
    double u;            /* uncertainty U, in the figure's unit */
    double low, high;    /* its limits, as the records have them; NAN: none */
};

struct study_report {
    int units, good, false_fails, false_errors;
    int escapes;
    struct study_kind_report kinds[STUDY_KINDS_MAX];
    struct study_figure_report figures[STUDY_FIGURES_MAX];
    double false_fail_percent, worst_percent_sv;
};

/* Units 0 to `units` - 1 of the population with their results; `gage` is the gage study's, by part,
 * operator, trial (GAGE_RUNS), or NULL. */
int study_report_make(const struct study *s, uint64_t seed, const struct study_result *results,
                      int units, const struct study_result *gage, struct study_report *out,
                      struct error *err);

/* The document of docs/measurements.md; the caller's. */
cJSON *study_report_json(const struct study *s, const struct study_report *r);

/* No escapes, at most 0.1 % false fails, every %SV at most 10. */
bool study_report_holds(const struct study_report *r);

#endif

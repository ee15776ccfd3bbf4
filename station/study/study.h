/* A gauge study: whether a plan's tests find what is wrong with units and leave good ones alone.
 *
 * A population of virtual units with production spread, some of them with one defect of a known
 * strength, goes through the plan on the virtual bench, by taktd and the real path of everything.
 * What is physically true of each unit is known from its parameters alone; what was measured is in
 * the store. Studies are rows of one table; each is data (which defects, which figures, what is
 * true of them) and shares everything else: population.h, study_run.h, study_report.h. */
#ifndef TAKT_STATION_STUDY_STUDY_H
#define TAKT_STATION_STUDY_STUDY_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum { STUDY_KINDS_MAX = 24, STUDY_FIGURES_MAX = 32 };

/* A figure of the plan that the study watches. */
struct study_figure {
    const char *step, *measurement; /* "microphone", "snr_db" */
    /* What is physically so in that unit, in the figure's unit; a formula of physics over its
     * parameters, apart from whatever measures it. NULL: only the defect's own strength is known.
     */
    double (*truth)(const cJSON *unit);
    /* Part of the uncertainty that lies in the thing itself: how often what happens by chance must
     * be expected before a test of one run can be held to it. */
    double chance;
};

/* A kind of defect, from hardly there (strength 0) to plain (strength 1). */
struct study_kind {
    const char *name;  /* "deaf" */
    const char *about; /* one line for people */
    struct {
        const char *parameter; /* of unit.json; NULL ends */
        double weak, strong;   /* its value at strength 0 and 1 */
        bool ratio;            /* strength goes by the logarithm */
    } changes[3];
    /* Either it has no degrees and every one must be found, or the figure (its place in the study's
     * list) whose limit decides from where on it must be. */
    bool whole;
    int figure;
    /* The strength that is about its limit, for the parts of the gage study; 0 keeps it out of
     * them, where it would hide the others' figures. */
    double gage_strength;
};

struct study {
    const char *name;    /* "gauge-senses" */
    const char *product; /* "ptz-indoor-3mp" */
    const char *plan;    /* "senses", of that product */
    const struct study_kind *kinds;
    int kind_count;
    const struct study_figure *figures;
    int figure_count;
};

/* NULL when there is none of that name. */
const struct study *study_find(const char *name);
const struct study *const *studies(void); /* ends with NULL */

#endif

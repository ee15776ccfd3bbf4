/* The units of a study, each made from its number and the study's seed alone. Pure. */
#ifndef TAKT_STATION_STUDY_POPULATION_H
#define TAKT_STATION_STUDY_POPULATION_H

#include "station/study/study.h"

struct study_unit {
    int kind; /* index of its defect; -1: none */
    double strength;
};

/* One unit in five has a defect; kinds follow each other, strengths are even over (0, 1]. Number
 * from 0 on. */
struct study_unit population_unit(const struct study *s, uint64_t seed, int number);
/* Its unit.json; the caller's. NULL out of memory. */
cJSON *population_json(const struct study *s, uint64_t seed, int number);

/* One part of the gage study, of `parts`: every graded defect at once, from none in the first to a
 * little beyond its limit in the last, so that each figure's parts span what it has to tell apart.
 * Defects that hide other figures stay away. */
cJSON *population_part(const struct study *s, uint64_t seed, int part, int parts);

/* Gives a unit that defect at that strength. False out of memory. */
bool population_spoil(cJSON *unit, const struct study_kind *k, double strength);

/* Puts a unit before the chart as hands do, a little turned and off, and switches it on once more:
 * its noise is another one. Placements are numbered. False out of memory. */
bool population_place(cJSON *unit, uint64_t seed, uint32_t placement);

#endif

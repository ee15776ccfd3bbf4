/* What goes through a study, numbered: each run of the gage study (GAGE_RUNS), trial by trial,
 * place by place, part by part, and then the population's units: a larger population begins with
 * the same items. Pure. */
#ifndef TAKT_STATION_STUDY_STUDY_ITEMS_H
#define TAKT_STATION_STUDY_STUDY_ITEMS_H

#include "station/study/study_report.h"

struct study_items {
    const struct study *study;
    uint64_t seed;
    int units; /* of the population */
    bool gage;
};

int study_items_count(const struct study_items *s);
/* unit.json of an item; the caller's. NULL out of memory. */
cJSON *study_item_unit(const struct study_items *s, int item);
/* Where in the gage study's results (by part, operator, trial) an item belongs; -1: it is one of
 * the population. The operators are three places of each part. */
int study_item_gage(const struct study_items *s, int item);
/* Which unit of the population an item is; one of the gage study is none. */
int study_item_number(const struct study_items *s, int item);
/* How many items from this one on may go at once: the population and each trial are apart. */
int study_items_together(const struct study_items *s, int item);

#endif

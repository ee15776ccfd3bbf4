/* What a study measured, held against a plan's limits as they are now: limits are set from what
 * units were seen to measure, and need no second run of them. */
#ifndef TAKT_STATION_STUDY_STUDY_JUDGE_H
#define TAKT_STATION_STUDY_STUDY_JUDGE_H

#include <cjson/cJSON.h>

#include "station/plan/plan.h"

/* Puts limits and verdicts of every measurement of a result (query_run()'s shape) anew, and the
 * run's own, which is what the last attempt of each step makes it. A run that ended in an error
 * keeps that. */
void study_judge(const struct plan *p, cJSON *document);

#endif

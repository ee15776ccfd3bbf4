/* Units through a study's plan without a line: a program (tests/rehearsal) has the station's steps
 * and the camera's firmware in one process on simulated time. A unit costs its arithmetic alone,
 * and its figures do not depend on how busy the machine is. What it leaves out (taktd, sessions,
 * the fixture process) is in study_run.h; a sample by both must agree. */
#ifndef TAKT_STATION_STUDY_STUDY_REHEARSAL_H
#define TAKT_STATION_STUDY_STUDY_REHEARSAL_H

#include "station/study/study.h"

struct study_rehearsal_config {
    const struct study *study;
    const char *program;
    const char *dir; /* exists; what units leave is removed */
    const char *products_dir, *boards_dir;
    uint64_t seed;
    int jobs; /* at once */
    /* The next item and its unit.json, or NULL at the end. */
    cJSON *(*next)(void *context, int *item);
    /* Its document, in the shape of query_run(); takes it over. */
    int (*done)(void *context, int item, cJSON *document, struct error *err);
    void *context;
};

/* Until next() gives no more and all are done. ERROR_STATE when the program ends early. */
int study_rehearse(const struct study_rehearsal_config *config, struct error *err);

#endif

/* Units through a study's plan: a bench of its own, taktd, and `takt run` round by round, as a line
 * would. The parts are programs of their own; ending the run ends them. */
#ifndef TAKT_STATION_STUDY_STUDY_RUN_H
#define TAKT_STATION_STUDY_STUDY_RUN_H

#include "station/study/study.h"

struct study_value {
    double value;     /* NAN: it was not delivered */
    double low, high; /* its limits; NAN where there is none */
};

struct study_result {
    char verdict[16]; /* of the run: "pass", "fail", "error", "timeout" */
    char message[160];
    struct study_value figures[STUDY_FIGURES_MAX]; /* as the study lists them */
    /* The first limit that was broken, "microphone.snr_db"; "" when none was. */
    char failed[80];
};

struct study_run_config {
    const struct study *study;
    const char *dir;       /* made anew; what a study left there before is removed */
    const char *takt_path; /* this program */
    int slots;             /* 1 to 64 at once */
    uint64_t seed;
};

struct study_run;

/* ERROR_STATE with the log's name when the bench does not come up. */
int study_run_open(const struct study_run_config *config, struct study_run **out,
                   struct error *err);
/* One round: unit i (unit.json's object) sits in slot i + 1. At most config.slots. documents[i] is
 * what query_run() says of it; the caller's, also on failure. */
int study_run_round(struct study_run *r, cJSON *const *units, int count, cJSON **documents,
                    struct error *err);
/* Ends taktd and the bench. NULL is fine. */
void study_run_close(struct study_run *r);

/* One run's document (query_run()) as the study sees it. Pure. */
void study_result_read(const struct study *s, const cJSON *document, struct study_result *out);

#endif

/* Where each open run stands, in the store's own transactions: what a taktd that was killed needs
 * to go on. */
#ifndef TAKT_STATION_ENGINE_JOURNAL_H
#define TAKT_STATION_ENGINE_JOURNAL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct journal;

struct journal_entry {
    int64_t run;
    int slot;
    int at, current, attempt, tries, resumes;
    bool begun;  /* the step had been, or was about to be, given to the worker */
    bool ending; /* only the teardown is left */
    int worst;   /* enum verdict */
    char message[480];
};

int journal_open(sqlite3 *db, struct journal **out, struct error *err);
void journal_close(struct journal *j);
int journal_put(struct journal *j, const struct journal_entry *e, struct error *err);
/* ERROR_MISSING when the run is not there. */
int journal_get(struct journal *j, int64_t run, struct journal_entry *out, struct error *err);
int journal_remove(struct journal *j, int64_t run, struct error *err);

/* The last attempt of a step that may have to be done again after a restart. */
int journal_put_attempt(struct journal *j, int64_t run, int step, int attempt, struct error *err);
int journal_get_attempt(struct journal *j, int64_t run, int step, int *attempt, struct error *err);

#endif

/* Where each open run stands, in the store's own transactions: what a taktd that was killed needs
 * to go on. */
#ifndef TAKT_STATION_ENGINE_JOURNAL_H
#define TAKT_STATION_ENGINE_JOURNAL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct journal;

struct journal_run {
    int64_t run;
    int slot, resumes;
    bool aborting, ending; /* ending: only the teardown is left */
    char message[240];     /* why it is aborted, or why steps are not reached any more */
};

struct journal_step { /* as in struct progress_step */
    int64_t run;
    int step, state, attempt, tries, verdict, first;
    bool again;
    const char *why; /* valid during the callback of journal_steps() */
};

int journal_open(sqlite3 *db, struct journal **out, struct error *err);
void journal_close(struct journal *j);

int journal_put_run(struct journal *j, const struct journal_run *r, struct error *err);
/* ERROR_MISSING when the run is not there. */
int journal_get_run(struct journal *j, int64_t run, struct journal_run *out, struct error *err);
int journal_put_step(struct journal *j, const struct journal_step *s, struct error *err);
/* Each step that was ever begun or skipped. `each` writes nothing. */
int journal_steps(struct journal *j, int64_t run,
                  int (*each)(void *context, const struct journal_step *s), void *context,
                  struct error *err);
/* How many rounds of a group are over, and whether it begins its next. */
int journal_put_rounds(struct journal *j, int64_t run, int group, int rounds, bool repeats,
                       struct error *err);
/* Zero for a group that was never put. */
int journal_get_rounds(struct journal *j, int64_t run, int group, int *rounds, bool *repeats,
                       struct error *err);
/* All of a run. */
int journal_remove(struct journal *j, int64_t run, struct error *err);

#endif

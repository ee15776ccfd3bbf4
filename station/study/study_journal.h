/* The results of a study as they come, in a file: a study that was cut short goes on behind them.
 * Its first line says what the study is; results of another are not taken for this one's. */
#ifndef TAKT_STATION_STUDY_STUDY_JOURNAL_H
#define TAKT_STATION_STUDY_STUDY_JOURNAL_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "protocol/base/error.h"

struct study_journal;

/* `subject`: whatever the results depend on, one line. `items`: numbers go from 0 to items - 1;
 * results of higher ones, of a larger study, stay in the file.
 * `again`: begin anew, whatever is there. A last line that was cut off is dropped. ERROR_STATE when
 * the file is of another subject. */
int study_journal_open(const char *path, const char *subject, int items, bool again,
                       struct study_journal **out, struct error *err);
void study_journal_close(struct study_journal *j); /* NULL is fine */
/* The result of an item; the journal's. NULL: there is none yet. */
cJSON *study_journal_result(const struct study_journal *j, int item);
/* Written before it returns; takes the document over, also on failure. */
int study_journal_add(struct study_journal *j, int item, cJSON *document, struct error *err);

#endif

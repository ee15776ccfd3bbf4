/* The session to the unit of a run: opened, said hello to and made secure on first use, opened
 * again after the unit restarted. */
#ifndef TAKT_STATION_STEPS_UNIT_LINK_H
#define TAKT_STATION_STEPS_UNIT_LINK_H

#include "protocol/wire/session.h"

struct unit_link;

struct unit_facts { /* from hello */
    char chip_id[33];
    char board[33];
    char agent[33]; /* version */
    char boot_slot[2];
    bool factory_mode;
};

/* Nothing is opened yet. Strings and credentials must outlive the link. */
int unit_link_create(const char *port, const struct credentials *credentials, const bool *cancel,
                     struct unit_link **out, struct error *err);
void unit_link_free(struct unit_link *l);

/* A live, secure session; opens one when there is none, waiting up to timeout_ms for the unit to
 * come up. ERROR_MISMATCH when another unit than before answers: it was swapped in mid-run. */
int unit_link_session(struct unit_link *l, int timeout_ms, struct session **out, struct error *err);
/* Drops the session (before a restart of the unit); the next unit_link_session() opens one. */
void unit_link_drop(struct unit_link *l);
const struct unit_facts *unit_link_facts(const struct unit_link *l); /* zero before the first */

/* One call with a plain answer: the usual form in steps. */
int unit_call(struct unit_link *l, const char *method, const cJSON *params, int timeout_ms,
              cJSON **result, struct error *err);

#endif

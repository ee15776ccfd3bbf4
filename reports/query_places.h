/* Where a value came from: its station, its slot and the instruments that touched its run, so that
 * each can be set beside its like. Only the query files include this. */
#ifndef TAKT_REPORTS_QUERY_PLACES_H
#define TAKT_REPORTS_QUERY_PLACES_H

#include "reports/query_rows.h"

enum { PLACES_OF_RUN_MAX = 32, PLACES_MAX = 4096 };

struct place {
    const char *kind; /* "station", "slot", "instrument" */
    int64_t id;       /* the station's or instrument's */
    int slot;         /* of a slot */
    int64_t like; /* only places of one kind and one `like` are compared: an instrument's class */
};

/* A run's places, as numbers into `all`. */
struct setup {
    int64_t station, slot, tooling;
    size_t places[PLACES_OF_RUN_MAX], count;
};

/* All zero is none. */
struct places {
    struct place *all;
    struct setup *setups;
    size_t count, setup_count, last; /* the setup asked for last */
};

void places_free(struct places *p);
/* The places of runs in `slot` of `station` with `tooling` (0 none); NULL with err set. Valid until
 * the next call. Beyond PLACES_MAX, and beyond PLACES_OF_RUN_MAX of a run, none is added. */
const struct setup *places_of(struct store *s, struct places *p, int64_t station, int64_t slot,
                              int64_t tooling, struct error *err);
/* Whether two may be set side by side. */
bool places_alike(const struct place *a, const struct place *b);
/* Adds `kind`, and `station` and `slot`, or `instrument`, `serial` and `class`. */
int places_name(struct store *s, const struct place *place, cJSON *row, struct error *err);

#endif

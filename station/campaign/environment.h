/* The instruments that make a campaign's conditions, set and read back. */
#ifndef TAKT_STATION_CAMPAIGN_ENVIRONMENT_H
#define TAKT_STATION_CAMPAIGN_ENVIRONMENT_H

#include "station/campaign/interlock.h"

struct environment;

struct environment_config {
    const struct campaign *campaign;
    const char *fixture_socket; /* "": the station has no instruments */
    const int *slots;           /* of the units that stand in one */
    size_t slot_count;
    double amps_max; /* of each supply */
};

/* Connects when it is first needed. */
int environment_create(const struct environment_config *config, struct environment **out,
                       struct error *err);
void environment_free(struct environment *e); /* leaves the instruments as they are */

/* Sets condition `index`: the chamber, or every slot's supply or attenuator. */
int environment_set(struct environment *e, size_t index, double value, struct error *err);
/* What is measured of it: of the chamber, or of the first slot's instrument. */
int environment_read(struct environment *e, size_t index, double *value, struct error *err);
/* The chamber's door and alarm, as of its last reading. */
void environment_chamber(const struct environment *e, bool *door_open, bool *alarm);
/* Everything off: the surroundings, then each slot. The first failure; all are tried. */
int environment_safe(struct environment *e, struct error *err);

#endif

/* The instruments that make a campaign's conditions, set and read back. */
#ifndef TAKT_STATION_CAMPAIGN_SURROUNDINGS_H
#define TAKT_STATION_CAMPAIGN_SURROUNDINGS_H

#include "station/campaign/interlock.h"

struct surroundings;

struct surroundings_config {
    const struct campaign *campaign;
    const char *fixture_socket; /* "": the station has no instruments */
    const int *slots; /* of the units that stand in one; the caller's, it must outlive this */
    size_t slot_count;
    double amps_max; /* of each supply */
};

/* Connects when it is first needed. */
int surroundings_create(const struct surroundings_config *config, struct surroundings **out,
                        struct error *err);
void surroundings_free(struct surroundings *e); /* leaves the instruments as they are */

/* Sets condition `index`: the chamber, or every slot's supply, attenuator or access point. One that
 * fails does not keep the others from it: *reached is how many instruments took it, the error the
 * first one's.
 */
int surroundings_set(struct surroundings *e, size_t index, double value, size_t *reached,
                     struct error *err);
/* What is measured of it: of the chamber, or of the first slot's instrument. */
int surroundings_read(struct surroundings *e, size_t index, double *value, struct error *err);
/* The chamber's door and alarm, as of its last reading. */
void surroundings_chamber(const struct surroundings *e, bool *door_open, bool *alarm);
/* What others use as well is again as the campaign began with it: its access points. The first
 * failure; all are tried. */
int surroundings_give_back(struct surroundings *e, struct error *err);
/* Everything off: the surroundings, then each slot. The first failure; all are tried. */
int surroundings_safe(struct surroundings *e, struct error *err);

#endif
